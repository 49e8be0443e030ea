"""Make outliers of some training rows, to test methods that should be robust to outliers.

    label_flips   the row gets another label; each other label is equally likely
    features      the row gets another label, and its features x become x + scale * n with n ~ N(0, I)

Outliers are made after the split and the encoding.  So categories, means and scales are those of the clean rows, and
validation and test rows stay clean.  Every training row is equally likely to be chosen, whatever its group and label.
Only balanced rows (``dataset.split.balanced``), on which some methods validate, are never chosen.  The choice and the
noise depend on ``seed`` alone: all training seeds share them, and a higher rate adds rows to those of a lower rate.

Both forms are ours; we do not know how others made their outliers.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fairrun.config.check import InputError, is_integer, is_number, null_or_one_of, require
from fairrun.data.pixels.stored import Features

KINDS = ("label_flips", "features")


@dataclass(frozen=True)
class Outliers:
    """Which training rows become outliers, and how."""

    kind: str | None  # one of KINDS; None: no outliers
    rate: float  # outliers as a share of all training rows, in [0, 1); rounded to whole rows
    scale: float  # standard deviation of the noise added to each feature, > 0; only for features
    seed: int  # for the choice of rows and the noise; independent of the seeds of split and training

    def __post_init__(self) -> None:
        null_or_one_of("kind", self.kind, KINDS)
        require(is_number(self.rate) and 0 <= self.rate < 1, "rate", self.rate, "in [0, 1)")
        require(is_number(self.scale) and self.scale > 0, "scale", self.scale, "a number > 0")
        require(is_integer(self.seed) and self.seed >= 0, "seed", self.seed, "an integer >= 0")

    def put_into(self, x: Features, y: Tensor, clean: Tensor) -> tuple[Features, Tensor, Tensor]:
        """Copies of features [N, D] and labels [N] with outliers, and which rows are outliers, bool [N].

        ``clean`` [M]: rows that are never chosen.  Raises ``InputError`` if the other rows are too few.
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
            if not isinstance(x, Tensor):
                raise InputError(
                    "dataset.outliers.kind must be null or label_flips for images that are streamed from disk because "
                    "they exceed the memory bound, got 'features'"
                )
            added = torch.from_numpy(noise.standard_normal((number, x.shape[1]))).to(x)
            x = x.index_add(0, rows, added, alpha=self.scale)
        return x, y, torch.zeros(len(y), dtype=torch.bool).index_fill(0, rows, True)
