"""What a network predicts: one label of two classes, one of several classes, or several labels of two classes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Link(Protocol):
    """Turns logits into losses and probabilities, for R runs, B rows, T tasks and C classes."""

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """The cross-entropy of every row in nats, in the shape of ``y``: [R, B] or [R, B, T]."""
        ...

    def scores(self, logits: Tensor) -> Tensor:
        """Probabilities, in the shape of ``logits``."""
        ...

    def slope(self, logits: Tensor, y: Tensor) -> Tensor:
        """The derivative of every row's loss with respect to its logits, in their shape."""
        ...

    def columns(self, slope: Tensor) -> Tensor:
        """``slope`` with a last axis of outputs, [R, B, 1] or [R, B, C]."""
        ...

    def weighted(self, w: Tensor, slope: Tensor) -> Tensor:
        """Multiply the ``slope`` of every row by the row's weight ``w`` [R, B]."""
        ...

    def mean(self, logits: Tensor, dim: int) -> Tensor:
        """The logits of the mean of the probabilities along ``dim``, which is not the last axis."""
        ...


class Sigmoid:
    """For labels of two classes: one logit, that of class 1.  Shape [R, B], or [R, B, T] for several tasks."""

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """The cross-entropy of every row, and of every task."""
        return F.binary_cross_entropy_with_logits(logits, y, reduction="none")

    def scores(self, logits: Tensor) -> Tensor:
        """The probability of class 1."""
        return torch.sigmoid(logits)

    def slope(self, logits: Tensor, y: Tensor) -> Tensor:
        """The probability of class 1 minus the label."""
        return torch.sigmoid(logits) - y

    def columns(self, slope: Tensor) -> Tensor:
        """Add a last axis of length 1: [R, B] -> [R, B, 1]."""
        return slope.unsqueeze(-1)

    def weighted(self, w: Tensor, slope: Tensor) -> Tensor:
        """Multiply ``slope`` [R, B] by ``w``."""
        return w * slope

    def mean(self, logits: Tensor, dim: int) -> Tensor:
        """log(p / (1 - p)) of the mean p, without a rounding that makes p 0 or 1."""
        return F.logsigmoid(logits).logsumexp(dim) - F.logsigmoid(-logits).logsumexp(dim)


class Softmax:
    """For one label of C > 2 classes, 0.0 to C - 1: one logit a class, [R, B, C]."""

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """The cross-entropy of every row."""
        return logits.logsumexp(-1) - logits.gather(-1, y.long().unsqueeze(-1)).squeeze(-1)

    def scores(self, logits: Tensor) -> Tensor:
        """The probability of each class."""
        return logits.softmax(-1)

    def slope(self, logits: Tensor, y: Tensor) -> Tensor:
        """The probabilities minus the one-hot label."""
        p = logits.softmax(-1)
        return p - F.one_hot(y.long(), p.shape[-1]).to(p)

    def columns(self, slope: Tensor) -> Tensor:
        """Return ``slope`` unchanged: its last axis is the outputs."""
        return slope

    def weighted(self, w: Tensor, slope: Tensor) -> Tensor:
        """Multiply ``slope`` [R, B, C] by ``w``."""
        return w.unsqueeze(-1) * slope

    def mean(self, logits: Tensor, dim: int) -> Tensor:
        """The logarithm of the mean probabilities; a constant is left out."""
        return logits.log_softmax(-1).logsumexp(dim)


@dataclass(frozen=True)
class Target:
    """The labels of a data set: T tasks of two classes each, or one unnamed label of C classes (then T = 1)."""

    tasks: tuple[str, ...] = ()  # T names; empty for one label
    num_classes: int = 2  # C

    @cached_property
    def link(self) -> Link:
        """How logits become losses and probabilities."""
        return Sigmoid() if self.num_classes == 2 else Softmax()

    @property
    def num_tasks(self) -> int:
        """T, 1 or more."""
        return max(1, len(self.tasks))


ONE_LABEL = Target()
