"""Accuracy and fairness of R runs on one split, named as in fairlearn.

Every metric is a function of an ``Outcome`` and gives one value per run, [R], float64.  A decision is 1 where the
probability is above 0.5; of several tasks some metrics are also given at the threshold of ``matched``.  Differences are
largest minus smallest over the groups that have a row to count, so they are symmetric in the groups; with one such
group they are 0, with none NaN.  A rate over no rows is NaN.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fairrun.check import MATCH_RATE
from fairrun.data.table import Table

NUM_BINS = 15  # of the calibration error, of equal width


class Outcome(NamedTuple):
    """What R runs say about the N rows of a split, and the counts that rates are made of, exact in any order."""

    logits: Tensor  # [R, N]
    p: Tensor  # [R, N] float64, probability of class 1
    y: Tensor  # [N] float64
    s: Tensor  # [N]
    rows: Tensor  # [S, 2] float64, number of rows of each group and label
    selected: Tensor  # [R, S, 2] float64, how many of them are decided 1


def outcome(logits: Tensor, table: Table, num_groups: int) -> Outcome:
    """``logits`` [R, M] with M >= N; columns past N are padding (elementwise functions round by position, which padding
    fixes).
    """
    num_rows = len(table.y)
    p = torch.sigmoid(logits.double())[:, :num_rows]
    logits = logits[:, :num_rows]
    decisions = (logits > 0).float()  # sums of 0 and 1 are exact in float32 up to 2^24
    return Outcome(logits, p, *_counted(decisions, table.y, table.s, num_groups))


def decided(p: Tensor, table: Table, num_groups: int) -> Outcome:
    """Decisions that are 1 with probability ``p`` [R, N] float64, each row's apart: counts are expected values, and a
    row's score is its ``p``.
    """
    return Outcome(p, p, *_counted(p, table.y, table.s, num_groups))


def _counted(decisions: Tensor, y: Tensor, s: Tensor, num_groups: int) -> tuple[Tensor, ...]:
    """Labels and groups, the number of rows, and how many are decided 1, by ``decisions`` [R, N] in [0, 1]."""
    cells = F.one_hot(2 * s + y.long(), 2 * num_groups).to(decisions)  # [N, 2S]
    rows, selected = cells.sum(0).double(), (decisions @ cells).double()
    shape = (num_groups, 2)
    return y.double(), s, rows.unflatten(0, shape), selected.unflatten(1, shape)


def accuracy(o: Outcome) -> Tensor:
    """P(y_pred = y), in [0, 1], higher is better."""
    return _correct(o).sum((1, 2)) / o.rows.sum()


def balanced_accuracy(o: Outcome) -> Tensor:
    """Mean of the true positive and the true negative rate, in [0, 1], higher is better; NaN with one class.

    What some papers call AUC, computed from hard labels, is this: a curve with one corner.
    """
    return (_correct(o).sum(1) / o.rows.sum(0)).mean(-1)


def roc_auc(o: Outcome) -> Tensor:
    """P(score of a positive row > score of a negative row), ties count half, in [0, 1], higher is better; NaN with one
    class.
    """
    positive, negative = (np.sort(o.logits[:, o.y == label].cpu().numpy()) for label in (1, 0))
    if positive.shape[1] == 0 or negative.shape[1] == 0:
        return torch.full_like(o.p[:, 0], torch.nan)
    areas = [_area(*run) for run in zip(positive, negative, strict=True)]
    return torch.tensor(areas, dtype=o.p.dtype, device=o.p.device)


def _area(positive: np.ndarray, negative: np.ndarray) -> float:
    """The area under the curve of sorted scores.  NumPy sorts and searches 3 times as fast as torch."""
    below = np.searchsorted(negative, positive)  # [positive rows], how many negative rows score less
    tied = negative[np.minimum(below, len(negative) - 1)] == positive
    ties = np.searchsorted(negative, positive[tied], side="right") - below[tied]
    return float((below.sum() + ties.sum() / 2) / (len(positive) * len(negative)))


def log_loss(o: Outcome) -> Tensor:
    """Mean binary cross-entropy in nats, >= 0, lower is better."""
    return _losses(o).mean(-1)


def loss_variance(o: Outcome) -> Tensor:
    """Variance over rows of the binary cross-entropy (unbiased), >= 0, 0 where every row has the same loss; lower is
    held to be better by methods that know no groups.  NaN over one row.
    """
    losses = _losses(o)
    return (losses - losses.mean(-1, keepdim=True)).square().sum(-1) / (losses.shape[-1] - 1)


def worst_tenth_loss(o: Outcome) -> Tensor:
    """Mean of the ceil(N / 10) largest binary cross-entropies in nats, >= 0, lower is better: no group of that size or
    a larger one, whichever it is, has a higher log loss.  The empirical CVaR at 0.1.
    """
    largest = _losses(o).topk(-(-len(o.y) // 10), dim=-1)  # sorted, so that ties and the order of rows change nothing
    return largest.values.mean(-1)


def selection_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1), in [0, 1]."""
    return o.selected.sum((1, 2)) / o.rows.sum()


