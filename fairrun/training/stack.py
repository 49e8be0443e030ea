"""Runs side by side: their parameters, rows and random streams, and the steps of an epoch."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Generator, Tensor

from fairrun.data.table import Data
from fairrun.method.api import Batch, Method, Theta
from fairrun.models.ensemble import Ensemble
from fairrun.models.functional import Classifier
from fairrun.models.network import Network
from fairrun.training.batches import Batches, all_rows, padded_table, whole_table
from fairrun.training.binding import bind
from fairrun.training.kept.averages import Averages
from fairrun.training.kept.removals import Removals
from fairrun.training.native.parts import accelerate
from fairrun.training.optim import at_epoch
from fairrun.training.tables import Tables

STREAMS = {"init": 0, "shuffle": 1, "dropout": 2, "method": 3}  # a run's independent random streams


class Epoch(NamedTuple):
    """What the steps of an epoch leave."""

    state: Any  # the method's
    steps: dict[str, np.ndarray]  # what every step logged, [steps, R]
    rates: dict[str, np.ndarray]  # of rows that were removed, [R]; see ``Removals``


class Stack:
    """Runs that train side by side, one method and one seed each, on the kernels if ``native``.

    The members of an ``Ensemble`` train as runs of their own: M of them make R runs, and the state is that of members.
    Attributes: ``network``, ``methods`` (of each run), ``streams`` (a generator for each member of each stream),
    ``start`` (the method's state before training), ``batches``.
    """

    def __init__(
        self,
        network: Network,
        methods: Sequence[Method],
        seeds: Sequence[int],
        each: Sequence[Data],
        of: Sequence[int],
        *,
        batch_size: int,
        native: bool,
    ) -> None:
        """Draw the parameters of all runs; ``of`` is the number of each run's data set among ``each``."""
        first, dtype = each[0], each[0].train.y.dtype
        self.size = network.size if isinstance(network, Ensemble) else 1  # members of a run
        of_members = [k for k in of for _ in range(self.size)]
        self.methods = _with_group_sizes(methods, seeds, each, of)
        members = [method for method in self.methods for _ in range(self.size)]
        self.method: Method = bind(members, dtype, str(first.train.y.device))
        self.native = native
        self.network = accelerate(network) if native and not self.method.second_derivatives else network
        member = self.network.member if isinstance(self.network, Ensemble) else self.network
        self.model = Classifier(member, first.target)
        self.streams = _streams(seeds, self.size)
        train, val = _rows_of(self.method, each, of_members)
        shape = len(first.groups), first.num_classes
        self.start = self._drawn(member, whole_table(train, *shape)._replace(val=val), len(first.groups))
        sees_s = "s" in self.method.needs
        self.batches = Batches(train, val, member, self.streams, batch_size, *shape, sees_s, native)
        self.all_rows = self._seen(all_rows(train, *shape)) if self.method.reads_all_rows else None
        self.outliers = None if val is not None else _outliers(each, of_members, dtype)
        self._logged: frozenset[str] | None = None  # the entries of every step's logs; None before the first

    def _drawn(self, member: Network, rows: Batch, num_groups: int) -> Any:
        """The method's state before training, with parameters drawn from the runs' streams."""
        drawn = member.init(self.streams["init"])
        drawn |= self.method.draw(drawn, num_groups, self.streams["init"])
        theta = {name: p.to(rows.y.device, rows.y.dtype) for name, p in drawn.items()}
        return self.method.init(self.model, theta, self._seen(rows))

    def _seen(self, rows: Batch) -> Batch:
        """All training rows as the method may see them."""
        s = rows.s if "s" in self.method.needs else None
        return rows._replace(sensitive=s, generators=tuple(self.streams["method"]))

    def of_runs(self, theta: Theta) -> Theta:
        """The parameters of runs as the network takes them, given those of their members."""
        return self.network.together(theta) if isinstance(self.network, Ensemble) else theta

    def epoch(self, state: Any, epoch: int, pace: float, averages: Averages) -> Epoch:
        """The steps of ``epoch``, from 0, where learning rates are ``pace`` times their own."""
        now: Method = at_epoch(self.method, epoch, pace)
        now, weights = accelerate(now) if self.native else now, None
        if self.all_rows is not None:
            state, weights = now.start_epoch(self.model, state, self.all_rows._replace(epoch=epoch))
        logs, removals = list[dict[str, Tensor]](), Removals(self.outliers)
        for batch in self.batches.epoch(epoch, weights):
            state, log = now.update(self.model, state, batch)
            if self._logged is None:
                _check_logs(now, log, len(batch.y))
                self._logged = frozenset(log)
            _check_entries(now, log, self._logged)
            if (removed := log.pop("removed", None)) is not None:
                removals.add(removed, batch)
            logs.append(log)
            averages.after_step(state.theta)
        steps = {name: self._of_members(torch.stack([log[name] for log in logs]).double()) for name in logs[0]}
        return Epoch(state, steps, {name: self._of_members(rate) for name, rate in removals.rates().items()})

    def _of_members(self, values: Tensor | np.ndarray) -> np.ndarray:
        """The mean over the members of each run, [..., M] -> [..., R]."""
        own = torch.as_tensor(values).cpu().numpy()
        return own if self.size == 1 else own.reshape(*own.shape[:-1], -1, self.size).mean(-1)


def _with_group_sizes(
    methods: Sequence[Method], seeds: Sequence[int], each: Sequence[Data], of: Sequence[int]
) -> list[Method]:
    """The methods of the runs, told how many training rows each group has in their data sets."""
    sizes = [one.train.s.bincount(minlength=len(one.groups)).tolist() for one in each]
    return [method.with_group_sizes(sizes[k], seed) for method, k, seed in zip(methods, of, seeds, strict=True)]


def _streams(seeds: Sequence[int], size: int) -> dict[str, list[Generator]]:
    """The generators of every random stream, one for each member of each run."""
    return {
        name: [generator(seed, stream, k) for seed in seeds for k in range(size)] for name, stream in STREAMS.items()
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


def _check_logs(method: Method, log: dict[str, Tensor], num_runs: int) -> None:
    """Raise ``ValueError`` if a step's logs have no loss, or an entry that is not one value per run."""
    name = type(method).__name__
    if "loss" not in log:
        raise ValueError(f"{name}.update must log loss, one value a run, got {', '.join(log) or 'nothing'}")
    for key, value in log.items():
        shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        if key != "removed" and shape != [num_runs]:
            raise ValueError(f"{name}.update must log {key} as one value a run, a tensor [{num_runs}], got {shape}")


def _check_entries(method: Method, log: dict[str, Tensor], logged: frozenset[str]) -> None:
    """Raise ``ValueError`` if a step's logs have others than the entries ``logged`` of the first one."""
    if other := sorted(log.keys() ^ logged):
        name, some = type(method).__name__, ", ".join(other)
        raise ValueError(f"{name}.update must log the same entries in every step, got {some} in some; NaN says none")


def generator(seed: int, stream: int, member: int = 0) -> Generator:
    """The generator of a random stream of a seed; each has its own.  The first member has that of a run alone."""
    names = [seed, stream, member] if member else [seed, stream]
    return Generator().manual_seed(int(np.random.SeedSequence(names).generate_state(1, np.uint64)[0]))
