"""Speed, memory, fronts and plain runs: scripts/benchmark NAME ... --store docs/measured."""

import argparse
import functools
import itertools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bench import loader_loop, meta_loop, player_loop
from bench.goals import ALONE, EXTRA, LOOP, ONE_EPOCH, OVERHEAD, RESULTS
from bench.measuring import Value, check, children_cpu_seconds, command, of_pairs, store, told
from bench.responses import alphas
from bench.sweeps import numbers, peers, plain, trees
from fairrun.config.build import build
from fairrun.data.table import Data
from fairrun.method.bargaining import nash_bargaining
from fairrun.results.records import read
from fairrun.runs.built import network
from fairrun.runs.job import load
from fairrun.train import CONF
from fairrun.training.fit import fit

SHAPES = {  # width, batch size, runs side by side
    "MLP 64-64, batch 256": (64, 256, 16),
    "MLP 64-64, batch 64": (64, 64, 32),
    "MLP 128-128, batch 256": (128, 256, 8),
}
HELP = "`fairrun train --help`"
LR = 1e-3
PAIRS = 5


def config_of(*overrides: str) -> dict[str, Any]:
    """The configuration that Hydra composes from ``overrides``."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", list(overrides)), resolve=True)
    return config  # type: ignore[no-any-return]


def few_rows(data: Data) -> Data:
    """The data with all training rows and few other rows, because the DataLoader loop does not evaluate."""
    few = data.test._replace(**{name: value[:32] for name, value in data.test._asdict().items()})
    return data._replace(val=few, test=few)


def stack(data: Data, width: int, batch: int, epochs: int, num_runs: int, engine: str = "auto") -> int:
    """Train ERM with ``fit``.  Returns the number of steps of all runs."""
    config = config_of("method=erm", f"method.optimizer.lr={LR}", f"model.width={width}")
    return trained(data, config, batch, epochs, num_runs, engine)


def trained(data: Data, config: dict[str, Any], batch: int, epochs: int, num_runs: int, engine: str = "auto") -> int:
    """Train runs of one configuration with ``fit``.  Returns the number of steps of all runs."""
    model = network(config, len(data.features), len(data.tasks), data.categories)
    method = build(config["method"], "method")
    fit(model, [method] * num_runs, range(num_runs), data, epochs=epochs, batch_size=batch, engine=engine)
    rows = len(data.train.y) - len(data.balanced) * ("val" in method.needs)
    return num_runs * epochs * -(-rows // batch)


def loop(data: Data, width: int, batch: int, epochs: int, *, evaluate: bool = False) -> int:
    """Train ERM with the DataLoader loop.  Returns the number of steps."""
    return loader_loop.train(data, epochs=epochs, batch_size=batch, width=width, lr=LR, lam=None, evaluate=evaluate)


def rate(work: Callable[[], int]) -> float:
    """The steps per CPU-second of ``work``, which returns its number of steps."""
    before = time.process_time()
    return work() / (time.process_time() - before)


def train(pairs: int) -> Iterator[Value]:
    """ERM on Adult, one thread: training steps per CPU-second, compared with the DataLoader loop."""
    torch.set_num_threads(1)
    data = load(config_of("dataset=adult"))
    short = few_rows(data)
    loop(short, 64, 256, 1)  # warm
    for name, (width, batch, runs) in SHAPES.items():
        contenders: dict[str, Callable[[], int]] = {
            "one run": lambda: stack(short, width, batch, 5, 1),  # noqa: B023 - called within the loop
            "a stack": lambda: stack(short, width, batch, 3, runs),  # noqa: B023
            "a stack, torch alone": lambda: stack(short, width, batch, 3, runs, "torch"),  # noqa: B023
            "a stack, evaluated every epoch": lambda: stack(data, width, batch, 3, runs),  # noqa: B023
        }
        ratios: dict[str, list[float]] = {contender: [] for contender in contenders}
        for _ in range(pairs):
            for contender, work in contenders.items():
                ratios[contender].append(rate(work) / rate(lambda: loop(short, width, batch, 2)))  # noqa: B023
        for contender, values in ratios.items():
            yield of_pairs("train", "training steps per CPU-second / the loop's", {"network": name}, contender, values)


def nash(pairs: int) -> Iterator[Value]:
    """Nash bargaining: time of a solve, and steps per CPU-second on Adult, compared with the double-backward loop."""
    torch.set_num_threads(1)
    for runs in (1, 128):
        g = torch.randn(runs, 4, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        gram = g @ g.mT
        nash_bargaining(gram)
        microseconds = [1e6 * wall(lambda: nash_bargaining(gram)) / runs for _ in range(50 * pairs)]  # noqa: B023
        row = {"problems of four players at once": str(runs)}
        yield of_pairs("nash_solve", "a solve's time", row, "microseconds", microseconds)
    data = few_rows(load(config_of("dataset=adult"))).to("cpu", torch.float32)
    rows = 2 * 256 * 32
    data = data._replace(train=data.train.rows(torch.cat([torch.arange(rows), data.balanced])))
    data = data._replace(balanced=torch.arange(len(data.balanced)) + rows)
    for batch in (256, 64):
        for method in ("ltr", "nash_ltr"):
            config = config_of(f"method={method}", f"method.bargain_epochs={99 * (method == 'nash_ltr')}")
            ratios = []
            for _ in range(pairs):
                ours = rate(lambda: trained(data, config, batch, 4, 32))  # noqa: B023
                loop = {"steps": 200, "batch_size": batch, "width": 64, "lr": 0.02, "bargain": method == "nash_ltr"}
                ratios.append(ours / rate(lambda: meta_loop.train(data, **loop)))  # noqa: B023
            shows, row = "steps per CPU-second of 32 runs / the loop's", {"network": f"MLP 64-64, batch {batch}"}
            yield of_pairs("nash", shows, row, f"`{method}`", ratios)


IRW = ("irw", "irwo", "irw_global")


def irw(pairs: int) -> Iterator[Value]:
    """CPU-seconds of a step of IRW on Adult, divided by those of ERM.

    MLP 64-32, batch 256, 16 runs side by side, one thread.
    """
    torch.set_num_threads(1)
    data = few_rows(load(config_of("dataset=adult")))
    width = ["model.width=[64,32]"]
    for method, (layers, column) in itertools.product(IRW, (("last", "last layer"), ("all", "all layers"))):
        ratios = []
        for _ in range(pairs):
            ours, erm = (
                rate(lambda: trained(data, config_of(*width, *options), 256, 3, 16))  # noqa: B023
                for options in ([f"method={method}", f"method.layers={layers}"], ["method=erm"])
            )
            ratios.append(erm / ours)
        yield of_pairs("irw", "time of a step / that of `erm`", {"method": f"`{method}`"}, column, ratios)


WHOLE = "wall time of a whole command, and the other's time for the same runs / it"


def fairbinn(pairs: int) -> Iterator[Value]:
    """Runs per hour of the whole command for FairBiNN on Adult: 12 eta x 5 seeds, 50 epochs, batch 100, both cores.

    They are compared with the same runs one after another by Hydra's basic launcher (extrapolated from the difference
    of three jobs and one job), and with a DataLoader loop of two torch optimizers without evaluation (extrapolated from
    two epochs).
    """
    torch.set_num_threads(1)
    data = load(config_of("experiment=fairbinn/adult"))
    etas = "1,10,30,100,200,300,600,1000,2000,3000,4500,6000"
    for method in ("fairbinn_authors", "fairbinn"):
        common = ["-m", "experiment=fairbinn/adult", f"method={method}"]
        seconds, ratios = [], {ALONE: [], LOOP: []}
        for _ in range(pairs):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder)
                ours = wall(lambda: command(path / "ours", *common, f"method.eta={etas}", "seed=range(5)"))  # noqa: B023
                basic = [*common, "hydra/launcher=basic", "method.eta=100"]
                one, three = (
                    wall(lambda: command(path / str(seeds), *basic, f"seed=range({seeds})"))  # noqa: B023
                    for seeds in (1, 3)
                )
            options = {"batch_size": 100, "width": 101, "eta": 100.0, "leak": method == "fairbinn_authors"}
            loop = wall(lambda: player_loop.train(data, epochs=2, **options))  # noqa: B023
            seconds.append(ours)
            ratios[ALONE].append((one + 59 * (three - one) / 2) / ours)
            ratios[LOOP].append(60 * 25 * loop / ours)
        row = {"sweep": f"`{method}`, 12 eta, 5 seeds, 50 epochs, batch 100"}
        for column, values in {"seconds": seconds, **ratios}.items():
            yield of_pairs("fairbinn", WHOLE, row, column, values)


def mtaf(pairs: int) -> Iterator[Value]:
    """Runs per hour of whole commands for MTA-F on Adult: 40 epochs, batch 1024, both cores.

    The runs are stl, mtl, and mtl_fair and mtaf with 6 lam, each with 5 seeds.  They are compared with the same runs
    one after another by Hydra's basic launcher (extrapolated from the difference of eight jobs and four jobs: stl, mtl,
    mtl_fair and mtaf with two seeds or one).
    """
    common = ["-m", "experiment=mtaf/adult"]
    lams = "method.lam=0.3,1,3,10,30,100"
    methods = "method=stl,mtl,mtl_fair,mtaf"
    seconds, ratios = [], []
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            ours = wall(lambda: command(path / "ours" / "plain", *common, "method=stl,mtl", "seed=range(5)"))  # noqa: B023
            swept = [*common, "method=mtl_fair,mtaf", lams, "seed=range(5)"]
            ours += wall(lambda: command(path / "ours" / "swept", *swept))  # noqa: B023
            basic = [*common, methods, "hydra/launcher=basic"]
            one, two = (
                wall(lambda: command(path / str(seeds), *basic, f"seed=range({seeds})"))  # noqa: B023
                for seeds in (1, 2)
            )
            runs = len(list((path / "ours").rglob("record.json")))
        seconds.append(ours)
        ratios.append((one + (runs - 4) * (two - one) / 4) / ours)
    row = {"sweep": "`stl`, `mtl`, `mtl_fair` and `mtaf` with 6 lam, 5 seeds, 40 epochs, batch 1024"}
    yield of_pairs("mtaf", WHOLE, row, "seconds", seconds)
    yield of_pairs("mtaf", WHOLE, row, ALONE, ratios)


def sweep(pairs: int) -> Iterator[Value]:
    """Whole sweeps from the command line, including imports and report."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        yield from throughput(pairs, Path(folder))
        yield from reference(pairs, Path(folder))
        yield from flat(Path(folder))


