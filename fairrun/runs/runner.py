"""Trains a sweep's jobs in stacks, leaves out those that are finished, and writes the records.

The jobs of a stack differ only in seed, in the split's seed, in post-processing, and in the ``PerRun`` and ``PerTask``
fields of the method and its optimizers.  This module does not use Hydra.
"""

import contextlib
import functools
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from fairrun.command.environment import debugging, redacted
from fairrun.config.build import build
from fairrun.config.check import InputError
from fairrun.config.keys import digest
from fairrun.config.names import counted
from fairrun.config.plugins import named, told
from fairrun.config.source import own_hash
from fairrun.models.network import Network
from fairrun.results.records import RECORD, REFUSED, dataset_name, read, read_history, write
from fairrun.runs.built import network_of
from fairrun.runs.checks.alone import ANY_CODE, check
from fairrun.runs.checks.data import check_data
from fairrun.runs.executors.api import Executor, Lost
from fairrun.runs.executors.completed import completed
from fairrun.runs.executors.local import Inline, Loky
from fairrun.runs.executors.make import suited
from fairrun.runs.job import (
    Job,
    begun,
    facts,
    failed,
    is_same,
    load,
    other_code,
    record,
    refuse_other,
    refused,
    remark,
)
from fairrun.runs.live import Listener, Live
from fairrun.runs.model import UNSAVED, Rows, has_weights, rows_of, save, wants_weights
from fairrun.runs.plan import plan
from fairrun.runs.progress import Display
from fairrun.runs.worker import Failure, Task, Trained, _store, train
from fairrun.trackers import Tracker
from fairrun.training.run import Run

log = logging.getLogger(__name__)
REMARKS = 2  # on degenerate runs: the first by name, then that there are more
WORK = ".work"  # the folder for the files that workers share during a sweep


class Outcome(NamedTuple):
    """How a job ended."""

    status: str  # finished; failed in training; refused before training
    failure: str | None = None
    record: dict[str, Any] | None = None
    trained: bool = False  # whether this command trained it, not an earlier one


