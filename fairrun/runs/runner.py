"""Trains a sweep's jobs in stacks, leaves out those that are finished, and writes the records.

The jobs of a stack differ only in seed, in the split's seed, in post-processing, and in the ``PerRun`` and ``PerTask``
fields of the method and its optimizers.  This module does not use Hydra.
"""

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fairrun.command.environment import redacted
from fairrun.config.keys import digest
from fairrun.config.names import counted
from fairrun.config.plugins import named
from fairrun.config.source import own_hash
from fairrun.results.records import RECORD, REFUSED, dataset_name, write
from fairrun.runs.executors.api import Executor, Lost
from fairrun.runs.executors.completed import completed
from fairrun.runs.executors.local import Inline, Loky
from fairrun.runs.executors.make import suited
from fairrun.runs.job import Job, failed, record, remark
from fairrun.runs.live import Live
from fairrun.runs.model import UNSAVED, has_weights, save, wants_weights
from fairrun.runs.plan import plan
from fairrun.runs.progress import Display
from fairrun.runs.sweep.data import SweepData
from fairrun.runs.sweep.earlier import Earlier
from fairrun.runs.sweep.outcome import Outcome, write_refused
from fairrun.runs.sweep.trackers import Trackers
from fairrun.runs.worker import Failure, Task, Trained, train

log = logging.getLogger(__name__)
REMARKS = 2  # on degenerate runs: the first by name, then that there are more
WRITERS = 4  # threads that write the results of a stack: most of the time they wait for the disk
WORK = ".work"  # the folder for the files that workers share during a sweep