def expected_calibration_error(o: Outcome) -> Tensor:
    """Mean over rows of |mean label - mean score| of the row's bin (15 bins of equal width), in [0, 1], lower is
    better.
    """
    return _calibration_error(o, torch.zeros_like(o.s), 1)[:, 0]


def demographic_parity_difference(o: Outcome) -> Tensor:
    """Spread over groups of P(y_pred = 1 | s), in [0, 1], 0 is parity."""
    return _spread(group_selection_rate(o))


def soft_demographic_parity_difference(o: Outcome) -> Tensor:
    """Spread over groups of the mean score, E[p | s], in [0, 1], 0 is parity."""
    return _spread(torch.stack([o.p[:, o.s == g].mean(-1) for g in range(len(o.rows))], dim=-1))


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


def total_accuracy_deviation(o: Outcome) -> Tensor:
    """Sum over groups that have rows of |accuracy of the group - accuracy|, >= 0, 0 is parity; it grows with the number
    of groups.  "TAD" of VFair (NeurIPS 2024).
    """
    deviations = (group_accuracy(o) - accuracy(o).unsqueeze(-1)).abs()
    return deviations.sort(-1).values.nansum(-1)  # in an order that numbers of groups do not change


def worst_group_accuracy(o: Outcome) -> Tensor:
    """Smallest accuracy of a group that has rows, in [0, 1], higher is better."""
    return _lowest(group_accuracy(o))


def balanced_accuracy_difference(o: Outcome) -> Tensor:
    """Spread over groups of balanced accuracy (AUC of hard labels in some papers), in [0, 1], 0 is parity."""
    return _spread(group_balanced_accuracy(o))


def worst_group_balanced_accuracy(o: Outcome) -> Tensor:
    """Smallest balanced accuracy (AUC of hard labels in some papers) of a group that has both classes, in [0, 1],
    higher is better.
    """
    return _lowest(group_balanced_accuracy(o))


def group_accuracy(o: Outcome) -> Tensor:
    """P(y_pred = y | s), [R, S]."""
    return _correct(o).sum(-1) / o.rows.sum(-1)


def group_balanced_accuracy(o: Outcome) -> Tensor:
    """(P(y_pred = 1 | s, y = 1) + P(y_pred = 0 | s, y = 0)) / 2, [R, S]; NaN where the group lacks a class."""
    return (_correct(o) / o.rows).mean(-1)


def group_selection_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s), [R, S]."""
    return o.selected.sum(-1) / o.rows.sum(-1)


def group_true_positive_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s, y = 1), [R, S]."""
    return o.selected[..., 1] / o.rows[:, 1]


def group_false_positive_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s, y = 0), [R, S]."""
    return o.selected[..., 0] / o.rows[:, 0]


def group_expected_calibration_error(o: Outcome) -> Tensor:
    """The expected calibration error of each group's rows, [R, S]."""
    return _calibration_error(o, o.s, len(o.rows))


