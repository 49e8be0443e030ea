"""Accuracy and fairness metrics of R runs on one split, with the names of fairlearn.

Every metric is a function of an ``Outcome`` and returns one value for each run, [R], float64.  The table
``fairrun.config.metrics`` holds its direction and its other properties; metrics that need two classes are left out with
C > 2 classes.

A difference is the largest value minus the smallest value over the groups for which the value exists, so the order of
groups does not matter.  It is 0 with one such group and NaN without one.  A rate over no rows is NaN.
"""

import numpy as np
import torch
from torch import Tensor

from fairrun.training.outcome import Outcome

NUM_BINS = 15  # bins of equal width for the calibration error


def accuracy(o: Outcome) -> Tensor:
    """P(y_pred = y), in [0, 1], higher is better."""
    return o.correct.sum((1, 2)) / o.rows.sum()


def balanced_accuracy(o: Outcome) -> Tensor:
    """Mean over classes of P(y_pred = c | y = c), in [0, 1], higher is better; NaN where a class has no row.

    Formula: (1/C) sum_c P(y_pred = c | y = c).

    With two classes it is the mean of the true positive and the true negative rate.  Some papers call it AUC, because
    it is the area under the ROC curve of hard decisions, which has one corner.
    """
    return (o.correct.sum(1) / o.rows.sum(0)).mean(-1)


def roc_auc(o: Outcome) -> Tensor:
    """P(score of a positive row > score of a negative row), in [0, 1], higher is better.

    Formula: P(p_i > p_j) + P(p_i = p_j) / 2 for a row i of label 1 and a row j of label 0.

    Ties count half.  NaN if only one class has rows.
    """
    positive, negative = (np.sort(_of_rows(o.logits, o.y == label).cpu().numpy()) for label in (1, 0))
    if positive.shape[1] == 0 or negative.shape[1] == 0:
        return torch.full_like(o.p[:, 0], torch.nan)
    areas = [_area(*run) for run in zip(positive, negative, strict=True)]
    return torch.tensor(areas, dtype=o.p.dtype, device=o.p.device)


def _area(positive: np.ndarray, negative: np.ndarray) -> float:
    """The area under the ROC curve, from sorted scores.  NumPy sorts and searches 3 times as fast as torch."""
    below = np.searchsorted(negative, positive)  # [positive rows], number of negative rows with a lower score
    tied = negative[np.minimum(below, len(negative) - 1)] == positive
    ties = np.searchsorted(negative, positive[tied], side="right") - below[tied]
    return float((below.sum() + ties.sum() / 2) / (len(positive) * len(negative)))


def log_loss(o: Outcome) -> Tensor:
    """Mean cross-entropy in nats, >= 0, lower is better.

    Formula: (1/N) sum_i l_i, l_i = -log p_i[y_i].
    """
    return o.losses.mean(-1)


def loss_variance(o: Outcome) -> Tensor:
    """Unbiased variance of the rows' cross-entropy, >= 0; 0 if all rows have the same loss, NaN for a single row.

    Formula: sum_i (l_i - mean l)^2 / (N - 1).

    Some methods without group labels lower this variance.
    """
    deviations = o.losses - o.losses.mean(-1, keepdim=True)
    return deviations.square().sum(-1) / (o.losses.shape[-1] - 1)


def worst_tenth_loss(o: Outcome) -> Tensor:
    """Mean of the ceil(N / 10) largest cross-entropies in nats, >= 0, lower is better.  The empirical CVaR at 0.1.

    Formula: (1/k) sum of the k largest l_i, k = ceil(N / 10).

    No group of that size or larger, known or not, has a higher log loss.
    """
    others = o.losses.shape[-1] * 9 // 10
    largest = np.partition(o.losses.cpu().numpy(), others, axis=-1)[:, others:]  # 6 times as fast as torch
    ordered = np.sort(largest)[:, ::-1]  # so that the order of rows has no effect
    return torch.from_numpy(ordered.copy()).mean(-1).to(o.losses.device)


