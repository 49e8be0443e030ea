"""One run as data: its configuration, its identity, and the record that it leaves."""

import json
import logging
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from torch import Tensor

import fairrun
from fairrun.config.build import build
from fairrun.config.check import InputError, require
from fairrun.config.keys import digest, dotted, identity
from fairrun.config.source import OWN, WEIGHTS, module_hash, own_hash, sources, weights_hash
from fairrun.config.values import value
from fairrun.data.dataset import Dataset
from fairrun.data.kept import kept
from fairrun.data.table import Data, Table
from fairrun.results.records import (
    REFUSED,
    dataset_name,
    identity_of,
    method_name,
    recorded_identity,
    versions,
)
from fairrun.results.selection import BALANCED, DEGENERATE, SELECTED, Traded, is_degenerate, select
from fairrun.training.run import Run

KEPT_BYTES = 2**30  # of the features of data sets that a process keeps; the latest one is kept whatever its size
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A run to be trained."""

    config: dict[str, Any]  # resolved
    choices: dict[str, str]  # the name of the chosen file for each of GROUPS
    folder: Path  # for its record
    recorded: dict[str, Any] | None = None  # the configuration with names of environment variables; None: it has none

    @property
    def public(self) -> dict[str, Any]:
        """The configuration as records, logs and trackers may have it."""
        return self.config if self.recorded is None else self.recorded

    @property
    def name(self) -> str:
        """The run's method, data set and seed, for people to read."""
        method, data = (name(self.choices, self.public) for name in (method_name, dataset_name))
        return f"{method} on {data}, seed {self.public['seed']}"

    def key(self, data_sha256: str) -> str:
        """The run's identity, a SHA-256: two runs with the same key are the same run.

        It covers the configuration without paths and tracker, the data, and the code.
        """
        return digest([identity(dotted(self.config)), data_sha256, fairrun.__version__, sources(self.config)])


@runtime_checkable
class Loadable(Protocol):
    """What a node ``dataset`` describes."""

    def load(self) -> Data:
        """Read, check, split and encode.  Raises ``InputError``."""
        ...


_loaded: dict[str, Data] = {}  # by the node ``dataset`` as JSON, the latest last


def load(config: dict[str, Any]) -> Data:
    """Load the data set of a configuration.  Runs of a process that share it load it once.

    Of several data sets the latest are kept, up to ``KEPT_BYTES``.  Raises ``InputError``.
    """
    node = json.dumps(config["dataset"])
    if node not in _loaded:
        data = _load(config["dataset"])
        while _loaded and sum(map(_size, [data, *_loaded.values()])) > KEPT_BYTES:
            del _loaded[next(iter(_loaded))]
        _loaded[node] = data
    return _loaded[node]


def _load(node: dict[str, Any]) -> Data:
    found = build(node, "dataset")
    allowed = "a data set, as fairrun.data.dataset.Dataset"
    require(isinstance(found, Loadable), "dataset._target_", node["_target_"], allowed)
    data: Data = kept(_encoding(node, found), found.load) if _is_known(found) else found.load()
    return data


def _is_known(found: Loadable) -> bool:
    """Whether fairrun's code alone says which rows these are, by their hash: not a file of the user's."""
    return type(found) is Dataset and found.path is None and type(found.rows).__module__.startswith(f"{OWN}.datasets.")


def _encoding(node: dict[str, Any], found: Loadable) -> str:
    """The identity of the encoded rows that a node ``dataset`` describes."""
    assert isinstance(found, Dataset)
    code = [own_hash(), module_hash(type(found.rows).__module__), fairrun.__version__]
    return digest([json.dumps(node), *code, *map(version, ("numpy", "pandas", "scipy"))])[:32]


def _size(data: Data) -> int:
    """The bytes of the features in memory."""
    features = (table.x for table in (data.train, data.val, data.test))
    return sum(x.numel() * x.element_size() for x in features if isinstance(x, Tensor))


def forget_data() -> None:
    """Read data again: a file may have changed since this process has read it."""
    _loaded.clear()


def facts(data: Data) -> dict[str, Any]:
    """The facts about the data that a record holds."""
    splits = {split: getattr(data, split) for split in ("train", "val", "test")}
    rows = {split: len(table.y) for split, table in splits.items()}
    splits["balanced"] = data.train.rows(data.balanced)  # counted in train
    labels = {split: data.labels(table) for split, table in splits.items()}
    cells = {
        f"{task}/{split}" if task else split: _counted(labels[split][task], len(data.groups), data.num_classes)
        for task in labels["train"]
        for split in splits
    }
    return {
        "groups": data.groups,
        "tasks": list(data.tasks),
        "features": len(data.features),
        "categories": list(data.categories),
        "classes": list(data.classes),
        "rows": rows,
        # For each split, and each group in it: [rows, rows of class 1, of class 2, ...].  With several tasks, the
        # keys are "task/split".
        "base_rates": cells,
        "exclusive": _exclusive(data),
        **_unlabelled(data),
        "data_sha256": data.sha256,
        **({} if data.account is None else {"account": data.account}),
        **({"streamed": True} if data.streams else {}),
    }


def _counted(table: Table, num_groups: int, num_classes: int) -> list[list[int]]:
    """For each group: its number of rows, then its rows of class 1, of class 2, and so on."""
    cells = num_classes * table.s + table.y.long()
    rows = cells.bincount(minlength=num_groups * num_classes).unflatten(0, (num_groups, num_classes))
    rows[:, 0] = rows.sum(-1)
    found: list[list[int]] = rows.tolist()
    return found


