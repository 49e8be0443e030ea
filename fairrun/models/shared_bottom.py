"""Layers that all tasks share, and a head for each task ("shared bottom", hard parameter sharing; Caruana 1997).
https://doi.org/10.1023/A:1007379606734
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from fairrun.config.check import require
from fairrun.method.api import Theta
from fairrun.method.steps import uniform
from fairrun.models.embedding import Embedding
from fairrun.models.network import Network, classified


@dataclass(frozen=True)
class SharedBottom(Network):
    """Shared ReLU layers, then ReLU layers and a linear unit for each task, for R runs at once.

    Parameter groups, by the first part of the name: ``shared``, which includes the embeddings, and ``head.t`` for task
    t, from 0.  Weights are [R, in, out], uniform in +-sqrt(6 / (in + out)) (Glorot and Bengio); biases are [R, 1, out]
    and start at 0.  A task with its own bottom has it as ``own.t.shared``, which method ``stl`` draws.

    Columns of categories may have embeddings (``fairrun.models.embedding``).
    """

    num_features: int  # D
    categories: list[int]  # number of one-hot features of each column of categories, the last features
    num_tasks: int  # T
    shared: list[int]  # widths of the shared layers, one or more
    head: list[int]  # widths of the hidden layers of every head; [] is a linear head
    embedding_dim: int | None  # width of each column's embedding; None: one-hot features go into the first layer
    least_stack: ClassVar[int] = 16  # measured: with fewer runs torch's overhead dominates

    def __post_init__(self) -> None:
        require(min(self.shared, default=0) >= 1, "shared", self.shared, "a list of one width >= 1 or more")
        require(min(self.head, default=1) >= 1, "head", self.head, "a list of widths >= 1")
        self._embedding.check()

    @property
    def widest(self) -> int:
        """Units of the widest layer; those of all heads are added."""
        return max([*self.shared, *(self.num_tasks * width for width in self.head)])

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Draw parameters in float64, for each run by its own generator."""
        theta = self._embedding.draw("shared", generators)
        theta |= _layers("shared", [self._embedding.width, *self.shared], generators)
        return theta | draw_heads(self.num_tasks, self.shared[-1], self.head, generators)

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B, T]."""
        theta = self.on_features(theta)
        logits: dict[int, Tensor] = {}
        for prefix, tasks in self.bottoms(theta).items():
            h = self._bottom(theta, x, prefix)
            logits |= {t: head_logits(theta, t, len(self.head), h) for t in tasks}
        return torch.stack([logits[t] for t in range(self.num_tasks)], dim=1).mT  # each task's logits are contiguous

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The input of the heads, [R, B, D] -> [R, B, H]."""
        return self._bottom(self.on_features(theta), x, "")

    def on_features(self, theta: Theta) -> Theta:
        """The parameters of linear layers on the features: with embeddings they are part of the first layer."""
        if self.embedding_dim is None:
            return theta
        groups = [f"{prefix}shared" for prefix in self.bottoms(theta)]
        weights = {group: theta[f"{group}.0.weight"] for group in groups}
        return theta | {f"{g}.0.weight": self._embedding.first_layer(theta, g, weight) for g, weight in weights.items()}

    def bottoms(self, theta: Theta) -> dict[str, list[int]]:
        """The tasks on each bottom, by what precedes the names of its parameters."""
        found: dict[str, list[int]] = {}
        for t in range(self.num_tasks):
            has_own = f"own.{t}.shared.0.weight" in theta
            found.setdefault(f"own.{t}." if has_own else "", []).append(t)
        return found

    @property
    def _embedding(self) -> Embedding:
        return Embedding(self.num_features, self.categories, self.embedding_dim)

    def _bottom(self, theta: Theta, x: Tensor, prefix: str) -> Tensor:
        h = x
        for k in range(len(self.shared)):
            h = _relu_layer(theta, f"{prefix}shared.{k}", h)
        return h


def draw_heads(num_tasks: int, num_in: int, head: Sequence[int], generators: Sequence[Generator]) -> Theta:
    """Draw the heads of all tasks, with hidden layers of the widths ``head``, on ``num_in`` shared units."""
    theta: Theta = {}
    for t in range(num_tasks):
        theta |= _layers(f"head.{t}", [num_in, *head], generators)
        theta |= _layer(f"head.{t}.classifier", [num_in, *head][-1], 1, generators)
    return theta


def head_logits(theta: Theta, t: int, depth: int, h: Tensor) -> Tensor:
    """The logits of the head of task ``t`` with ``depth`` hidden layers, [R, B, H] -> [R, B]."""
    for k in range(depth):
        h = _relu_layer(theta, f"head.{t}.{k}", h)
    top = {f"classifier.{part}": theta[f"head.{t}.classifier.{part}"] for part in ("weight", "bias")}
    return classified(top, h)


def _relu_layer(theta: Theta, name: str, x: Tensor) -> Tensor:
    return torch.baddbmm(theta[f"{name}.bias"], x, theta[f"{name}.weight"]).relu_()


def _layers(group: str, sizes: Sequence[int], generators: Sequence[Generator]) -> Theta:
    theta: Theta = {}
    for k, (num_in, num_out) in enumerate(itertools.pairwise(sizes)):
        theta |= _layer(f"{group}.{k}", num_in, num_out, generators)
    return theta


def _layer(name: str, num_in: int, num_out: int, generators: Sequence[Generator]) -> Theta:
    weight = uniform(generators, (num_in, num_out), 1) * (6 / (num_in + num_out)) ** 0.5
    return {f"{name}.weight": weight, f"{name}.bias": torch.zeros(len(generators), 1, num_out, dtype=torch.float64)}
