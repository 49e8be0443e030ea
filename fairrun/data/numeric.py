"""Columns of numbers as several features each: quantiles, bins, piecewise-linear or periodic codes.

Bins and codes let a network bend its answer at any number, as a tree does; one scaled feature makes it smooth.

Sources: piecewise-linear and periodic codes are those of Gorishniy, Rubachev and Babenko (NeurIPS 2022), "On Embeddings
for Numerical Features in Tabular Deep Learning", https://arxiv.org/abs/2203.05556, equations 1 and 3.  Differs: the
frequencies of periodic codes are fixed, where the paper trains them, and no linear layer follows a code.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from fairrun.config.check import require

log = logging.getLogger(__name__)
# scale: as ``dataset.scale`` says, one feature a column; the others are codes of this module
NUMBERS = ("scale", "quantile", "bins", "piecewise", "periodic")
REFERENCES = 1000  # quantiles that describe a column's distribution
SLOWEST, FASTEST = 1 / 16, 4.0  # frequencies of periodic codes, in cycles for each standard deviation
TAIL = 1e-7  # a quantile code stays within the normal distribution's quantiles TAIL and 1 - TAIL, which are +-5.2


@dataclass(frozen=True)
class Codes:
    """How each column of numbers becomes features, as training rows tell.  A constant column has no feature.

    ``points`` of a column.  quantile: values at equal steps of the distribution.  bins: where each bin but the first
    begins.  piecewise: the ends of the pieces.  periodic: mean, standard deviation, then the frequencies.
    """

    how: str
    points: dict[str, list[float]]

    @classmethod
    def fit(cls, train: pd.DataFrame, columns: Sequence[str], how: str, bins: int) -> "Codes":
        """The codes that training rows tell; a column of fewer values than ``bins`` has a bin for each value."""
        enough = len(train) >= bins or how == "quantile"
        require(enough, "dataset.bins", bins, f"at most {len(train)}, the training rows")
        points = {column: _points(train[column].to_numpy(dtype=np.float64), how, bins) for column in columns}
        for column in (column for column in columns if not points[column]):
            log.warning(
                "column %r is constant in training rows: with dataset.numbers=%s it has no feature", column, how
            )
        return cls(how, points)

    @property
    def are_categories(self) -> bool:
        """Whether a column's features are 0 but for one, which is 1."""
        return self.how == "bins"

    @property
    def sizes(self) -> list[int]:
        """The number of features of each column that has any."""
        return [self._size(column) for column in self.points if self.points[column]]

    @property
    def features(self) -> list[str]:
        """A name for each feature."""
        return [name for column in self.points for name in self._names(column)]

    def encode(self, frame: pd.DataFrame, found: np.ndarray) -> None:
        """Write the features of the rows of ``frame`` into ``found`` [N, sum of sizes], which holds zeros."""
        start = 0
        for column, points in self.points.items():
            if points:
                own = found[:, start : start + self._size(column)]
                ENCODERS[self.how](frame[column].to_numpy(dtype=np.float64), np.array(points), own)
                start += own.shape[1]

    def _size(self, column: str) -> int:
        points = len(self.points[column])
        return {"quantile": 1, "bins": points + 1, "piecewise": points - 1, "periodic": 2 * (points - 2)}[self.how]

    def _names(self, column: str) -> list[str]:
        points = self.points[column]
        if not points:
            return []
        if self.how == "quantile":
            return [column]
        if self.how == "periodic":
            return [f"{wave} {column} {frequency:.3g}" for frequency in points[2:] for wave in ("sin", "cos")]
        ends = [f"{point:.6g}" for point in points]
        if self.how == "piecewise":
            return [f"{column} {low} to {high}" for low, high in pairwise(ends)]
        return [f"{column}<{ends[0]}", *(f"{column}>={end}" for end in ends)]


