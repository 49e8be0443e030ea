"""Fronts of networks and of what else people use, side by side: scripts/benchmark peers.

Each peer is a sweep by the command: same rows, split and seeds; fronts are chosen on validation rows and valued on test
rows.  CPU seconds are those of the whole command, in which imports, records and report take about ten.
"""

import csv
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

BOUNDS = "0.01,0.02,0.03,0.05,0.07,0.1,0.13,0.16,0.2,0.25"
WEIGHTS = "0.1,0.2,0.3,0.5,0.7,0.9,1.2,1.5,2,3"
LIGHTGBM = "estimator@method.estimator=lightgbm"


class Peer(NamedTuple):
    """A sweep."""

    name: str
    overrides: tuple[str, ...]
    package: str | None = None  # that it needs beside fairrun's own


PEERS = (
    Peer("LightGBM + thresholds", ("method=estimator", LIGHTGBM, "postprocess=frontier"), "lightgbm"),
    Peer(
        "OxonFair on LightGBM",
        ("method=estimator", LIGHTGBM, "postprocess=oxonfair", f"fairness_bound={BOUNDS}"),
        "oxonfair",
    ),
    Peer(
        "fairlearn's ExponentiatedGradient on LightGBM",
        ("method=exponentiated_gradient", LIGHTGBM, "method.eps=0.01,0.05,0.1"),
        "lightgbm",
    ),
    Peer("penalty, MLP", ("method=penalty", f"method.lam={WEIGHTS}")),
    Peer("ERM + thresholds, MLP", ("method=erm", "postprocess=frontier")),
    Peer(
        "ERM + thresholds, four MLPs on pieces",
        ("method=erm", "postprocess=frontier", "model.members=4", "dataset.numbers=piecewise", "dataset.bins=100"),
    ),
    Peer(
        "penalty + thresholds, four MLPs on pieces",
        (
            "method=penalty",
            "method.lam=0.1,0.3,0.6",
            "postprocess=frontier",
            "model.members=4",
            "dataset.numbers=piecewise",
            "dataset.bins=100",
        ),
    ),
)


def table(command: Callable[..., None], cpu_seconds: Callable[[], float], dataset: str, seeds: int) -> None:
    """Print a line for each peer: CPU seconds, hypervolume and AOPAC with their intervals over seeds."""
    print(f"{dataset}, {seeds} seeds | CPU-s | hypervolume | AOPAC")
    with tempfile.TemporaryDirectory() as folder:
        for k, peer in enumerate(PEERS):
            if peer.package is not None and importlib.util.find_spec(peer.package) is None:
                print(f"{peer.name} | left out: {peer.package} is not installed", flush=True)
                continue
            place, before = Path(folder, str(k)), cpu_seconds()
            command(place, "-m", *peer.overrides, f"dataset={dataset}", f"seed=range({seeds})")
            spent = cpu_seconds() - before
            with (place / "methods.csv").open(encoding="utf-8") as file:
                (row,) = csv.DictReader(file)
            print(
                f"{peer.name} | {spent:.0f} | {_interval(row, 'hypervolume')} | {_interval(row, 'aopac')}", flush=True
            )


def _interval(row: dict[str, str], column: str) -> str:
    value, low, high = (float(row[f"{column}{end}"]) for end in ("", ".low", ".high"))
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"
