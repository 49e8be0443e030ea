"""Embeddings of columns of categories: a table for each column, with a row for each category.

A table is multiplied by the column's one-hot features.  No layer is between the tables and the first linear layer.  So
the tables are multiplied by that layer's weights once, a small product, and rows are multiplied by the resulting matrix
[D, width].  Function and gradient are the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from fairrun.config.check import require
from fairrun.method.api import Theta


class Embedding(NamedTuple):
    """The embeddings of a data set's columns, or none: then one-hot features go into the first layer."""

    num_features: int  # D
    categories: Sequence[int]  # number of one-hot features of each column of categories, the last features
    dim: int | None  # width of each column's embedding; None: there are none

    def check(self) -> None:
        """Raise ``InputError`` for a width that cannot be."""
        require(self.dim is None or self.dim >= 1, "embedding_dim", self.dim, "null or >= 1")

    @property
    def width(self) -> int:
        """Inputs of the first layer: the other features and the embeddings."""
        if self.dim is None:
            return self.num_features
        return self.num_features - sum(self.categories) + len(self.categories) * self.dim

    def draw(self, group: str, generators: Sequence[Generator]) -> Theta:
        """Draw the tables, normal with deviation 1/sqrt(dim), cut off at two deviations."""
        sizes = [] if self.dim is None else [(size, self.dim) for size in self.categories]
        return {f"{group}.embedding.{k}.weight": _normal(generators, size) for k, size in enumerate(sizes)}

    def first_layer(self, theta: Theta, group: str, weight: Tensor) -> Tensor:
        """The weights of the first layer for one-hot features, [R, D, width], given ``weight`` for embeddings."""
        if self.dim is None:
            return weight
        others = self.num_features - sum(self.categories)
        own, *parts = weight.split([others, *[self.dim] * len(self.categories)], dim=1)
        tables = [theta[f"{group}.embedding.{k}.weight"] for k in range(len(parts))]
        return torch.cat([own, *(table @ part for table, part in zip(tables, parts, strict=True))], dim=1)


def _normal(generators: Sequence[Generator], size: tuple[int, int]) -> Tensor:
    deviation = size[1] ** -0.5
    tables = [torch.empty(size, dtype=torch.float64) for _ in generators]
    for table, generator in zip(tables, generators, strict=True):
        torch.nn.init.trunc_normal_(table, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)
    return torch.stack(tables)
