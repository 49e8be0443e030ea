"""Networks as functions of a parameter dict with a leading run axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.method import Batch, RowGradients, RowLoss, Theta, backward, tracked


class Layer(NamedTuple):
    """A linear layer's part of the gradient of every row's loss: of its weight a_i e_i^T, of its bias e_i."""

    a: Tensor  # [R, B, in] the layer's input
    e: Tensor  # [R, B, out] the loss's slope at its output


class Pullback(Protocol):
    """From the slopes of the rows' losses at the logits, [R, B] or [R, B, C], to the parameters."""

    def layers(self, slope: Tensor) -> dict[str, Layer]:
        """Every linear layer's part of every row's gradient, by name and last to first."""
        ...

    def gradient(self, slope: Tensor) -> Theta:
        """The gradient of the sum of the losses that have these slopes."""
        ...


@dataclass(frozen=True)
class LinearPullback:
    """Of layers as they are given."""

    layers: Callable[[Tensor], dict[str, Layer]]

    def gradient(self, slope: Tensor) -> Theta:
        """Of each layer the sum over rows of a e^T, and of its bias of e."""
        grads = {}
        for name, (a, e) in self.layers(slope).items():
            grads[f"{name}.weight"] = (a * e).sum(1).unsqueeze(-1) if e.shape[-1] == 1 else a.mT @ e
            grads[f"{name}.bias"] = e.sum(1, keepdim=True)
        return grads


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


