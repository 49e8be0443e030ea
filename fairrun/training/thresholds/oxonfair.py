"""The most accurate thresholds, one for each group, that keep a bound on a metric of groups, by OxonFair.

Delaney, Fu, Wachter, Mittelstadt and Russell, NeurIPS 2024.  https://arxiv.org/abs/2407.13710

OxonFair searches a grid of thresholds, twice, on the scores, labels and groups of validation rows.  Nothing is random,
and nothing is promised of other rows.  The grid grows with the power of the number of groups.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fairrun.config.metrics import METRICS
from fairrun.method.library import require_installed

MOST_GROUPS = 4  # with five the grid takes 4 GB
Counts = np.ndarray  # [..., S] of each group


def _spread(rates: np.ndarray) -> np.ndarray:
    return rates.max(-1) - rates.min(-1)


def _odds(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> np.ndarray:
    """The spread of the true and of the false positive rate, [2, ...]."""
    return np.stack([_spread(tp / (tp + fn)), _spread(fp / (fp + tn))])


def _accuracies(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> np.ndarray:
    return (tp + tn) / (tp + fp + fn + tn)


# Metrics that can be bounded, from the numbers of true positives, false positives, false and true negatives
BOUNDED: dict[str, Callable[[Counts, Counts, Counts, Counts], np.ndarray]] = {
    "demographic_parity_difference": lambda tp, fp, fn, tn: _spread((tp + fp) / (tp + fp + fn + tn)),
    "equal_opportunity_difference": lambda *counts: _odds(*counts)[0],
    "false_positive_rate_difference": lambda *counts: _odds(*counts)[1],
    "equalized_odds_difference": lambda *counts: _odds(*counts).max(0),
    "average_equalized_odds_difference": lambda *counts: _odds(*counts).mean(0),
    "accuracy_difference": lambda *counts: _spread(_accuracies(*counts)),
    "worst_group_accuracy": lambda *counts: _accuracies(*counts).min(-1),
}


def check_installed() -> None:
    """Raise ``InputError`` unless OxonFair is there."""
    require_installed("oxonfair", "'fairrun[postprocess]'", "postprocess=oxonfair")


def thresholds(metric: str, bound: float, scores: np.ndarray, y: np.ndarray, s: np.ndarray) -> list[float]:
    """The threshold of each group: decisions are 1 for ``scores`` [N] above it.  Every group has rows of both labels.

    If no thresholds keep the bound, they are those that come closest, and OxonFair warns.
    """
    check_installed()
    from oxonfair import FairPredictor, group_metrics
    from oxonfair.utils.group_metric_classes import BaseGroupMetric

    class Bounded(BaseGroupMetric):  # type: ignore[misc]
        def __call__(self, *args: Any) -> np.ndarray:
            return self.func(*self.build_array(args))

    greater = bool(METRICS[metric].greater_is_better)
    given = {"data": np.stack([np.zeros_like(scores), scores], axis=-1), "target": y.astype(int), "groups": s}
    found = FairPredictor(None, given)
    found.fit(group_metrics.accuracy, Bounded(BOUNDED[metric], metric, greater), bound)
    return [-float(offset) for offset in found.offset]
