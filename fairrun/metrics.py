"""Accuracy and fairness of R runs on one split, named as in fairlearn.

Every metric is a function of an ``Outcome`` and gives one value per run, [R], float64.  A decision is 1 where the
probability is above 0.5.  Differences are largest minus smallest over the groups that have a row to count, so they are
symmetric in the groups; with one such group they are 0, with none NaN.  A rate over no rows is NaN.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fairrun.data.table import Table

NUM_BINS = 15  # of the calibration error, of equal width


class Outcome(NamedTuple):
    """What R runs say about the N rows of a split."""

    logits: Tensor  # [R, N] float64
    p: Tensor  # [R, N] float64, probability of class 1
    y_pred: Tensor  # [R, N] float64, decision
    y: Tensor  # [N] float64
    rows: list[Tensor]  # S row-number vectors, the rows of each group


def outcome(logits: Tensor, table: Table, num_groups: int) -> Outcome:
    """``logits`` [R, M] with M >= N; columns past N are padding (elementwise functions round by position, which padding
    fixes).
    """
    num_rows = len(table.y)
    logits = logits.double()
    p = torch.sigmoid(logits)[:, :num_rows]
    logits = logits[:, :num_rows]
    rows = [torch.nonzero(table.s == g)[:, 0] for g in range(num_groups)]
    return Outcome(logits, p, (logits > 0).double(), table.y.double(), rows)


def accuracy(o: Outcome) -> Tensor:
    """P(y_pred = y), in [0, 1], higher is better."""
    return _rate(o.y_pred == o.y)


def balanced_accuracy(o: Outcome) -> Tensor:
    """Mean of the true positive and the true negative rate, in [0, 1], higher is better."""
    return (_rate(o.y_pred, o.y == 1) + _rate(1 - o.y_pred, o.y == 0)) / 2


def roc_auc(o: Outcome) -> Tensor:
    """P(score of a positive row > score of a negative row), ties count half, in [0, 1], higher is better; NaN with one
    class.
    """
    positive, negative = o.logits[:, o.y == 1], o.logits[:, o.y == 0].sort(-1).values
    if positive.shape[1] == 0 or negative.shape[1] == 0:
        return torch.full_like(o.logits[:, 0], torch.nan)
    positive = positive.contiguous()
    below = torch.searchsorted(negative, positive) + torch.searchsorted(negative, positive, right=True)
    return below.double().mean(-1) / (2 * negative.shape[1])


def log_loss(o: Outcome) -> Tensor:
    """Mean binary cross-entropy in nats, >= 0, lower is better."""
    return F.binary_cross_entropy_with_logits(o.logits, o.y.expand_as(o.logits), reduction="none").mean(-1)


def selection_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1), in [0, 1]."""
    return _rate(o.y_pred)


def expected_calibration_error(o: Outcome) -> Tensor:
    """Mean over rows of |mean label - mean score| of the row's bin (15 bins of equal width), in [0, 1], lower is
    better.
    """
    return _calibration_error(o.p, o.y)


def demographic_parity_difference(o: Outcome) -> Tensor:
    """Spread over groups of P(y_pred = 1 | s), in [0, 1], 0 is parity."""
    return _spread(group_selection_rate(o))


def soft_demographic_parity_difference(o: Outcome) -> Tensor:
    """Spread over groups of the mean score, E[p | s], in [0, 1], 0 is parity."""
    return _spread(_by_group(o, o.p))


def equal_opportunity_difference(o: Outcome) -> Tensor:
    """Spread over groups of the true positive rate, in [0, 1], 0 is parity."""
    return _spread(group_true_positive_rate(o))


def false_positive_rate_difference(o: Outcome) -> Tensor:
    """Spread over groups of the false positive rate, in [0, 1], 0 is parity."""
    return _spread(group_false_positive_rate(o))


def equalized_odds_difference(o: Outcome) -> Tensor:
    """The larger of the spreads of true and false positive rates, in [0, 1], 0 is parity."""
    return torch.maximum(equal_opportunity_difference(o), false_positive_rate_difference(o))


def average_equalized_odds_difference(o: Outcome) -> Tensor:
    """The mean of the spreads of true and false positive rates, in [0, 1], 0 is parity."""
    return (equal_opportunity_difference(o) + false_positive_rate_difference(o)) / 2