METRICS: tuple[Callable[[Outcome], Tensor], ...] = (
    accuracy,
    balanced_accuracy,
    roc_auc,
    log_loss,
    loss_variance,
    worst_tenth_loss,
    selection_rate,
    expected_calibration_error,
    demographic_parity_difference,
    soft_demographic_parity_difference,
    equal_opportunity_difference,
    false_positive_rate_difference,
    equalized_odds_difference,
    average_equalized_odds_difference,
    accuracy_difference,
    total_accuracy_deviation,
    worst_group_accuracy,
    balanced_accuracy_difference,
    worst_group_balanced_accuracy,
)
MATCHED = (accuracy, false_positive_rate_difference, equal_opportunity_difference)  # of several tasks, besides 0.5
LABELS_OF_EVERY_GROUP = {  # metric -> the labels that every group must have a row of; without, the group does not count
    "equal_opportunity_difference": (1,),
    "false_positive_rate_difference": (0,),
    "equalized_odds_difference": (0, 1),
    "average_equalized_odds_difference": (0, 1),
}
GROUP_METRICS: tuple[Callable[[Outcome], Tensor], ...] = (
    group_accuracy,
    group_balanced_accuracy,
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
    return _known(o, values)


def _known(o: Outcome, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """NaN for a run with a logit that is not finite."""
    known = o.logits.isfinite().all(-1)
    return {name: torch.where(known, value, torch.nan) for name, value in values.items()}


def matched(o: Outcome, rate: float) -> Outcome:
    """The same scores, decided 1 from the threshold on at which a share of ``rate`` [0, 1] of the rows is, and a row.

    As MTA-F's code (Wang et al., KDD 2021), which takes the share of label 1 among the training rows: the threshold is
    the score with int((1 - rate) N) - 1 others below it, or the least.  It comes from the very rows that are decided.
    """
    below = max(0, int((1 - rate) * len(o.y)) - 1)
    threshold = o.p.kthvalue(below + 1, dim=-1, keepdim=True).values
    return Outcome(o.logits, o.p, *_counted((o.p >= threshold).float(), o.y, o.s, len(o.rows)))


def evaluate_tasks(
    logits: Tensor, table: Table, num_groups: int, tasks: Sequence[str], rates: Sequence[float]
) -> dict[str, Tensor]:
    """Every metric of every task as "name/task" and "name/task/s=g", and its mean over tasks as "name" and "name/s=g".

    ``logits`` [R, M, T] as of ``outcome``; ``rates``: of the tasks the share of label 1 in training, at which
    ``MATCHED`` are evaluated besides, as "match_rate_name".
    """
    found = {}
    for t, (task, rate) in enumerate(zip(tasks, rates, strict=True)):
        o = outcome(logits[..., t].contiguous(), table.task(t), num_groups)
        at_rate = matched(o, rate)
        found[task] = evaluate(o) | _known(o, {f"{MATCH_RATE}{metric.__name__}": metric(at_rate) for metric in MATCHED})
    names = next(iter(found.values()))
    means = {name: torch.stack([values[name] for values in found.values()]).mean(0) for name in names}
    return means | {of_task(name, task): value for task, values in found.items() for name, value in values.items()}


def of_task(name: str, task: str) -> str:
    """The name of a metric, or of a group's, of one task: "accuracy/s=0" -> "accuracy/TASK/s=0"."""
    metric, slash, group = name.partition("/")
    return f"{metric}/{task}{slash}{group}"


def _losses(o: Outcome) -> Tensor:
    """Every row's binary cross-entropy in nats, [R, N]."""
    return F.binary_cross_entropy_with_logits(o.logits.double(), o.y.expand_as(o.p), reduction="none")


def _correct(o: Outcome) -> Tensor:
    """How many rows of each group and label are decided right, [R, S, 2]."""
    return torch.stack([o.rows[:, 0] - o.selected[..., 0], o.selected[..., 1]], dim=-1)


def _lowest(rates: Tensor) -> Tensor:
    """Smallest of ``rates`` [R, S] that is not NaN -> [R]; NaN if there is none."""
    lowest = rates.nan_to_num(nan=torch.inf).amin(-1)
    return torch.where(rates.isnan().all(-1), torch.nan, lowest)


def _spread(rates: Tensor) -> Tensor:
    """Largest minus smallest of ``rates`` [R, S], NaN left out -> [R]; NaN if there is none."""
    return -_lowest(-rates) - _lowest(rates)


def _calibration_error(o: Outcome, g: Tensor, num_groups: int) -> Tensor:
    """sum_b |sum_{i in b} (y_i - p_i)| / N over bins b of the score, N the rows of each group of ``g`` [N] -> [R, G];
    NaN over no rows or with a score of NaN.
    """
    bins = (o.p * NUM_BINS).long().clamp_(0, NUM_BINS - 1).add_(NUM_BINS * g)
    gaps = o.p.new_zeros(len(o.p), num_groups * NUM_BINS).scatter_add_(1, bins, o.y - o.p)
    return gaps.unflatten(1, (num_groups, NUM_BINS)).abs().sum(-1) / g.bincount(minlength=num_groups)
