"""Outliers put into training rows on purpose, for methods that are to stand them.

    label_flips   the row gets another label, each of the others alike
    features      the row gets another label, and its features x become x + scale * n with n ~ N(0, I)

Only training rows, chosen alike whatever their group and label, after the split and the encoding: what is learned from
data (categories, means, scales) is of the rows as they were, and so are validation and test rows.  Balanced rows
(``dataset.split.balanced``), which some methods validate on, are training rows that stay as they are.  Rows and noise
depend on ``seed`` alone: runs of all training seeds share them, and a higher rate adds rows to those of a lower one.

Both forms are ours: how others made their outliers is not known to us.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fairrun.config.check import is_integer, is_number, require

KINDS = ("label_flips", "features")


@dataclass(frozen=True)
class Outliers:
    """Which training rows become outliers, and how."""

    kind: str | None  # of KINDS; None: no row
    rate: float  # share of all training rows that do, in [0, 1), rounded to whole rows
    scale: float  # of features: the standard deviation of what is added to each, > 0
    seed: int  # of rows and noise; apart from those of the split and of the training

    def __post_init__(self) -> None:
        require(self.kind is None or self.kind in KINDS, "kind", self.kind, f"null or one of {', '.join(KINDS)}")
        require(is_number(self.rate) and 0 <= self.rate < 1, "rate", self.rate, "in [0, 1)")
        require(is_number(self.scale) and self.scale > 0, "scale", self.scale, "a number > 0")
        require(is_integer(self.seed) and self.seed >= 0, "seed", self.seed, "an integer >= 0")

    def put_into(self, x: Tensor, y: Tensor, clean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features [N, D] and labels [N] with outliers, and which rows they are, bool [N]; copies.

        ``clean`` [M]: rows that stay as they are.  ``InputError`` where the others are too few.
        """
        choice, labels, noise = (np.random.default_rng([self.seed, stream]) for stream in range(3))
        candidates = np.setdiff1d(np.arange(len(y)), clean.numpy())
        number = int(self.rate * len(y) + 0.5)
        allowed = f"at most {len(candidates) / len(y):.4g}, for {len(clean)} of {len(y)} training rows stay as they are"
        require(number <= len(candidates), "dataset.outliers.rate", self.rate, allowed)
        rows = torch.from_numpy(choice.permutation(candidates)[:number])
        num_classes = int(y.max()) + 1
        moves = torch.from_numpy(labels.integers(1, num_classes, number)).to(y)
        y = y.index_copy(0, rows, (y[rows] + moves) % num_classes)
        if self.kind == "features":
            added = torch.from_numpy(noise.standard_normal((number, x.shape[1]))).to(x)
            x = x.index_add(0, rows, added, alpha=self.scale)
        return x, y, torch.zeros(len(y), dtype=torch.bool).index_fill(0, rows, True)
