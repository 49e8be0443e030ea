"""The mean of a run's parameters over its training, which is evaluated and kept in place of those of the last step."""

from typing import NamedTuple

import torch

from fairrun.method.api import Theta

KINDS = ("ema", "swa")


class Mean(NamedTuple):
    """A mean of parameters, and the sum of the weights in it, relative to the newest: a scalar, 0 for none yet."""

    theta: Theta
    weight: torch.Tensor


class Averaging(NamedTuple):
    """Which parameters a mean is of.

    ema: those after every step, each step with ``decay`` times the weight of the next (Polyak and Juditsky 1992, with
    forgetting).  swa: those after every epoch from the share ``start`` of the epochs on, all with the same weight
    (Izmailov et al., UAI 2018, https://arxiv.org/abs/1803.05407; their constant or cyclic learning rate is the
    schedule's to give).
    """

    kind: str
    decay: float
    start: float

    def first(self, theta: Theta) -> Mean:
        """The mean before the first step: of nothing."""
        return Mean({name: p.clone() for name, p in theta.items()}, torch.zeros((), dtype=torch.float64))

    def after_step(self, mean: Mean, theta: Theta) -> Mean:
        """The mean with the parameters after a step."""
        return _with(mean, theta, self.decay) if self.kind == "ema" else mean

    def after_epoch(self, mean: Mean, theta: Theta, done: int, epochs: int) -> Mean:
        """The mean after ``done`` of ``epochs``; before it begins, it is of this epoch alone."""
        if self.kind == "ema":
            return mean
        begun = done > self.start * epochs
        return _with(mean, theta, 1.0) if begun else self.first(theta)


def _with(mean: Mean, theta: Theta, decay: float) -> Mean:
    weight = decay * mean.weight + 1
    moved = torch._foreach_lerp(list(mean.theta.values()), [*theta.values()], 1 / float(weight))
    return Mean(dict(zip(theta, moved, strict=True)), weight)
