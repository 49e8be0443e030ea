"""The interface of a network, and functions that networks share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Generator, Tensor

from fairrun.method.api import Theta
from fairrun.models.row_gradients import Pullback


class Network(ABC):
    """A network for R runs at once: pure functions of a parameter dict with a leading run axis.

    Subclasses are frozen dataclasses, and their fields are the keys of ``conf/model``.  The data set fills the fields
    ``num_features``, ``num_tasks``, ``categories`` and ``num_classes`` of a subclass that has them.  Only a subclass
    with ``num_classes``, and with a logit for each class (``outputs``), learns more than two classes.
    """

    least_stack: ClassVar[int] = 2  # how many runs are worth a stack, though the cache holds fewer

    @property
    @abstractmethod
    def widest(self) -> int:
        """Units of the widest hidden layer."""

    @abstractmethod
    def init(self, generators: Sequence[Generator]) -> Theta:
        """Parameters [R, ...] in float64, each run's drawn from its own generator."""

    @abstractmethod
    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]; with several tasks [R, B, T]; with C > 2 classes [R, B, C].  No masks: no dropout."""

    @abstractmethod
    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The input of the layer ``classifier``, [R, B, D] -> [R, B, H]; ``x`` where there is no hidden layer."""

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """Dropout masks for a batch, each [R, B, ...] and drawn from each run's own generator; () without dropout."""
        return ()

    def tangents(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, Pullback] | None:
        """The logits, and the pullback to all parameters.  None for a network that is more than linear layers:
        forward-mode derivatives of ``logits`` are taken instead.
        """
        return None


def layer_names(depth: int, fairness_layers: int, fairness_position: int | None) -> list[str]:
    """Names of the hidden layers, first to last: the group ``fairness`` from the 1-based position on, by None the last
    layers, and the group ``base`` before and after it.
    """
    first = depth - fairness_layers if fairness_position is None else fairness_position - 1
    after = range(first, depth - fairness_layers)
    return [
        *(f"base.{k}" for k in range(first)),
        *(f"fairness.{k}" for k in range(fairness_layers)),
        *(f"base.{k}" for k in after),
    ]


def outputs(num_classes: int) -> int:
    """The number of logits for a number of classes."""
    return 1 if num_classes == 2 else num_classes


def dropout_mask(generators: Sequence[Generator], size: tuple[int, ...], dropout: float) -> Tensor:
    """[R, *size], 0 or 1 / (1 - dropout), each run's from its own generator."""
    keep = 1 - dropout
    return torch.stack([torch.rand(size, generator=g) < keep for g in generators]) / keep


def classified(theta: Theta, x: Tensor) -> Tensor:
    """The logits of the layer ``classifier``, [R, B, in] -> [R, B], of C > 2 classes [R, B, C]."""
    weight, bias = theta["classifier.weight"], theta["classifier.bias"]
    if weight.shape[-1] > 1:
        return torch.baddbmm(bias, x, weight)
    # A product with one column is slow as a batched matrix product, and rounds differently with the number of runs.
    return (x * weight.mT).sum(-1) + bias.squeeze(-1)
