"""The executor that a configuration asks for."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib

from fairrun.config import plugins
from fairrun.config.check import InputError, is_integer, one_of, require
from fairrun.runs.executors.api import Executor
from fairrun.runs.executors.clusters import Dask, Ray, Slurm
from fairrun.runs.executors.local import Inline, Loky

# The optional package that each executor needs.
PACKAGES = {"inline": None, "loky": None, "ray": "ray", "dask": "distributed", "slurm": "submitit"}


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
