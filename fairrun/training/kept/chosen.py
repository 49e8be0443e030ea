"""The parameters of the epoch that counts, kept while later epochs train, and the runs that train no further."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fairrun.method.api import Theta

Ranks = Callable[[Mapping[str, np.ndarray]], np.ndarray]  # an epoch's record -> the rank of each run's epoch, [R, 2]


class Kept(NamedTuple):
    """What is kept of each run."""

    rank: Tensor  # of its best epoch, [R, 2]
    best: Theta  # its parameters then
    since: Tensor  # epochs since then, [R]
    end: Tensor  # the epochs after which it stopped, [R]; 0 while it trains
    last: Theta | None  # its parameters then; None without patience


@dataclass
class Chosen:
    """Of each run the parameters of its best epoch so far: the one of highest rank, the first of equals.

    A run whose best epoch is ``patience`` epochs ago stops: its later epochs do not count, though its stack trains it
    until the last run of it stops.
    """

    ranks: Ranks | None  # None: the last epoch counts, and nothing is kept
    patience: int | None = None  # None: every run trains to the last epoch
    kept: Kept | None = None

    def start(self, theta: Theta) -> Kept | None:
        """What a training starts with: no epoch."""
        if self.ranks is None:
            return None
        num_runs = len(next(iter(theta.values())))
        lowest = torch.full((num_runs, 2), -np.inf, dtype=torch.float64)
        none = torch.zeros(num_runs, dtype=torch.int64)
        return Kept(lowest, _copy(theta), none, none.clone(), None if self.patience is None else _copy(theta))

    def see(self, record: Mapping[str, np.ndarray], theta: Theta, epoch: int) -> None:
        """Keep the parameters of the runs for which ``epoch``, counted from 1, is the best so far."""
        if self.ranks is None or self.kept is None:
            return
        rank, best, since, end, last = self.kept
        now, trains = torch.from_numpy(self.ranks(record)), end == 0
        better = trains & ((now[:, 0] > rank[:, 0]) | ((now[:, 0] == rank[:, 0]) & (now[:, 1] > rank[:, 1])))
        rank[better] = now[better]
        _take(best, theta, better)
        since += 1
        since[better] = 0
        if last is not None:
            _take(last, theta, trains)
            end[trains & (since == self.patience)] = epoch

    def ends(self, num_runs: int) -> np.ndarray:
        """The epochs after which each run stopped, [R]; 0 of one that trains."""
        return np.zeros(num_runs, dtype=np.int64) if self.kept is None else self.kept.end.numpy()

    def of(self, theta: Theta) -> Theta:
        """The parameters that count, where ``theta`` are those of the last epoch."""
        return theta if self.kept is None else self.kept.best

    def last(self, theta: Theta) -> Theta:
        """The parameters of each run's own last epoch, where ``theta`` are those of the stack's."""
        return theta if self.kept is None or self.kept.last is None else self.kept.last


def _copy(theta: Theta) -> Theta:
    return {name: p.clone() for name, p in theta.items()}


def _take(kept: Theta, theta: Theta, runs: Tensor) -> None:
    chosen = runs.nonzero().squeeze(-1)
    for name, p in theta.items():
        kept[name][chosen] = p.detach()[chosen]
