"""Runs that no command makes any more: a file of their configuration, or the data behind it, has changed since."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fairrun.results.again import HYDRA, OVERRIDES, about, searchpath
from fairrun.results.records import read, recorded_identity

OTHERS = ("seed", "method", "model", "optimizer", "epochs", "batch_size", "metric", "postprocess", "fairness_bound")


def replaced(problems: Mapping[Path, str]) -> dict[Path, Path]:
    """By the folder of each run whose command makes another run now: the latest run that was told the same.

    ``problems`` has the name of the problem that each run solved: its rows, labels, groups and split.  Told the same
    are runs with the same overrides, which are other runs for another content of a file alone; and runs of other
    problems with the same overrides but for keys that are not of the data (``OTHERS``).
    """
    found = _other(_by(problems, _all), lambda folder: _is(folder))
    if len(set(problems.values())) > 1:
        found |= _other(_by(problems, _of_data), lambda folder: problems[folder])
    return found


def _other(groups: Iterable[list[Path]], what: Callable[[Path], Hashable]) -> dict[Path, Path]:
    """The runs that are something else than the latest one of their group that was started in the same place."""
    found: dict[Path, Path] = {}
    for group in groups:
        made = {folder: what(folder) for folder in group}
        if len(set(made.values())) == 1:
            continue
        for own in _by(group, _place):
            latest = max(own, key=lambda folder: str(read(folder).get("written", "")))
            found |= {folder: latest for folder in own if made[folder] != made[latest]}
    return found


def _by(folders: Iterable[Path], told: Callable[[Path], Hashable]) -> list[list[Path]]:
    """The folders in groups of which the same is told.  Runs whose overrides are lost are left out."""
    groups: dict[Hashable, list[Path]] = defaultdict(list)
    for folder in folders:
        try:
            groups[told(folder)].append(folder)
        except (OSError, ValueError, yaml.YAMLError, TypeError):
            continue
    return [group for group in groups.values() if len(group) > 1]


def _all(folder: Path) -> Hashable:
    return (folder / OVERRIDES).read_bytes()


def _of_data(folder: Path) -> Hashable:
    """The overrides of a run that its data may depend on: all but those that are of other things."""
    given = yaml.safe_load(_all(folder))
    others = () if any("${" in override for override in given) else OTHERS
    return tuple(sorted(override for override in given if not about(override, *others)))


def _place(folder: Path) -> Hashable:
    """Where the run's configuration files are."""
    try:
        node: Any = yaml.safe_load((folder / HYDRA).read_text(encoding="utf-8"))["hydra"]
        return (node["runtime"]["cwd"], *searchpath(node))
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):  # not there, or written by hand
        return str(folder)


def _is(folder: Path) -> Hashable:
    record = read(folder)
    return recorded_identity(record), record["data_sha256"]
