"""The mean of a run's parameters over its training, which is evaluated and kept in place of those of the last step."""

from dataclasses import dataclass
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


@dataclass
class Averages:
    """The mean of each run's parameters, while they are trained."""

    averaging: Averaging | None  # None: the parameters of the last step count, and nothing is kept
    kept: Mean | None = None

    def start(self, theta: Theta) -> Mean | None:
        """What a training starts with: the mean of nothing."""
        if self.averaging is None:
            return None
        return Mean({name: p.clone() for name, p in theta.items()}, torch.zeros((), dtype=torch.float64))

    def after_step(self, theta: Theta) -> None:
        """Take the parameters after a step into the mean, if it is one over steps."""
        if self.averaging is not None and self.kept is not None and self.averaging.kind == "ema":
            self.kept = _with(self.kept, theta, self.averaging.decay)

    def after_epoch(self, theta: Theta, done: int, epochs: int) -> None:
        """Take those after ``done`` of ``epochs`` into the mean, if it is one over epochs.

        Before it begins, it is of the last epoch alone.
        """
        if self.averaging is not None and self.kept is not None and self.averaging.kind == "swa":
            begun = done > self.averaging.start * epochs
            self.kept = _with(self.kept, theta, 1.0) if begun else self.start(theta)

    def of(self, theta: Theta) -> Theta:
        """What is evaluated and kept, where ``theta`` are the parameters after the last step."""
        return theta if self.kept is None else self.kept.theta


def _with(mean: Mean, theta: Theta, decay: float) -> Mean:
    weight = decay * mean.weight + 1
    newest = [theta[name] for name in mean.theta]
    moved = torch._foreach_lerp(list(mean.theta.values()), newest, 1 / float(weight))
    return Mean(dict(zip(mean.theta, moved, strict=True)), weight)