def throughput(pairs: int, folder: Path) -> Iterator[Value]:
    """Training steps per CPU-second of 64 runs of 30 epochs in one process, compared with the DataLoader loop.

    The sweep's time is that of the whole command: imports, data, evaluation after every epoch, records, report.
    """
    data = load(config_of("dataset=adult"))
    for name, (width, batch, _) in SHAPES.items():
        sizes = [f"model.width={width}", f"batch_size={batch}", f"method.optimizer.lr={LR}", "epochs=30"]
        overrides = ["-m", "method=erm", "seed=range(64)", "dataset=adult", *sizes, "hydra.launcher.executor=inline"]
        variants = (functools.partial(loop, data, width, batch, 4, evaluate=evaluate) for evaluate in (False, True))
        loops = dict(zip(("the loop does not evaluate", "both evaluate every epoch"), variants, strict=True))
        ratios: dict[str, list[float]] = {kind: [] for kind in loops}
        loop(data, width, batch, 1, evaluate=True)  # warm
        for k in range(pairs):
            before = children_cpu_seconds()
            command(folder / f"{width}-{batch}-{k}", *overrides)
            ours = 64 * 30 * -(-len(data.train.y) // batch) / (children_cpu_seconds() - before)
            for kind, work in loops.items():
                ratios[kind].append(ours / rate(work))
        for kind, values in ratios.items():
            yield of_pairs("sweep", "steps per CPU-second / the loop's", {"network": name}, kind, values)


def reference(pairs: int, folder: Path) -> Iterator[Value]:
    """Wall time of the reference sweep, compared with the DataLoader loop in Hydra's basic launcher.

    The sweep is 12 weights x 10 seeds of penalty on Adult: 30 epochs with evaluation, MLP 64-64, batch 256, both cores.
    """
    weights = "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1,1.2,1.5"
    common = ["-m", "method=penalty", "dataset=adult", "epochs=30", "batch_size=256"]
    seconds, overheads, ratios = [], [], []
    for k in range(pairs):
        jobs = []
        for seeds in (1, 6):  # one job; one job and five more
            loops = [*common, "method.lam=0.5", f"seed=range({seeds})", "hydra/launcher=basic", "hydra/sweeper=basic"]
            jobs.append(wall(lambda: command(folder / f"loop-{k}-{seeds}", *loops, module="bench.loader_loop")))  # noqa: B023
        alone = (jobs[1] - jobs[0]) / 5
        ours = wall(lambda: command(folder / f"ref-{k}", *common, f"method.lam={weights}", "seed=range(10)"))  # noqa: B023
        seconds.append(ours)
        ratios.append((jobs[0] + 119 * alone) / ours)
        overheads.append(ours - training_seconds(folder / f"ref-{k}") / 2)
    row = {"sweep": "`penalty`, 12 lam, 10 seeds, 30 epochs, batch 256"}
    columns = {"seconds": seconds, OVERHEAD: overheads, LOOP: ratios}
    for column, values in columns.items():
        yield of_pairs("sweep_reference", WHOLE, row, column, values)


def flat(folder: Path) -> Iterator[Value]:
    """The cost of a run and the memory as a sweep grows, on German Credit with 2 epochs."""
    before_more = None
    for runs in (16, 128, 512, 2000):
        before = children_cpu_seconds()
        command(folder / f"flat-{runs}", "-m", "dataset=german", "epochs=2", "batch_size=64", f"seed=range({runs})")
        cost = children_cpu_seconds() - before
        training = training_seconds(folder / f"flat-{runs}")
        peak = _peak_gib()
        found = {"CPU-seconds": cost, "of training": training, "peak GiB a process": peak}
        if before_more is not None:
            fewer, beside = before_more
            found[EXTRA] = 1000 * (cost - training - beside) / (runs - fewer)
        before_more = runs, cost - training
        for column, value in found.items():
            yield of_pairs("sweep_flat", "a whole command", {"runs": str(runs)}, column, [value])


def training_seconds(folder: Path) -> float:
    """The total training time of all stacks below ``folder`` in seconds, by their records."""
    records = [read(path.parent) for path in folder.rglob("record.json")]
    return float(sum(record["wall_time_s"] / record["side_by_side"] for record in records))


def wall(work: Callable[[], object]) -> float:
    """The wall time of ``work``, in seconds."""
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def start(pairs: int) -> Iterator[Value]:
    """Wall time of short commands: ``--help``, a run of one epoch without its training, and ``fairrun results``."""
    module = [sys.executable, "-m"]
    seconds: dict[str, list[float]] = {HELP: [], ONE_EPOCH: [], RESULTS: []}
    with tempfile.TemporaryDirectory() as folder:
        for k in range(pairs):
            run = Path(folder, "runs", str(k))
            helped = wall(lambda: _quiet([*module, "fairrun", "train", "--help"]))
            whole = wall(lambda: command(run, "dataset=adult", "epochs=1"))  # noqa: B023
            listed = wall(lambda: _quiet([*module, "fairrun", "results", str(run.parent)]))  # noqa: B023
            seconds[HELP].append(helped)
            seconds[ONE_EPOCH].append(whole - float(read(run)["wall_time_s"]))
            seconds[RESULTS].append(listed)
    for what, found in seconds.items():
        yield of_pairs("start", "wall time of a command", {"what": what}, "seconds", found)


def _quiet(words: list[str]) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def memory(pairs: int) -> Iterator[Value]:
    """Peak resident memory of one default run on Adult, and of one on a million rows of 50 numbers."""
    with tempfile.TemporaryDirectory() as folder:
        for k in range(pairs):
            command(Path(folder, str(k)), "epochs=2")
        yield _peak("`epochs=2`, on Adult", pairs)
        large = Path(folder, "large.csv")
        _write_rows(large, rows=1_000_000, numbers=49)
        table = [f"dataset.path={large}", "dataset.label=label", "dataset.positive=1", "dataset.sensitive=[group]"]
        command(Path(folder, "large"), "dataset=csv", *table, "epochs=1", "batch_size=1024")
        yield _peak("`epochs=1`, on 1,000,000 rows of 50 columns", 1)


def _peak(run: str, runs: int) -> Value:
    return told(
        Value("memory", {"run": run}, "peak GiB", f"{_peak_gib():.3g}", "", "", "the largest of some runs", runs)
    )


def _peak_gib() -> float:
    """The largest resident memory of all finished descendants of this process."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def _write_rows(path: Path, rows: int, numbers: int) -> None:
    """Write a CSV of standard normal numbers, a group, and a label that depends on both."""
    generator = np.random.default_rng(0)
    for start in range(0, rows, 50_000):
        x = generator.standard_normal((50_000, numbers)).round(3)
        group = generator.integers(2, size=len(x))
        label = x[:, 0] + 0.5 * group + generator.standard_normal(len(x)) > 0
        part = pd.DataFrame(x, columns=[f"x{k}" for k in range(numbers)]).assign(group=group, label=label.astype(int))
        part.to_csv(path, mode="a", header=start == 0, index=False)


def tracker(pairs: int) -> Iterator[Value]:
    """The CPU time that W&B, offline, adds to each of a sweep's 100 runs of 30 epochs.

    It includes W&B's service and the summary run.
    """
    trackers = ("NoTracker()", "Wandb(project='benchmark', entity=None, mode='offline')")
    imports = (
        "from pathlib import Path; from fairrun.trackers import NoTracker; from fairrun.trackers.wandb import Wandb"
    )
    with tempfile.TemporaryDirectory() as folder:
        command(Path(folder, "run"), "dataset=german", "epochs=30")
        milliseconds = []
        for k in range(pairs):
            for run in range(100):
                shutil.copytree(f"{folder}/run", f"{folder}/{k}/{run}")
            seconds = []
            for name in trackers:
                code = f"{imports}; {name}.finish(Path('{folder}/{k}'), 'a-sweep')"
                before = children_cpu_seconds()
                subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"HOME": folder})
                seconds.append(children_cpu_seconds() - before)
            milliseconds.append((seconds[1] - seconds[0]) * 1000 / 100)
    row = {"tracker": "W&B, offline, in a sweep of 100 runs of 30 epochs"}
    yield of_pairs("tracker", "CPU time that it adds to a run", row, "milliseconds", milliseconds)


def responses(draws: int) -> Iterator[Value]:
    """Alpha from randomised responses, of 100 draws for each pair that there would be."""
    for name in ("adult", "law_school", "compas"):
        s = load(config_of(f"experiment=irw/{name}")).train.s.numpy()
        yield from alphas(name, s, 100 * draws)


FUNCTIONS = (train, nash, irw, fairbinn, mtaf, sweep, start, memory, tracker, plain, trees, numbers, peers, responses)
BENCHMARKS = {function.__name__: function for function in FUNCTIONS}


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(BENCHMARKS)}")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs, or seeds of what sweeps make")
    parser.add_argument("--store", type=Path, metavar="FOLDER", help="keep what is measured in FOLDER/TABLE.csv")
    arguments = parser.parse_args()
    names = arguments.names or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"a benchmark must be one of {', '.join(BENCHMARKS)}, got {name!r}")
        if arguments.store:
            try:
                check(name, arguments.store)
            except ValueError as error:
                parser.error(str(error))
    for name in names:
        for value in BENCHMARKS[name](arguments.pairs):
            if arguments.store:
                store([value], arguments.store, f"--pairs {arguments.pairs}" * (arguments.pairs != PAIRS))


if __name__ == "__main__":
    main()