@dataclass(frozen=True)
class Classifier:
    """A network with the cross-entropy of its classes, two by one logit or C > 2: what methods see as ``model``.  With
    several tasks [R, B] is [R, B, T].
    """

    network: Network

    def losses(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's cross-entropy, in nats, [R, B]."""
        return _losses(self.network.logits(theta, batch.x, batch.masks), batch.y)

    def scores(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's probability of class 1, [R, B]; of C > 2 classes of each, [R, B, C]."""
        return _scores(self.network.logits(theta, batch.x, batch.masks), batch.y)

    def losses_and_scores(self, theta: Theta, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both, from one pass through the network."""
        logits = self.network.logits(theta, batch.x, batch.masks)
        return _losses(logits, batch.y), _scores(logits, batch.y)

    def representation(self, theta: Theta, batch: Batch) -> Tensor:
        """What the layer ``classifier`` sees of every row, [R, B, H]."""
        return self.network.hidden(theta, batch.x, batch.masks)

    @torch.no_grad()
    def row_gradients(self, theta: Theta, batch: Batch, layers: str) -> RowGradients:
        """The gradients of the rows' losses at ``layers``, all or the last one, from one pass through the network."""
        if layers == "last":
            h = self.network.hidden(theta, batch.x, batch.masks)
            logits = classified(theta, h)
            pullback: Pullback = LinearPullback(lambda slope: {"classifier": Layer(h, columns(slope, h))})
        elif (found := self.network.tangents(theta, batch.x, batch.masks)) is not None:
            logits, pullback = found
        else:
            return AnyGradients(self.losses(theta, batch), self, theta, batch)
        return LinearGradients(_losses(logits, batch.y), _slope(logits, batch.y), pullback)

    def influence(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """<grad l_j(theta), grad sum_v weights_kv loss_v(theta_val)> for all j and k, [R, K, B], and loss_v, [R, M].

        For linear layers by products of their inputs and slopes, no row's gradient is made.  Two classes.
        """
        ours = self.network.tangents(theta, batch.x, batch.masks)
        theirs = self.network.tangents(theta_val, val.x, val.masks)
        if ours is None or theirs is None:
            return self._influence_by_jvp(theta, batch, theta_val, val, weights, loss)
        (logits, pullback), (logits_val, pullback_val) = ours, theirs
        logits_val = logits_val.detach().requires_grad_()
        losses = loss(_losses(logits_val, val.y), torch.sigmoid(logits_val))
        (slope,) = torch.autograd.grad(losses.sum(), logits_val)
        parts, parts_val = pullback.layers(_slope(logits, batch.y)), pullback_val.layers(slope)
        kernel = sum(_products(parts_val[name], part) for name, part in parts.items())
        return weights @ kernel, losses.detach()

    def _influence_by_jvp(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """The same for any network: a backward and a forward derivative for each k."""
        leaves = tracked(theta_val)
        losses = loss(*self.losses_and_scores(leaves, val))
        gains = []
        for weights_k in weights.unbind(1):
            direction = backward(weights_k * losses, leaves, keep=True)
            gains.append(self.slope_along(theta, batch, direction))
        return torch.stack(gains, dim=1), losses.detach()

    def slope_along(self, theta: Theta, batch: Batch, direction: Theta) -> Tensor:
        """<grad l_i, direction>, [R, B], by a forward-mode derivative."""
        found: Tensor = torch.func.jvp(lambda theta: self.losses(theta, batch), (theta,), (direction,))[1]
        return found


@dataclass(frozen=True)
class LinearGradients:
    """``RowGradients`` of linear layers, from inputs and slopes: no row's gradient is made."""

    losses: Tensor
    slope: Tensor  # of the losses at the logits
    pullback: Pullback

    def combined(self, w: Tensor) -> Theta:
        """By an ordinary backward pass."""
        return self.pullback.gradient(w * self.slope if w.dim() == self.slope.dim() else w.unsqueeze(-1) * self.slope)

    def along(self, direction: Theta) -> Tensor:
        """The sum over layers of <e_i, a_i direction>, as the layer itself would work on a_i."""
        total = torch.zeros_like(self.losses)
        for name, (a, e) in self.pullback.layers(self.slope).items():
            weight, bias = direction[f"{name}.weight"], direction[f"{name}.bias"]
            if e.shape[-1] == 1:  # see ``classified``
                total += ((a * weight.mT).sum(-1) + bias.squeeze(-1)) * e.squeeze(-1)
            else:
                total += (torch.baddbmm(bias, a, weight) * e).sum(-1)
        return total

    def gram(self) -> Tensor:
        """The sum over layers of (1 + <a_i, a_j>) <e_i, e_j>."""
        first, *others = (_products(layer, layer) for layer in self.pullback.layers(self.slope).values())
        for products in others:
            first += products
        return first


@dataclass(frozen=True)
class AnyGradients:
    """``RowGradients`` of all parameters of any network, by its derivatives."""

    losses: Tensor
    model: Classifier
    theta: Theta
    batch: Batch

    def combined(self, w: Tensor) -> Theta:
        """By a backward pass."""
        with torch.enable_grad():
            leaves = tracked(self.theta)
            return backward(w * self.model.losses(leaves, self.batch), leaves)

    def along(self, direction: Theta) -> Tensor:
        """By a forward-mode derivative."""
        return self.model.slope_along(self.theta, self.batch, direction)

    def gram(self) -> Tensor:
        """By every row's gradient, B times the memory of the parameters."""
        with torch.enable_grad():
            leaves = tracked(self.theta)
            losses = self.model.losses(leaves, self.batch)
            runs, rows = losses.shape
            each = torch.eye(rows).to(losses).unsqueeze(1).expand(rows, runs, rows)
            grads = torch.autograd.grad(losses, list(leaves.values()), each, is_grads_batched=True)
        g = torch.cat([part.flatten(2) for part in grads], dim=2).transpose(0, 1)  # [R, B, P]
        return g @ g.mT


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


def _products(ours: Layer, theirs: Layer) -> Tensor:
    """A linear layer's part of <grad l_i, grad l_j>, weights and bias, [R, B, M] for B rows of ours and M of theirs."""
    inputs = torch.baddbmm(ours.a.new_ones(()), ours.a, theirs.a.mT)
    slopes = ours.e * theirs.e.mT if ours.e.shape[-1] == 1 else ours.e @ theirs.e.mT
    return inputs.mul_(slopes)
