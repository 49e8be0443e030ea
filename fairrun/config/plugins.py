"""The packages whose code a configuration may name: those in ``ALWAYS``, and those that the user names.

A configuration may come from a stranger.  So only the command line (``plugins=[mypkg]``) and the environment
(``FAIRRUN_PLUGINS=mypkg``) name packages; the key ``plugins`` of a file allows nothing.
"""

import os
from collections.abc import Iterable

from fairrun.config.keys import is_below

VARIABLE = "FAIRRUN_PLUGINS"  # package names, separated by commas; child processes inherit it
ALWAYS = ("fairrun", "torch.nn", "torchvision.models")


def named() -> list[str]:
    """The packages that the user named for this process."""
    return [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]


def allow(packages: Iterable[str]) -> None:
    """Allow more packages, in this process and in those that it starts."""
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*named(), *packages]))


def is_allowed(path: str, packages: Iterable[str] = ALWAYS) -> bool:
    """Whether a dotted path lies in one of ``packages``, or in one that the user named."""
    return any(is_below(path, package) for package in (*packages, *named()))


def places(packages: Iterable[str] = ALWAYS) -> str:
    """For messages: where code may come from."""
    return f"in {', '.join(packages)} or a package that you name (plugins=[PACKAGE], or {VARIABLE}=PACKAGE)"
