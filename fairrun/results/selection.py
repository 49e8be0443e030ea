"""Which epoch of a run counts.  Only validation rows are seen."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from fairrun.config.check import InputError

RULES = ("last", "best")


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


def select(history: pd.DataFrame, rule: str, metric: Traded, bound: float | None) -> tuple[int, float]:
    """The position of the epoch that counts, and its validation score.

    ``rule`` last: the last epoch; best: the epoch with the highest score, the first of equals.  Raises ``InputError``
    for a metric that the history does not have.
    """
    if f"val/{metric.name}" not in history:
        names = ", ".join(sorted(c.removeprefix("val/") for c in history if c.startswith("val/") and "/s=" not in c))
        raise InputError(f"metric.name must be one of {names}, got {metric.name!r}")
    scores = np.nan_to_num(score(history, metric, bound), nan=-np.inf)
    position = len(history) - 1 if rule == "last" else int(scores.argmax())
    return position, float(scores[position])
