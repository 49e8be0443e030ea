"""A sweep's jobs as stacks: what trains side by side, what is done already, and the writing of what comes out.

A stack is jobs that differ only in seed, in post-processing and in the ``PerRun`` and ``PerTask`` fields of the method
and its optimizers.  No Hydra here.
"""

import contextlib
import dataclasses
import functools
import itertools
import json
import logging
import math
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import torch

from fairrun.build import build, class_of
from fairrun.check import NO_EFFECT, TUNED, InputError
from fairrun.checkpoint import Checkpoint
from fairrun.data.table import Data, Table
from fairrun.executors import Executor, Inline, Loky, Lost, completed
from fairrun.fit import Run, fit
from fairrun.job import (
    Job,
    check,
    check_data,
    collapse,
    digest,
    facts,
    failed,
    is_finished,
    load,
    network,
    network_of,
    record,
    schedule,
)
from fairrun.method import PerRun, PerTask
from fairrun.models.functional import Network
from fairrun.native.parts import choose
from fairrun.postprocess import postprocess
from fairrun.progress import Display, is_published, publish
from fairrun.results import RECORD, read, write

log = logging.getLogger(__name__)
WORK = ".work"  # the folder for what workers share while a sweep lasts
CACHE_BYTES = 2**20  # of the second-level cache, for the activations of one layer
MOST_RUNS = {"cpu": 32, "cuda": 512}  # in a stack: more gain nothing on a CPU; on a GPU not tuned


class Outcome(NamedTuple):
    """What became of a job."""

    status: str  # finished; failed in training; refused before it
    failure: str | None = None
    record: dict[str, Any] | None = None
    trained: bool = False  # by this command, not by an earlier one


class Task(NamedTuple):
    """A stack, as a worker gets it."""

    name: str
    configs: list[dict[str, Any]]
    data: Path | None  # the file with its data; None: to be loaded
    work: Path  # the folder for progress and checkpoint

    @property
    def checkpoint(self) -> Path:
        """Where the worker keeps the stack's state."""
        return self.work / f"{self.name}.pt"


class Trained(NamedTuple):
    """What a worker gives back."""

    runs: list[Run]  # without their parameters
    engine: str  # native or torch
    seconds: float


class Failure(NamedTuple):
    """Why a worker could not train a stack."""

    reason: str
    trace: str


def plan(
    jobs: Sequence[Job], stack_size: int | None, workers: int, built: Callable[[dict[str, Any]], Network]
) -> list[list[Job]]:
    """The stacks, largest first.  ``stack_size`` None: what the cache holds, and work for every worker.

    ``built``: the network of a configuration, told of its data, on which its activations may depend.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(_shape(job.config), []).append(job)
    stacks = []
    for group in groups.values():
        size = stack_size or min(_fitting(group[0].config, built), max(2, math.ceil(len(jobs) / workers)))
        count = math.ceil(len(group) / size)
        if stack_size is None and count > 1:
            count = min(math.ceil(count / workers) * workers, math.ceil(len(group) / 2))
        cuts = [k * len(group) // count for k in range(count + 1)]
        stacks += [group[a:b] for a, b in itertools.pairwise(cuts)]
    return sorted(stacks, key=len, reverse=True)


def _shape(config: dict[str, Any]) -> str:
    """Equal for configurations that can train side by side."""
    kept = {key: value for key, value in config.items() if key not in ("seed", "postprocess", TUNED, *NO_EFFECT)}
    return digest(kept | {"method": _static(config["method"])})


def _static(node: dict[str, Any]) -> dict[str, Any]:
    """The node of a method or an optimizer without the fields that hold one value per run."""
    hints = get_type_hints(class_of(node["_target_"], "method"))
    kept = {key: value for key, value in node.items() if hints.get(key) not in (PerRun, PerTask, float)}
    return {key: _static(v) if isinstance(v, dict) and "_target_" in v else v for key, v in kept.items()}


def _fitting(config: dict[str, Any], built: Callable[[dict[str, Any]], Network]) -> int:
    """How many runs' activations of one layer the cache holds, or more where the network asks for it."""
    most = MOST_RUNS[config["device"]]
    if config["device"] != "cpu":
        return most
    model = built(config)
    return max(getattr(model, "least_stack", 2), min(most, CACHE_BYTES // (4 * config["batch_size"] * model.widest)))


def train(task: Task) -> Trained | Failure:
    """Train a stack, in whatever process; never raises."""
    try:
        started = time.perf_counter()
        config = task.configs[0]
        dtype = getattr(torch, config["dtype"])
        engine = choose(config["engine"], dtype, config["device"])
        torch.set_num_threads(config["num_threads"])
        data = load(config) if task.data is None else _open(task.data)
        publish(task.work, task.name, 0, math.nan)
        model = network(config, len(data.features), len(data.tasks), data.categories, data.num_classes)
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
            progress=functools.partial(publish, task.work, task.name),
            checkpoint=Checkpoint(task.checkpoint, 60 * config["checkpoint_minutes"]),
        )
        rows = data.to("cpu", dtype) if any(own["postprocess"] for own in task.configs) else data
        for run, own in zip(runs, task.configs, strict=True):
            if own["postprocess"] is not None and run.failure is None:
                run.postprocessed = postprocess(own["postprocess"], model, run.theta, rows)
        trained = [dataclasses.replace(run, theta={}) for run in runs]
        return Trained(trained, engine, round(time.perf_counter() - started, 3))
    except Exception as error:
        return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())


