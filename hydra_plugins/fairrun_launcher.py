"""Hydra launcher ``stacked``: passes a multirun's jobs to ``fairrun.runs.runner``.

Hydra imports this file at every start, so functions that need heavy modules import them themselves.
"""

import contextlib
import json
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fairrun.command.imports import load
from fairrun.config.check import InputError
from fairrun.config.keys import dotted
from fairrun.config.names import counted
from hydra_plugins.fairrun_compose import Composed, Composer

if TYPE_CHECKING:
    from fairrun.runs.executors.api import Executor
    from fairrun.runs.job import Job
    from fairrun.runs.sweep.outcome import Outcome

log = logging.getLogger(__name__)
FAILURES_SHOWN = 10


class StackedLauncher(Launcher):
    """Trains jobs in stacks.  conf/hydra/launcher/stacked.yaml explains the keys."""

    def __init__(
        self, stack_size: Any, executor: Any, workers: Any, address: Any, cluster: Any, options: Mapping[str, Any]
    ) -> None:
        self.stack_size, self.executor, self.workers = stack_size, executor, workers
        self.address, self.cluster, self.options = address, cluster, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before ``launch``."""
        self.loader, self.config = hydra_context.config_loader, config
        self.composer = Composer(self.loader, config)
        self.folders: set[Path] = set()  # the folders of all jobs so far
        self.fitted: dict[tuple[str, ...], Path] = {}  # the folders of the jobs from which a key was left out
        self.returns: dict[Path, JobReturn] = {}
        self.failures = 0  # runs that failed in training

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train the jobs.  If one fails, the others are still trained."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        try:
            return self.train(job_overrides, initial_job_idx)
        except OmegaConfBaseException as error:
            raise InputError(str(error)) from None

    def fit(self, job_overrides: Sequence[Sequence[str]]) -> None:
        """Leave keys out of jobs that lack them, before the first of a sweep's batches is launched."""
        self.composer.fit(job_overrides)

    def train(self, job_overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """As ``launch``, without Hydra's log and globals."""
        self._say_what_is_not_called()
        folders, composed = self._compose(job_overrides, first)
        if composed:
            self._train(composed)
        return [self.returns[path] for path in folders]

    def _say_what_is_not_called(self) -> None:
        """Jobs of a stack have no beginning and no end of their own."""
        if others := [str(name) for name in self.config.hydra.callbacks or {} if name != "output_folder"]:
            log.warning(
                "hydra.callbacks.%s: on_job_start and on_job_end are not called with hydra/launcher=stacked, whose jobs"
                " train side by side; take hydra/launcher=basic for them",
                ", ".join(others),
            )

    def _train(self, composed: dict[Path, Composed]) -> None:
        folder = Path(self.config.hydra.sweep.dir)
        executor, stack_size = self._settings(folder)
        started = _start(executor, composed)  # workers import torch while it is imported here
        load("fairrun.runs.runner")
        from fairrun.runs.checks.alone import check_report
        from fairrun.runs.checks.keys import check_keys
        from fairrun.runs.place import places
        from fairrun.runs.runner import Sweep
        from fairrun.runs.single_task import complete

        for config in {frozenset(dotted(job.resolved)): job.resolved for job in composed.values()}.values():
            check_keys(config)
            check_report(config["report"], config["metric"]["name"])
        sweep = Sweep(folder, folder.name, executor, stack_size)
        where = places([_job(path, c) for path, c in composed.items()], folder.absolute(), sweep)
        planned = composed
        composed = {where[path]: job.moved(where[path]) for path, job in planned.items()}
        jobs = [_job(path, c) for path, c in composed.items()]
        added, known = complete(jobs, sweep.finished_or_refused(jobs), sweep, folder.absolute(), self.folders)
        jobs += added
        self.folders |= {job.folder for job in added}
        with contextlib.suppress(BrokenExecutor):  # if a worker died already, this shows when it is given work
            deque(started, maxlen=0)
        done = {path for path, outcome in known.items() if outcome.status == "finished"}
        log.info("%s, %d of them done before; results in %s", counted(len(jobs), "run"), len(done), folder)
        for path, job in composed.items():
            if path not in done:
                job.save()
        outcomes: dict[Path, Outcome] = {}
        for path, outcome in sweep.run(jobs, known):  # refused jobs come first
            outcomes[path] = outcome
            self._log(path, outcome)
        _summarise({job.folder: outcomes[job.folder] for job in jobs})
        for path, job in planned.items():
            self.returns[path] = _return(job.hydra["overrides"]["task"], where[path], outcomes[where[path]])

    def _compose(self, job_overrides: Sequence[Sequence[str]], first: int) -> tuple[list[Path], dict[Path, Composed]]:
        """The folder of every job, and the new jobs by folder.

        Jobs that are equal once the keys that they lack are left out are one job.  Raises ``InputError`` if two jobs
        share a folder.
        """
        folders: list[Path] = []
        jobs: dict[Path, Composed] = {}
        for k, (given, fitted) in enumerate(zip(job_overrides, self.composer.fit(job_overrides), strict=True)):
            shorter = len(fitted) < len(given)
            if shorter and tuple(fitted) in self.fitted:
                folders.append(self.fitted[tuple(fitted)])
                continue
            composed = self.composer.job(fitted, first + k)
            if composed.folder in self.folders:
                raise InputError(f"hydra.sweep.subdir must differ between jobs, got {str(composed.folder)!r} twice")
            if shorter:
                self.fitted[tuple(fitted)] = composed.folder
            self.folders.add(composed.folder)
            jobs[composed.folder] = composed
            folders.append(composed.folder)
        return folders, jobs

    def _settings(self, folder: Path) -> tuple["Executor", int | None]:
        """The executor and the stack size.  Raises ``InputError``."""
        from fairrun.config.check import is_integer, require
        from fairrun.runs.executors.make import make

        chdir = self.config.hydra.job.chdir
        require(not chdir, "hydra.job.chdir", chdir, "false with hydra/launcher=stacked, whose runs share a process")
        size = self.stack_size
        allowed = "auto or an integer >= 1"
        require(size == "auto" or (is_integer(size) and size >= 1), "hydra.launcher.stack_size", size, allowed)
        executor = make(
            self.executor,
            self.workers,
            num_threads=self.config.num_threads,
            address=self.address,
            cluster=self.cluster,
            options=self.options,
            folder=(folder / "slurm").absolute(),
        )
        return executor, None if size == "auto" else size

    def _log(self, folder: Path, outcome: "Outcome") -> None:
        """Write why a job failed to its log, as Hydra's own launchers do.  A finished job writes nothing."""
        if outcome.status == "finished":
            return
        self.failures += outcome.status == "failed"  # what was refused, before anything trained, is summed up below
        if outcome.status == "failed" and self.failures <= FAILURES_SHOWN:
            log.error("%s failed: %s", folder, _reason(outcome))
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        try:
            with (folder / f"{self.config.hydra.job.name}.log").open("a", encoding="utf-8") as file:
                file.write(f"[{when}][fairrun.train][ERROR] - {outcome.failure}\n")
        except OSError as error:
            log.error("the log in %s cannot be written: %s", folder, error)


def _start(executor: "Executor", composed: Mapping[Path, Composed]) -> Iterable[Any]:
    """Start local workers, unless every job already has a record, or one stack needs none."""
    from fairrun.results.records import RECORD
    from fairrun.runs.executors.local import Loky
    from fairrun.runs.executors.make import suited

    done = all((path / RECORD).exists() for path in composed)
    executor = suited(executor, stacks := _most_stacks(composed.values()))
    if done or not isinstance(executor, Loky):
        return ()
    return executor.start("fairrun.runs.runner", stacks)


def _most_stacks(jobs: Iterable[Composed]) -> int:
    """How many stacks a sweep has at most, unless its networks are large: two seeds of a configuration share one."""
    alike = Counter(json.dumps(job.resolved | {"seed": None}) for job in jobs)
    return sum(math.ceil(count / 2) for count in alike.values())


def _job(folder: Path, composed: Composed) -> "Job":
    from fairrun.results.records import choices_of
    from fairrun.runs.job import Job

    return Job(composed.resolved, choices_of(composed.hydra["runtime"]["choices"]), folder, composed.recorded)


def _reason(outcome: "Outcome") -> str:
    return str(outcome.failure).splitlines()[-1]


def _summarise(outcomes: Mapping[Path, "Outcome"]) -> None:
    """Log what was refused or failed, then how many runs finished, failed, were refused and were trained now."""
    alike: dict[tuple[str, str], list[Path]] = {}
    for path, outcome in outcomes.items():
        if outcome.status != "finished":
            alike.setdefault((outcome.status, _reason(outcome)), []).append(path)
    for (status, reason), paths in list(alike.items())[:FAILURES_SHOWN]:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        log.error("%s%s %s: %s", paths[0], more, status, reason)
    if len(alike) > FAILURES_SHOWN:
        log.error("and %d more reasons; each run has its own in its log", len(alike) - FAILURES_SHOWN)
    trained = sum(o.trained and o.status == "finished" for o in outcomes.values())
    became = Counter(outcome.status for outcome in outcomes.values())
    refused = f", {became['refused']} refused" if became["refused"] else ""
    finished = counted(became["finished"], "run")
    log.info("%s finished, %d failed%s; %d trained now", finished, became["failed"], refused, trained)


def _return(overrides: list[str], folder: Path, outcome: "Outcome") -> JobReturn:
    """The sweeper's result of a job: its folder, and its validation score or an error shown without a traceback."""
    where = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(folder)}}})
    if outcome.status == "finished" and outcome.record is not None:
        score = outcome.record["score"]
        return JobReturn(overrides=overrides, hydra_cfg=where, status=JobStatus.COMPLETED, _return_value=score)
    error = InputError(str(outcome.failure).splitlines()[-1])
    return JobReturn(overrides=overrides, hydra_cfg=where, status=JobStatus.FAILED, _return_value=error)