def _points(values: np.ndarray, how: str, bins: int) -> list[float]:
    """The points of a column with these training values, [N]; empty if it is constant."""
    distinct = np.unique(values)
    if len(distinct) == 1:
        return []
    if how == "quantile":
        found = np.quantile(values, np.linspace(0, 1, min(REFERENCES, len(values))))
    elif how == "periodic":
        found = np.array([values.mean(), _deviation(values), *np.geomspace(SLOWEST, FASTEST, max(1, bins // 2))])
    else:
        begins = _begins(values, distinct, bins)
        found = begins if how == "bins" else np.unique([distinct[0], *begins, distinct[-1]])
    points: list[float] = found.tolist()
    return points


def _deviation(values: np.ndarray) -> float:
    """The standard deviation, also of numbers whose squares are no numbers; a power of two changes no bit."""
    apart = values - values.mean()
    _, power = np.frexp(np.abs(apart).max())
    return float(np.ldexp(np.sqrt(np.mean(np.ldexp(apart, -power) ** 2)), power))


def _begins(values: np.ndarray, distinct: np.ndarray, bins: int) -> np.ndarray:
    """Where each bin but the first begins, ascending: at the quantiles.  There are at most ``bins`` - 1.

    A value that more rows share than a bin should hold begins a bin.  It has it to itself if there are bins left for
    the rarer values above it, those with most rows first; the other bins hold equal shares of the rarer values' rows.
    So a column of which most rows are 0 still has bins above 0.
    """
    if len(distinct) <= bins:
        return distinct[1:]
    counts = np.bincount(np.searchsorted(distinct, values))
    heavy = counts > len(values) / bins  # fewer than ``bins`` of them
    own = np.flatnonzero(heavy)
    above = np.setdiff1d(own + 1, [*own, len(distinct)])  # where rarer values begin above a frequent one
    stretch = np.cumsum(heavy)
    rows = np.bincount(stretch, weights=counts * ~heavy)[stretch[above]]
    own = own[own > 0]
    above = above[np.argsort(-rows, kind="stable")][: bins - 1 - len(own)]
    others = np.repeat(distinct[~heavy], counts[~heavy])  # ascending
    left = bins - len(own) - len(above)
    begins = others[(np.arange(1, left) * len(others)) // left] if len(others) else others
    found = np.unique([*begins, *distinct[own], *distinct[above]])
    return found[found > distinct[0]]


def _quantile(values: np.ndarray, points: np.ndarray, found: np.ndarray) -> None:
    """The normal distribution's value at the row's quantile; in the middle of those where the distribution jumps."""
    from scipy.special import ndtri

    steps = np.linspace(0, 1, len(points))
    below = np.interp(values, points, steps)
    above = 1 - np.interp(-values, -points[::-1], steps)
    found[:, 0] = ndtri(np.clip((below + above) / 2, TAIL, 1 - TAIL))


def _bins(values: np.ndarray, points: np.ndarray, found: np.ndarray) -> None:
    found[np.arange(len(values)), np.searchsorted(points, values, side="right")] = 1


def _piecewise(values: np.ndarray, points: np.ndarray, found: np.ndarray) -> None:
    """The share of each piece that lies below the row's value: 1, ..., 1, a share, 0, ..., 0.

    Beyond the training rows' range the first share is below 0, and the last above 1.
    """
    shares = (values[:, None] - points[:-1]) / np.diff(points)
    low, high = np.zeros(found.shape[1]), np.ones(found.shape[1])
    low[0], high[-1] = -np.inf, np.inf
    np.clip(shares, low, high, out=found)


def _periodic(values: np.ndarray, points: np.ndarray, found: np.ndarray) -> None:
    mean, deviation, *frequencies = points
    turns = 2 * np.pi * (values[:, None] - mean) / deviation * np.array(frequencies)
    found[:, 0::2] = np.sin(turns)
    found[:, 1::2] = np.cos(turns)


ENCODERS: dict[str, Any] = {"quantile": _quantile, "bins": _bins, "piecewise": _piecewise, "periodic": _periodic}
