"""Trains one stack of runs, in any process."""

import functools
import json
import math
import os
import platform
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import fairrun
from fairrun.config.build import build
from fairrun.config.metrics import computed
from fairrun.config.plugins import allow, told
from fairrun.config.source import PACKAGE, own_hash
from fairrun.data.table import SPLITS, Data
from fairrun.method.api import Method
from fairrun.method.library import LibraryMethod
from fairrun.results.records import versions
from fairrun.results.selection import BALANCED, SELECTED, Traded, ranks
from fairrun.runs.built import averaging, network, schedule
from fairrun.runs.job import load
from fairrun.runs.live import tell
from fairrun.runs.progress import publish
from fairrun.training.checkpoint import Checkpoint
from fairrun.training.fit import fit
from fairrun.training.kept.chosen import Ranks
from fairrun.training.library import fit_by_library
from fairrun.training.native.parts import choose
from fairrun.training.run import Run
from fairrun.training.stop import training
from fairrun.training.thresholds.frontier import FRONTIER, UNAWARE, frontier
from fairrun.training.thresholds.postprocess import Bound, Scores, postprocess, scores_of
from fairrun.training.thresholds.unaware import Told, unaware

LIBRARY = "library"  # the engine of a run that a library trained


class Task(NamedTuple):
    """A stack, as a worker gets it."""

    name: str
    configs: list[dict[str, Any]]
    data: list[Path] | None  # of each run the file with its data; if None, the worker loads data sets itself
    work: Path  # the folder for its progress and checkpoint
    plugins: list[str]  # packages that the user allows
    source: str  # the hash of the code that makes results, which a worker must have too
    labels: list[list[list[int]]]  # of each run, of each group, its validation rows: all, of class 1, ...
    weights: bool  # whether the runs' parameters, or classifiers, are wanted
    live: bool  # whether epochs are told while they are trained

    @property
    def checkpoint(self) -> Path:
        """The file in which the worker keeps the stack's state."""
        return self.work / f"{self.name}.pt"


class Trained(NamedTuple):
    """What a worker gives back."""

    runs: list[Run]  # with their parameters, if the task asks for weights
    engine: str  # native or torch; library: a library trained it
    seconds: float
    origin: dict[str, Any]  # of the process: versions and host


class Failure(NamedTuple):
    """Why a worker could not train a stack."""

    reason: str
    trace: str


def train(task: Task) -> Trained | Failure:
    """Train a stack, in any process.  It does not raise: an exception becomes a ``Failure``."""
    try:
        started = time.perf_counter()
        if own_hash() != task.source:
            return _of_other_code()
        allow(task.plugins)
        config = task.configs[0]
        dtype = getattr(torch, config["dtype"])
        torch.set_num_threads(config["num_threads"])
        data = _of_runs(task, dtype)
        publish(task.work, task.name, 0, math.nan)
        methods = [build(own["method"], "method") for own in task.configs]
        if isinstance(methods[0], LibraryMethod):
            runs, scores, engine = _by_library(task, methods, data)
        else:
            runs, scores, engine = _by_steps(task, methods, data)
        told_of = functools.cache(lambda place: Told.of(config["metric"]["name"], data[place]))
        first = [next(k for k, other in enumerate(data) if other is one) for one in data]  # with the same data
        for k, own in scores.items():
            of_groups = functools.partial(told_of, first[k])
            _decide(runs[k], task.configs[k], own, data[k], of_groups)
        bare = dict[str, Tensor]()
        trained = runs if task.weights else [replace(run, theta=bare, chosen=bare, constants=bare) for run in runs]
        libraries = {name: version(name) for name in methods[0].libraries}
        origin = {"versions": versions() | libraries, "host": platform.node()}
        return Trained(trained, engine, round(time.perf_counter() - started, 3), origin)
    except Exception as error:
        return Failure(told(error), traceback.format_exc())


def _decide(run: Run, config: dict[str, Any], scores: Scores, rows: Data, of_groups: Callable[[], Told]) -> None:
    """Post-process a run.  What goes wrong is the run's failure, and no other run's of its stack."""
    constraint, name, metrics = config["postprocess"], config["metric"]["name"], computed(config["metric"])
    try:
        if constraint == FRONTIER:
            run.points = [point._asdict() for point in frontier(name, scores, rows, metrics)]
        elif constraint == UNAWARE:
            run.points = [point._asdict() for point in unaware(name, scores, rows, metrics, of_groups())]
            run.groups = of_groups().groups.plain
        else:
            run.postprocessed, run.rules = postprocess(constraint, scores, rows, metrics, bound_of(config))
    except Exception as error:  # libraries raise what they like
        run.failure = f"postprocess={constraint} failed: {told(error)}"


