"""The parameters of the epoch that counts, kept while later epochs train."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from fairrun.method.api import Theta

Ranks = Callable[[Mapping[str, np.ndarray]], np.ndarray]  # an epoch's record -> the rank of each run's epoch, [R, 2]
Kept = tuple[torch.Tensor, Theta]  # of each run: the rank of its best epoch [R, 2], and its parameters then


@dataclass
class Chosen:
    """Of each run the parameters of its best epoch so far: the one of highest rank, the first of equals."""

    ranks: Ranks | None  # None: the last epoch counts, and nothing is kept
    kept: Kept | None = None

    def start(self, theta: Theta) -> Kept | None:
        """What a training starts with: no epoch."""
        num_runs = len(next(iter(theta.values())))
        lowest = torch.full((num_runs, 2), -np.inf, dtype=torch.float64)
        return None if self.ranks is None else (lowest, {name: p.clone() for name, p in theta.items()})

    def see(self, record: Mapping[str, np.ndarray], theta: Theta) -> None:
        """Keep the parameters of the runs for which this epoch is the best so far."""
        if self.ranks is None or self.kept is None:
            return
        best, kept = self.kept
        now = torch.from_numpy(self.ranks(record))
        better = (now[:, 0] > best[:, 0]) | ((now[:, 0] == best[:, 0]) & (now[:, 1] > best[:, 1]))
        runs = better.nonzero().squeeze(-1)
        best[runs] = now[runs]
        for name, p in theta.items():
            kept[name][runs] = p.detach()[runs]

    def of(self, theta: Theta) -> Theta:
        """The parameters that count, where ``theta`` are those of the last epoch."""
        return theta if self.kept is None else self.kept[1]
