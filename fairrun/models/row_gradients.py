"""Gradients of each row's loss at linear layers, without computing any of them explicitly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fairrun.data.target import Link
from fairrun.method.api import Theta


class Layer(NamedTuple):
    """A linear layer's part of the gradient of every row's loss: a_i e_i^T for its weight, e_i for its bias."""

    a: Tensor  # [R, B, in] the layer's input
    e: Tensor  # [R, B, out] the derivative of the loss by the layer's output


class Pullback(Protocol):
    """Turns the slopes of the rows' losses at the logits, [R, B] or [R, B, C], into gradients of the parameters."""

    def layers(self, slope: Tensor) -> dict[str, Layer]:
        """Every linear layer's part of every row's gradient, by name, from the last layer to the first."""
        ...

    def gradient(self, slope: Tensor) -> Theta:
        """The gradient of the sum of the losses that have these slopes."""
        ...


@dataclass(frozen=True)
class LinearPullback:
    """The pullback of a network of linear layers."""

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
    """``RowGradients`` of linear layers, from inputs and slopes, without any row's gradient."""

    losses: Tensor
    slope: Tensor  # derivative of the losses by the logits
    pullback: Pullback
    link: Link

    def combined(self, w: Tensor) -> Theta:
        """sum_i w_i g_i, by an ordinary backward pass."""
        return self.pullback.gradient(self.link.weighted(w, self.slope))

    def along(self, direction: Theta) -> Tensor:
        """<g_i, direction>: the sum over layers of <e_i, a_i direction>, with direction as the layer's weights."""
        total = torch.zeros_like(self.losses)
        for name, (a, e) in self.pullback.layers(self.slope).items():
            weight, bias = direction[f"{name}.weight"], direction[f"{name}.bias"]
            if e.shape[-1] == 1:  # see ``classified``
                total += ((a * weight.mT).sum(-1) + bias.squeeze(-1)) * e.squeeze(-1)
            else:
                total += (torch.baddbmm(bias, a, weight) * e).sum(-1)
        return total

    def gram(self) -> Tensor:
        """<g_i, g_j>: the sum over layers of (1 + <a_i, a_j>) <e_i, e_j>."""
        first, *others = (products(layer, layer) for layer in self.pullback.layers(self.slope).values())
        for other in others:
            first += other
        return first


def products(ours: Layer, theirs: Layer) -> Tensor:
    """A linear layer's part of <grad l_i, grad l_j> (weight and bias), [R, B, M] for B rows of ours and M of theirs."""
    inputs = torch.baddbmm(ours.a.new_ones(()), ours.a, theirs.a.mT)
    slopes = ours.e * theirs.e.mT if ours.e.shape[-1] == 1 else ours.e @ theirs.e.mT
    return inputs.mul_(slopes)