def _store(data: Data, dtype: torch.dtype, path: Path) -> None:
    """Write the tables to a file that workers map into their memory."""
    tables = {split: dict(getattr(data, split).to("cpu", dtype)._asdict()) for split in ("train", "val", "test")}
    part = path.with_name(path.name + ".part")
    torch.save(data._asdict() | tables, part)
    os.replace(part, path)


def _open(path: Path) -> Data:
    content = torch.load(path, weights_only=True, mmap=True)
    return Data(**content | {split: Table(**content[split]) for split in ("train", "val", "test")})


class Sweep:
    """Jobs on their way through an executor; ``folder`` holds what is shared with workers meanwhile."""

    def __init__(
        self, folder: Path, name: str | None = None, executor: Executor | None = None, stack_size: int | None = None
    ) -> None:
        self.name = name  # for trackers; None for a single run
        self.work = (folder / WORK).absolute()  # workers may be in other folders
        self.executor = executor or Inline()
        self.stack_size = stack_size
        self._data: dict[str, dict[str, Any] | InputError] = {}  # facts of each data set, or what is wrong with it
        self._trackers: dict[str, Any] = {}

    def known(self, jobs: Sequence[Job]) -> dict[Path, Outcome]:
        """By folder, the outcome of jobs that cannot be trained and of those that need not be: they are finished.

        Raises ``InputError`` where a folder holds another run's results.
        """
        found = ((job, self._known(job)) for job in jobs)
        return {job.folder: outcome for job, outcome in found if outcome is not None}

    def run(self, jobs: Sequence[Job], known: Mapping[Path, Outcome]) -> Iterator[tuple[Path, Outcome]]:
        """Train what is not ``known``; every job's folder and outcome as it comes, those that are known first.

        Folders must differ.  Results are written here, in this process, as stacks come back from workers.
        """
        yield from ((job.folder, known[job.folder]) for job in jobs if job.folder in known)
        # Planned with the jobs that are done, so that the others keep their stacks, and with them their checkpoints.
        sound = [job for job in jobs if job.folder not in known or known[job.folder].status == "finished"]
        planned = plan(sound, self.stack_size, self.executor.workers, self._network)
        stacks = [[job for job in stack if job.folder not in known] for stack in planned]
        self.work.mkdir(parents=True, exist_ok=True)
        try:
            yield from self._train({self._name(stack): stack for stack in stacks if stack})
        finally:
            self._tidy("data-*")
            with contextlib.suppress(OSError):  # it holds the checkpoints of what could not be trained or written
                self.work.rmdir()

    def _tidy(self, pattern: str) -> None:
        for path in self.work.glob(pattern):
            path.unlink(missing_ok=True)

    def _known(self, job: Job) -> Outcome | None:
        """The outcome of a job that cannot be trained, or need not be."""
        try:
            check(job.config, here=isinstance(self.executor, Inline | Loky))
            data = self.facts(job.config)
            check_data(job.config, data)
        except InputError as error:
            return Outcome("refused", str(error))
        found = _found(job) if job.config["resume"] and (job.folder / RECORD).exists() else None
        if found is None or not is_finished(job, found, data["data_sha256"]):
            return None
        return Outcome("finished", record=found)

    def facts(self, config: dict[str, Any]) -> dict[str, Any]:
        """What a record says of a configuration's data.  Raises ``InputError``."""
        node = json.dumps(config["dataset"])
        if node not in self._data:
            try:
                self._data[node] = facts(load(config))
            except InputError as error:
                self._data[node] = error
        found = self._data[node]
        if isinstance(found, InputError):
            raise found
        return found

    def _network(self, config: dict[str, Any]) -> Network:
        return network_of(config, self.facts(config))

    def _name(self, stack: list[Job]) -> str:
        runs = [[job.key(self.facts(job.config)["data_sha256"]), job.folder.name] for job in stack]
        return digest(runs)[:16]

    def _train(self, stacks: dict[str, list[Job]]) -> Iterator[tuple[Path, Outcome]]:
        self._tidy("*.json*")  # what workers of an earlier command said
        tasks = {name: self._task(name, stack) for name, stack in stacks.items()}
        sizes = {name: (len(stack), stack[0].config["epochs"]) for name, stack in stacks.items()}
        started = functools.partial(is_published, self.work)
        with Display(self.work, sizes, {name: _label(stack) for name, stack in stacks.items()}) as display:
            for name, result in completed(self.executor, train, tasks, started):
                outcomes = dict(self._written(stacks[name], result))
                yield from outcomes.items()
                if all(outcome.trained for outcome in outcomes.values()) and isinstance(result, Trained):
                    self._tidy(f"{name}.pt*")
                self._tidy(f"{name}.json*")
                display.finished(name)

    def _task(self, name: str, stack: list[Job]) -> Task:
        config = stack[0].config
        task = Task(name, [job.config for job in stack], None, self.work)
        if not config["resume"]:
            task.checkpoint.unlink(missing_ok=True)
        if isinstance(self.executor, Inline):
            return task
        rows = [config["dataset"], config["dtype"], self.facts(config)["data_sha256"]]
        path = self.work / f"data-{digest(rows)[:16]}.pt"
        if not path.exists():
            try:
                _store(load(config), getattr(torch, config["dtype"]), path)
            except (OSError, RuntimeError) as error:  # torch says RuntimeError for a full disk
                raise InputError(f"{self.work} must have room for the data that workers read: {error}") from None
        return task._replace(data=path)

    def _written(self, stack: list[Job], result: Trained | Failure | Lost) -> Iterator[tuple[Path, Outcome]]:
        """Write what a worker gave back."""
        for k, job in enumerate(stack):
            data, history = self.facts(job.config), None
            if isinstance(result, Trained):
                run = result.runs[k]
                history = run.history
                how = {"engine": result.engine, "side_by_side": len(stack), "wall_time_s": result.seconds}
                entry = record(job, run, data, **how)
            else:
                entry = failed(job, result.reason, data)
            try:
                job.folder.mkdir(parents=True, exist_ok=True)
                write(job.folder, entry, history)
            except OSError as error:
                yield job.folder, Outcome("failed", f"its results could not be written: {error}")
                continue
            if remark := collapse(entry):
                log.warning("%s, in %s: %s", job.name, job.folder, remark)
            self._tracker(job).log(job.folder, self.name, entry, history)
            trace = result.trace if isinstance(result, Failure) else None
            yield job.folder, Outcome(entry["status"], trace or entry["failure"], entry, trained=True)

    def _tracker(self, job: Job) -> Any:
        node = json.dumps(job.config["tracker"])
        if node not in self._trackers:
            self._trackers[node] = build(job.config["tracker"], "tracker")
        return self._trackers[node]


def _found(job: Job) -> dict[str, Any] | None:
    """The record in the job's folder; None, with a warning, if it cannot be read."""
    try:
        return read(job.folder)
    except InputError as error:
        log.warning("%s; the run is trained again", error)
        return None


def _label(stack: list[Job]) -> str:
    choices = stack[0].choices
    return f"{len(stack)} runs of {choices['method']} on {choices['dataset']}"
