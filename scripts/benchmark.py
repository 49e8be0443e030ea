"""Speed and memory, by pairs of things measured in turn: scripts/benchmark [train] [start] [memory] [tracker]."""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.utils.data import DataLoader, TensorDataset

from fairrun.build import build
from fairrun.data.table import Data
from fairrun.fit import fit
from fairrun.train import CONF

BATCH, WIDTH, LR = 256, 64, 1e-3


def loader_loop(data: Data, epochs: int) -> int:
    """What is customary: nn.Module, DataLoader, torch.optim.Adam.  Returns the number of steps."""
    x, y = data.train.x.float(), data.train.y.float()
    layers = (torch.nn.Linear(x.shape[1], WIDTH), torch.nn.Linear(WIDTH, WIDTH), torch.nn.Linear(WIDTH, 1))
    net = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    for _ in range(epochs):
        for rows, labels in loader:
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(net(rows)[:, 0], labels).backward()
            optimizer.step()
    return epochs * len(loader)


def stack(network: Any, method: Any, data: Data, epochs: int, num_runs: int) -> int:
    """The same by ``fit``.  Returns the number of steps of all runs."""
    fit(network, [method] * num_runs, list(range(num_runs)), data, epochs=epochs, batch_size=BATCH)
    return num_runs * epochs * -(-len(data.train.y) // BATCH)


def rate(work: Callable[[], int]) -> float:
    """Steps per CPU-second."""
    before = time.process_time()
    return work() / (time.process_time() - before)


def train(pairs: int) -> None:
    """ERM on Adult, batch 256, MLP 64-64, one thread: training steps per CPU-second."""
    torch.set_num_threads(1)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["dataset=adult", "method=erm", f"method.optimizer.lr={LR}", f"model.width={WIDTH}"])
    config = OmegaConf.to_container(cfg, resolve=True)
    data, method = build(config["dataset"], "dataset").load(), build(config["method"], "method")
    network = build(config["model"], "model", num_features=len(data.features))
    few = data.test._replace(**{name: value[:16] for name, value in data.test._asdict().items()})
    training_only = data._replace(val=few, test=few)  # the DataLoader loop does not evaluate, so neither do we
    contenders = {
        "1 run": lambda: stack(network, method, training_only, 10, 1),
        "16 runs": lambda: stack(network, method, training_only, 5, 16),
        "16 runs, evaluated every epoch": lambda: stack(network, method, data, 5, 16),
    }
    stack(network, method, training_only, 1, 2)
    loader_loop(data, 1)  # both warm
    ratios: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(pairs):
        for name, work in contenders.items():
            baseline = rate(lambda: loader_loop(data, 5))
            ours = rate(work)
            ratios[name].append(ours / baseline)
            print(f"  {name}: {ours:.0f} steps per CPU-second, DataLoader loop {baseline:.0f}", flush=True)
    for name, values in ratios.items():
        summary("training steps per CPU-second, fit / DataLoader loop, " + name, values)


def start(pairs: int) -> None:
    """Wall time of ``python -m fairrun.train --help`` against ``import hydra, torch``."""
    ratios = []
    for _ in range(pairs):
        seconds = []
        for command in (["-m", "fairrun.train", "--help"], ["-c", "import hydra, torch"]):
            before = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - before)
        ratios.append(seconds[0] / seconds[1])
    summary("wall time, fairrun.train --help / import hydra, torch", ratios)


def memory(pairs: int) -> None:
    """Peak resident memory of one default run on Adult."""
    with tempfile.TemporaryDirectory() as folder:
        for k in range(pairs):
            command = [sys.executable, "-m", "fairrun.train", "epochs=2", f"hydra.run.dir={Path(folder, str(k))}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak resident memory of a run on Adult, largest of {pairs}: {peak:.0f} MiB")


def tracker(pairs: int) -> None:
    """CPU time that W&B, offline, adds to each of a sweep's 100 runs of 30 epochs, its service and the summary run
    counted in.
    """
    trackers = ("NoTracker()", "Wandb('benchmark', None, 'offline')")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fairrun.train", "dataset=german", "epochs=30", f"hydra.run.dir={folder}/run"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        milliseconds = []
        for k in range(pairs):
            for run in range(100):
                shutil.copytree(f"{folder}/run", f"{folder}/{k}/{run}")
            seconds = []
            for name in trackers:
                code = f"from fairrun.tracking import *; {name}.finish(Path('{folder}/{k}'), 'a-sweep')"
                before = children_cpu_seconds()
                subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"HOME": folder})
                seconds.append(children_cpu_seconds() - before)
            milliseconds.append((seconds[1] - seconds[0]) * 1000 / 100)
    summary("CPU-milliseconds that W&B adds to a run, offline, a sweep of 100 runs of 30 epochs", milliseconds)


def children_cpu_seconds() -> float:
    """User and system time of the processes that this one has waited for, and of those that they waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def summary(what: str, ratios: list[float]) -> None:
    """Median and range of the pairs."""
    print(f"{what}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)")


def main() -> None:
    """Run the benchmarks that are named, or all."""
    benchmarks = {function.__name__: function for function in (train, start, memory, tracker)}
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(benchmarks)}")
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    for name in arguments.names or benchmarks:
        if name not in benchmarks:
            parser.error(f"a benchmark must be one of {', '.join(benchmarks)}, got {name!r}")
        benchmarks[name](arguments.pairs)


if __name__ == "__main__":
    main()
