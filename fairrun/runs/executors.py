"""Where tasks run: in this process, in processes of this machine, on a Ray or Dask cluster, or through SLURM.

An executor calls a function on each of several named tasks.  It yields ``(name, result)`` as each task ends.  The
functions catch their own exceptions: ``Lost`` says that a worker died, and an executor that raises cannot work.
"""

import importlib.util
import itertools
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any, ClassVar, Protocol

import joblib
from joblib.externals.loky import ProcessPoolExecutor, process_executor
from joblib.externals.loky.backend import get_context

from fairrun.command.imports import load
from fairrun.config import plugins
from fairrun.config.check import InputError, is_integer, one_of, require
from fairrun.training import stop

Function = Callable[[Any], Any]
Results = Iterator[tuple[str, Any]]
# The optional package that each executor needs.
PACKAGES = {"inline": None, "loky": None, "ray": "ray", "dask": "distributed", "slurm": "submitit"}
POLL_S = 0.5  # seconds between two checks of SLURM's queue
WATCH_S = 0.5  # seconds between two checks by a local worker that its parent is alive
SAVE_S = 30  # seconds in which a local worker that is asked to end may save what it trains
# Each library has its own name for the number of threads.
THREADS = [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")]


@dataclass(frozen=True)
class Lost:
    """The result of a task whose worker died."""

    reason: str


class Executor(Protocol):
    """Calls a function on named tasks; see the module's docstring."""

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""
        ...

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Call ``function`` on every task and yield ``(name, result)``, in any order."""
        ...


@dataclass(frozen=True)
class Inline:
    """Runs tasks in this process, one after another."""

    workers: int = 1

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Yield results in the order of ``tasks``."""
        for name, task in tasks.items():
            yield name, function(task)


@dataclass(frozen=True)
class Loky:
    """Runs tasks in processes of this machine, which the commands of this process share.

    Each process is a pool of its own, so that a process that dies loses no other's task.
    """

    workers: int
    num_threads: int  # threads of each process

    def start(self, module: str, tasks: int) -> Iterable[Any]:
        """Make the processes for so many ``tasks`` import ``module`` while this one goes on.

        Whoever exhausts the result waits for them.  Other processes start with their first task.
        """
        count = min(self.workers, tasks)
        # ``map`` takes the processes from the last one on
        return as_completed(
            [_Process.of(self.workers - 1 - k, self.num_threads).call(load, module) for k in range(count)]
        )

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Yield results as tasks end, and ``Lost`` for a task whose process died.

        Where the caller takes no more results, the processes save what they train, and end.
        """
        left, free = iter(tasks.items()), list(range(self.workers))
        running: dict[Future[Any], tuple[str, _Process]] = {}
        try:
            while True:
                for name, task in itertools.islice(left, len(free)):
                    process = _Process.of(free.pop(), self.num_threads)
                    running[process.call(function, task)] = name, process
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    name, process = running.pop(done)
                    free.append(process.number)
                    yield name, process.result(done)
        finally:
            for _, process in running.values():
                process.end()


class _Process:
    """A local process.  It starts with its first task; another takes its place when it has died."""

    _all: ClassVar[dict[tuple[int, int], "_Process"]] = {}

    def __init__(self, number: int, threads: int) -> None:
        self.number = number
        self._key = number, threads
        self._ended = get_context("loky").Semaphore(0)  # an Event would wait for a process that died
        settings = dict.fromkeys(THREADS, str(threads))
        self._pool = ProcessPoolExecutor(1, initializer=_obey, initargs=(os.getpid(), self._ended), env=settings)

    @classmethod
    def of(cls, number: int, threads: int) -> "_Process":
        """Process ``number`` of those with so many threads."""
        return cls._all.get((number, threads)) or cls._all.setdefault((number, threads), cls(number, threads))

    def call(self, function: Function, task: Any) -> Future[Any]:
        """Call ``function`` on ``task`` in the process."""
        try:
            result: Future[Any] = self._pool.submit(function, task)
        except BrokenProcessPool:  # it died while it had nothing to do
            self.end()
            result = self.of(*self._key)._pool.submit(function, task)
        return result

    def result(self, done: Future[Any]) -> Any:
        """The result of a call that has ended; ``Lost`` if the process died."""
        try:
            return done.result()
        except BrokenProcessPool:  # its own message is long
            self.end()
            return Lost("its worker was killed, by a signal or for want of memory")

    def end(self) -> None:
        """Ask the process to end; it saves what it trains."""
        self._ended.release()
        type(self)._all.pop(self._key, None)


@dataclass(frozen=True)
class Ray:
    """Runs tasks on a Ray cluster.

    It does not use joblib, whose Ray backend keeps all results until the last one.
    """

    workers: int
    num_threads: int  # CPUs that a task asks for
    address: str | None  # of the cluster; None starts one on this machine

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Yield results as tasks end, and ``Lost`` for a task whose worker died."""
        import ray

        with ray.init(address=self.address, log_to_driver=False, logging_level=logging.WARNING):
            remote = ray.remote(function).options(num_cpus=self.num_threads, max_retries=0)
            waiting = {remote.remote(task): name for name, task in tasks.items()}
            while waiting:
                (done,), _ = ray.wait(list(waiting))
                try:
                    result = ray.get(done)
                except ray.exceptions.RayError as error:
                    result = Lost(_line(error))
                yield waiting.pop(done), result


@dataclass(frozen=True)
class Dask:
    """Runs tasks on a Dask cluster."""

    workers: int
    address: str  # of the cluster's scheduler

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Yield results as tasks end, and ``Lost`` for a task that killed several workers; Dask says how many."""
        from distributed import Client, as_completed

        left = iter(tasks.items())
        with Client(self.address) as client:

            def submit(number: int) -> dict[Any, str]:
                some = itertools.islice(left, number)
                return {client.submit(function, task, pure=False): name for name, task in some}

            waiting = submit(self.workers)
            done = as_completed(waiting)
            for future in done:
                try:
                    result = future.result()
                except Exception as error:  # its type varies: a worker died, or the scheduler lost the task
                    result = Lost(_line(error))
                yield waiting.pop(future), result
                added = submit(1)
                done.update(added)
                waiting |= added


@dataclass(frozen=True)
class Slurm:
    """Runs tasks as SLURM jobs, submitted by submitit."""

    workers: int
    cluster: str  # "slurm", or "local" for processes of this machine, to try it out
    options: Mapping[str, Any]  # submitit's: slurm_partition, timeout_min, mem_gb, ...
    folder: Path  # for submitit's files; every node must see it

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Yield results as jobs end, and ``Lost`` for a job that ended without a result."""
        import submitit

        executor = submitit.AutoExecutor(folder=self.folder, cluster=self.cluster)
        executor.update_parameters(**self.options)
        with executor.batch():
            waiting = {name: executor.submit(function, task) for name, task in tasks.items()}
        while waiting:
            for name in [name for name, job in waiting.items() if job.done()]:
                job = waiting.pop(name)
                try:
                    result = job.result()
                except Exception as error:  # its type varies: the job died, was cancelled or ran out of time
                    result = Lost(_line(error))
                yield name, result
            time.sleep(POLL_S)


def make(
    executor: str,
    workers: Any,
    *,
    num_threads: Any,
    address: Any,
    cluster: Any,
    options: Mapping[str, Any],
    folder: Path,
) -> Executor:
    """Make the executor that is named ``executor``, one of ``PACKAGES``.

    With ``workers`` "auto", the number of workers is this machine's cores divided by ``num_threads``.

    Raises ``InputError`` if a value cannot be used or a package is not installed.
    """
    one_of("hydra.launcher.executor", executor, PACKAGES)
    require(is_integer(num_threads) and num_threads >= 1, "num_threads", num_threads, "an integer >= 1")
    package = PACKAGES[executor]
    if package is not None and importlib.util.find_spec(package) is None:
        raise InputError(
            f"hydra.launcher.executor={executor} needs the package {package}: pip install 'fairrun[{executor}]'"
        )
    count = max(1, joblib.cpu_count() // num_threads) if workers == "auto" else workers
    require(is_integer(count) and count >= 1, "hydra.launcher.workers", workers, "auto or an integer >= 1")
    require(address is None or isinstance(address, str), "hydra.launcher.address", address, "null or an address")
    if executor == "inline":
        return Inline()
    if executor == "loky":
        return Loky(count, num_threads)
    if executor == "ray":
        return Ray(count, num_threads, address)
    if executor == "dask":
        require(address is not None, "hydra.launcher.address", address, "the address of a Dask scheduler")
        return Dask(count, address)
    one_of("hydra.launcher.cluster", cluster, ("slurm", "local"))
    return Slurm(count, cluster, options, folder)


def suited(executor: Executor, tasks: int) -> Executor:
    """The executor for so many tasks: one task needs no other process, unless code of the user's own could end it."""
    alone = isinstance(executor, Loky) and tasks < 2 and not plugins.named() and not plugins.installed()
    return Inline() if alone else executor


def completed(executor: Executor, function: Function, tasks: Mapping[str, Any]) -> Results:
    """Yield the results of ``executor.map``, but try the tasks whose workers died once more, side by side.

    If a task's worker dies again, the result is ``Lost``.

    Raises ``InputError`` if the executor raises twice: it cannot work at all.
    """
    waiting, lost = dict(tasks), set[str]()
    failures = 0
    while waiting:
        try:
            for name, result in executor.map(function, dict(waiting)):
                if isinstance(result, Lost) and name not in lost:
                    lost.add(name)
                    continue
                del waiting[name]
                yield name, Lost(f"lost twice: {result.reason}") if isinstance(result, Lost) else result
        except Exception as error:  # each cluster raises types of its own
            failures += 1
            if failures == 2:
                raise InputError(f"hydra.launcher must be one that works on this machine: {_line(error)}") from None


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _obey(parent: int, ended: Semaphore) -> None:
    """Make this worker end itself when it is asked to, or when process ``parent``, which started it, is gone.

    What it trains is saved first.  Signals for all processes of a command, from the keyboard or a scheduler, are left
    to the parent, which asks.
    """
    # Loky ends a worker that has grown, whatever it was given meanwhile; a pool of one would wait for that for ever.
    process_executor._USE_PSUTIL = False

    def watch() -> None:
        while os.getppid() == parent and not ended.acquire(timeout=WATCH_S):
            pass
        stop.end(signal.SIGTERM, SAVE_S)
        os._exit(1)

    for number in stop.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: ended.release())
    threading.Thread(target=watch, daemon=True).start()
