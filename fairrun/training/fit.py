"""The training loop: runs train side by side, each with its own seed, shuffling and hyper-parameters.

A run gives the same results alone and in any stack, bit for bit if torch uses one thread.  Its random numbers come
from its own generators.  Its rows are reduced along their own axis.  Every batch has the same padded number of rows, a
multiple of 32.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from fairrun.config.metrics import METRICS, Metric
from fairrun.data.table import Data
from fairrun.method.api import Batch, Method, Theta
from fairrun.models.ensemble import Ensemble
from fairrun.models.functional import Classifier
from fairrun.models.network import Network
from fairrun.training.averages import Averages, Averaging
from fairrun.training.batches import Batches, all_rows, padded_table, whole_table
from fairrun.training.binding import bind
from fairrun.training.checkpoint import Checkpoint, Progress
from fairrun.training.chosen import Chosen, Ranks
from fairrun.training.failures import Failures
from fairrun.training.held import Held
from fairrun.training.native.parts import accelerate, choose
from fairrun.training.optim import at_epoch
from fairrun.training.removals import Removals
from fairrun.training.schedule import CONSTANT, Schedule
from fairrun.training.tables import Tables

STREAMS = {"init": 0, "shuffle": 1, "dropout": 2, "method": 3}  # a run's independent random streams
Rules = dict[str, dict[str, Any]]  # group number -> how a score becomes a decision, as JSON
# Called after each epoch with the epochs done, each run's row of the history, [R] by column, and which runs did not
# stop or fail in an epoch before, [R].
Listener = Callable[[int, dict[str, np.ndarray], np.ndarray], None]


@dataclass
class Run:
    """One trained run."""

    history: pd.DataFrame  # one row per epoch: epoch, train/..., val/..., test/...
    theta: Theta  # parameters after the last epoch, without the run axis
    chosen: Theta  # of the epoch that counts
    constants: Theta = field(default_factory=dict, kw_only=True)  # of the network, the same for all runs
    failure: str | None = None  # names the first step whose loss is not finite; None if there is none
    postprocessed: dict[str, float] = field(default_factory=dict)  # val/..., test/... of the epoch that counts
    rules: Rules | None = None  # of the post-processing
    points: list[dict[str, Any]] = field(default_factory=list)  # of a curve of post-processing, as JSON
    groups: dict[str, Any] | None = None  # what tells groups by features, where rules need it, as JSON
    scores: dict[str, np.ndarray] = field(default_factory=dict)  # split -> what the chosen parameters predict
    classifiers: dict[str, tuple[float, bytes]] = field(default_factory=dict)  # of a library: file -> share, content


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
    size = network.size if isinstance(network, Ensemble) else 1  # members of a run
    of_members = [k for k in of for _ in range(size)]
    target, num_groups, num_classes = each[0].target, len(each[0].groups), each[0].num_classes
    methods = _with_group_sizes(methods, seeds, each, of)
    method = bind([method for method in methods for _ in range(size)], dtype, device)
    native = choose(engine, dtype, device) == "native"
    if native and not method.second_derivatives:
        network = accelerate(network)
    member = network.member if isinstance(network, Ensemble) else network
    model = Classifier(member, target)
    streams = _streams(seeds, size)
    drawn = member.init(streams["init"])
    drawn |= method.draw(drawn, num_groups, streams["init"])
    theta = {name: p.to(device, dtype) for name, p in drawn.items()}
    train, val = _rows_of(method, each, of_members)
    sees_s = "s" in method.needs

    def seen(rows: Batch) -> Batch:
        """All training rows as the method may see them."""
        return rows._replace(sensitive=rows.s if sees_s else None, generators=tuple(streams["method"]))

    state = method.init(model, theta, seen(whole_table(train, num_groups, num_classes))._replace(val=val))
    batches = Batches(train, val, member, streams, batch_size, num_groups, num_classes, sees_s, native)
    rows = seen(all_rows(train, num_groups, num_classes)) if method.reads_all_rows else None
    outliers = None if val is not None else _outliers(each, of_members, dtype)
    chosen, failures, averages = Chosen(ranks, patience), Failures(len(seeds)), Averages(averaging)
    kept = chosen.start(_of_runs(network, state.theta)), averages.start(state.theta)
    done = Progress(0, (state, *kept), [], failures.step)
    if checkpoint is not None:
        done = checkpoint.load(done, streams)
    first_epoch, (state, chosen.kept, averages.kept), records, failures.step = done
    shown = _of_runs(network, averages.of(state.theta))
    held = Held.of_data(network, each, of, metrics)
    for epoch in range(first_epoch, epochs):
        now, weights = _paced(method, schedule.at(epoch, epochs), epoch, native), None
        if rows is not None:
            state, weights = now.start_epoch(model, state, rows._replace(epoch=epoch))
        removals = Removals(outliers)
        state, logs = _steps(now, model, state, batches.epoch(epoch, weights), removals, averages)
        averages.after_epoch(state.theta, epoch + 1, epochs)
        shown = _of_runs(network, averages.of(state.theta))
        steps = {name: _of_members(torch.stack([log[name] for log in logs]).double(), size) for name in logs[0]}
        record = {f"train/{name}": values.mean(0) for name, values in steps.items()}
        record |= {f"train/{name}": _of_members(rate, size) for name, rate in removals.rates().items()}
        record |= held.metrics(shown)
        records.append(record)
        trains = (chosen.ends(len(seeds)) == 0) & (failures.step < 0)
        chosen.see(record, shown, epoch + 1)
        failures.see(epoch, steps["loss"], record["val/log_loss"], trains)
        if progress is not None:
            progress(epoch + 1, record, trains)
        if not ((failures.step < 0) & (chosen.ends(len(seeds)) == 0)).any():
            break
        if checkpoint is not None:
            state_and_kept = state, chosen.kept, averages.kept
            checkpoint.save(Progress(epoch + 1, state_and_kept, records, failures.step), streams)
    last, best = chosen.last(shown), chosen.of(shown)
    ends = np.maximum(chosen.ends(len(seeds)), failures.ends(len(batches)))
    found = [
        _finish(records[: ends[r] or None], last, best, r, int(failures.step[r]), methods[r], seeds[r])
        for r in range(len(seeds))
    ]
    for run, own in zip(found, held.scores(best, target), strict=True):
        run.scores, run.constants = own, network.constants()
    return found


def _with_group_sizes(
    methods: Sequence[Method], seeds: Sequence[int], each: Sequence[Data], of: Sequence[int]
) -> list[Method]:
    """The methods of the runs, told how many training rows each group has in their data sets."""
    sizes = [one.train.s.bincount(minlength=len(one.groups)).tolist() for one in each]
    return [method.with_group_sizes(sizes[k], seed) for method, k, seed in zip(methods, of, seeds, strict=True)]


def _streams(seeds: Sequence[int], size: int) -> dict[str, list[Generator]]:
    """The generators of every random stream, one for each member of each run."""
    return {
        name: [_generator(seed, stream, k) for seed in seeds for k in range(size)] for name, stream in STREAMS.items()
    }


def _rows_of(method: Method, each: Sequence[Data], of_members: Sequence[int]) -> tuple[Tables, Batch | None]:
    """The training rows of every run and, for a method that needs it, the balanced batch that is taken out of them."""
    if "val" not in method.needs:
        return Tables.joined([one.train for one in each], of_members), None
    train, held_out = (Tables.joined(rows, of_members) for rows in zip(*map(Data.held_out, each), strict=True))
    return train, padded_table(held_out, len(each[0].groups), each[0].num_classes)


def _outliers(each: Sequence[Data], of_members: Sequence[int], dtype: torch.dtype) -> Tensor | None:
    """Which training rows are known to be outliers, 1.0 or 0.0, [R, N]; None where nobody knows."""
    marks = [one.outliers for one in each]
    if any(own is None for own in marks):
        return None
    return torch.stack([cast(Tensor, own) for own in marks]).to(dtype)[of_members]


def _steps(
    method: Method, model: Classifier, state: Any, rows: Iterator[Batch], removals: Removals, averages: Averages
) -> tuple[Any, list[dict[str, Tensor]]]:
    """The state after the steps of an epoch, and what each logged."""
    logs: list[dict[str, Tensor]] = []
    for batch in rows:
        state, log = method.update(model, state, batch)
        if not logs:
            _check_logs(method, log, len(batch.y))
        if (removed := log.pop("removed", None)) is not None:
            removals.add(removed, batch)
        logs.append(log)
        averages.after_step(state.theta)
    return state, logs


def _of_runs(network: Network, theta: Theta) -> Theta:
    """The parameters of runs as the network takes them, given those of their members."""
    return network.together(theta) if isinstance(network, Ensemble) else theta


def _of_members(values: Tensor | np.ndarray, size: int) -> np.ndarray:
    """The mean over the ``size`` members of each run, [..., R size] -> [..., R]."""
    own = torch.as_tensor(values).cpu().numpy()
    return own if size == 1 else own.reshape(*own.shape[:-1], -1, size).mean(-1)


def _paced(method: Method, pace: float, epoch: int, native: bool) -> Method:
    """The bound method with the learning rates of an epoch; ``native`` makes it use the kernels."""
    now: Method = at_epoch(method, epoch, pace)
    return accelerate(now) if native else now


def _check_logs(method: Method, log: dict[str, Tensor], num_runs: int) -> None:
    """Raise ``ValueError`` if a step's logs have no loss, or an entry that is not one value per run."""
    name = type(method).__name__
    if "loss" not in log:
        raise ValueError(f"{name}.update must log loss, one value a run, got {', '.join(log) or 'nothing'}")
    for key, value in log.items():
        shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        if key != "removed" and shape != [num_runs]:
            raise ValueError(f"{name}.update must log {key} as one value a run, a tensor [{num_runs}], got {shape}")


def _generator(seed: int, stream: int, member: int = 0) -> Generator:
    """The generator of a random stream of a seed; each has its own.  The first member has that of a run alone."""
    names = [seed, stream, member] if member else [seed, stream]
    return Generator().manual_seed(int(np.random.SeedSequence(names).generate_state(1, np.uint64)[0]))


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
