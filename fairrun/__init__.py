"""fairrun: a Hydra-configured experiment runner for fair machine learning.

``fairrun.run`` and ``fairrun.sweep`` train as the command line does, ``fairrun.load(FOLDER)`` gives a saved model, and
``fairrun.FairClassifier`` is a classifier of scikit-learn.  What they refuse is an ``InputError``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairrun.api.classifier import FairClassifier
    from fairrun.api.model import load
    from fairrun.api.run import run, sweep
    from fairrun.config.check import InputError

__version__ = "0.2.0"
__all__ = ["FairClassifier", "InputError", "load", "run", "sweep"]
# Imported when they are asked for, so that ``import fairrun`` is quick.
_PLACES = {
    "FairClassifier": "fairrun.api.classifier",
    "InputError": "fairrun.config.check",
    "load": "fairrun.api.model",
    "run": "fairrun.api.run",
    "sweep": "fairrun.api.run",
}


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
