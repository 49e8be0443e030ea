"""Sends the results below a folder to a tracker that does not have them: for ``fairrun sync``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fairrun.command.environment import filled
from fairrun.command.line import assigned
from fairrun.config.build import build, class_of
from fairrun.config.check import InputError, nearest, one_of, unknown
from fairrun.config.keys import CONF
from fairrun.results.records import RECORD, TRAINED, load, read
from fairrun.trackers.logger import Logger


def sync(folder: Path, overrides: Sequence[str]) -> None:
    """Log what the tracker does not have, as at the end of a sweep.

    The tracker is the one that the runs were configured with.  Overrides such as tracker=mlflow and
    tracker.project=fairness count before.  W&B is told online unless tracker.mode=offline is given.  Raises
    ``InputError``, also where neither names a tracker: results leave the machine only for where someone said.
    """
    tracker = build(filled({"tracker": _node(folder, _parsed(overrides))})["tracker"], "tracker")
    print(f"sending to {tracker.title}, {tracker.address}", flush=True)
    tracker.check(single=(folder / RECORD).exists())
    tracker.finish(folder, None if (folder / RECORD).exists() else folder.resolve().name)


def choices() -> dict[str, dict[str, Any]]:
    """The configurations of the trackers that log, by choice."""
    files = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CONF / "tracker").glob("*.yaml")}
    return {choice: files[choice] for choice in sorted(files) if choice != "none"}


def _parsed(overrides: Sequence[str]) -> dict[str, Any]:
    given = assigned(overrides)
    if wrong := [key for key in given if key != "tracker" and not key.startswith("tracker.")]:
        keys = ["tracker", *dict.fromkeys(f"tracker.{key}" for node in choices().values() for key in node)]
        near = nearest(wrong[0], [key for key in keys if key != "tracker._target_"])
        raise InputError(f"fairrun sync takes tracker=NAME and tracker.KEY=VALUE, got {wrong[0]}=...{near}")
    return given


def _node(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The tracker's configuration: its file, what the runs say, what syncing asks for, and what is given."""
    known, stored = choices(), _stored(folder)
    by_class = {_name(node): choice for choice, node in known.items()}
    if stored and "tracker" not in given and _name(stored) not in by_class:
        raise InputError(f"tracker=NAME must be given: the runs have {stored['_target_']}, which is none of fairrun's")
    if not stored and "tracker" not in given:
        raise InputError(f"a tracker must be given, as the runs have none: {', '.join(f'tracker={c}' for c in known)}")
    choice = given.get("tracker", by_class.get(_name(stored)))
    one_of("tracker", choice, known)
    usual = known[choice]
    own = (
        {key: value for key, value in stored.items() if key in usual and key != "_target_"}
        if _name(stored) == _name(usual)
        else {}
    )
    asked = {key.removeprefix("tracker."): value for key, value in given.items() if key != "tracker"}
    for key in asked:
        if key not in usual or key.startswith("_"):
            raise InputError(unknown(f"tracker.{key}", [f"tracker.{name}" for name in usual if name != "_target_"]))
    cls = class_of(usual["_target_"], "tracker")
    syncing = dict(cls.syncing) if issubclass(cls, Logger) else {}
    return usual | own | syncing | asked


def _stored(folder: Path) -> dict[str, Any]:
    """The tracker of the first run that has one."""
    frame = load(folder)
    runs = frame.loc[frame["status"].isin(TRAINED), "folder"]
    nodes = (read(Path(run))["config"].get("tracker", {}) for run in runs)
    return next((node for node in nodes if _name(node) not in ("", "NoTracker")), {})


def _name(node: Mapping[str, Any]) -> str:
    """The class of a tracker, without its module, which an earlier version may have had elsewhere."""
    return str(node.get("_target_", "")).rpartition(".")[2]
