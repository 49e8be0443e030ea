"""Sweeps that are killed by kill -9 and go on by the same command: their results are those of a sweep left alone."""

import json
import multiprocessing
import os
import random
import runpy
import sys
import tempfile
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from bench.fuzz.cases import Counts
from bench.fuzz.configurations import table
from fairrun.results.records import HISTORY, RECORD

PRELOADED = ["bench.fuzz.kills", "fairrun.runs.single_task", "fairrun.datasets.csv", "fairrun.methods.penalty"]
PRELOADED += ["fairrun.report.cli", "hydra_plugins.fairrun_launcher", "hydra_plugins.fairrun_sweepers"]
PRELOADED += ["sklearn.compose", "sklearn.pipeline", "sklearn.preprocessing"]
PRELOADED += ["matplotlib.backends.backend_pdf", "fontTools.subset", "narwhals._pandas_like.dataframe"]
STARTED = "started"  # a file, as old as the last process
SWEEP = [
    "-m",
    "method=penalty",
    "method.lam=0,1",
    "seed=range(2)",
    "epochs=6",
    "batch_size=8",
    "checkpoint_minutes=0.001",
]
SWEEP += ["hydra.sweep.dir=sweep", "hydra.launcher.executor=inline", "hydra.launcher.stack_size=2"]


def start(folder: Path, overrides: list[str]) -> ForkServerProcess:
    """Start a command in ``folder``, in a process forked off one that has imported what it needs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_command, args=(folder, overrides))
    process.start()
    return process


def _command(folder: Path, overrides: list[str]) -> None:
    os.chdir(folder)
    Path(STARTED).touch()
    output = os.open(folder / "output", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    sys.argv = ["fairrun", *overrides]
    runpy.run_module("fairrun.train", run_name="__main__", alter_sys=True)


def results(folder: Path) -> dict[str, Any]:
    """The metrics of every run below a folder, and the bytes of its history, by name."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob(RECORD)):
        record = json.loads(path.read_bytes())
        kept = {key: record[key] for key in ("status", "metrics", "epoch", "score", "key")}
        found[str(path.parent.relative_to(folder))] = [kept, (path.parent / HISTORY).read_bytes()]
    return found


def run(number: int, seed: int) -> Counts:
    """Kill so many sweeps, each once or twice at random times, and let them go on."""
    rng, counts = random.Random(seed), Counts("kills")
    with tempfile.TemporaryDirectory() as name:
        command = [*SWEEP, *table(Path(name))]
        alone = Path(name, "alone")
        alone.mkdir()
        start(alone, command).join()
        whole = results(alone)
        began = (alone / STARTED).stat().st_mtime  # when all was imported
        takes = max(path.stat().st_mtime for path in alone.rglob(RECORD)) - began
        assert len(whole) == 4, (alone / "output").read_text()
        for k in range(number):
            folder = Path(name, str(k))
            folder.mkdir()
            killed = _killed(rng, folder, command, takes)
            counts.tried += 1
            counts.trained += killed
            if results(folder) != whole:
                counts.failures.append(f"other results after kill -9\n{(folder / 'output').read_text()[-2000:]}")
                print(f"FAILURE {counts.failures[-1]}", flush=True)
    return counts


def _killed(rng: random.Random, folder: Path, command: list[str], takes: float) -> bool:
    """Start a command, kill it, and let it end -> whether it was still at work when it was killed."""
    killed = False
    for _ in range(rng.choice((1, 1, 2))):
        process = start(folder, command)
        process.join(rng.uniform(0, takes))
        killed |= process.is_alive()
        process.kill()
        process.join()
    start(folder, command).join()
    return killed
