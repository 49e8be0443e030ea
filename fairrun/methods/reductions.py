"""Reductions (Agarwal, Beygelzimer, Dudik, Langford and Wallach, ICML 2018), by fairlearn.  https://arxiv.org/abs/1803.02453

A fairness constraint on decisions becomes a sequence of classification problems with row weights, and the estimator
learns each of them:

    min over Q, a distribution over classifiers,  error(Q)   such that   |rate_g(Q) - rate(Q)| <= eps  for every group g

Training reads the sensitive attribute; decisions do not.

Differs from the paper: ``eps`` is the constraint's slack, and 1 / ``eps`` is the bound B on the multipliers' sum, which
the paper has as a value of its own.  fairlearn's ``difference_bound`` and ``eps`` both have this value.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fairrun.method import Fitted, In, InputError, LibraryMethod, OneOf, Rows

CONSTRAINTS = {  # by name, fairlearn's class; the last three are the names of fairrun's fairness losses
    "demographic_parity": "DemographicParity",
    "equalized_odds": "EqualizedOdds",
    "true_positive_rate_parity": "TruePositiveRateParity",
    "false_positive_rate_parity": "FalsePositiveRateParity",
    "error_rate_parity": "ErrorRateParity",
    "equal_opportunity": "TruePositiveRateParity",
    "false_positive_rate": "FalsePositiveRateParity",
    "average_equalized_odds": "EqualizedOdds",
}


@dataclass(frozen=True)
class Reduction(LibraryMethod):
    """A reduction: a constraint on the estimator's decisions."""

    constraint: Annotated[str, OneOf(CONSTRAINTS)]
    needs = frozenset({"s"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.estimator.weighs_rows:
            raise InputError(f"estimator must take row weights (sample_weight), got {self.estimator}")

    @property
    def libraries(self) -> tuple[str, ...]:
        """With fairlearn."""
        return (*super().libraries, "fairlearn")

    def _moment(self, **bound: float) -> Any:
        from fairlearn import reductions  # slow to import

        return getattr(reductions, CONSTRAINTS[self.constraint])(**bound)


@dataclass(frozen=True)
class ExponentiatedGradient(Reduction):
    """A random choice among classifiers: with probability Q_h a row is decided by classifier h, anew for each row."""

    eps: Annotated[float, In("(0, 1)")] = 0.01
    max_iter: Annotated[int, In("[1, inf)")] = 50
    decides = True

    def fit(self, rows: Rows, seed: int, threads: int) -> Fitted:
        """The classifiers h with their probabilities Q_h: a row is decided 1 with probability sum_h Q_h h(x)."""
        from fairlearn import reductions

        classifier = self.estimator.make(seed, threads)
        moment = self._moment(difference_bound=self.eps)
        trained = reductions.ExponentiatedGradient(classifier, moment, eps=self.eps, max_iter=self.max_iter)
        trained.fit(rows.x, rows.y, sensitive_features=rows.s)
        chosen = {h: float(q) for h, q in trained.weights_.items() if q > 0}
        return Fitted([trained.predictors_[h] for h in chosen], [*chosen.values()])


@dataclass(frozen=True)
class GridSearch(Reduction):
    """One classifier for each multiplier of a grid, and the best of them by error and violation on training rows.

    Its probabilities are those of the labels of its weighted problem.
    """

    constraint_weight: Annotated[float, In("[0, 1]")] = 0.5
    grid_size: Annotated[int, In("[1, inf)")] = 10
    grid_limit: Annotated[float, In("(0, inf)")] = 2.0

    def fit(self, rows: Rows, seed: int, threads: int) -> Fitted:
        """The best classifier, whose probability of label 1 counts."""
        from fairlearn import reductions

        trained = reductions.GridSearch(
            self.estimator.make(seed, threads),
            self._moment(),
            constraint_weight=self.constraint_weight,
            grid_size=self.grid_size,
            grid_limit=self.grid_limit,
        )
        trained.fit(rows.x, rows.y, sensitive_features=rows.s)
        return Fitted([trained.predictors_[trained.best_idx_]])
