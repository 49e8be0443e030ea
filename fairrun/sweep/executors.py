"""Where tasks run: in this process, in processes of this machine, on a Ray or Dask cluster, or through SLURM.

An executor calls a function on each of several named tasks.  It yields ``(name, result)`` as each task ends.  The
functions catch their own exceptions: if an executor raises, or yields ``Lost``, a worker died.
"""

import functools
import importlib.util
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import joblib

from fairrun.config.check import InputError, is_integer, one_of, require

Function = Callable[[Any], Any]
Results = Iterator[tuple[str, Any]]
# The optional package that each executor needs.
PACKAGES = {"inline": None, "loky": None, "ray": "ray", "dask": "distributed", "slurm": "submitit"}
POLL_S = 0.5  # seconds between two checks of SLURM's queue
WATCH_S = 0.5  # seconds between two checks by a local worker that its parent is alive


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
    """Runs tasks in processes of this machine."""

    workers: int
    num_threads: int  # threads of each process

    def start(self, module: str) -> Results:
        """Start the processes; each imports ``module`` while this one goes on.

        The caller must exhaust the iterator before it calls ``map``.
        """
        return self.map(_import, {str(k): module for k in range(self.workers)})

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Start the tasks at once and yield results as tasks end.

        Raises if a worker dies.  Results that the caller has not taken by then are lost.

        There are at least two processes, because joblib would run the tasks of a single one in this process.  With
        ``workers`` 1, one task runs at a time.
        """
        watch = _watch_of(os.getpid())
        with joblib.parallel_config("loky", inner_max_num_threads=self.num_threads, initializer=watch):
            return _parallel(function, tasks, max(2, self.workers), self.workers)


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
        """Yield results as tasks end.  Raises if a worker dies several times; Dask's own setting says how many."""
        from distributed import Client

        with Client(self.address), joblib.parallel_config("dask"):
            yield from _parallel(function, tasks, max(2, self.workers), self.workers)


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


def completed(
    executor: Executor, function: Function, tasks: Mapping[str, Any], started: Callable[[str], bool]
) -> Results:
    """Yield the results of ``executor.map``, but try a task whose worker died once more.

    The second try runs the task alone.  If its worker dies again, the result is ``Lost``.

    ``started(name)`` tells whether a worker began the task.  Only a task that began can have killed its worker.

    Raises ``InputError`` if the executor fails twice before any task began: it cannot work at all.
    """
    waiting = dict(tasks)
    failures = 0
    while waiting:
        died, reason = [], None
        try:
            for name, result in executor.map(function, dict(waiting)):
                if isinstance(result, Lost):
                    died.append(name)
                else:
                    del waiting[name]
                    yield name, result
        except Exception as error:  # each cluster raises types of its own
            reason = _line(error)
        died += [name for name in waiting if name not in died and started(name)]
        if reason is not None and not died:
            failures += 1
            if failures == 2:
                raise InputError(f"hydra.launcher must be one that works on this machine: {reason}")
        for name in died:
            yield name, _again(executor, function, name, waiting.pop(name))


def _again(executor: Executor, function: Function, name: str, task: Any) -> Any:
    try:
        ((_, result),) = executor.map(function, {name: task})
    except Exception as error:
        result = Lost(_line(error))
    return Lost(f"lost twice: {result.reason}") if isinstance(result, Lost) else result


def _line(error: Exception) -> str:
    if isinstance(error, BrokenProcessPool):  # loky's own message is long
        return "its worker was killed, by a signal or for want of memory"
    return next(iter(str(error).splitlines()), type(error).__name__)


def _parallel(function: Function, tasks: Mapping[str, Any], processes: int, at_a_time: int) -> Results:
    pool = joblib.Parallel(processes, batch_size=1, pre_dispatch=at_a_time, return_as="generator_unordered")
    results: Results = pool(joblib.delayed(_named)(function, name, task) for name, task in tasks.items())
    return results


@functools.cache
def _watch_of(parent: int) -> Callable[[], None]:
    """Make the function that ends a worker when process ``parent`` is gone.

    It is cached because joblib reuses workers only if it gets the same object again.
    """
    return functools.partial(_die_with, parent)


def _die_with(parent: int) -> None:
    """Make this worker end itself when process ``parent``, which started it, is gone.

    The parent may have been killed.  Nobody would take the worker's results then.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _import(module: str) -> None:
    importlib.import_module(module)


def _named(function: Function, name: str, task: Any) -> tuple[str, Any]:
    return name, function(task)
