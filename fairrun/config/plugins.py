"""The packages whose code a configuration may name: those in ``ALWAYS``, and those that the user names.

A configuration may come from a stranger.  So only the command line (``plugins=[mypkg]``) and the environment
(``FAIRRUN_PLUGINS=mypkg``) name packages; the key ``plugins`` of a file allows nothing.
"""

import os
import traceback
from collections.abc import Iterable

from fairrun.config.keys import is_below

VARIABLE = "FAIRRUN_PLUGINS"  # package names, separated by commas; child processes inherit it
ALWAYS = ("fairrun", "torch.nn", "torchvision.models")
EXTRAS = {"torchvision": "vision"}  # packages that a path may name, and the extra of fairrun that brings them
LIBRARIES = ("sklearn", "lightgbm")  # an estimator may name a classifier of these; nothing else may


def named() -> list[str]:
    """The packages that the user named for this process."""
    return [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]


def allow(packages: Iterable[str]) -> None:
    """Allow more packages, in this process and in those that it starts."""
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*named(), *packages]))


def is_allowed(path: str, packages: Iterable[str] = ALWAYS) -> bool:
    """Whether a dotted path lies in one of ``packages``, or in one that the user named."""
    return any(is_below(path, package) for package in (*packages, *named()))


def told(error: Exception) -> str:
    """An exception as a message of one line, with the line of the user's own package where it was raised, if it was."""
    said = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
    own = [
        f" (in {frame.f_code.co_name}, {frame.f_code.co_filename}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if any(is_below(frame.f_globals.get("__name__", ""), package) for package in named())
    ]
    return said + "".join(own[-1:])


def places(packages: Iterable[str] = ALWAYS) -> str:
    """For messages: where code may come from."""
    return f"in {', '.join(packages)} or a package that you name (plugins=[PACKAGE], or {VARIABLE}=PACKAGE)"
