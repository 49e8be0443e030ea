"""A multi-layer perceptron, and with depth 0 the linear model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from fairrun.check import require
from fairrun.method import Theta, uniform
from fairrun.models.functional import Tangent, classified, dropout_mask, layer_names


@dataclass(frozen=True)
class MLP:
    """ReLU layers and a linear classifier, for R runs at once.

    Parameter groups, by the first part of the name: ``base`` and ``fairness`` (the hidden layers), ``classifier``.
    Weights are [R, in, out], biases [R, 1, out], both uniform in +-1/sqrt(in), as torch.nn.Linear draws them.

    The fairness layers are square where the widths around them are equal, which at position 1 takes a width of
    ``num_features``; the groups then have as many parameters at every position.  Position p comes after p - 1 layers of
    ``base``, as in FairBiNN (Yazdani-Jahromi et al., NeurIPS 2024).
    """

    num_features: int  # D
    width: int | list[int]  # of every hidden layer, or of each in turn
    depth: int  # hidden layers; 0 is the linear model
    fairness_layers: int  # how many of the hidden layers, one behind the other, are the group "fairness"
    fairness_position: int | None  # place of the first of them among the hidden layers, from 1; None: they are the last
    dropout: float  # probability that a hidden unit is dropped in training, in [0, 1)

    def __post_init__(self) -> None:
        require(self.depth >= 0, "depth", self.depth, ">= 0")
        allowed = f">= 1, or a list of model.depth={self.depth} such numbers"
        require(len(self._widths()) == self.depth and min(self._widths(), default=1) >= 1, "width", self.width, allowed)
        allowed = f"between 0 and model.depth={self.depth}"
        require(0 <= self.fairness_layers <= self.depth, "fairness_layers", self.fairness_layers, allowed)
        self._check_position()
        require(0 <= self.dropout < 1, "dropout", self.dropout, "in [0, 1)")

    def _check_position(self) -> None:
        if self.fairness_position is None:
            return
        last = self.depth - self.fairness_layers + 1
        allowed = f"null, or between 1 and {last}" if self.fairness_layers > 0 else "null"
        given = f"{allowed} with model.depth={self.depth} and model.fairness_layers={self.fairness_layers}"
        inside = self.fairness_layers > 0 and 1 <= self.fairness_position <= last
        require(inside, "fairness_position", self.fairness_position, given)

    @property
    def widest(self) -> int:
        """Units of the widest layer."""
        return max(self._widths(), default=1)

    def _widths(self) -> list[int]:
        return self.width if isinstance(self.width, list) else [self.width] * self.depth

    def _hidden(self) -> list[str]:
        return layer_names(self.depth, self.fairness_layers, self.fairness_position)

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Parameters in float64, each run's from its own generator."""
        sizes = [self.num_features, *self._widths(), 1]
        theta = {}
        for name, num_in, num_out in zip([*self._hidden(), "classifier"], sizes[:-1], sizes[1:], strict=True):
            for part, rows in (("weight", num_in), ("bias", 1)):
                theta[f"{name}.{part}"] = uniform(generators, (rows, num_out), num_in)
        return theta

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """One mask [R, B, width] a hidden layer, 0 or 1 / (1 - dropout)."""
        if self.dropout == 0:
            return ()
        return tuple(dropout_mask(generators, (num_rows, width), self.dropout) for width in self._widths())

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]."""
        return classified(theta, self.hidden(theta, x, masks))

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The last hidden layer, [R, B, D] -> [R, B, width]; ``x`` for depth 0."""
        return self._inputs(theta, x, masks)[-1]

    def tangents(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, list[Tangent]]:
        """The logits [R, B]; of every linear layer, last to first, its input and the logit's slope at its output."""
        inputs = self._inputs(theta, x, masks)
        return classified(theta, inputs[-1]), self.slopes(theta, inputs, masks)

    def slopes(self, theta: Theta, inputs: Sequence[Tensor], masks: tuple[Tensor, ...]) -> list[Tangent]:
        """By the ``inputs`` of the linear layers, first to last, the tangents, last to first."""
        layers: list[Tangent] = [(inputs[-1], None)]
        slope = theta["classifier.weight"].mT  # at the inputs of the layer above, [R, 1 or B, width]
        for k in reversed(range(self.depth)):
            slope = torch.ops.aten.threshold_backward(slope, inputs[k + 1], 0.0)  # of relu; where() is 20 times slower
            slope = slope * masks[k] if masks else slope
            layers.append((inputs[k], slope))
            if k > 0:
                slope = slope @ theta[f"{self._hidden()[k]}.weight"].mT
        return layers

    def _inputs(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...]) -> list[Tensor]:
        """Of every linear layer, first to last."""
        inputs = [x]
        for k, name in enumerate(self._hidden()):
            x = torch.baddbmm(theta[f"{name}.bias"], x, theta[f"{name}.weight"]).relu_()
            inputs.append(x := x * masks[k] if masks else x)
        return inputs
