"""Tasks in this process and in others, with workers that really die."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import distributed
import numpy as np
import pytest
import submitit

from fairrun.config.check import InputError
from fairrun.runs.executors import local
from fairrun.runs.executors.api import Lost
from fairrun.runs.executors.clusters import Dask, Ray, Slurm
from fairrun.runs.executors.completed import completed
from fairrun.runs.executors.local import Inline, Loky
from fairrun.runs.executors.make import PACKAGES, make

SETTINGS = {"num_threads": 1, "address": None, "cluster": "slurm", "options": {}, "folder": Path("unused")}


def square(number):
    return number * number


def process(_):
    return os.getpid()


def threads(_):
    return os.environ["OMP_NUM_THREADS"]


def die_until(task):
    """Kills its own process for the first ``deaths`` times; the file counts them."""
    path, deaths, seconds = task
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    time.sleep(seconds)
    if len(path.read_text()) <= deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return len(path.read_text())


def run(executor, tasks):
    """The results of ``die_until`` tasks by name."""
    return dict(completed(executor, die_until, tasks))


def test_inline_keeps_order_and_process():
    assert list(Inline().map(square, {"a": 3, "b": 2})) == [("a", 9), ("b", 4)]
    assert dict(Inline().map(process, {"a": None})) == {"a": os.getpid()}


@pytest.mark.parametrize("workers", [1, 2])
def test_loky_works_in_other_processes_with_threads_that_fit(workers):
    executor = Loky(workers, num_threads=1)
    assert dict(executor.map(square, {str(k): k for k in range(5)})) == {str(k): k * k for k in range(5)}
    assert os.getpid() not in dict(executor.map(process, {"a": None, "b": None})).values()
    assert dict(executor.map(threads, {"a": None})) == {"a": "1"}


def test_a_worker_that_dies_once_loses_nothing(tmp_path):
    tasks = {name: (tmp_path / name, deaths, 0.2) for name, deaths in (("a", 0), ("b", 1), ("c", 0))}
    results = run(Loky(2, 1), tasks)
    assert results["b"] == 2
    assert all(isinstance(result, int) for result in results.values())


def test_a_task_that_always_kills_its_worker_is_lost_alone(tmp_path):
    tasks = {name: (tmp_path / name, deaths, 0.2) for name, deaths in (("a", 0), ("b", 99), ("c", 0), ("d", 0))}
    results = run(Loky(2, 1), tasks)
    assert isinstance(results["b"], Lost)
    assert "lost twice" in results["b"].reason
    assert len((tmp_path / "b").read_text()) == 2
    assert {name: type(result) for name, result in results.items() if name != "b"} == dict.fromkeys("acd", int)


def meet(task):
    """Kills its own process, and tried again waits until the other task is tried again too."""
    folder, name, other = task
    if not (folder / name).exists():
        (folder / name).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / f"{name} again").touch()
    end = time.monotonic() + 60
    while not (folder / f"{other} again").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return (folder / f"{other} again").exists()


@pytest.mark.slow
def test_lost_tasks_are_tried_again_side_by_side(tmp_path):
    tasks = {"a": (tmp_path, "a", "b"), "b": (tmp_path, "b", "a")}
    assert dict(completed(Loky(2, 1), meet, tasks)) == {"a": True, "b": True}


def note(path):
    path.touch()


def wait_for(path):
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert path.exists()


def test_the_next_task_begins_before_the_caller_has_taken_a_result(tmp_path):
    results = Loky(1, 1).map(note, {str(k): tmp_path / str(k) for k in range(2)})
    next(results)
    wait_for(tmp_path / "1")
    assert [name for name, _ in results] == ["1"]


class Short(dict):
    """Tasks of which only the first can be had."""

    def items(self):
        yield from list(super().items())[:1]
        raise OSError("no memory for another process")


def test_a_result_is_not_lost_where_no_other_task_can_begin():
    results = Loky(1, 1).map(square, Short(a=3, b=2))
    assert next(results) == ("a", 9)
    with pytest.raises(OSError, match="no memory"):
        next(results)


def folder(_):
    return os.getcwd()


def test_a_worker_is_in_the_folder_of_the_command_also_where_that_has_changed(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert dict(Loky(1, 1).map(folder, {"a": None})) == {"a": str(tmp_path / name)}
        (tmp_path / name).rmdir()


def grow(megabytes):
    """Keep so much more memory -> the process."""
    kept.append(np.ones(megabytes * 2**17))
    time.sleep(1.1)  # Loky looks at a worker's memory once a second
    return os.getpid()


kept = []


@pytest.mark.slow
def test_a_worker_that_grows_stays_and_loses_no_task():
    tasks = {str(k): size for k, size in enumerate((1, 400, 400, 1, 1))}
    results = dict(Loky(1, 1).map(grow, tasks))
    assert results.keys() == tasks.keys() and len(set(results.values())) == 1
    dict(Loky(1, 1).map(forget, {"a": None}))


def forget(_):
    kept.clear()


@pytest.mark.slow
def test_a_worker_that_dies_without_a_task_is_replaced():
    executor = Loky(1, 1)
    (worker,) = dict(executor.map(process, {"a": None})).values()
    os.kill(worker, signal.SIGKILL)
    while Path(f"/proc/{worker}").exists():
        time.sleep(0.05)
    time.sleep(0.5)  # the pool sees it
    assert dict(completed(executor, square, {"a": 3})) == {"a": 9}


def test_no_task_is_no_result():
    assert list(completed(Loky(2, 1), square, {})) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"executor": "threads"},
            "hydra.launcher.executor must be one of inline, loky, ray, dask, slurm, got 'threads'",
        ),
        ({"workers": 0}, "hydra.launcher.workers must be auto or an integer >= 1, got 0"),
        ({"workers": "many"}, "hydra.launcher.workers must be auto or an integer >= 1, got 'many'"),
        ({"executor": "dask"}, "hydra.launcher.address must be the address of a Dask scheduler, got None"),
        ({"executor": "dask", "address": 8786}, "hydra.launcher.address must be null or an address, got 8786"),
        ({"executor": "slurm", "cluster": "pbs"}, "hydra.launcher.cluster must be one of slurm, local, got 'pbs'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(values, said, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)  # whatever is installed here
    with pytest.raises(InputError) as caught:
        make(**{"executor": "loky", "workers": "auto"} | SETTINGS | values)
    assert str(caught.value) == said


@pytest.mark.parametrize("executor", [name for name, package in PACKAGES.items() if package])
def test_a_package_that_is_not_installed_is_named_with_what_installs_it(executor, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=rf"needs the package {PACKAGES[executor]}: pip install 'fairrun\[{executor}\]'"
    ):
        make(executor, "auto", **SETTINGS)


def test_workers_are_the_cores_shared_out_to_threads():
    cores = len(os.sched_getaffinity(0))
    assert make("loky", "auto", **SETTINGS).workers <= cores
    assert make("loky", "auto", **SETTINGS | {"num_threads": 10 * cores}).workers == 1


@pytest.mark.slow
def test_slurm_jobs_come_back_and_a_dead_one_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 1)  # how long it waits for the file of a dead job
    executor = Slurm(2, "local", {"timeout_min": 5}, tmp_path / "slurm")
    results = run(executor, {name: (tmp_path / name, deaths, 0) for name, deaths in (("a", 0), ("b", 1))})
    assert results == {"a": 1, "b": 2}


def train_long(task):
    """Say which process this is, and work for a minute."""
    path, seconds = task
    path.write_text(str(os.getpid()))
    time.sleep(seconds)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # submitit leaves its process behind
def test_slurm_jobs_whose_results_nobody_takes_are_cancelled(tmp_path):
    """A command that is started again would train them a second time beside them."""
    tasks = {name: (tmp_path / name, seconds) for name, seconds in (("a", 3), ("b", 60))}
    results = Slurm(2, "local", {"timeout_min": 5}, tmp_path / "slurm").map(train_long, tasks)
    assert next(results) == ("a", None)
    wait_for(tmp_path / "b")
    results.close()
    worker, end = Path("/proc", (tmp_path / "b").read_text()), time.monotonic() + 30
    while worker.exists():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_dask_cluster_does_the_work_and_begins_the_next_task_before_a_result_is_taken(tmp_path):
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        results = dict(Dask(1, cluster.scheduler_address).map(square, {"a": 3, "b": 2}))
        began = Dask(1, cluster.scheduler_address).map(note, {str(k): tmp_path / str(k) for k in range(2)})
        next(began)
        wait_for(tmp_path / "1")
        assert [name for name, _ in began] == ["1"]
    assert results == {"a": 9, "b": 4}


@pytest.mark.slow
def test_a_ray_cluster_does_the_work_and_a_dead_worker_loses_nothing(tmp_path):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    executor = Ray(2, 1, address=None)
    assert dict(executor.map(square, {"a": 3, "b": 2})) == {"a": 9, "b": 4}
    assert run(executor, {"a": (tmp_path / "a", 0, 0), "b": (tmp_path / "b", 1, 0)}) == {"a": 1, "b": 2}


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(tmp_path):
    code = (
        "import os, sys\nfrom tests.runs.test_executors import process\nfrom fairrun.runs.executors.local import Loky\n"
        "print(*dict(Loky(2, 1).map(process, dict(a=0, b=0))).values(), flush=True)\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    for worker in done.stdout.split():
        while Path(f"/proc/{worker}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_no_more_workers_start_than_there_are_tasks():
    executor = Loky(3, 2)
    assert len(list(executor.start("json", 1))) == 1
    assert sorted(number for number, threads in local._Process._all if threads == 2) == [2]
    assert dict(executor.map(square, {"a": 3})) == {"a": 9}
    assert sorted(number for number, threads in local._Process._all if threads == 2) == [2]


class Unreachable:
    """A cluster that is not there."""

    workers, calls = 1, 0

    def map(self, function, tasks):
        self.calls += 1
        raise ConnectionError("nobody at tcp://nowhere\nand more")


def test_an_executor_that_cannot_work_is_an_error_and_not_lost_tasks():
    executor = Unreachable()
    with pytest.raises(InputError, match=r"hydra\.launcher must be one that works on this machine: nobody"):
        list(completed(executor, square, {"a": 1, "b": 2}))
    assert executor.calls == 2
