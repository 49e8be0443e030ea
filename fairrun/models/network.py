"""The interface of a network, and functions that networks share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor

from fairrun.method.api import Theta
from fairrun.models.row_gradients import Pullback


class Network(ABC):
    """A network for R runs at once: pure functions of a parameter dict with a leading run axis.

    Subclasses are frozen dataclasses, and their fields are the keys of ``conf/model``.  The data set fills the fields
    ``num_features``, ``num_tasks``, ``categories`` and ``num_classes`` if a subclass has them.  Only a subclass with
    ``num_classes`` and with a logit for each class (``outputs``) learns more than two classes.
    """

    least_stack: ClassVar[int] = 2  # smallest stack of runs that is worthwhile, even if the cache holds fewer
    starts: ClassVar[tuple[str, ...]] = ()  # keys that name files which training starts from; a saved model has none
    # For messages: what the node ``model`` must say so that the network has parameters of a group
    remedies: ClassVar[Mapping[str, str]] = {
        "fairness": "fairness_layers must be >= 1",
        "classifier": "_target_ must be a network whose last layer is linear and named classifier",
    }

    @property
    @abstractmethod
    def widest(self) -> int:
        """Units of the widest hidden layer."""

    @abstractmethod
    def init(self, generators: Sequence[Generator]) -> Theta:
        """Draw parameters [R, ...] in float64, for each run by its own generator."""

    @abstractmethod
    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]; [R, B, T] for several tasks, [R, B, C] for C > 2 classes.  Without masks: no dropout."""

    @abstractmethod
    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The input of the layer ``classifier``, [R, B, D] -> [R, B, H]; ``x`` if there is no hidden layer."""

    def in_torch(self) -> "Network":
        """The same network by operations of which torch knows forward-mode derivatives."""
        return self

    def constants(self) -> dict[str, Tensor]:
        """What the logits depend on beside ``theta`` and the fields, by name: a saved model keeps it."""
        return {}

    def with_constants(self, constants: Mapping[str, Tensor]) -> Self:
        """The network with the ``constants`` of another one.  Raises ``InputError`` if they do not fit."""
        return self

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """Dropout masks for a batch, each [R, B, ...], drawn for each run by its own generator; () without dropout."""
        return ()

    def tangents(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, Pullback] | None:
        """The logits, and the pullback to all parameters.

        None for a network that has other than linear layers; then forward-mode derivatives of ``logits`` are used.
        """
        return None


def layer_names(depth: int, fairness_layers: int, fairness_position: int | None) -> list[str]:
    """Names of the hidden layers, first to last.

    The group ``fairness`` starts at ``fairness_position``, from 1; None: it is the last layers.  The layers before and
    after it are the group ``base``.
    """
    first = depth - fairness_layers if fairness_position is None else fairness_position - 1
    after = range(first, depth - fairness_layers)
    return [
        *(f"base.{k}" for k in range(first)),
        *(f"fairness.{k}" for k in range(fairness_layers)),
        *(f"base.{k}" for k in after),
    ]


def outputs(num_classes: int) -> int:
    """The number of logits for ``num_classes`` classes."""
    return 1 if num_classes == 2 else num_classes


def dropout_mask(generators: Sequence[Generator], size: tuple[int, ...], dropout: float) -> Tensor:
    """Draw a mask [R, *size] of 0 and 1 / (1 - dropout), for each run by its own generator."""
    keep = 1 - dropout
    return torch.stack([torch.rand(size, generator=g) < keep for g in generators]) / keep


def classified(theta: Theta, x: Tensor) -> Tensor:
    """The logits of the layer ``classifier``, [R, B, in] -> [R, B]; for C > 2 classes [R, B, C]."""
    weight, bias = theta["classifier.weight"], theta["classifier.bias"]
    if weight.shape[-1] > 1:
        return torch.baddbmm(bias, x, weight)
    # A batched matrix product with one column is slow, and its rounding depends on the number of runs.
    return (x * weight.mT).sum(-1) + bias.squeeze(-1)
