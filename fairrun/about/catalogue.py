"""What can be chosen: every choice of a group, what it does, and of methods whether they need group labels."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from fairrun.about import declared, files
from fairrun.config.keys import CONF
from fairrun.config.metrics import FUNCTIONS, METRICS

GROUPS = {  # what ``fairrun list`` shows, and the group of its choices
    "methods": "method",
    "datasets": "dataset",
    "metrics": "metric",
    "models": "model",
    "estimators": "estimator",
    "experiments": "experiment",
    "sweeps": "sweep",
    "benchmarks": "benchmark",
}
TRAINING, VALIDATION, NO = "yes", "validation", "no"
_YEAR = re.compile(r"\b(19|20)\d\d\b")
_PAPER = re.compile(r"\s*\(((?:[^()]|\([^()]*\))*?\b(?:19|20)\d\d\b(?:[^()]|\([^()]*\))*)\)")


class Entry(NamedTuple):
    """A choice."""

    name: str
    does: str
    groups: str = ""  # of a method: whether it reads group labels
    paper: str = ""  # of a method or an experiment, where ``does`` names none


def entries(what: str, folders: Sequence[Path] = (CONF,)) -> list[Entry]:
    """The choices of ``what``, a key of ``GROUPS``, with what they do."""
    paths = files.choices(GROUPS[what], folders)
    found = [Entry(name, files.read(path).summary) for name, path in paths.items()]
    if what == "methods":
        return [_with_paper(e._replace(groups=knows_groups(e.name, folders)), paper(e.name, folders)) for e in found]
    if what == "experiments":
        return [_with_paper(entry, _cited(" ".join(files.read(paths[entry.name]).head))) for entry in found]
    return [*map(_with_end, found), *_without_file(paths)] if what == "metrics" else found


def _with_end(entry: Entry) -> Entry:
    """A metric, with the end of its range that is good."""
    metric = METRICS.get(entry.name)
    if metric is None or metric.greater_is_better is None:
        return entry
    return entry._replace(does=f"{entry.does}; {'higher' if metric.greater_is_better else 'lower'} is better")


def _with_paper(entry: Entry, paper: str) -> Entry:
    return entry if _YEAR.search(entry.does) else entry._replace(paper=paper)


def _cited(text: str) -> str:
    """The first paper in brackets: "Levy et al., NeurIPS 2020"; or ""."""
    match = _PAPER.search(text)
    return match[1].partition(", https:")[0] if match else ""


def _without_file(paths: Mapping[str, Path]) -> list[Entry]:
    """Metrics that every run has beside the one that is chosen."""
    docs = {name: declared.docstring(f"{FUNCTIONS}.{name}")[0] for name in METRICS if name not in paths}
    return [Entry(name, f"{doc.partition('.')[0]} (in every run; metric.name={name})") for name, doc in docs.items()]


def knows_groups(name: str, folders: Sequence[Path] = (CONF,)) -> str:
    """Whether a method reads group labels: of training rows (yes), of a balanced validation batch alone, or no."""
    needs = needs_of(name, folders)
    return TRAINING if "s" in needs else VALIDATION if "val" in needs else NO


def needs_of(name: str, folders: Sequence[Path] = (CONF,)) -> frozenset[str]:
    """``Method.needs`` of a choice, with the values of its file."""
    keys = files.composed("method", name, folders)
    values = {key: yaml.safe_load(found.value) for key, found in keys.items() if "." not in key}
    found = declared.attribute(files.target(keys, "optimizer"), "needs", values)
    return frozenset() if found is None else frozenset(found)


def paper(name: str, folders: Sequence[Path] = (CONF,)) -> str:
    """The paper that the docstring of a method's module names: "Levy et al., NeurIPS 2020"; or ""."""
    keys = files.composed("method", name, folders)
    _, module = declared.docstring(files.target(keys, "optimizer"))
    return _cited(" ".join(module.partition("\n\n")[0].split()))
