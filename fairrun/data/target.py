"""What a network predicts: one label of two classes, one of several classes, or several labels of two classes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Link(Protocol):
    """From logits to losses and probabilities; R runs, B rows, T tasks, C classes."""

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """Every row's cross-entropy in nats, in the shape of ``y``: [R, B] or [R, B, T]."""
        ...

    def scores(self, logits: Tensor) -> Tensor:
        """Probabilities, in the shape of ``logits``."""
        ...

    def slope(self, logits: Tensor, y: Tensor) -> Tensor:
        """The derivative of every row's loss by its logits, in their shape."""
        ...

    def columns(self, slope: Tensor) -> Tensor:
        """``slope`` with an axis of outputs at its end, [R, B, 1] or [R, B, C]."""
        ...

    def weighted(self, w: Tensor, slope: Tensor) -> Tensor:
        """``slope`` of every row times the row's weight ``w`` [R, B]."""
        ...


class Sigmoid:
    """One logit, that of class 1, for every label of two classes: [R, B], of several tasks [R, B, T]."""

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """As of ``Link``."""
        return F.binary_cross_entropy_with_logits(logits, y, reduction="none")

    def scores(self, logits: Tensor) -> Tensor:
        """The probability of class 1."""
        return torch.sigmoid(logits)

    def slope(self, logits: Tensor, y: Tensor) -> Tensor:
        """P - y."""
        return torch.sigmoid(logits) - y

    def columns(self, slope: Tensor) -> Tensor:
        """[R, B] -> [R, B, 1]."""
        return slope.unsqueeze(-1)

    def weighted(self, w: Tensor, slope: Tensor) -> Tensor:
        """As of ``Link``."""
        return w * slope


class Softmax:
    """A logit for each of C > 2 classes, [R, B, C]; labels are 0.0 to C - 1."""

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """As of ``Link``."""
        return logits.logsumexp(-1) - logits.gather(-1, y.long().unsqueeze(-1)).squeeze(-1)

    def scores(self, logits: Tensor) -> Tensor:
        """The probability of each class."""
        return logits.softmax(-1)

    def slope(self, logits: Tensor, y: Tensor) -> Tensor:
        """P - y, with y as a vector of 0 and 1."""
        p = logits.softmax(-1)
        return p - F.one_hot(y.long(), p.shape[-1]).to(p)

    def columns(self, slope: Tensor) -> Tensor:
        """It has them already."""
        return slope

    def weighted(self, w: Tensor, slope: Tensor) -> Tensor:
        """As of ``Link``."""
        return w.unsqueeze(-1) * slope


@dataclass(frozen=True)
class Target:
    """The labels of a data set: T tasks of two classes each, or one label of C classes (T = 1, without a name)."""

    tasks: tuple[str, ...] = ()  # T names; () for one label
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
