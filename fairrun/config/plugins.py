"""The packages whose code a configuration may name: those in ``ALWAYS``, those that the user names, and plug-ins.

A configuration may come from a stranger.  So only the command line (``plugins=[mypkg]``) and the environment
(``FAIRRUN_PLUGINS=mypkg``) name packages; the key ``plugins`` of a file allows nothing, and nor does a package that
lies in the current folder.  A plug-in is an installed package that says so by an entry point of the group
``fairrun.plugins``: who installs it names it.
"""

import functools
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from fairrun.config.keys import ESTIMATOR, is_below

VARIABLE = "FAIRRUN_PLUGINS"  # package names, separated by commas; child processes inherit it
ALWAYS = ("fairrun", "torch.nn", "torchvision.models")
EXTRAS = {"torchvision": "vision"}  # packages that a path may name, and the extra of fairrun that brings them
GROUP = "fairrun.plugins"  # of entry points: fair_mixup = "fair_mixup"
CONF = "conf"  # the folder of a package that has its configuration files
LIBRARIES = ("sklearn", "lightgbm")  # an estimator may name a classifier of these; nothing else may
SAVED = ("fairrun", *LIBRARIES)  # whose classifiers can be saved


def named() -> list[str]:
    """The packages that the user named for this process."""
    return [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]


@functools.cache
def installed() -> tuple[str, ...]:
    """The packages that entry points of the group ``fairrun.plugins`` name."""
    from importlib.metadata import entry_points  # here, because it takes a tenth of a second

    return tuple(dict.fromkeys(entry.value.partition(":")[0].strip() for entry in entry_points(group=GROUP)))


def allow(packages: Iterable[str]) -> None:
    """Allow more packages, in this process and in those that it starts.

    Where any are named, they may lie in the current folder, which is looked at last.
    """
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*named(), *packages]))
    here = os.getcwd()
    if named() and not {here, ""} & {*sys.path}:
        sys.path.append(here)


def folders() -> list[Path]:
    """The folders ``conf`` of the packages that the user named, and of plug-ins.  No package is imported."""
    found = []
    for package in dict.fromkeys([*named(), *installed()]):
        top, *parts = package.split(".")
        where = spec(top)
        for place in (where.submodule_search_locations or []) if where else []:
            found += [folder] if (folder := Path(place, *parts, CONF)).is_dir() else []
    return found


def spec(top: str) -> ModuleSpec | None:
    """Where a module or package lies, also in the current folder, which is looked at last.  Nothing is imported.

    ``top`` is a name without dots; None where there is none of it.
    """
    try:
        found = importlib.util.find_spec(top)
    except ValueError:  # of __main__, which has none
        return None
    return found or PathFinder.find_spec(top, [os.getcwd()])


def is_allowed(path: str, packages: Iterable[str] = ALWAYS) -> bool:
    """Whether a dotted path lies in one of ``packages``, in one that the user named, or in a plug-in."""
    return any(is_below(path, package) for package in (*packages, *named())) or is_own(path)


def is_own(path: str) -> bool:
    """Whether a dotted path lies in a package that the user named, or in a plug-in."""
    return any(is_below(path, package) for package in named()) or any(is_below(path, one) for one in installed())


def told(error: Exception) -> str:
    """An exception as a message of one line, with the line of the user's own package where it was raised, if it was."""
    said = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
    own = [
        f" (in {frame.f_code.co_name}, {frame.f_code.co_filename}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_own(frame.f_globals.get("__name__", ""))
    ]
    return said + "".join(own[-1:])


def places(packages: Iterable[str] = ALWAYS) -> str:
    """For messages: where code may come from."""
    return f"in {', '.join(packages)} or a package that you name (plugins=[PACKAGE], or {VARIABLE}=PACKAGE)"


def can_be_saved(config: Mapping[str, Any]) -> bool:
    """Whether the run of a configuration, by dotted key, leaves a model: a network, or classifiers of known types."""
    path = config.get(f"{ESTIMATOR}.classifier") or config.get(f"{ESTIMATOR}._target_")
    return path is None or path.partition(".")[0] in SAVED
