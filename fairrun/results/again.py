"""The command that trains a run of a sweep alone, and saves its model."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from fairrun.config.keys import IGNORED, role

OVERRIDES, HYDRA = ".hydra/overrides.yaml", ".hydra/hydra.yaml"
SWEEP, MULTIRUN = "multirun.yaml", "hydra.mode=MULTIRUN"
SAVED, SEARCHPATH = "results.save=chosen", "hydra.searchpath="
_KEY = re.compile(r"[+~]*([^=@]+).*", re.DOTALL)


def command(folder: Path, *, saves: bool = True) -> str | None:
    """The command, from the overrides that the run in ``folder`` was started with.  None if they cannot be read.

    Relative paths in it are those of the folder in which the run was started.  Overrides that make no run another run
    are left out, as reports and trackers; packages of plug-ins and folders of configuration files stay.  ``saves``: it
    asks for the model.
    """
    given = overrides(folder, saves=saves)
    return None if given is None else shlex.join(["fairrun", "train", *given])


def sweep_command(folder: Path) -> str | None:
    """The command that made the sweep in ``folder``.  None if it is not a sweep's, or cannot be read."""
    try:
        node = _read(folder / SWEEP)["hydra"]
        searched = searchpath(node)
        task, hydra = ([str(override) for override in node["overrides"][name]] for name in ("task", "hydra"))
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None
    others = [override for override in hydra if override != MULTIRUN and not override.startswith(SEARCHPATH)]
    return shlex.join(["fairrun", "sweep", *searched, *task, *others])


def overrides(folder: Path, *, saves: bool = True) -> list[str] | None:
    """The arguments of ``command``."""
    try:
        kept = [override for override in _read(folder / OVERRIDES) if _counts(override)]
        searched = searchpath(_read(folder / HYDRA)["hydra"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):  # not there, or written by hand
        return None
    return [*searched, *kept, *([SAVED] if saves else [])]


def started_in(folder: Path) -> Path | None:
    """The folder in which the run in ``folder`` was started.  None if that cannot be read."""
    try:
        return Path(_read(folder / HYDRA)["hydra"]["runtime"]["cwd"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _counts(override: str) -> bool:
    return _key(override) == "plugins" or role(_key(override)) != IGNORED


def _key(override: str) -> str:
    return _KEY.sub(r"\1", override)


def _only_folder(override: str) -> str:
    """What a search path of one folder names, without the quotes of the command line."""
    return override.removeprefix(SEARCHPATH).removeprefix("[").removesuffix("]").strip("'").replace("\\'", "'")


def searchpath(hydra: dict[str, Any]) -> list[str]:
    """Where else the run's configuration files are, but for the folder ``conf`` where it was started: that is found."""
    runtime = hydra["runtime"]
    folders = [source["path"] for source in runtime["config_sources"] if source["provider"] == "command-line"]
    own = f"file://{runtime['cwd']}/conf"
    searched = [o for o in hydra["overrides"]["hydra"] if o.startswith(SEARCHPATH) and _only_folder(o) != own]
    return [*(f"--config-dir={folder}" for folder in folders), *searched]