class Sweep:
    """Trains jobs with an executor.  ``folder`` holds the files that workers share during the sweep."""

    def __init__(
        self, folder: Path, name: str | None = None, executor: Executor | None = None, stack_size: int | None = None
    ) -> None:
        self.name = name  # for trackers; None for a single run
        self.work = (folder / WORK).absolute()  # workers may have another working folder
        self.executor = executor or Inline()
        self.stack_size = stack_size
        self._data: dict[str, dict[str, Any] | InputError] = {}  # the facts of each data set, or why it cannot load
        self._rows: dict[str, Rows] = {}  # by the same key
        self._trackers: dict[str, Tracker] = {}
        self._degenerate = 0  # runs so far
        self._without_weights = 0  # finished runs that lack the weights that their configuration asks for
        self._changed: Counter[str] = Counter()  # runs that other code finished, counted by the parts that changed

    def finished_or_refused(self, jobs: Sequence[Job]) -> dict[Path, Outcome]:
        """The outcomes of jobs that are finished already and of jobs that cannot be trained, by folder.

        Raises ``InputError`` if a folder holds another run's results.
        """
        found = [(job, self._finished_or_refused(job)) for job in jobs]
        self._say_what_is_trained_again()
        return {job.folder: outcome for job, outcome in found if outcome is not None}

    def run(self, jobs: Sequence[Job], known: Mapping[Path, Outcome]) -> Iterator[tuple[Path, Outcome]]:
        """Train the jobs whose outcome is not ``known``, and yield every job's folder and outcome.

        Known outcomes come first, the others as stacks end.  The jobs' folders must differ.  This process writes the
        results when a worker gives a stack back.  A refused run leaves a record, unless nothing else is in the sweep.
        """
        sound = [job for job in jobs if job.folder not in known or known[job.folder].status == "finished"]
        leaves = bool(sound) or next(self.work.parent.rglob(RECORD), None) is not None
        for job in (job for job in jobs if job.folder in known):
            if self.name is None:
                self._log_known(job, known[job.folder])
            elif known[job.folder].status == REFUSED and leaves:
                _write_refused(job, str(known[job.folder].failure))
            yield job.folder, known[job.folder]
        # Finished jobs are planned too.  So the other jobs stay in their stacks and find their checkpoints.
        planned = plan(sound, self.stack_size, self.executor.workers, self._network, self.facts)
        stacks = [[job for job in stack if job.folder not in known] for stack in planned]
        self.work.mkdir(parents=True, exist_ok=True)
        try:
            yield from self._train({self._name(stack): stack for stack in stacks if stack})
        finally:
            self._stop_trackers()
            self._tidy("data-*")
            with contextlib.suppress(OSError):  # it holds the checkpoints of what could not be trained or written
                self.work.rmdir()

    def _tidy(self, pattern: str) -> None:
        for path in self.work.glob(pattern):
            path.unlink(missing_ok=True)

    def _finished_or_refused(self, job: Job) -> Outcome | None:
        """The outcome of a job that is finished or cannot be trained; None of one to train."""
        try:
            check(job.config, here=isinstance(self.executor, Inline | Loky), single=self.name is None)
            data = self.facts(job.config)
            check_data(job.config, data)
        except InputError as error:
            return Outcome(REFUSED, redacted(str(error)))
        except Exception as error:  # a plug-in raises what it likes; the other jobs go on
            if debugging():
                raise
            return Outcome(REFUSED, redacted(told(error)))
        found = _found(job) if job.config["resume"] else None
        if found is None or found["status"] == REFUSED:
            return None
        if not is_same(job, found, data["data_sha256"]):
            refuse_other(job, found)
        changed = other_code(job, found) if job.config["resume"] != ANY_CODE else []
        lacks = job.config["results"]["save"] == "chosen" and self._weights(job) and not has_weights(found)
        lacks &= UNSAVED not in found
        if found["status"] != "finished" or changed or lacks:
            self._changed.update([", ".join(changed)] if changed else [])
            self._without_weights += lacks and not changed
            return None
        return Outcome("finished", record=found)

    def _say_what_is_trained_again(self) -> None:
        for parts, number in self._changed.items():
            runs = "1 run is" if number == 1 else f"{number} runs are"
            log.warning(
                "%s done by other code and trained again (changed: %s); resume=%s keeps them", runs, parts, ANY_CODE
            )
        self._changed.clear()
        if self._without_weights:
            number = self._without_weights
            runs = "1 run left no weights and is" if number == 1 else f"{number} runs left no weights and are"
            log.warning("%s trained again, as results.save=chosen asks", runs)
        self._without_weights = 0

    def _weights(self, job: Job) -> bool:
        return wants_weights(job.config, single=self.name is None)

    def facts(self, config: dict[str, Any]) -> dict[str, Any]:
        """The facts about a configuration's data that a record holds.  Raises ``InputError``."""
        node = json.dumps(config["dataset"])
        if node not in self._data:
            try:
                data = load(config)
                self._data[node], self._rows[node] = facts(data), rows_of(data)
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
        self._tidy("*.json*")  # the progress files of an earlier command's workers
        executor = suited(self.executor, len(stacks))
        tasks = {name: self._task(name, stack, executor) for name, stack in stacks.items()}
        sizes = {name: (len(stack), stack[0].config["epochs"]) for name, stack in stacks.items()}
        labels = {name: _label(stack) for name, stack in stacks.items()}
        with Display(self.work, sizes, labels) as display, Live(self.work, self._listeners(stacks)) as live:
            for name, result in completed(executor, train, tasks):
                outcomes = dict(self._written(stacks[name], result))
                if all(outcome.trained for outcome in outcomes.values()) and isinstance(result, Trained):
                    self._tidy(f"{name}.pt*")
                live.finish(name)  # what is on disk is not lost if this process is killed while it tells trackers
                for k, job in enumerate(stacks[name]):
                    self._track(job, outcomes[job.folder], result.runs[k] if isinstance(result, Trained) else None)
                yield from outcomes.items()
                self._tidy(f"{name}.json*")
                display.finished(name)

    def _task(self, name: str, stack: list[Job], executor: Executor) -> Task:
        config = stack[0].config
        labels = [self.facts(job.config)["base_rates"].get("val", []) for job in stack]
        weights, live = any(self._weights(job) for job in stack), any(self._tracker(job).live for job in stack)
        task = Task(name, [job.config for job in stack], None, self.work, named(), own_hash(), labels, weights, live)
        if not config["resume"]:
            task.checkpoint.unlink(missing_ok=True)
        if isinstance(executor, Inline):
            return task
        return task._replace(data=[self._stored(job.config) for job in stack])

    def _stored(self, config: dict[str, Any]) -> Path:
        """The file with the data of a configuration, which workers read."""
        rows = [config["dataset"], config["dtype"], self.facts(config)["data_sha256"]]
        path = self.work / f"data-{digest(rows)[:16]}.pt"
        if not path.exists():
            try:
                _store(load(config), getattr(torch, config["dtype"]), path)
            except (OSError, RuntimeError) as error:  # torch raises RuntimeError if the disk is full
                raise InputError(f"{self.work} must have room for the data that workers read: {error}") from None
        return path

    def _written(self, stack: list[Job], result: Trained | Failure | Lost) -> Iterator[tuple[Path, Outcome]]:
        """Write the records of a stack from a worker's result, and yield each job's folder and outcome."""
        for k, job in enumerate(stack):
            data, history = self.facts(job.config), None
            if isinstance(result, Trained):
                run = result.runs[k]
                history = run.history
                how = {"engine": result.engine, "side_by_side": len(stack), "wall_time_s": result.seconds}
                entry = record(job, run, data, **how, **result.origin)
            else:
                entry = failed(job, redacted(result.reason), data)
            try:
                job.folder.mkdir(parents=True, exist_ok=True)
                if entry["status"] == "finished" and isinstance(result, Trained):
                    rows = self._rows[json.dumps(job.config["dataset"])]
                    weights = self._weights(job)
                    entry["model"] = save(job.folder, run, rows, weights=weights)
                    entry |= {UNSAVED: True} if weights and not has_weights(entry) else {}
                entry = write(job.folder, entry, history)
            except OSError as error:
                yield job.folder, Outcome("failed", f"its results could not be written: {error}")
                continue
            if said := remark(entry):
                self._degenerate += 1
                if self._degenerate < REMARKS:
                    log.warning("%s, in %s: %s", job.name, job.folder, said)
                elif self._degenerate == REMARKS:
                    log.warning("more runs are degenerate; the report counts them")
            trace = redacted(result.trace) or None if isinstance(result, Failure) else None
            yield job.folder, Outcome(entry["status"], trace or entry["failure"], entry, trained=True)

    def _track(self, job: Job, outcome: Outcome, run: Run | None) -> None:
        """Log a run, if it is written.  What stops the tracker must not stop a sweep, whose other runs train."""
        if outcome.record is None:
            return
        history = pd.DataFrame() if run is None or run.history is None else run.history
        try:
            self._tracker(job).log(job.folder, self.name, outcome.record, history)
        except Exception as error:  # a tracker's library raises what it likes
            if self.name is None:
                raise
            said = str(error) if isinstance(error, InputError) else told(error)
            log.warning("%s is written, but is not logged yet: %s", job.folder, redacted(said))

    def _stop_trackers(self) -> None:
        """End at their trackers the runs that were stopped while they trained."""
        for tracker in self._trackers.values():
            try:
                tracker.stop()
            except Exception as error:  # a tracker's library raises what it likes
                log.warning("runs that stopped are open at their tracker: %s", redacted(told(error)))

    def _log_known(self, job: Job, outcome: Outcome) -> None:
        """Log a single run that was done before, if its tracker does not have it."""
        if outcome.record is not None and outcome.status == "finished":
            self._tracker(job).log(job.folder, None, outcome.record, read_history(job.folder, outcome.record))

    def _listeners(self, stacks: Mapping[str, list[Job]]) -> dict[str, list[Listener | None]]:
        """By stack, what is told of each run's epochs; None of a run whose tracker is not live."""
        return {name: [self._listener(job) for job in stack] for name, stack in stacks.items()}

    def _listener(self, job: Job) -> Listener | None:
        tracker = self._tracker(job)
        if not tracker.live:
            return None
        return functools.partial(tracker.epochs, job.folder, self.name, begun(job, self.facts(job.config)))

    def _tracker(self, job: Job) -> Tracker:
        node = json.dumps(job.config["tracker"])
        if node not in self._trackers:
            self._trackers[node] = build(job.config["tracker"], "tracker")
        return self._trackers[node]


def _found(job: Job) -> dict[str, Any] | None:
    """The record in the job's folder; None if there is none or, with a warning, if it cannot be read."""
    if not (job.folder / RECORD).exists():
        return None
    try:
        found = read(job.folder)
        read_history(job.folder, found)
        return found
    except InputError as error:
        log.warning("%s; the run is trained again", error)
        return None


def _write_refused(job: Job, reason: str) -> None:
    """Write the record of a refused job, unless its folder holds that of a run that was trained."""
    if (found := _found(job)) is not None and found["status"] != REFUSED:
        return
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        write(job.folder, refused(job, reason), None)
    except OSError as error:
        log.warning("%s was refused, which could not be written there: %s", job.folder, error)


def _label(stack: list[Job]) -> str:
    first = stack[0]
    return f"{counted(len(stack), 'run')} of {first.choices['method']} on {dataset_name(first.choices, first.config)}"
