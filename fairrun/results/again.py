"""The command that trains a run of a sweep alone, and saves its model."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from fairrun.config import plugins
from fairrun.config.keys import IGNORED, role
from fairrun.config.plugins import CONF
from fairrun.config.ways import shell

OVERRIDES, HYDRA = ".hydra/overrides.yaml", ".hydra/hydra.yaml"
SWEEP, MULTIRUN = "multirun.yaml", "hydra.mode=MULTIRUN"
SAVED, SEARCHPATH = "results.save=chosen", "hydra.searchpath="
SEARCHED = "hydra.searchpath in command-line"  # as Hydra calls what a command line adds to the search path
PLUGINS = "plugins"  # the key that names packages
_KEY = re.compile(r"[+~]*([^=@]+).*", re.DOTALL)


def command(folder: Path, *, saves: bool = True) -> str | None:
    """The command, from the overrides that the run in ``folder`` was started with.  None if they cannot be read.

    Relative paths in it are those of the folder in which the run was started.  Overrides that make no run another run
    are left out, as reports and trackers; packages of plug-ins and folders of configuration files stay.  ``saves``: it
    asks for the model.
    """
    given = overrides(folder, saves=saves)
    return None if given is None else shell("fairrun", "train", *given)


def sweep_command(folder: Path) -> str | None:
    """The command that made the sweep in ``folder``.  None if it is not a sweep's, or cannot be read."""
    try:
        node = _read(folder / SWEEP)["hydra"]
        task, hydra = ([str(override) for override in node["overrides"][name]] for name in ("task", "hydra"))
        searched = searchpath(node, task)
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None
    others = [override for override in hydra if override != MULTIRUN and not override.startswith(SEARCHPATH)]
    return shell("fairrun", "sweep", *searched, *task, *others)


def overrides(folder: Path, *, saves: bool = True) -> list[str] | None:
    """The arguments of ``command``."""
    try:
        kept = [override for override in _read(folder / OVERRIDES) if _counts(override)]
        searched = searchpath(_read(folder / HYDRA)["hydra"], kept)
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):  # not there, or written by hand
        return None
    return [*searched, *kept, *([SAVED] if saves else [])]


class Started(NamedTuple):
    """Where a run was started, and what belongs to it alone."""

    place: Path  # the current folder
    plug_ins: list[Path]  # whose configuration files were found
    output_dir: str | None  # of its results
    job: dict[str, Any]  # of Hydra's node of the job: its id and its number in a sweep


def started(folder: Path) -> Started | None:
    """How the run in ``folder`` was started.  None if that cannot be read."""
    try:
        hydra, given = _read(folder / HYDRA)["hydra"], _read(folder / OVERRIDES)
        place, found = _found(hydra, given)
        runtime = hydra["runtime"]
        plug_ins = [path for path in found if path != place / CONF]
        job = {key: value for key, value in hydra.get("job", {}).items() if key in ("id", "num")}
        return Started(place, plug_ins, runtime.get("output_dir"), job)
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _counts(override: str) -> bool:
    return _key(override) == PLUGINS or role(_key(override)) != IGNORED


def _key(override: str) -> str:
    return _KEY.sub(r"\1", override)


def searchpath(hydra: dict[str, Any], given: Sequence[str]) -> list[str]:
    """Where else the run's configuration files are, but for folders that every command finds.

    These are the folder ``conf`` where it was started, and those of the plug-ins that it named, by the overrides that
    were ``given``, or that are installed.
    """
    sources = hydra["runtime"]["config_sources"]
    folders = [source["path"] for source in sources if source["provider"] == "command-line"]
    searched = [source for source in sources if source["provider"] == SEARCHED]
    all_found = len(searched) == len(_found(hydra, given)[1])
    typed = [] if all_found else [o for o in hydra["overrides"]["hydra"] if o.startswith(SEARCHPATH)]
    return [*(f"--config-dir={folder}" for folder in folders), *typed]


def _found(hydra: dict[str, Any], given: Sequence[str]) -> tuple[Path, list[Path]]:
    """The folder in which a run was started, and the folders on its search path that every command finds."""
    runtime = hydra["runtime"]
    place, known = Path(runtime["cwd"]), plugins.folders()
    named = [
        name.split(".") for o in given if _key(o) == PLUGINS for name in re.findall(r"[\w.]+", o.partition("=")[2])
    ]
    ends = [(*parts, CONF) for parts in named]
    sources = [source for source in runtime["config_sources"] if source["provider"] == SEARCHED]
    paths = [Path(source["path"]) for source in sources if source.get("schema", "file") == "file"]
    own = [p for p in paths if p == place / CONF or p in known or any(p.parts[-len(end) :] == end for end in ends)]
    return place, own
