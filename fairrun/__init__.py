"""fairrun: a Hydra-configured experiment runner for fair machine learning.

``fairrun.load(FOLDER)`` gives the model that a run has saved.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairrun.api.model import load

__version__ = "0.2.0"
__all__ = ["load"]
_PLACES = {"load": "fairrun.api.model"}  # imported when they are asked for, so that ``import fairrun`` is quick


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
