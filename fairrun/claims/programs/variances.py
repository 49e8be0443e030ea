"""How much more a step varies where rows are weighed than where they are drawn, by IRW's global weights.

``irw_global`` trains on COMPAS, once with each optimizer.  After some epochs, with the weights w of the next epoch:

    gradient   of one row: the exact variances (``resampling``), whatever the optimizer makes of it
    step       of the optimizer, with the state that it has then: the variance over many drawn batches

Both are logarithms of variance reweighted / variance resampled; above 0 resampling varies less.
"""

import dataclasses
from collections.abc import Iterator

import pandas as pd
import torch
from torch import Generator, Tensor

from fairrun.api.session import of_calls
from fairrun.claims.programs.resampling import variances_of_norms
from fairrun.config.build import build
from fairrun.data.table import Table
from fairrun.method.api import Batch, Optimizer
from fairrun.method.steps import flatten
from fairrun.methods.irw_global import IRWGlobal, State
from fairrun.models.functional import Classifier
from fairrun.models.row_gradients import LinearGradients
from fairrun.runs.built import network
from fairrun.runs.job import load
from fairrun.training.batches import Batches, all_rows, whole_table
from fairrun.training.binding import bind
from fairrun.training.optim import SGD, Adagrad, Adam
from fairrun.training.tables import Tables

DTYPE = torch.float64
EPOCHS = (1, 5, 20)
SEEDS = 5
BATCH = 256
DRAWS = 50  # batches from which the variance of a step is estimated
OPTIMIZERS: dict[str, Optimizer] = {
    "SGD": SGD(lr=0.02, momentum=0.0),
    "Adam": Adam(lr=1e-3),
    "Adagrad": Adagrad(lr=0.01, initial_accumulator_value=0.0),
}


def measured() -> pd.DataFrame:
    """A row for each ``optimizer``, number of ``epochs`` and seed."""
    config = of_calls(("experiment=irw/compas", "method=irw_global"))
    data = load(config).to("cpu", DTYPE)
    model, method = Classifier(network(config, len(data.features))), build(config["method"], "method")
    rows = []
    for name, optimizer in OPTIMIZERS.items():
        bound = bind([dataclasses.replace(method, optimizer=optimizer)] * SEEDS, DTYPE)
        for epochs, state in _snapshots(model, bound, data.train, len(data.groups)):
            w = state.row_weights[:, : len(data.train.y)] / len(data.train.y)  # without padding
            gradient, step = of_gradients(model, state, data.train, w), of_steps(model, bound, state, data.train, w)
            found = {"measured/gradient": gradient.tolist(), "measured/step": step.tolist()}
            about = {
                "method": "irw_global",
                "optimizer": name,
                "dataset": "compas",
                "epochs": epochs,
                "seed": range(SEEDS),
            }
            rows.append(pd.DataFrame(about | found))
    return pd.concat(rows, ignore_index=True)


def _snapshots(model: Classifier, method: IRWGlobal, train: Table, num_groups: int) -> Iterator[tuple[int, State]]:
    """The state after each number of EPOCHS, with the weights of the next epoch."""
    tables = Tables.joined([train], [0] * SEEDS)
    streams = {name: [Generator().manual_seed(seed) for seed in range(SEEDS)] for name in ("init", "shuffle")}
    theta = {name: p.to(DTYPE) for name, p in model.network.init(streams["init"]).items()}
    state = method.init(model, theta, whole_table(tables, num_groups, 2))
    batches = Batches(
        tables, None, model.network, streams | {"dropout": [], "method": []}, BATCH, num_groups, 2, False, False
    )
    whole = all_rows(tables, num_groups, 2)
    for epoch in range(EPOCHS[-1] + 1):
        state, _ = method.start_epoch(model, state, whole)
        if epoch in EPOCHS:
            yield epoch, state
        for batch in batches.epoch(epoch):
            state, _ = method.update(model, state, batch)


def of_gradients(model: Classifier, state: State, train: Table, w: Tensor) -> Tensor:
    """The log of the variances' ratio [R] of the gradient of one row; ``w`` [R, N] sums to 1."""
    rows = model.row_gradients(state.theta, _batch(train, _all(train, w)), "all")
    assert isinstance(rows, LinearGradients)
    layers = rows.pullback.layers(rows.slope).values()
    squares = torch.stack([(1 + a.square().sum(-1)) * e.square().sum(-1) for a, e in layers]).sum(0)
    whole = flatten(rows.combined(w)).square().sum(-1)
    found = variances_of_norms(w, squares, whole)
    return (found.reweighting / found.resampling).log()


def of_steps(model: Classifier, method: IRWGlobal, state: State, train: Table, w: Tensor) -> Tensor:
    """The log of the variances' ratio [R] of the optimizer's next step on a batch."""
    generator, (R, N) = Generator().manual_seed(0), w.shape
    steps: dict[bool, list[Tensor]] = {True: [], False: []}
    for _ in range(DRAWS):
        for weighed, found in steps.items():
            i = torch.multinomial(torch.ones_like(w) if weighed else w, BATCH, True, generator=generator)
            share = N * w.gather(-1, i) / BATCH if weighed else torch.full((R, BATCH), 1 / BATCH, dtype=DTYPE)
            gradient = model.row_gradients(state.theta, _batch(train, i), "all").combined(share)
            moved, _ = method.optimizer.step(state.theta, {name: gradient[name] for name in state.theta}, state.opt)
            found.append(flatten(moved))
    reweighted, resampled = (torch.stack(found).var(0).sum(-1) for found in steps.values())
    return (reweighted / resampled).log()


def _all(train: Table, w: Tensor) -> Tensor:
    return torch.arange(len(train.y)).expand(w.shape)


def _batch(train: Table, i: Tensor) -> Batch:
    """The rows ``i`` [R, B] as a batch."""
    assert isinstance(train.x, Tensor)
    return Batch(train.x[i], train.y[i], i, torch.ones_like(i, dtype=DTYPE))
