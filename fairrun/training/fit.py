"""The training loop: runs train side by side, each with its own seed, shuffling and hyper-parameters.

A run gives the same results alone and in any stack, bit for bit if torch uses one thread.  Its random numbers come
from its own generators.  Its rows are reduced along their own axis.  Every batch has the same padded number of rows, a
multiple of 32.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from fairrun.config.metrics import METRICS, Metric
from fairrun.data.table import Data
from fairrun.method.api import Method, Theta
from fairrun.models.network import Network
from fairrun.training.checkpoint import Checkpoint, Progress
from fairrun.training.held import Held
from fairrun.training.kept.averages import Averages, Averaging
from fairrun.training.kept.chosen import Chosen, Ranks
from fairrun.training.kept.failures import Failures
from fairrun.training.native.parts import choose
from fairrun.training.run import Run
from fairrun.training.schedule import CONSTANT, Schedule
from fairrun.training.stack import Stack

# Called after each epoch with the epochs done, each run's row of the history, [R] by column, and which runs did not
# stop or fail in an epoch before, [R].
Listener = Callable[[int, dict[str, np.ndarray], np.ndarray], None]


@contextlib.contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Make denormal numbers count as zero.

    Adam makes many on one-hot columns, and each costs as much as many products.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@_denormals_flushed()
def fit(
    network: Network,
    methods: Sequence[Method],
    seeds: Sequence[int],
    data: Data | Sequence[Data],
    *,
    epochs: int,
    batch_size: int,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    engine: str = "torch",
    schedule: Schedule = CONSTANT,
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    ranks: Ranks | None = None,
    patience: int | None = None,
    averaging: Averaging | None = None,
    progress: Listener | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[Run]:
    """Train len(seeds) runs side by side, one method and one seed each; evaluate every epoch on val and test.

    ``data`` are those of all runs, or of each run; then splits have the same shapes, labels are missing in all or in
    none, and so are marks of outliers.  Methods may differ in their ``PerRun`` and ``PerTask`` fields only.  A run
    whose loss stops being finite is marked, and the others go on.  ``engine`` is one of
    ``fairrun.training.native.parts.ENGINES``.  ``ranks`` says which epoch of a run counts; without it, the last one.
    With ``patience`` a run stops so many epochs after its best one.  With ``averaging`` a mean of parameters is
    evaluated and kept in place of those of the last step.  If ``checkpoint`` holds these runs' progress, training goes
    on from there.

    The members of an ``Ensemble`` train as runs of their own.
    """
    each, of = _distinct(data, len(seeds))
    each = [one.to(device, dtype) for one in each]
    native = choose(engine, dtype, device) == "native"
    stack = Stack(network, methods, seeds, each, of, batch_size=batch_size, native=native)
    held = Held.of_data(stack.network, each, of, metrics)
    chosen, failures, averages = Chosen(ranks, patience), Failures(len(seeds)), Averages(averaging)
    kept = chosen.start(stack.of_runs(stack.start.theta)), averages.start(stack.start.theta)
    done = Progress(0, (stack.start, *kept), [], failures.step)
    if checkpoint is not None:
        done = checkpoint.load(done, stack.streams)
    first_epoch, (state, chosen.kept, averages.kept), records, failures.step = done
    shown = stack.of_runs(averages.of(state.theta))
    for epoch in range(first_epoch, epochs):
        state, steps, rates = stack.epoch(state, epoch, schedule.at(epoch, epochs), averages)
        averages.after_epoch(state.theta, epoch + 1, epochs)
        shown = stack.of_runs(averages.of(state.theta))
        means = {name: values.mean(0) for name, values in steps.items()} | rates
        record = {f"train/{name}": values for name, values in means.items()} | held.metrics(shown)
        records.append(record)
        trains = _trains(chosen, failures)
        chosen.see(record, shown, epoch + 1)
        failures.see(epoch, steps["loss"], record["val/log_loss"], trains)
        if progress is not None:
            progress(epoch + 1, record, trains)
        if not _trains(chosen, failures).any():
            break
        if checkpoint is not None:
            state_and_kept = state, chosen.kept, averages.kept
            checkpoint.save(Progress(epoch + 1, state_and_kept, records, failures.step), stack.streams)
    failed = failures.ends(len(stack.batches))
    ends = np.where(failed > 0, failed, chosen.ends(len(seeds)))  # a failed run has no later epochs
    last, best = chosen.last(shown), chosen.of(shown)
    found = [
        _finish(records[: ends[r] or None], last, best, r, int(failures.step[r]), stack.methods[r], seeds[r])
        for r in range(len(seeds))
    ]
    for run, own in zip(found, held.scores(best, each[0].target), strict=True):
        run.scores, run.constants = own, stack.network.constants()
    return found


def _trains(chosen: Chosen, failures: Failures) -> np.ndarray:
    """Which runs neither stopped nor failed so far, [R]."""
    going: np.ndarray = (chosen.ends(len(failures.step)) == 0) & (failures.step < 0)
    return going


def _distinct(data: Data | Sequence[Data], num_runs: int) -> tuple[list[Data], list[int]]:
    """The data sets of the runs, each once, and the number of that of each run."""
    of_runs = [data] * num_runs if isinstance(data, Data) else data
    each = list({id(one): one for one in of_runs}.values())
    places = {id(one): k for k, one in enumerate(each)}
    return each, [places[id(one)] for one in of_runs]


def _finish(
    records: list[dict[str, np.ndarray]], last: Theta, best: Theta, r: int, bad_step: int, method: Method, seed: int
) -> Run:
    frame = pd.DataFrame({name: [float(record[name][r]) for record in records] for name in records[0]})
    frame.insert(0, "epoch", np.arange(1, len(records) + 1))
    failure = f"the loss was not finite at step {bad_step} with seed={seed}, {method}" if bad_step >= 0 else None
    # Copies: a file of a part of a tensor holds the whole, which is that of all runs of the stack.
    theta, chosen = ({name: p[r].detach().cpu().clone() for name, p in of_all.items()} for of_all in (last, best))
    return Run(frame, theta, chosen, failure)
