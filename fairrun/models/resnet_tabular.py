"""A residual network for tables (Gorishniy, Rubachev, Khrulkov and Babenko, NeurIPS 2021, "Revisiting Deep Learning
Models for Tabular Data", section 3.2, https://arxiv.org/abs/2106.11959).

Differs from the paper: layer normalisation stands in place of batch normalisation, which would make a row's logits
depend on the other rows of its batch; and only the hidden units of blocks are dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.config.check import require
from fairrun.method.api import Theta
from fairrun.method.steps import uniform
from fairrun.models.embedding import Embedding
from fairrun.models.network import Network, classified, dropout_mask, layer_names, outputs

FIRST, NORM = "base.first", "base.norm"  # the linear layer before the blocks, the normalisation after them


@dataclass(frozen=True)
class ResNetTabular(Network):
    """A linear layer, blocks x + down(dropout(relu(up(norm(x))))), and classifier(relu(norm(x))), for R runs at once.

    Parameter groups, by the first part of the name: ``base`` and ``fairness`` (the last blocks), and ``classifier``.
    Weights are [R, in, out] and biases [R, 1, out], both uniform in +-1/sqrt(in) as by torch.nn.Linear.
    """

    num_features: int  # D
    categories: list[int]  # number of one-hot features of each column of categories, the last features
    num_classes: int  # C; one logit for each class, or a single one for two classes
    width: int  # units between blocks
    hidden_width: int  # units within a block
    depth: int  # blocks
    fairness_layers: int  # number of blocks, counted from the last, in the group "fairness"
    embedding_dim: int | None  # width of each column's embedding; None: one-hot features go into the first layer
    dropout: float  # probability that a hidden unit of a block is dropped in training, in [0, 1)

    def __post_init__(self) -> None:
        for key in ("width", "hidden_width", "depth"):
            require(vars(self)[key] >= 1, key, vars(self)[key], ">= 1")
        allowed = f"between 0 and model.depth={self.depth}"
        require(0 <= self.fairness_layers <= self.depth, "fairness_layers", self.fairness_layers, allowed)
        self._embedding.check()
        require(0 <= self.dropout < 1, "dropout", self.dropout, "in [0, 1)")

    @property
    def widest(self) -> int:
        """Units of the widest layer."""
        return max(self.width, self.hidden_width)

    @property
    def _embedding(self) -> Embedding:
        return Embedding(self.num_features, self.categories, self.embedding_dim)

    @property
    def _blocks(self) -> list[str]:
        return layer_names(self.depth, self.fairness_layers, None)

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Draw parameters in float64, for each run by its own generator."""
        theta = self._embedding.draw("base", generators)
        theta |= _linear(FIRST, self._embedding.width, self.width, generators)
        for name in self._blocks:
            theta |= _norm(f"{name}.norm", self.width, generators)
            theta |= _linear(f"{name}.up", self.width, self.hidden_width, generators)
            theta |= _linear(f"{name}.down", self.hidden_width, self.width, generators)
        theta |= _norm(NORM, self.width, generators)
        return theta | _linear("classifier", self.width, outputs(self.num_classes), generators)

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """One mask [R, B, hidden_width] for each block, with values 0 or 1 / (1 - dropout)."""
        if self.dropout == 0:
            return ()
        return tuple(dropout_mask(generators, (num_rows, self.hidden_width), self.dropout) for _ in self._blocks)

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]; for C > 2 classes [R, B, C]."""
        return classified(theta, self.hidden(theta, x, masks))

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The input of the layer ``classifier``, [R, B, D] -> [R, B, width]."""
        first = self._embedding.first_layer(theta, "base", theta[f"{FIRST}.weight"])
        h = torch.baddbmm(theta[f"{FIRST}.bias"], x, first)
        for k, name in enumerate(self._blocks):
            inside = _layer(theta, f"{name}.up", self._normed(theta, f"{name}.norm", h)).relu()
            inside = inside * masks[k] if masks else inside
            h = h + _layer(theta, f"{name}.down", inside)
        return self._normed(theta, NORM, h).relu()

    def _normed(self, theta: Theta, name: str, h: Tensor) -> Tensor:
        return F.layer_norm(h, (self.width,)) * theta[f"{name}.weight"] + theta[f"{name}.bias"]


def _layer(theta: Theta, name: str, x: Tensor) -> Tensor:
    return torch.baddbmm(theta[f"{name}.bias"], x, theta[f"{name}.weight"])


def _linear(name: str, num_in: int, num_out: int, generators: Sequence[Generator]) -> Theta:
    sizes = {"weight": (num_in, num_out), "bias": (1, num_out)}
    return {f"{name}.{part}": uniform(generators, size, num_in) for part, size in sizes.items()}


def _norm(name: str, width: int, generators: Sequence[Generator]) -> Theta:
    ones = torch.ones(len(generators), 1, width, dtype=torch.float64)
    return {f"{name}.weight": ones, f"{name}.bias": torch.zeros_like(ones)}
