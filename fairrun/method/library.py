"""The interface of a method that a library trains: it gets all training rows at once, and has no steps and no epochs.

The library's classifier is an ``Estimator``, a choice of the group ``estimator``, as optimizers are of a ``Method``.
"""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fairrun.config.check import InputError, check_values
from fairrun.method.api import AnyMethod


class Rows(NamedTuple):
    """The training rows as libraries take them.  N rows, D features."""

    x: np.ndarray  # [N, D] float64
    y: np.ndarray  # [N] labels, 0 or 1
    sensitive: np.ndarray | None = None  # [N] sensitive attribute in {0..S-1}; None: withheld.  Read it as ``s``

    @property
    def s(self) -> np.ndarray:
        """The sensitive attribute, [N].  Raises ``ValueError`` if the method does not need it."""
        if self.sensitive is None:
            raise ValueError('rows.s is withheld: a method that reads it must declare needs = frozenset({"s"})')
        return self.sensitive


class Fitted(NamedTuple):
    """What training leaves: classifiers for labels 0 and 1, with the interface of scikit-learn."""

    classifiers: Sequence[Any]
    shares: Sequence[float] = (1.0,)  # of each classifier in what is predicted; their sum is 1


@dataclass(frozen=True)
class Estimator(ABC):
    """A frozen dataclass of hyper-parameters that makes a classifier with the interface of scikit-learn."""

    def __post_init__(self) -> None:
        check_values(self)

    @property
    @abstractmethod
    def library(self) -> str:
        """The package on the index that has the classifier; its version stands in the record."""

    @abstractmethod
    def make(self, seed: int, threads: int) -> Any:
        """The classifier before training: its ``fit`` and ``predict_proba`` are scikit-learn's, for labels 0 and 1.

        It draws random numbers from ``seed`` alone and uses at most so many ``threads``.
        """

    @property
    def random(self) -> bool:
        """Whether training draws random numbers; if not, every seed gives the same run."""
        return True

    @property
    def weighs_rows(self) -> bool:
        """Whether ``fit`` takes ``sample_weight``."""
        return True


@dataclass(frozen=True)
class LibraryMethod(AnyMethod, ABC):
    """A frozen dataclass of hyper-parameters that a library trains.

    ``needs`` may hold "s" only.
    """

    estimator: Estimator

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose versions stand in the record."""
        return ("scikit-learn", self.estimator.library)

    @property
    def decides(self) -> bool:
        """Whether predictions are probabilities of a random decision 1; else they are probabilities of label 1."""
        return False

    def remarks(self, epochs: int) -> list[str]:
        """That seeds make no difference, where they make none."""
        name = type(self.estimator).__name__
        same = f"method.estimator: {name} draws no random numbers with these values, so every seed gives the same run"
        return [] if self.estimator.random else [f"{same}; dataset.split.seed varies the rows"]

    @abstractmethod
    def fit(self, rows: Rows, seed: int, threads: int) -> Fitted:
        """Train on all ``rows``."""

    def predict(self, fitted: Fitted, x: np.ndarray) -> np.ndarray:
        """The mean of the classifiers' probabilities, or decisions, for each row of ``x`` [N, D] -> [N] float64."""
        parts = (
            share * (classifier.predict(x) if self.decides else of_label_1(classifier, x))
            for classifier, share in zip(fitted.classifiers, fitted.shares, strict=True)
        )
        return np.clip(sum(parts), 0.0, 1.0)


def of_label_1(classifier: Any, x: np.ndarray) -> np.ndarray:
    """The probability of label 1, [N], by a trained classifier; one that saw a single label gives that label."""
    p = np.asarray(classifier.predict_proba(x), dtype=np.float64)
    return p[:, 1] if p.shape[1] == 2 else np.full(len(x), float(classifier.classes_[0]))


def require_installed(module: str, install: str, what: str = "_target_") -> None:
    """Raise ``InputError`` unless the package that ``what`` needs is there; it is not imported."""
    if importlib.util.find_spec(module) is None:
        raise InputError(f"{what} needs the package {module}: pip install {install}")
