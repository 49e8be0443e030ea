"""Tables that sweeps make: plain runs, networks beside trees and beside what else people use, numbers in pieces.

Each is a sweep by the command; fronts are chosen on validation rows and valued on test rows.
"""

import csv
import importlib.util
import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.measuring import SEEDS, Value, children_cpu_seconds, command, of_seeds, told

BOUNDS = "0.01,0.02,0.03,0.05,0.07,0.1,0.13,0.16,0.2,0.25"
WEIGHTS = "0.1,0.2,0.3,0.5,0.7,0.9,1.2,1.5,2,3"
LIGHTGBM = "estimator@method.estimator=lightgbm"
PIECES = ("model.members=4", "dataset.numbers=piecewise", "dataset.bins=100")
PLAIN = (
    ("dataset=adult", "method=erm,reweighing,group_dro,penalty", "method.lam=0.5,1"),
    ("dataset=compas,german,law_school", "method=erm"),
)

TREES = ("acs_employment_ma", "adult", "bank_40004", "compas", "credit", "german", "law_school")
TIMES = {"law_school": 3}  # as many seeds there, whose interval is wide with five
NUMBERS = ("adult", "bank_40004", "compas", "credit", "german")
LIMITS = (0.02, 0.05, 0.1)  # of the demographic parity difference


class Peer(NamedTuple):
    """A sweep, on any data set."""

    name: str
    words: tuple[str, ...]
    package: str | None = None  # that it needs beside fairrun's own


PEERS = (
    Peer("LightGBM + thresholds", ("method=estimator", LIGHTGBM, "postprocess=frontier"), "lightgbm"),
    Peer(
        "OxonFair on LightGBM, 10 bounds",
        ("method=estimator", LIGHTGBM, "postprocess=oxonfair", f"fairness_bound={BOUNDS}"),
        "oxonfair",
    ),
    Peer(
        "ExponentiatedGradient on LightGBM, 3 eps",
        ("method=exponentiated_gradient", LIGHTGBM, "method.eps=0.01,0.05,0.1"),
        "lightgbm",
    ),
    Peer("penalty, MLP, 10 lam", ("method=penalty", f"method.lam={WEIGHTS}")),
    Peer("ERM + thresholds, MLP", ("method=erm", "postprocess=frontier")),
    Peer("ERM + thresholds, four MLPs on pieces", ("method=erm", "postprocess=frontier", *PIECES)),
    Peer(
        "penalty + thresholds, four MLPs on pieces, 3 lam",
        ("method=penalty", "method.lam=0.1,0.3,0.6", "postprocess=frontier", *PIECES),
    ),
)


def plain(seeds: int) -> Iterator[Value]:
    """Accuracy and demographic parity difference of default settings on test rows."""
    for given in PLAIN:
        for row in _swept([*given, f"seed=range({seeds})"], "table.csv")[0]:
            lam = row.get("method.lam")
            place = {
                "data set": row["dataset"],
                "method": f"`{row['method']}`" + (f", lam {float(lam):g}" if lam else ""),
            }
            for metric in ("accuracy", "demographic_parity_difference"):
                yield of_seeds("plain", place, metric.replace("_", " "), row, f"test/{metric}", 3)


def trees(seeds: int, datasets: Sequence[str] = TREES) -> Iterator[Value]:
    """ERM's hypervolume beside LightGBM's, both with thresholds of groups."""
    for name in datasets:
        words = ["benchmark=trees", f"dataset={name}", f"seed=range({seeds * TIMES.get(name, 1)})"]
        fronts, differences = _swept(words, "methods.csv", "comparisons.csv")
        (tree,) = (row for row in fronts if row["method"].startswith("lightgbm"))
        (both,) = (row for row in differences if row["area"] == "hypervolume")
        yield of_seeds("trees", {"data set": name}, "LightGBM", tree, "hypervolume", 4)
        yield of_seeds("trees", {"data set": name}, "ERM minus LightGBM", both, "difference", 4)


def numbers(seeds: int, datasets: Sequence[str] = NUMBERS) -> Iterator[Value]:
    """ERM's hypervolume with numbers as they are and in pieces."""
    for name, encoding in itertools.product(datasets, ("scale", "bins", "piecewise")):
        given = ("method=erm", "postprocess=frontier", f"dataset={name}", f"dataset.numbers={encoding}")
        ((row,),) = _swept([*given, f"seed=range({seeds})"], "methods.csv")
        yield of_seeds("numbers", {"data set": name}, f"`{encoding}`", row, "hypervolume", 4)


def peers(seeds: int, datasets: Sequence[str] = TREES) -> Iterator[Value]:
    """Fronts and CPU seconds of networks, and of what else people use."""
    missing = [peer for peer in PEERS if peer.package and importlib.util.find_spec(peer.package) is None]
    for peer in missing:
        print(f"{peer.name}: left out: {peer.package} is not installed", flush=True)
    for name, peer in itertools.product(datasets, (peer for peer in PEERS if peer not in missing)):
        before = children_cpu_seconds()
        (row,), settings = _swept([*peer.words, f"dataset={name}", f"seed=range({seeds})"], "methods.csv", "table.csv")
        place, spent = {"data set": name, "sweep": peer.name}, f"{children_cpu_seconds() - before:.0f}"
        yield told(Value("peers", place, "CPU-s", spent, "", "", "CPU seconds of the whole command", 1))
        yield of_seeds("peers", place, "hypervolume", row, "hypervolume", 4)
        yield of_seeds("peers", place, "AOPAC", row, "aopac", 4)
        for limit in LIMITS:
            yield _within(limit, place, settings)


def _within(limit: float, place: Mapping[str, str], settings: Sequence[Mapping[str, str]]) -> Value:
    """The test accuracy of the setting that is the most accurate on validation rows within the limit there."""
    fair = [row for row in settings if float(row["val/demographic_parity_difference"]) <= limit]
    column = f"accuracy at DP <= {limit:g}"
    if not fair:
        return told(Value("peers", place, column, "none", "", "", SEEDS, int(settings[0]["seeds"])))
    return of_seeds("peers", place, column, max(fair, key=lambda row: float(row["val/accuracy"])), "test/accuracy", 3)


def _swept(words: Sequence[str], *files: str) -> list[list[dict[str, str]]]:
    """The rows of each of the files that a sweep's report writes."""
    with tempfile.TemporaryDirectory() as folder:
        command(Path(folder), "-m", *words)
        return [_rows(Path(folder, name)) for name in files]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
