"""The features of a network from the columns of a frame, as training rows tell.

Everything that is learned is plain values, so that a saved model carries its encoding as JSON.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from fairrun.config.check import require
from fairrun.config.values import free
from fairrun.data.numeric import Codes

EPSILON = float(np.finfo(np.float64).eps)
# numbers: columns of numbers get mean 0 and variance 1      all: the one-hot columns too
# range:   columns of numbers are scaled to [0, 1]           none: no column is scaled
SCALES = ("numbers", "all", "range", "none")


@dataclass(frozen=True)
class Scaling:
    """A scaling of columns, with the arithmetic of scikit-learn's scalers, to the last bit.

    Importing these takes a second, which is most of the time that a small run takes to start.
    """

    how: Literal["standard", "range"]
    a: list[float]  # standard: means; range: factors
    b: list[float]  # standard: standard deviations; range: what is added

    @classmethod
    def fit(cls, values: pd.DataFrame | np.ndarray, how: Literal["standard", "range"]) -> "Scaling":
        """The scaling that training rows ``values`` [N, D] tell."""
        if not values.shape[1]:
            return cls(how, [], [])
        found = np.asarray(values, dtype=np.float64)
        a, b = _range(found) if how == "range" else _standard(found)
        return cls(how, a.tolist(), b.tolist())

    def apply(self, values: np.ndarray) -> None:
        """Scale ``values`` [N, D] in place."""
        if self.how == "range":
            values *= self.a
            values += self.b
        else:
            values -= self.a
            values /= self.b


def _range(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors and what is added, as MinMaxScaler has them; a constant column is divided by 1."""
    least = values.min(0)
    span = values.max(0) - least
    span[span < 10 * EPSILON] = 1
    return 1 / span, -least * (1 / span)


def _standard(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The means and standard deviations, as StandardScaler has them; a constant column is divided by 1."""
    n = len(values)
    mean = values.sum(0) / n
    apart = values - mean
    rest = apart.sum(0)  # of rounding
    variance = ((apart**2).sum(0) - rest**2 / n) / n
    deviation = np.sqrt(variance)
    deviation[variance <= n * EPSILON * variance + (n * mean * EPSILON) ** 2] = 1
    return mean, deviation


@dataclass(frozen=True)
class Encoding:
    """Numbers as they are, scaled or coded, then a feature for each category; one of no training row has none."""

    numeric: list[str]
    categories: dict[str, list[Any]]  # column -> the categories of training rows that have a feature, sorted
    codes: Codes | None = None  # of the numbers; None: a feature each
    numbers: Scaling | None = None
    every: Scaling | None = None  # of all features, after that of the numbers

    @classmethod
    def fit(
        cls,
        train: pd.DataFrame,
        numeric: Sequence[str],
        categorical: Sequence[str],
        scale: str,
        dropped: Collection[tuple[str, Any]] = (),
        numbers: str = "scale",
        bins: int = 2,
    ) -> "Encoding":
        """The encoding that training rows tell; ``dropped`` pairs of column and category get no feature.

        ``numbers`` is one of ``NUMBERS``; ``scale`` counts where it is scale.
        """
        known = {column: _sorted(train[column]) for column in categorical}
        kept = {
            column: [_plain(column, value) for value in values if (column, value) not in dropped]
            for column, values in known.items()
        }
        encoding = cls(list(numeric), kept)
        if numbers != "scale":
            return replace(encoding, codes=Codes.fit(train, numeric, numbers, bins))
        if scale != "none":
            how: Literal["standard", "range"] = "range" if scale == "range" else "standard"
            encoding = replace(encoding, numbers=Scaling.fit(train[encoding.numeric], how))
        if scale == "all":
            encoding = replace(encoding, every=Scaling.fit(encoding.encode(train), "standard"))
        return encoding

    @property
    def sizes(self) -> list[int]:
        """The number of features of each column of categories that has any; bins of numbers are categories."""
        bins = self.codes.sizes if self.codes is not None and self.codes.are_categories else []
        return [*bins, *(len(values) for values in self.categories.values() if values)]

    @property
    def features(self) -> list[str]:
        """A name for each feature, all different."""
        pairs = [f"{column}={value}" for column, values in self.categories.items() for value in values]
        return _distinct([*(self.numeric if self.codes is None else self.codes.features), *pairs])

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """The features of the rows of ``frame``, which has no missing number, [N, D] float64."""
        start = len(self.numeric) if self.codes is None else sum(self.codes.sizes)
        found = np.zeros((len(frame), start + sum(map(len, self.categories.values()))))
        numbers = found[:, :start]
        if self.codes is not None:
            self.codes.encode(frame, numbers)
        else:
            numbers[:] = frame[self.numeric].to_numpy(dtype=np.float64)
        if self.numbers is not None:
            self.numbers.apply(numbers)
        for column, values in self.categories.items():
            codes = pd.Index(values, dtype=object).get_indexer(frame[column].astype(object))
            known = np.flatnonzero(codes >= 0)
            found[known, start + codes[known]] = 1
            start += len(values)
        if self.every is not None:
            self.every.apply(found)
        return found

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Encoding":
        """The encoding that ``plain`` gave."""
        scalings = {name: plain[name] and Scaling(**plain[name]) for name in ("numbers", "every")}
        codes = plain.get("codes")
        return cls(plain["numeric"], plain["categories"], codes and Codes(**codes), **scalings)


def _sorted(values: pd.Series) -> list[Any]:
    """The distinct values: by themselves, or as text where they are of several types."""
    found = list(values.unique())
    try:
        return sorted(found)
    except TypeError:
        return sorted(found, key=str)


def _plain(column: str, value: Any) -> Any:
    """A category as JSON has it.  Raises ``InputError`` for one that is no text, number or boolean."""
    found = value.item() if isinstance(value, np.generic) else value
    require(isinstance(found, str | int | float), f"column {column!r}", value, "of categories that are text or numbers")
    return found


def _distinct(names: Sequence[str]) -> list[str]:
    """Append a number to a name that occurred before, such as a column "job=chef" beside a column "job"."""
    found: dict[str, None] = {}
    for k, name in enumerate(names):
        found[name if name not in found else free(name, {*found, *names[k:]})] = None
    return list(found)