def accuracy_difference(o: Outcome) -> Tensor:
    """Spread over groups of accuracy, in [0, 1], 0 is parity."""
    return _spread(group_accuracy(o))


def worst_group_accuracy(o: Outcome) -> Tensor:
    """Smallest accuracy of a group that has rows, in [0, 1], higher is better."""
    return _lowest(group_accuracy(o))


def group_accuracy(o: Outcome) -> Tensor:
    """P(y_pred = y | s), [R, S]."""
    return _by_group(o, o.y_pred == o.y)


def group_selection_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s), [R, S]."""
    return _by_group(o, o.y_pred)


def group_true_positive_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s, y = 1), [R, S]."""
    return _by_group(o, o.y_pred, o.y == 1)


def group_false_positive_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s, y = 0), [R, S]."""
    return _by_group(o, o.y_pred, o.y == 0)


def group_expected_calibration_error(o: Outcome) -> Tensor:
    """The expected calibration error of each group's rows, [R, S]."""
    return torch.stack([_calibration_error(o.p[:, rows], o.y[rows]) for rows in o.rows], dim=-1)


METRICS: tuple[Callable[[Outcome], Tensor], ...] = (
    accuracy,
    balanced_accuracy,
    roc_auc,
    log_loss,
    selection_rate,
    expected_calibration_error,
    demographic_parity_difference,
    soft_demographic_parity_difference,
    equal_opportunity_difference,
    false_positive_rate_difference,
    equalized_odds_difference,
    average_equalized_odds_difference,
    accuracy_difference,
    worst_group_accuracy,
)
GROUP_METRICS: tuple[Callable[[Outcome], Tensor], ...] = (
    group_accuracy,
    group_selection_rate,
    group_true_positive_rate,
    group_false_positive_rate,
    group_expected_calibration_error,
)


def evaluate(o: Outcome) -> dict[str, Tensor]:
    """Every metric by name, [R], every group metric by "name/s=g"; NaN for a run with a logit that is not finite."""
    values = {metric.__name__: metric(o) for metric in METRICS}
    for metric in GROUP_METRICS:
        for g, value in enumerate(metric(o).unbind(-1)):
            values[f"{metric.__name__.removeprefix('group_')}/s={g}"] = value
    known = o.logits.isfinite().all(-1)
    return {name: torch.where(known, value, torch.nan) for name, value in values.items()}


def _rate(v: Tensor, where: Tensor | None = None) -> Tensor:
    """Mean of ``v`` [R, N] over the rows ``where`` [N] -> [R]; NaN over no rows."""
    return (v if where is None else v[:, where]).double().mean(-1)


def _by_group(o: Outcome, v: Tensor, where: Tensor | None = None) -> Tensor:
    """Mean of ``v`` [R, N] over each group's rows, those in ``where`` [N] only -> [R, S]; NaN over no rows."""
    return torch.stack([_rate(v[:, rows], None if where is None else where[rows]) for rows in o.rows], dim=-1)


def _lowest(rates: Tensor) -> Tensor:
    """Smallest of ``rates`` [R, S] that is not NaN -> [R]; NaN if there is none."""
    lowest = rates.nan_to_num(nan=torch.inf).amin(-1)
    return torch.where(rates.isnan().all(-1), torch.nan, lowest)


def _spread(rates: Tensor) -> Tensor:
    """Largest minus smallest of ``rates`` [R, S], NaN left out -> [R]; NaN if there is none."""
    return -_lowest(-rates) - _lowest(rates)


def _calibration_error(p: Tensor, y: Tensor) -> Tensor:
    """sum_b |sum_{i in b} (y_i - p_i)| / N over bins b of the score -> [R]; NaN over no rows or with a score of NaN."""
    num_runs, num_rows = p.shape
    if num_rows == 0:
        return torch.full((num_runs,), torch.nan, dtype=p.dtype, device=p.device)
    bins = (p * NUM_BINS).long().clamp(0, NUM_BINS - 1)
    gaps = torch.zeros(num_runs, NUM_BINS, dtype=p.dtype, device=p.device).scatter_add_(1, bins, y - p)
    return gaps.abs().sum(-1) / num_rows