def _of_runs(task: Task, dtype: torch.dtype) -> list[Data]:
    """The data of each run; runs that share them have the same object."""
    keys = [json.dumps(own["dataset"]) for own in task.configs] if task.data is None else task.data
    found: dict[Any, Data] = {}
    for key, own in zip(keys, task.configs, strict=True):
        if key not in found:
            found[key] = (_open(key) if isinstance(key, Path) else load(own)).to("cpu", dtype)
    return [found[key] for key in keys]


def _by_steps(task: Task, methods: list[Method], data: list[Data]) -> tuple[list[Run], dict[int, Scores], str]:
    """The runs of a stack, the scores of those that are post-processed, by place, and the engine."""
    config = task.configs[0]
    settings, first = settings_of(config, task.labels), data[0]
    model = network(config, len(first.features), len(first.tasks), first.categories, first.num_classes)
    with training():
        runs = fit(
            model,
            methods,
            [config["seed"] for config in task.configs],
            data,
            **settings,
            progress=functools.partial(_tell, task),
            checkpoint=Checkpoint(task.checkpoint, 60 * config["checkpoint_minutes"]),
        )
    wanted = [k for k in _post_processed(task) if runs[k].failure is None]
    return runs, {k: scores_of(model, runs[k].chosen, data[k]) for k in wanted}, settings["engine"]


def _tell(task: Task, epoch: int, record: Mapping[str, np.ndarray], trains: np.ndarray) -> None:
    """Tell the process that waits for the stack of an epoch."""
    losses = record["train/loss"][trains & np.isfinite(record["train/loss"])]
    publish(task.work, task.name, epoch, float(losses.mean()) if len(losses) else math.nan)
    if task.live:
        tell(task.work, task.name, epoch, record, trains)


def settings_of(config: Mapping[str, Any], labels: Sequence[Sequence[Sequence[int]]]) -> dict[str, Any]:
    """What ``fit`` takes from a configuration; ``labels`` as in ``ranks_of``."""
    dtype = getattr(torch, config["dtype"])
    return {
        "epochs": config["epochs"],
        "batch_size": config["batch_size"],
        "dtype": dtype,
        "device": config["device"],
        "engine": choose(config["engine"], dtype, config["device"]),
        "schedule": schedule(dict(config)),
        "metrics": computed(config["metric"]),
        "ranks": ranks_of(config, labels),
        "patience": config["patience"],
        "averaging": averaging(dict(config)),
    }


def _by_library(task: Task, methods: list[LibraryMethod], data: list[Data]) -> tuple[list[Run], dict[int, Scores], str]:
    """As ``_by_steps``, for methods that a library trains: one run after another."""
    threads, metrics = task.configs[0]["num_threads"], computed(task.configs[0]["metric"])
    found = [
        fit_by_library(method, own["seed"], rows, threads=threads, metrics=metrics, saves=task.weights)
        for method, own, rows in zip(methods, task.configs, data, strict=True)
    ]
    runs = [run for run, _ in found]
    return runs, {k: found[k][1] for k in _post_processed(task) if runs[k].failure is None}, LIBRARY


def bound_of(config: Mapping[str, Any]) -> Bound | None:
    """The bound that a configuration sets on its metric."""
    value = config["fairness_bound"]
    return None if value is None else Bound(config["metric"]["name"], value)


def _post_processed(task: Task) -> list[int]:
    return [k for k, config in enumerate(task.configs) if config["postprocess"] is not None]


def ranks_of(config: Mapping[str, Any], labels: Sequence[Sequence[Sequence[int]]]) -> Ranks | None:
    """What tells which epoch of a run counts; None: the last one.  ``labels``: as in ``Task``."""
    if config["selection"] == "last":
        return None
    metric = Traded(config["metric"]["name"], config["metric"]["greater_is_better"])
    names = [f"val/{name}" for name in dict.fromkeys(("accuracy", metric.name, BALANCED, SELECTED))]

    def ranked(record: Mapping[str, np.ndarray]) -> np.ndarray:
        epoch, bound = pd.DataFrame({name: record[name] for name in names if name in record}), config["fairness_bound"]
        if all(own == labels[0] for own in labels):
            return ranks(epoch, metric, bound, labels[0])
        return np.concatenate([ranks(epoch[k : k + 1], metric, bound, own) for k, own in enumerate(labels)])

    return ranked


def _of_other_code() -> Failure:
    reason = f"the worker on {platform.node()} must have the source code of the command, got another fairrun"
    return Failure(f"{reason} ({PACKAGE}, version {fairrun.__version__}): install the same", "")


def store(data: Data, dtype: torch.dtype, path: Path) -> None:
    """Write the data to a file that workers map into their memory; features in a file stay there."""
    tables = {split: getattr(data, split).to("cpu", dtype) for split in SPLITS}
    part = path.with_name(path.name + ".part")
    torch.save(data._replace(**tables).plain, part)
    os.replace(part, path)


def _open(path: Path) -> Data:
    return Data.of(torch.load(path, weights_only=True, mmap=True))
