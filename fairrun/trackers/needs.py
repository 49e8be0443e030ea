"""The libraries of trackers: imported before training, so that what is missing is said before."""

import importlib
import re
from types import ModuleType
from typing import Any

from fairrun.config.check import InputError


def library(module: str, tracker: str) -> ModuleType | Any:
    """Import the library of a tracker.  Raises ``InputError``, which names the extra of fairrun that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise InputError(f"tracker={tracker} needs more packages: pip install 'fairrun[{tracker}]'") from None
    except Exception as error:  # a broken installation raises what it likes
        what = f"{type(error).__name__}: {flat(error)}"
        raise InputError(f"tracker={tracker} needs the package {module}, which cannot be imported: {what}") from error


class Refused(InputError):
    """A tracker did not take what it was sent, or could not be reached."""


def flat(error: Exception) -> str:
    """The message on one line, of at most 300 letters."""
    return public(" ".join(str(error).split())[:300])


def public(text: str) -> str:
    """The text with addresses without their names and passwords."""
    return re.sub(r"//[^/@\s]*@", "//", text)