class Sweep:
    """Trains jobs with an executor.  ``folder`` holds the files that workers share during the sweep."""

    def __init__(
        self, folder: Path, name: str | None = None, executor: Executor | None = None, stack_size: int | None = None
    ) -> None:
        self.name = name  # for trackers; None for a single run
        self.work = (folder / WORK).absolute()  # workers may have another working folder
        self.executor = executor or Inline()
        self.stack_size = stack_size
        self.data = SweepData(self.work)
        self.trackers = Trackers(name)
        self._degenerate = 0  # runs so far

    def finished_or_refused(self, jobs: Sequence[Job]) -> dict[Path, Outcome]:
        """The outcomes of jobs that are finished already and of jobs that cannot be trained, by folder.

        Raises ``InputError`` if a folder holds another run's results.
        """
        earlier = Earlier(self.data, here=isinstance(self.executor, Inline | Loky), single=self.name is None)
        found = [(job, earlier.outcome(job)) for job in jobs]
        earlier.warn()
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
                self.trackers.log_known(job, known[job.folder])
            elif known[job.folder].status == REFUSED and leaves:
                write_refused(job, str(known[job.folder].failure))
            yield job.folder, known[job.folder]
        # Finished jobs are planned too.  So the other jobs stay in their stacks and find their checkpoints.
        planned = plan(sound, self.stack_size, self.executor.workers, self.data.network, self.data.facts)
        stacks = [[job for job in stack if job.folder not in known] for stack in planned]
        self.work.mkdir(parents=True, exist_ok=True)
        try:
            yield from self._train({self._name(stack): stack for stack in stacks if stack})
        finally:
            self.trackers.stop()
            self._tidy("data-*")
            with contextlib.suppress(OSError):  # it holds the checkpoints of what could not be trained or written
                self.work.rmdir()

    def _tidy(self, pattern: str) -> None:
        for path in self.work.glob(pattern):
            path.unlink(missing_ok=True)

    def _weights(self, job: Job) -> bool:
        return wants_weights(job.config, single=self.name is None)

    def _name(self, stack: list[Job]) -> str:
        runs = [[job.key(self.data.facts(job.config)["data_sha256"]), job.folder.name] for job in stack]
        return digest(runs)[:16]

    def _train(self, stacks: dict[str, list[Job]]) -> Iterator[tuple[Path, Outcome]]:
        self._tidy("*.json*")  # the progress files of an earlier command's workers
        executor = suited(self.executor, len(stacks))
        tasks = {name: self._task(name, stack, executor) for name, stack in stacks.items()}
        sizes = {name: (len(stack), stack[0].config["epochs"]) for name, stack in stacks.items()}
        labels = {name: _label(stack) for name, stack in stacks.items()}
        listeners = self.trackers.listeners(stacks, self.data.facts)
        with Display(self.work, sizes, labels) as display, Live(self.work, listeners) as live:
            for name, result in completed(executor, train, tasks):
                outcomes = dict(self._written(stacks[name], result))
                if all(outcome.trained for outcome in outcomes.values()) and isinstance(result, Trained):
                    self._tidy(f"{name}.pt*")
                live.finish(name)  # what is on disk is not lost if this process is killed while it tells trackers
                for k, job in enumerate(stacks[name]):
                    run = result.runs[k] if isinstance(result, Trained) else None
                    self.trackers.log(job, outcomes[job.folder], run)
                yield from outcomes.items()
                self._tidy(f"{name}.json*")
                display.finished(name)

    def _task(self, name: str, stack: list[Job], executor: Executor) -> Task:
        config = stack[0].config
        labels = [self.data.facts(job.config)["base_rates"].get("val", []) for job in stack]
        weights, live = any(self._weights(job) for job in stack), any(self.trackers.of(job).live for job in stack)
        task = Task(name, [job.config for job in stack], None, self.work, named(), own_hash(), labels, weights, live)
        if not config["resume"]:
            task.checkpoint.unlink(missing_ok=True)
        if isinstance(executor, Inline):
            return task
        return task._replace(data=[self.data.stored(job.config) for job in stack])

    def _written(self, stack: list[Job], result: Trained | Failure | Lost) -> Iterator[tuple[Path, Outcome]]:
        """Write the records of a stack side by side, from a worker's result; yield each job's folder and outcome."""
        with ThreadPoolExecutor(WRITERS) as pool:
            outcomes = pool.map(functools.partial(self._write, result, len(stack)), range(len(stack)), stack)
            for job, outcome in zip(stack, outcomes, strict=True):
                self._remark(job, outcome.record)
                yield job.folder, outcome

    def _write(self, result: Trained | Failure | Lost, side_by_side: int, place: int, job: Job) -> Outcome:
        """Write the results of the job at a place of a stack; other threads write those of others."""
        data, history = self.data.facts(job.config), None
        if isinstance(result, Trained):
            run = result.runs[place]
            history = run.history
            how = {"engine": result.engine, "side_by_side": side_by_side, "wall_time_s": result.seconds}
            entry = record(job, run, data, **how, **result.origin)
        else:
            entry = failed(job, redacted(result.reason), data)
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            if entry["status"] == "finished" and isinstance(result, Trained):
                weights = self._weights(job)
                entry["model"] = save(job.folder, run, self.data.rows(job.config), weights=weights)
                entry |= {UNSAVED: True} if weights and not has_weights(entry) else {}
            entry = write(job.folder, entry, history)
        except OSError as error:
            return Outcome("failed", f"its results could not be written: {error}")
        trace = redacted(result.trace) or None if isinstance(result, Failure) else None
        return Outcome(entry["status"], trace or entry["failure"], entry, trained=True)

    def _remark(self, job: Job, entry: dict[str, Any] | None) -> None:
        """Warn of the first degenerate run, and that there are more."""
        if entry is not None and (said := remark(entry)):
            self._degenerate += 1
            if self._degenerate < REMARKS:
                log.warning("%s, in %s: %s", job.name, job.folder, said)
            elif self._degenerate == REMARKS:
                log.warning("more runs are degenerate; the report counts them")


def _label(stack: list[Job]) -> str:
    first = stack[0]
    return f"{counted(len(stack), 'run')} of {first.choices['method']} on {dataset_name(first.choices, first.config)}"