def worst_group_log_loss(o: Outcome) -> Tensor:
    """Largest mean cross-entropy of a group, in nats, >= 0, lower is better.  Groups without rows are left out.

    Formula: max_s L_s, L_s = mean of l_i over the rows of s.
    """
    return -_lowest(-group_log_loss(o))


def selection_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1), in [0, 1]."""
    return _selected(o).sum((1, 2)) / o.rows.sum()


def expected_calibration_error(o: Outcome) -> Tensor:
    """Mean over rows of |mean label - mean score| in the row's bin, in [0, 1], lower is better.

    Formula: sum_b (N_b / N) |mean_b y - mean_b p|, over bins b of N_b rows.

    The score has 15 bins of equal width.
    """
    return _calibration_error(o, torch.zeros_like(o.s), 1)[:, 0]


def demographic_parity_difference(o: Outcome) -> Tensor:
    """Spread over groups of P(y_pred = 1 | s), in [0, 1], 0 is parity.

    Formula: max_s P(y_pred = 1 | s) - min_s P(y_pred = 1 | s).
    """
    return _spread(group_selection_rate(o))


def soft_demographic_parity_difference(o: Outcome) -> Tensor:
    """Spread over groups of the mean score, E[p | s], in [0, 1], 0 is parity.

    Formula: max_s E[p | s] - min_s E[p | s].
    """
    return _spread(_group_means(o.p, o.s, len(o.rows)))


def equal_opportunity_difference(o: Outcome) -> Tensor:
    """Spread over groups of the true positive rate, in [0, 1], 0 is parity.

    Formula: max_s TPR_s - min_s TPR_s, TPR_s = P(y_pred = 1 | s, y = 1).
    """
    return _spread(group_true_positive_rate(o))


def false_positive_rate_difference(o: Outcome) -> Tensor:
    """Spread over groups of the false positive rate, in [0, 1], 0 is parity.

    Formula: max_s FPR_s - min_s FPR_s, FPR_s = P(y_pred = 1 | s, y = 0).
    """
    return _spread(group_false_positive_rate(o))


def equalized_odds_difference(o: Outcome) -> Tensor:
    """The larger of the spreads of true and false positive rates, in [0, 1], 0 is parity.

    Formula: max(max_s TPR_s - min_s TPR_s, max_s FPR_s - min_s FPR_s).
    """
    return torch.maximum(equal_opportunity_difference(o), false_positive_rate_difference(o))


def average_equalized_odds_difference(o: Outcome) -> Tensor:
    """The mean of the spreads of true and false positive rates, in [0, 1], 0 is parity.

    Formula: (max_s TPR_s - min_s TPR_s + max_s FPR_s - min_s FPR_s) / 2.
    """
    return (equal_opportunity_difference(o) + false_positive_rate_difference(o)) / 2


def accuracy_difference(o: Outcome) -> Tensor:
    """Spread over groups of accuracy, in [0, 1], 0 is parity.

    Formula: max_s P(y_pred = y | s) - min_s P(y_pred = y | s).
    """
    return _spread(group_accuracy(o))


def total_accuracy_deviation(o: Outcome) -> Tensor:
    """Sum over groups of |accuracy of the group - accuracy|, >= 0, 0 is parity; "TAD" of VFair (NeurIPS 2024).

    Formula: sum_s |P(y_pred = y | s) - P(y_pred = y)|.

    Groups without rows are left out.  The sum grows with the number of groups.
    """
    deviations = (group_accuracy(o) - accuracy(o).unsqueeze(-1)).abs()
    return deviations.sort(-1).values.nansum(-1)  # sorted, so that the numbering of groups has no effect


def worst_group_accuracy(o: Outcome) -> Tensor:
    """Smallest accuracy of a group, in [0, 1], higher is better.  Groups without rows are left out.

    Formula: min_s P(y_pred = y | s).
    """
    return _lowest(group_accuracy(o))


def balanced_accuracy_difference(o: Outcome) -> Tensor:
    """Spread over groups of balanced accuracy (AUC of hard labels in some papers), in [0, 1], 0 is parity.

    Formula: max_s b_s - min_s b_s, b_s = (1/C) sum_c P(y_pred = c | s, y = c).

    A group that lacks a class is left out.
    """
    return _spread(group_balanced_accuracy(o))


def worst_group_balanced_accuracy(o: Outcome) -> Tensor:
    """Smallest balanced accuracy of a group that has all classes, in [0, 1], higher is better.

    Formula: min_s b_s, b_s = (1/C) sum_c P(y_pred = c | s, y = c).

    Some papers call it AUC of hard labels.
    """
    return _lowest(group_balanced_accuracy(o))


def group_accuracy(o: Outcome) -> Tensor:
    """P(y_pred = y | s), [R, S]."""
    return o.correct.sum(-1) / o.rows.sum(-1)


def group_log_loss(o: Outcome) -> Tensor:
    """Mean cross-entropy of each group's rows, in nats, [R, S].

    Formula: L_s = mean of l_i over the rows of s.
    """
    return _group_means(o.losses, o.s, len(o.rows))


def group_balanced_accuracy(o: Outcome) -> Tensor:
    """Mean over classes c of P(y_pred = c | s, y = c), [R, S]; NaN where the group lacks a class.

    Formula: b_s = (1/C) sum_c P(y_pred = c | s, y = c).
    """
    return (o.correct / o.rows).mean(-1)


def group_selection_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s), [R, S]."""
    return _selected(o).sum(-1) / o.rows.sum(-1)


