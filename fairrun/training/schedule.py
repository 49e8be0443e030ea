"""How learning rates change from epoch to epoch."""

import math
from typing import NamedTuple


class Schedule(NamedTuple):
    """A schedule of learning rates, for optimizers of a method without their own ``decay_every``."""

    every: int | None = None  # the learning rates are multiplied by ``factor`` after every so many epochs; None: never
    factor: float = 1.0
    warmup: int | None = None  # epochs in which they rise in equal steps to their value
    cosine_to: float | None = None  # the share of themselves to which they fall by the last epoch, along half a cosine

    def at(self, epoch: int, epochs: int) -> float:
        """The factor on the learning rates in an epoch, from 0, of ``epochs``."""
        warmup = self.warmup or 0
        found = min(1.0, (epoch + 1) / (warmup + 1))
        if self.every is not None:
            found *= self.factor ** (epoch // self.every)
        if self.cosine_to is not None and epochs - warmup > 1:
            turn = max(0, epoch - warmup) / (epochs - warmup - 1)
            found *= self.cosine_to + (1 - self.cosine_to) * (1 + math.cos(math.pi * turn)) / 2
        return found


CONSTANT = Schedule()
