"""Tasks that run on other machines: on a Ray or Dask cluster, or through SLURM."""

import itertools
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairrun.runs.executors.api import Function, Lost, Results, first_line

POLL_S = 0.5  # seconds between two checks of SLURM's queue


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
                    result = Lost(first_line(error))
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
                    result = Lost(first_line(error))
                name = waiting.pop(future)
                try:
                    added = submit(1)  # before the caller writes the result
                    done.update(added)
                    waiting |= added
                finally:  # it is there also where nothing more can be submitted
                    yield name, result


@dataclass(frozen=True)
class Slurm:
    """Runs tasks as SLURM jobs, submitted by submitit."""

    workers: int
    cluster: str  # "slurm", or "local" for processes of this machine, to try it out
    options: Mapping[str, Any]  # submitit's: slurm_partition, timeout_min, mem_gb, ...
    folder: Path  # for submitit's files; every node must see it

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Yield results as jobs end, and ``Lost`` for a job that ended without a result.

        Where the caller takes no more results, the other jobs are cancelled.
        """
        import submitit

        executor = submitit.AutoExecutor(folder=self.folder, cluster=self.cluster)
        executor.update_parameters(**self.options)
        with executor.batch():
            waiting = {name: executor.submit(function, task) for name, task in tasks.items()}
        try:
            while waiting:
                for name in [name for name, job in waiting.items() if job.done()]:
                    job = waiting.pop(name)
                    try:
                        result = job.result()
                    except Exception as error:  # its type varies: the job died, was cancelled or ran out of time
                        result = Lost(first_line(error))
                    yield name, result
                time.sleep(POLL_S)
        finally:
            for job in waiting.values():
                job.cancel(check=False)
