"""Compare the variances of reweighting and resampling with IRW's global weights during training: scripts/variances.

The table has the variance of reweighting divided by that of resampling (``bench.resampling``) after some epochs of
``irw_global``, for one drawn row and gradients of all layers.  Above 1 resampling has the lower variance.
"""

import argparse

import torch
from rich.console import Console
from rich.table import Table

from bench.benchmark import config_of
from bench.resampling import variances_of_norms
from fairrun.analysis.interval import interval
from fairrun.config.build import build
from fairrun.method.api import Batch
from fairrun.models.functional import Classifier
from fairrun.runs.job import load
from fairrun.runs.validate import network, schedule
from fairrun.training.binding import bind
from fairrun.training.fit import fit

EPOCHS = (1, 5, 20)


def ratios(name: str, epochs: int, seeds: range) -> torch.Tensor:
    """The ratio of variances after ``epochs`` epochs of ``experiment=irw/NAME``, one for each seed."""
    config = config_of(f"experiment=irw/{name}", "method=irw_global")
    data, dtype = load(config).to("cpu", torch.float64), torch.float64
    model, method = network(config, len(data.features)), build(config["method"], "method")
    options = {"epochs": epochs, "batch_size": config["batch_size"], "schedule": schedule(config)}
    runs = fit(model, [method] * len(seeds), seeds, data, **options, engine=config["engine"])
    theta = {name: torch.stack([run.theta[name] for run in runs]).to(dtype) for name in runs[0].theta}
    num_rows, bound = len(data.train.y), bind([method] * len(seeds), dtype)
    columns = (data.train.x, data.train.y, torch.arange(num_rows), torch.ones(num_rows, dtype=dtype))
    train = Batch(*(column.expand(len(seeds), *column.shape) for column in columns))
    classifier = Classifier(model)
    state, _ = bound.start_epoch(classifier, bound.init(classifier, theta, train), train)
    w = state.row_weights / num_rows
    rows = classifier.row_gradients(theta, train, "all")
    squares = sum((1 + a.square().sum(-1)) * e.square().sum(-1) for a, e in rows.pullback.layers(rows.slope).values())
    G = torch.cat([part.flatten(1) for part in rows.combined(w).values()], dim=1)
    found = variances_of_norms(w, squares, G.square().sum(-1))
    return found.reweighting / found.resampling


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="scripts/variances", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    table = Table("experiment", *(f"epochs: {epochs}" for epochs in EPOCHS), title="variance, reweighted / resampled")
    for name in ("compas", "law_school", "adult"):
        cells = []
        for epochs in EPOCHS:
            found = ratios(name, epochs, seeds)
            low, high = interval(found.numpy())
            cells.append(f"{found.mean():.1f} \\[{low:.1f}, {high:.1f}], least {found.min():.1f}")
        table.add_row(name, *cells)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
