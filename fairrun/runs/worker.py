"""Trains one stack of runs, in any process."""

import dataclasses
import functools
import math
import os
import platform
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

import fairrun
from fairrun.config.build import build
from fairrun.config.metrics import computed
from fairrun.config.plugins import allow, told
from fairrun.config.source import PACKAGE, own_hash
from fairrun.data.table import Data, Table
from fairrun.results.records import versions
from fairrun.results.selection import BALANCED, SELECTED, Traded, ranks
from fairrun.runs.job import load
from fairrun.runs.progress import publish
from fairrun.runs.validate import network, schedule
from fairrun.training.checkpoint import Checkpoint
from fairrun.training.chosen import Ranks
from fairrun.training.fit import Run, fit
from fairrun.training.native.parts import choose
from fairrun.training.postprocess import postprocess
from fairrun.training.stop import training


class Task(NamedTuple):
    """A stack, as a worker gets it."""

    name: str
    configs: list[dict[str, Any]]
    data: Path | None  # the file with its data; if None, the worker loads the data set itself
    work: Path  # the folder for its progress and checkpoint
    plugins: list[str]  # packages that the user allows
    source: str  # the hash of the code that makes results, which a worker must have too
    labels: list[list[int]]  # of each group its validation rows: all, of class 1, ...
    weights: bool  # whether the runs' parameters are wanted

    @property
    def checkpoint(self) -> Path:
        """The file in which the worker keeps the stack's state."""
        return self.work / f"{self.name}.pt"

    def ranks(self) -> Ranks | None:
        """What tells which epoch counts; None: the last one."""
        config = self.configs[0]
        if config["selection"] == "last":
            return None
        metric = Traded(config["metric"]["name"], config["metric"]["greater_is_better"])
        names = [f"val/{name}" for name in dict.fromkeys(("accuracy", metric.name, BALANCED, SELECTED))]

        def ranked(record: Mapping[str, np.ndarray]) -> np.ndarray:
            epoch = pd.DataFrame({name: record[name] for name in names if name in record})
            return ranks(epoch, metric, config["fairness_bound"], self.labels)

        return ranked


class Trained(NamedTuple):
    """What a worker gives back."""

    runs: list[Run]  # with their parameters, if the task asks for weights
    engine: str  # native or torch
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
        engine = choose(config["engine"], dtype, config["device"])
        torch.set_num_threads(config["num_threads"])
        data = load(config) if task.data is None else _open(task.data)
        publish(task.work, task.name, 0, math.nan)
        metrics = computed(config["metric"])
        model = network(config, len(data.features), len(data.tasks), data.categories, data.num_classes)
        with training():
            runs = fit(
                model,
                [build(config["method"], "method") for config in task.configs],
                [config["seed"] for config in task.configs],
                data,
                epochs=config["epochs"],
                batch_size=config["batch_size"],
                dtype=dtype,
                device=config["device"],
                engine=engine,
                schedule=schedule(config),
                metrics=metrics,
                ranks=task.ranks(),
                progress=functools.partial(publish, task.work, task.name),
                checkpoint=Checkpoint(task.checkpoint, 60 * config["checkpoint_minutes"]),
            )
        rows = data.to("cpu", dtype) if any(own["postprocess"] for own in task.configs) else data
        for run, own in zip(runs, task.configs, strict=True):
            if own["postprocess"] is not None and run.failure is None:
                run.postprocessed, run.rules = postprocess(own["postprocess"], model, run.theta, rows, metrics)
        trained = runs if task.weights else [dataclasses.replace(run, theta={}, chosen={}) for run in runs]
        origin = {"versions": versions(), "host": platform.node()}
        return Trained(trained, engine, round(time.perf_counter() - started, 3), origin)
    except Exception as error:
        return Failure(told(error), traceback.format_exc())


def _of_other_code() -> Failure:
    reason = f"the worker on {platform.node()} must have the source code of the command, got another fairrun"
    return Failure(f"{reason} ({PACKAGE}, version {fairrun.__version__}): install the same", "")


def _store(data: Data, dtype: torch.dtype, path: Path) -> None:
    """Write the data to a file that workers map into their memory."""
    tables = {split: dict(getattr(data, split).to("cpu", dtype)._asdict()) for split in ("train", "val", "test")}
    part = path.with_name(path.name + ".part")
    torch.save(data._asdict() | tables, part)
    os.replace(part, path)


def _open(path: Path) -> Data:
    content = torch.load(path, weights_only=True, mmap=True)
    return Data(**content | {split: Table(**content[split]) for split in ("train", "val", "test")})