def group_true_positive_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s, y = 1), [R, S]."""
    return o.correct[..., 1] / o.rows[:, 1]


def group_false_positive_rate(o: Outcome) -> Tensor:
    """P(y_pred = 1 | s, y = 0), [R, S]."""
    return _selected(o)[..., 0] / o.rows[:, 0]


def group_expected_calibration_error(o: Outcome) -> Tensor:
    """The expected calibration error of each group's rows, [R, S].

    Formula: sum_b (N_b / N) |mean_b y - mean_b p|, over bins b of N_b rows of the group's N.
    """
    return _calibration_error(o, o.s, len(o.rows))


def _group_means(v: Tensor, s: Tensor, num_groups: int) -> Tensor:
    """The mean of ``v`` [R, N] over the rows of each group of ``s`` [N], [R, S]."""
    return torch.stack([_of_rows(v, s == g).mean(-1) for g in range(num_groups)], dim=-1)


def _of_rows(v: Tensor, chosen: Tensor) -> Tensor:
    """``v`` [R, N] at the ``chosen`` rows, bool [N].  ``gather`` is 3 times as fast as a mask."""
    return v.gather(1, chosen.nonzero().squeeze(1).expand(len(v), -1))


def _selected(o: Outcome) -> Tensor:
    """The number of rows of each group and label that are decided 1, [R, S, 2]; two labels."""
    return torch.stack([o.rows[:, 0] - o.correct[..., 0], o.correct[..., 1]], dim=-1)


def _lowest(rates: Tensor) -> Tensor:
    """Smallest of ``rates`` [R, S] that is not NaN, [R]; NaN if all are NaN."""
    lowest = rates.nan_to_num(nan=torch.inf).amin(-1)
    return torch.where(rates.isnan().all(-1), torch.nan, lowest)


def _spread(rates: Tensor) -> Tensor:
    """Largest minus smallest of ``rates`` [R, S] without NaN, [R]; NaN if all are NaN."""
    return -_lowest(-rates) - _lowest(rates)


def _calibration_error(o: Outcome, g: Tensor, num_groups: int) -> Tensor:
    """sum_b |sum_{i in b} (y_i - p_i)| / N over bins b of the score, [R, G], for each group of ``g`` [N].

    N is the number of rows of the group.  NaN for a group without rows, or with a score of NaN.
    """
    bins = (o.p * NUM_BINS).long().clamp_(0, NUM_BINS - 1).add_(NUM_BINS * g)
    gaps = o.p.new_zeros(len(o.p), num_groups * NUM_BINS).scatter_add_(1, bins, o.y - o.p)
    return gaps.unflatten(1, (num_groups, NUM_BINS)).abs().sum(-1) / g.bincount(minlength=num_groups)
