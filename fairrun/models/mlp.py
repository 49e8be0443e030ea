"""A multi-layer perceptron; with depth 0 it is the linear model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from fairrun.config.check import require
from fairrun.method.api import Theta
from fairrun.method.steps import uniform
from fairrun.models.embedding import Embedding
from fairrun.models.network import Network, classified, dropout_mask, layer_names, outputs
from fairrun.models.row_gradients import Layer, LinearPullback, Pullback


@dataclass(frozen=True)
class MLP(Network):
    """ReLU layers and a linear classifier, for R runs at once.

    Parameter groups, by the first part of the name: ``base`` and ``fairness`` (the hidden layers), and ``classifier``.
    Weights are [R, in, out] and biases [R, 1, out], both uniform in +-1/sqrt(in) as by torch.nn.Linear.

    Columns of categories may have embeddings (``fairrun.models.embedding``), which are in the group ``base``.

    Fairness layers are square if the widths around them are equal; at position 1 this requires a width of
    ``num_features``.  Then the groups have the same numbers of parameters at every position.  Position p comes after
    p - 1 layers of ``base``, as in FairBiNN (Yazdani-Jahromi et al., NeurIPS 2024).
    """

    num_features: int  # D
    num_classes: int  # C; one logit for each class, or a single one for two classes
    width: int | list[int]  # width of every hidden layer, or a list with one for each
    depth: int  # hidden layers; 0 is the linear model
    fairness_layers: int  # number of consecutive hidden layers in the group "fairness"
    fairness_position: int | None  # place of the first fairness layer, from 1; None: they are the last layers
    dropout: float  # probability that a hidden unit is dropped in training, in [0, 1)
    embedding_dim: int | None = None  # width of each column's embedding; None: one-hot features go into the first layer
    categories: list[int] = field(default_factory=list)  # one-hot features of each column of categories, the last ones

    def __post_init__(self) -> None:
        require(self.depth >= 0, "depth", self.depth, ">= 0")
        allowed = f">= 1, or a list of model.depth={self.depth} such numbers"
        require(len(self._widths()) == self.depth and min(self._widths(), default=1) >= 1, "width", self.width, allowed)
        allowed = f"between 0 and model.depth={self.depth}"
        require(0 <= self.fairness_layers <= self.depth, "fairness_layers", self.fairness_layers, allowed)
        self._check_position()
        require(0 <= self.dropout < 1, "dropout", self.dropout, "in [0, 1)")
        self._embedding.check()

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

    @property
    def _embedding(self) -> Embedding:
        return Embedding(self.num_features, self.categories, self.embedding_dim)

    def on_features(self, theta: Theta) -> Theta:
        """The parameters of linear layers on the features: with embeddings they are part of the first layer."""
        if self.embedding_dim is None:
            return theta
        first = f"{[*self._hidden(), 'classifier'][0]}.weight"
        return theta | {first: self._embedding.first_layer(theta, "base", theta[first])}

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Draw parameters in float64, for each run by its own generator."""
        theta = self._embedding.draw("base", generators)
        sizes = [self._embedding.width, *self._widths(), outputs(self.num_classes)]
        for name, num_in, num_out in zip([*self._hidden(), "classifier"], sizes[:-1], sizes[1:], strict=True):
            for part, rows in (("weight", num_in), ("bias", 1)):
                theta[f"{name}.{part}"] = uniform(generators, (rows, num_out), num_in)
        return theta

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """One mask [R, B, width] for each hidden layer, with values 0 or 1 / (1 - dropout)."""
        if self.dropout == 0:
            return ()
        return tuple(dropout_mask(generators, (num_rows, width), self.dropout) for width in self._widths())

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]; for C > 2 classes [R, B, C]."""
        theta = self.on_features(theta)
        return classified(theta, self._inputs(theta, x, masks)[-1])

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The last hidden layer, [R, B, D] -> [R, B, width]; ``x`` for depth 0."""
        return self._inputs(self.on_features(theta), x, masks)[-1]

    def tangents(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, Pullback] | None:
        """The logits, and the pullback to the linear layers; None with embeddings."""
        if self.embedding_dim is not None:
            return None
        inputs = self._inputs(theta, x, masks)
        return classified(theta, inputs[-1]), self.pullback(theta, inputs, masks)

    def pullback(self, theta: Theta, inputs: Sequence[Tensor], masks: tuple[Tensor, ...]) -> LinearPullback:
        """The pullback to the linear layers, given their ``inputs`` from first to last."""

        def layers(slope: Tensor) -> dict[str, Layer]:
            e = slope.unsqueeze(-1) if self.num_classes == 2 else slope
            found = {"classifier": Layer(inputs[-1], e)}
            for k, name in reversed(list(enumerate(self._hidden()))):
                above = theta[f"{next(reversed(found))}.weight"]
                e = e * above.mT if e.shape[-1] == 1 else e @ above.mT
                e = torch.ops.aten.threshold_backward(e, inputs[k + 1], 0.0)  # of relu; where() is 20 times slower
                e = e * masks[k] if masks else e
                found[name] = Layer(inputs[k], e)
            return found

        return LinearPullback(layers)

    def _inputs(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...]) -> list[Tensor]:
        """The input of every linear layer, first to last."""
        inputs = [x]
        for k, name in enumerate(self._hidden()):
            x = torch.baddbmm(theta[f"{name}.bias"], x, theta[f"{name}.weight"]).relu_()
            inputs.append(x := x * masks[k] if masks else x)
        return inputs
