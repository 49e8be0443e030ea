"""Gradients of each row's loss at linear layers, without forming one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fairrun.data.target import Link
from fairrun.method.api import Theta


class Layer(NamedTuple):
    """A linear layer's part of the gradient of every row's loss: of its weight a_i e_i^T, of its bias e_i."""

    a: Tensor  # [R, B, in] the layer's input
    e: Tensor  # [R, B, out] the loss's slope at its output


class Pullback(Protocol):
    """Carries the slopes of the rows' losses at the logits, [R, B] or [R, B, C], back to the parameters."""

    def layers(self, slope: Tensor) -> dict[str, Layer]:
        """Every linear layer's part of every row's gradient, by name and last to first."""
        ...

    def gradient(self, slope: Tensor) -> Theta:
        """The gradient of the sum of the losses that have these slopes."""
        ...


@dataclass(frozen=True)
class LinearPullback:
    """The pullback to given linear layers."""

    layers: Callable[[Tensor], dict[str, Layer]]

    def gradient(self, slope: Tensor) -> Theta:
        """For each layer: the sum over rows of a e^T for its weight, and of e for its bias."""
        grads = {}
        for name, (a, e) in self.layers(slope).items():
            grads[f"{name}.weight"] = (a * e).sum(1).unsqueeze(-1) if e.shape[-1] == 1 else a.mT @ e
            grads[f"{name}.bias"] = e.sum(1, keepdim=True)
        return grads


@dataclass(frozen=True)
class LinearGradients:
    """``RowGradients`` of linear layers, from inputs and slopes: no row's gradient is made."""

    losses: Tensor
    slope: Tensor  # of the losses at the logits
    pullback: Pullback
    link: Link

    def combined(self, w: Tensor) -> Theta:
        """By an ordinary backward pass."""
        return self.pullback.gradient(self.link.weighted(w, self.slope))

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
        first, *others = (products(layer, layer) for layer in self.pullback.layers(self.slope).values())
        for other in others:
            first += other
        return first


def products(ours: Layer, theirs: Layer) -> Tensor:
    """A linear layer's part of <grad l_i, grad l_j>, weights and bias, [R, B, M] for B rows of ours and M of theirs."""
    inputs = torch.baddbmm(ours.a.new_ones(()), ours.a, theirs.a.mT)
    slopes = ours.e * theirs.e.mT if ours.e.shape[-1] == 1 else ours.e @ theirs.e.mT
    return inputs.mul_(slopes)
