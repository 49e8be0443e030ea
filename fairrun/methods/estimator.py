"""A classifier of a library, with equal row weights or with those of reweighing.

The weights make group and label independent (Kamiran and Calders, Knowledge and Information Systems 2012): a row of
group s and label y weighs P(s) P(y) / P(s, y), counted on training rows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fairrun.method import Fitted, InputError, LibraryMethod, Rows


@dataclass(frozen=True)
class Classified(LibraryMethod):
    """Trains the estimator once."""

    weights: Literal["none", "reweighing"] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights != "none" and not self.estimator.weighs_rows:
            raise InputError(f"weights must be none: {self.estimator} takes no row weights, got {self.weights!r}")

    @property
    def needs(self) -> frozenset[str]:
        """The sensitive attribute for reweighing."""
        return frozenset({"s"} if self.weights == "reweighing" else {})

    def fit(self, rows: Rows, seed: int, threads: int) -> Fitted:
        """The classifier, whose probability of label 1 counts."""
        weights = {} if self.weights == "none" else {"sample_weight": independent(rows.s, rows.y)}
        return Fitted([self.estimator.make(seed, threads).fit(rows.x, rows.y, **weights)])


def independent(s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Row weights [N] under which ``s`` and ``y`` [N] are independent: P(s) P(y) / P(s, y); their mean is 1."""
    counts = np.zeros((s.max() + 1, 2))
    np.add.at(counts, (s, y), 1)
    expected = np.outer(counts.sum(1), counts.sum(0)) / len(y)
    return expected[s, y] / counts[s, y]
