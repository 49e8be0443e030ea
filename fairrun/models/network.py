"""What a network is, and what networks share."""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.method.api import Theta
from fairrun.models.row_gradients import Pullback


class Network(Protocol):
    """What a module of ``fairrun.models`` provides.

    It may have ``least_stack``, a class attribute: how many runs are worth a stack, though the cache holds fewer; 2 by
    default.
    """

    @property
    def widest(self) -> int:
        """Units of the widest hidden layer."""
        ...

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Parameters [R, ...] in float64, each run's drawn from its own generator."""
        ...

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """Drop-out masks for a batch, each [R, B, ...] and drawn from each run's own generator; () where there is no
        drop-out.
        """
        ...

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B], of several tasks [R, B, T], of C > 2 classes [R, B, C].  Without masks nothing is
        dropped.
        """
        ...

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The input of the layer ``classifier``, [R, B, D] -> [R, B, H]; ``x`` where there is no hidden layer."""
        ...

    def tangents(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, Pullback] | None:
        """The logits, and the pullback to all parameters.  None for a network that is more than linear layers:
        forward-mode derivatives are taken instead.
        """
        ...


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


def columns(slope: Tensor, h: Tensor) -> Tensor:
    """The slopes at the logits, as those at the output of the layer of input ``h``, [R, B, 1 or C]."""
    return slope if slope.dim() == h.dim() else slope.unsqueeze(-1)


def outputs(num_classes: int) -> int:
    """How many logits so many classes have."""
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


def _losses(logits: Tensor, y: Tensor) -> Tensor:
    if logits.dim() > y.dim():
        return logits.logsumexp(-1) - logits.gather(-1, y.long().unsqueeze(-1)).squeeze(-1)
    return F.binary_cross_entropy_with_logits(logits, y, reduction="none")


def _scores(logits: Tensor, y: Tensor) -> Tensor:
    return logits.softmax(-1) if logits.dim() > y.dim() else torch.sigmoid(logits)


def _slope(logits: Tensor, y: Tensor) -> Tensor:
    """The derivative of a row's loss by its logits, p - y."""
    p = _scores(logits, y)
    return p - F.one_hot(y.long(), p.shape[-1]).to(p) if p.dim() > y.dim() else p - y
