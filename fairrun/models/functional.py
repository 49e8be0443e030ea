"""Networks as functions of a parameter dict with a leading run axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.method import Batch, RowLoss, Theta

Tangent = tuple[Tensor, Tensor | None]  # a linear layer's input [R, B, in], and the logit's slope at its output
#                                         [R, B, out]; None for the slope 1 of the last layer, whose output is the logit


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
        """[R, B, D] -> [R, B]; of several tasks [R, B, T].  Without masks nothing is dropped."""
        ...

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The input of the layer ``classifier``, [R, B, D] -> [R, B, H]; ``x`` where there is no hidden layer."""
        ...

    def tangents(
        self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, Sequence[Tangent]] | None:
        """The logits and, of every linear layer, what its weights' gradient is the product of.  None for a network that
        is more than linear layers: forward-mode derivatives are taken instead.
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


def dropout_mask(generators: Sequence[Generator], size: tuple[int, ...], dropout: float) -> Tensor:
    """[R, *size], 0 or 1 / (1 - dropout), each run's from its own generator."""
    keep = 1 - dropout
    return torch.stack([torch.rand(size, generator=g) < keep for g in generators]) / keep


def classified(theta: Theta, x: Tensor) -> Tensor:
    """The logits of the layer ``classifier``, [R, B, in] -> [R, B]."""
    # A product with one column is slow as a batched matrix product, and rounds differently with the number of runs.
    return (x * theta["classifier.weight"].mT).sum(-1) + theta["classifier.bias"].squeeze(-1)


@dataclass(frozen=True)
class BinaryClassifier:
    """A network with the logistic loss: what methods see as ``model``.  With several tasks [R, B] is [R, B, T]."""

    network: Network

    def losses(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's binary cross-entropy, in nats, [R, B]."""
        logits = self.network.logits(theta, batch.x, batch.masks)
        return F.binary_cross_entropy_with_logits(logits, batch.y, reduction="none")

    def scores(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's probability of class 1, [R, B]."""
        return torch.sigmoid(self.network.logits(theta, batch.x, batch.masks))

    def losses_and_scores(self, theta: Theta, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both, from one pass through the network."""
        return _losses_and_scores(self.network.logits(theta, batch.x, batch.masks), batch.y)

    def representation(self, theta: Theta, batch: Batch) -> Tensor:
        """What the layer ``classifier`` sees of every row, [R, B, H]."""
        return self.network.hidden(theta, batch.x, batch.masks)

    def influence(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """<grad l_j(theta), grad sum_v weights_kv loss_v(theta_val)> for all j and k, [R, K, B], and loss_v, [R, M].

        For linear layers by products of their inputs and slopes, no row's gradient is made: with z a row's logit,
        <grad z_j, grad z_v> is the sum over layers of (1 + <a_j, a_v>) <e_j, e_v>.
        """
        ours = self.network.tangents(theta, batch.x, batch.masks)
        theirs = self.network.tangents(theta_val, val.x, val.masks)
        if ours is None or theirs is None:
            return self._influence_by_jvp(theta, batch, theta_val, val, weights, loss)
        logits, logits_val = ours[0], theirs[0].detach().requires_grad_()
        losses = loss(*_losses_and_scores(logits_val, val.y))
        (slope,) = torch.autograd.grad(losses.sum(), logits_val)  # dloss_v / dz_v
        kernel = sum(_product(layer, layer_val) for layer, layer_val in zip(ours[1], theirs[1], strict=True))
        gains = (weights * slope.unsqueeze(1)) @ kernel * (torch.sigmoid(logits) - batch.y).unsqueeze(1)
        return gains, losses.detach()

    def _influence_by_jvp(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """The same for any network: a backward and a forward derivative for each k."""
        leaves = {name: p.detach().requires_grad_() for name, p in theta_val.items()}
        losses = loss(*self.losses_and_scores(leaves, val))
        gains = []
        for weights_k in weights.unbind(1):
            grads = torch.autograd.grad((weights_k * losses).sum(), list(leaves.values()), retain_graph=True)
            direction = dict(zip(leaves, grads, strict=True))
            gains.append(torch.func.jvp(lambda theta: self.losses(theta, batch), (theta,), (direction,))[1])
        return torch.stack(gains, dim=1), losses.detach()


def _losses_and_scores(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return F.binary_cross_entropy_with_logits(logits, y, reduction="none"), torch.sigmoid(logits)


def _product(layer: Tangent, layer_val: Tangent) -> Tensor:
    """A linear layer's part of <grad z_j, grad z_v>, weights and bias, [R, M, B]."""
    (a, e), (a_val, e_val) = layer, layer_val
    product = torch.baddbmm(a.new_ones(()), a_val, a.mT)
    return product if e is None or e_val is None else product * (e_val @ e.mT)
