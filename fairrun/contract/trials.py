"""Trainings and single steps of a method, from which rules tell."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, get_type_hints

import torch
from torch import Tensor

from fairrun.config.check import InputError
from fairrun.contract.samples import DROPPING, HEADS, batch_of, rows_for, seeded
from fairrun.contract.subject import Subject, same
from fairrun.data.table import Data
from fairrun.method.api import Batch, Method, PerRun, PerTask
from fairrun.models.functional import Classifier
from fairrun.models.network import Network
from fairrun.training.binding import bind
from fairrun.training.checkpoint import Checkpoint
from fairrun.training.fit import Listener, fit
from fairrun.training.run import Run

BATCH, REAL = 32, 30  # rows of a batch; those before the padding


def per_run_fields(value: Any) -> list[str]:
    """The fields in which runs side by side may differ."""
    return [name for name, hint in get_type_hints(type(value)).items() if hint in (PerRun, PerTask)]


def scaled(value: Any, field: str, factors: Sequence[float]) -> Any:
    """``value`` with one field times the first of ``factors`` that it accepts; itself where it accepts none."""
    old = getattr(value, field)
    for factor in factors:
        try:
            new = [factor * number for number in old] if isinstance(old, list) else factor * old
            return dataclasses.replace(value, **{field: new})
        except InputError:
            continue
    return value


def variant(value: Any, k: int) -> Any:
    """``value`` with every per-run field, nested ones too, changed a little for run ``k``."""
    for name in per_run_fields(value):
        value = scaled(value, name, (1 - 0.05 * k, 1 + 0.05 * k))
    for field in dataclasses.fields(value):
        if dataclasses.is_dataclass(old := getattr(value, field.name)):
            value = dataclasses.replace(value, **{field.name: variant(old, k)})
    return value


def soon(value: Any) -> Any:
    """``value`` with every number of epochs above 1 at 1, so that a schedule begins within a short training."""
    hints = get_type_hints(type(value))
    epochs = {name: getattr(value, name) for name, hint in hints.items() if hint is int and "epochs" in name}
    return dataclasses.replace(value, **{name: 1 for name, number in epochs.items() if number > 1})


def train(
    methods: Sequence[Method],
    seeds: Sequence[int],
    rows: Data | Sequence[Data] | None = None,
    network: Network = DROPPING,
    *,
    dtype: torch.dtype = torch.float64,
    epochs: int = 2,
    engine: str = "torch",
    progress: Listener | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[Run]:
    """Train runs side by side on small rows; a method of several tasks gets a network and rows of its own."""
    network = HEADS if "tasks" in methods[0].needs else network
    rows = rows or rows_for(methods[0])
    return fit(
        network,
        methods,
        seeds,
        rows,
        epochs=epochs,
        batch_size=BATCH,
        dtype=dtype,
        engine=engine,
        progress=progress,
        checkpoint=checkpoint,
    )


def same_runs(ours: Sequence[Run], theirs: Sequence[Run], what: str, tolerance: float = 0.0) -> None:
    """Raise ``Broken`` unless parameters and histories of runs agree."""
    for ran, other in zip(ours, theirs, strict=True):
        for name in other.theta:
            same(ran.theta[name], other.theta[name], f"{what}: parameter {name} differs", tolerance, tolerance)
        for column in other.history:
            a, b = (torch.tensor(run.history[column].to_numpy(dtype=float)) for run in (ran, other))
            same(a, b, f"{what}: {column} differs", tolerance, tolerance)


class Step(NamedTuple):
    """What a step gives."""

    state: Any
    logs: dict[str, Tensor]


class Start(NamedTuple):
    """Runs before their first step.  The batch has 32 rows, the last two of them padding."""

    bound: Any  # the method with the values of all runs
    model: Classifier
    state: Any
    batch: Batch

    def step(self, batch: Batch | None = None, state: Any = None) -> Step:
        """One step, which always draws the same random numbers."""
        given = with_generators(self.batch if batch is None else batch)
        return Step(*self.bound.update(self.model, self.state if state is None else state, given))


def start(subject: Subject, num_runs: int = 3, num_groups: int = 3) -> Start:
    """Bind variants of a method and make their first states."""
    method: Method = subject.made
    whole_data = rows_for(method, num_groups)
    rows, balanced = whole_data.train, whole_data.balanced
    bound = bind([variant(method, k) for k in range(num_runs)], torch.float64)
    generators = seeded(range(num_runs))
    network = HEADS if "tasks" in method.needs else subject.network
    model, theta = Classifier(network), network.init(generators)
    theta |= bound.draw(theta, num_groups, generators)
    w = torch.ones(num_runs, BATCH, dtype=torch.float64)
    w[:, REAL:] = 0
    own = balanced.repeat(BATCH)[:BATCH].expand(num_runs, -1)
    held_out = batch_of(rows, own, num_groups)._replace(w=w)

    def visible(batch: Batch) -> Batch:
        val = held_out if "val" in bound.needs else None
        return batch._replace(sensitive=batch.s if "s" in bound.needs else None, val=val)

    whole = visible(batch_of(rows, torch.arange(len(rows.y)).expand(num_runs, -1), num_groups))
    state = bound.init(model, theta, with_generators(whole))
    state, _ = bound.start_epoch(model, state, with_generators(whole))
    i = torch.stack([torch.randperm(len(rows.y), generator=g)[:BATCH] for g in generators])
    return Start(bound, model, state, visible(batch_of(rows, i, num_groups)._replace(w=w)))


def with_generators(batch: Batch) -> Batch:
    """The batch with new generators: a method that draws random numbers then draws the same ones again."""
    return batch._replace(generators=tuple(seeded(range(len(batch.w)))))
