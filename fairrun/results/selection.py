"""Selects the epoch of a run that counts.  It uses validation rows only."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from fairrun.config.check import InputError

RULES = ("last", "best")
BALANCED, SELECTED = "balanced_accuracy", "selection_rate"
MARGIN = 0.01  # from chance, and from a selection rate of 0 or 1


class Traded(NamedTuple):
    """The fairness metric that a sweep trades against accuracy."""

    name: str  # a column
    greater_is_better: bool


def score(history: pd.DataFrame, metric: Traded, bound: float | None) -> np.ndarray:
    """The validation score of every epoch, higher is better -> [epochs].

    Validation accuracy, where the metric keeps ``bound`` (at most ``bound``, or at least for a metric whose greater
    values are better); elsewhere minus the distance to the bound, which is below any accuracy.  Without a bound,
    accuracy.
    """
    accuracy = history["val/accuracy"].to_numpy()
    if bound is None:
        return accuracy
    excess = history[f"val/{metric.name}"].to_numpy() - bound
    excess = -excess if metric.greater_is_better else excess
    return np.where(excess <= 0, accuracy, -excess)


DEGENERATE = "nearly constant or no better than chance"  # what a degenerate prediction is, in short


def degenerate(rows: pd.DataFrame, labels: Sequence[Sequence[int]] = ()) -> np.ndarray:
    """Which rows of a table of epochs or runs have a constant or nearly constant prediction -> bool [rows].

    On validation rows its balanced accuracy is within ``MARGIN`` of chance, or its selection rate is within ``MARGIN``
    of 0 or 1 and that of the labels is not.  Such a prediction has no group difference, and is not fair for it.
    ``labels``: of each group [rows, rows of class 1, 2, ...]; without them the labels' rate counts as neither 0 nor 1.
    """
    none = pd.Series(np.nan, index=rows.index)
    balanced, selected = (rows.get(f"val/{name}", none).to_numpy(dtype=float) for name in (BALANCED, SELECTED))
    return is_degenerate(balanced, selected, labels)


def is_degenerate(balanced: np.ndarray, selected: np.ndarray, labels: Sequence[Sequence[int]]) -> np.ndarray:
    """As ``degenerate``, by balanced accuracies and selection rates on validation rows; NaN where there is none."""
    total = np.sum([*labels], axis=0) if len(labels) else np.array([2, 1])
    rate = total[1] / total[0]
    found: np.ndarray = np.round(np.abs(balanced - 1 / len(total)), 9) <= MARGIN
    if MARGIN <= rate <= 1 - MARGIN:
        found |= (selected < MARGIN) | (selected > 1 - MARGIN)
    return found


def select(
    history: pd.DataFrame,
    rule: str,
    metric: Traded,
    bound: float | None,
    labels: Sequence[Sequence[int]] = (),
) -> tuple[int, float]:
    """The position of the epoch that counts, and its validation score.

    ``rule`` last: the last epoch; best: the epoch with the highest score, the first of equals, among those that are not
    ``degenerate`` by the validation ``labels``, if there are any.  Raises ``InputError`` for a metric that the history
    does not have.
    """
    if f"val/{metric.name}" not in history:
        names = ", ".join(sorted(c.removeprefix("val/") for c in history if c.startswith("val/") and "/s=" not in c))
        raise InputError(f"metric.name must be one of {names}, got {metric.name!r}")
    found = ranks(history, metric, bound, labels)
    position = len(history) - 1
    if rule == "best":
        position = int(np.lexsort((-np.arange(len(found)), found[:, 1], found[:, 0]))[-1])
    return position, float(found[position, 1])


def ranks(
    history: pd.DataFrame, metric: Traded, bound: float | None, labels: Sequence[Sequence[int]] = ()
) -> np.ndarray:
    """What the rule best goes by, [epochs, 2]: 1 unless ``degenerate``, then the score; NaN counts as -inf."""
    sound = ~degenerate(history, labels)
    return np.stack([sound, np.nan_to_num(score(history, metric, bound), nan=-np.inf)], axis=-1).astype(float)