def _exclusive(data: Data) -> dict[str, int]:
    """For each task: how many training rows have label 0 in it and label 1 in every other task."""
    ones = data.train.y.sum(-1)
    return {
        task: int(((data.train.y[:, t] == 0) & (ones == len(data.tasks) - 1)).sum())
        for t, task in enumerate(data.tasks)
    }


def _unlabelled(data: Data) -> dict[str, dict[str, int]]:
    """For each task: how many rows have no label of it; no entry if every row has all labels."""
    tables = (data.train, data.val, data.test)
    found = {task: sum(len(table.y) - len(table.task(t).y) for table in tables) for t, task in enumerate(data.tasks)}
    return {"unlabelled": found} if any(found.values()) else {}


def record(job: Job, trained: Run, data: dict[str, Any], **stack: Any) -> dict[str, Any]:
    """The record of a trained run.

    ``data`` holds the facts about its data.  ``stack`` holds facts about how its stack was trained.
    """
    metric = Traded(job.config["metric"]["name"], job.config["metric"]["greater_is_better"])
    labels, bound = data.get("base_rates", {}).get("val", []), job.config["fairness_bound"]
    epoch, score = select(trained.history, job.config["selection"], metric, bound, labels)
    chosen = trained.history.iloc[epoch].to_dict()
    if trained.postprocessed:
        chosen |= trained.postprocessed
        _, score = select(pd.DataFrame([chosen]), "last", metric, bound, labels)
    return {
        "status": "finished" if trained.failure is None else "failed",
        "failure": trained.failure,
        "seed": job.config["seed"],
        "epoch": int(chosen.pop("epoch")),
        "score": score,
        "metrics": chosen,
        **({"frontier": trained.points} if trained.points else {}),
        **_origin(job, data),
        **stack,
    }


def begun(job: Job, data: dict[str, Any]) -> dict[str, Any]:
    """The record of a run that trains: what is known of it before its end."""
    return {"seed": job.config["seed"], **_origin(job, data)}


def remark(record: dict[str, Any]) -> str | None:
    """The warning about a finished run whose prediction is degenerate at its selected epoch, or None."""
    metrics = record["metrics"]
    labels = record.get("base_rates", {}).get("val", [])
    names = f"val/{SELECTED}", f"val/{BALANCED}"
    shown = {name: metrics[name] for name in names if name in metrics}
    selected, balanced = (np.array([shown.get(name)], dtype=float) for name in names)
    if record["status"] != "finished" or not is_degenerate(balanced, selected, labels).any():
        return None
    values = ", ".join(f"{name} is {value:.4g}" for name, value in shown.items())
    return f"degenerate, {DEGENERATE}: {values} at epoch {record['epoch']}, the one that counts"


def failed(job: Job, reason: str, data: dict[str, Any]) -> dict[str, Any]:
    """The record of a run that could not be trained to its end."""
    nothing: dict[str, Any] = {"epoch": None, "score": None, "metrics": {}}
    seed = job.config["seed"]
    return {"status": "failed", "failure": reason, "seed": seed, **nothing, **_origin(job, data)}


def refused(job: Job, reason: str) -> dict[str, Any]:
    """The record of a run of a sweep that was refused before training, perhaps before its data were read."""
    return {
        "status": REFUSED,
        "failure": reason,
        "seed": job.config["seed"],
        "metrics": {},
        "choices": job.choices,
        "config": job.public,
        "data_sha256": "",
        "identity": identity_of(job.config),
        "key": "",
        "versions": versions(),
        "written": _now(),
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _origin(job: Job, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "choices": job.choices,
        "config": job.public,
        **data,
        "identity": identity_of(job.config),
        "key": job.key(data["data_sha256"]),
        "sources": sources(job.config),
        "versions": versions(),
        "written": _now(),
    }


def is_same(job: Job, record: dict[str, Any], data_sha256: str) -> bool:
    """Whether ``record`` is of this run, made by the same code or by other code."""
    same = identity_of(job.config) == recorded_identity(record) and record["data_sha256"] == data_sha256
    return same and not _other_weights(job, record)


def _other_weights(job: Job, record: dict[str, Any]) -> bool:
    """Whether the run of ``record`` started from a file with another content."""
    known = record.get("sources")
    return known is not None and known.get(WEIGHTS) != weights_hash(job.config)


def other_code(job: Job, record: dict[str, Any]) -> list[str]:
    """The parts of the code that have changed since ``record``, of the same run, was made."""
    ours, theirs = sources(job.config), record.get("sources", {})
    parts = [part for part in sorted(ours.keys() | theirs.keys()) if ours.get(part) != theirs.get(part)]
    return parts or [OWN] * (record["versions"].get("fairrun") != fairrun.__version__)


def refuse_other(job: Job, record: dict[str, Any]) -> None:
    """Raise ``InputError``: ``record``, found in the job's folder, is of another run and must not be overwritten."""
    theirs, ours = (identity(dotted(config)) for config in (record["config"], job.public))
    missing = "no such key"
    both = ((k, theirs.get(k, missing), ours.get(k, missing)) for k in sorted(theirs.keys() | ours.keys()))
    differ = [f"{k}={value(old) or 'null'}" for k, old, new in both if old != new]
    other = "other content of model.weights" if _other_weights(job, record) else "other data"
    by = f"fairrun {record['versions']['fairrun']}"
    raise InputError(
        f"{job.folder} must be new or hold this run's own results, got those of another run by {by}"
        f" ({', '.join(differ[:4]) or f'same configuration, {other}'}); take another folder, or resume=false to"
        " replace them"
    )
