"""What R runs predict for the rows of one split, and how many rows of each group and label they decide correctly.

With two classes, the decision is 1 if the probability is above 0.5, or at the threshold of ``matched``.  With C > 2
classes, the decision is the most probable class.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fairrun.data.table import Table


class Outcome(NamedTuple):
    """The predictions of R runs for the N rows of a split, and the counts behind every rate.

    Counts are whole numbers, so their sums are exact in any order.  S groups, C classes.
    """

    logits: Tensor  # [R, N]; with C > 2 classes [R, N, C]
    p: Tensor  # [R, N] float64, probability of class 1; with C > 2 that of each class, [R, N, C]
    losses: Tensor  # [R, N] float64, cross-entropy in nats
    y: Tensor  # [N] float64
    s: Tensor  # [N]
    rows: Tensor  # [S, C] float64, number of rows of each group and label
    correct: Tensor  # [R, S, C] float64, how many of these rows are decided correctly


def outcome(logits: Tensor, table: Table, num_groups: int) -> Outcome:
    """The outcome for a label of two classes.

    ``logits`` [R, M] with M >= N; rows past N are padding.  Padding fixes the position of a row in its tensor, on which
    the rounding of elementwise functions depends.
    """
    num_rows = len(table.y)
    p = torch.sigmoid(logits.double())[:, :num_rows]
    logits, y = logits[:, :num_rows], table.y.double()
    losses = F.binary_cross_entropy_with_logits(logits.double(), y.expand_as(p), reduction="none")
    counted = _counted((logits > 0) == (y == 1), y, table.s, num_groups, 2)
    return Outcome(logits, p, losses, y, table.s, *counted)


def outcome_of_classes(logits: Tensor, table: Table, num_groups: int) -> Outcome:
    """The outcome for a label of C classes, with ``logits`` [R, M, C]; M is that of ``outcome``.

    The decision is the most probable class, or the first of equally probable classes.
    """
    num_rows, num_classes = len(table.y), logits.shape[-1]
    log_p = torch.log_softmax(logits.double(), dim=-1)[:, :num_rows]
    logits, y = logits[:, :num_rows], table.y.long()
    losses = -log_p.gather(-1, y.expand(len(logits), -1).unsqueeze(-1)).squeeze(-1)
    counted = _counted(logits.argmax(-1) == y, y, table.s, num_groups, num_classes)
    return Outcome(logits, log_p.exp(), losses, table.y.double(), table.s, *counted)


def decided(p: Tensor, table: Table, num_groups: int) -> Outcome:
    """The outcome of random decisions, each of which is 1 with the row's probability ``p`` [R, N] float64.

    Counts are expected values, the score of a row is its ``p``, and losses are NaN.
    """
    y = table.y.double()
    counted = _counted(torch.where(y == 1, p, 1 - p), y, table.s, num_groups, 2)
    return Outcome(p, p, torch.full_like(p, torch.nan), y, table.s, *counted)


def matched(o: Outcome, rate: float) -> Outcome:
    """The outcome at the match-rate threshold, which a share ``rate`` in [0, 1] of the rows reaches.

    The threshold is the score with int((1 - rate) N) - 1 other scores below it, or else the lowest score.  One row more
    than the share may reach it.  It is taken from the rows that are decided.  This follows MTA-F's code (Wang et al.,
    KDD 2021), where ``rate`` is the share of label 1 among the training rows.
    """
    below = max(0, int((1 - rate) * len(o.y)) - 1)
    threshold = o.p.kthvalue(below + 1, dim=-1, keepdim=True).values
    _, correct = _counted((o.p >= threshold) == (o.y == 1), o.y, o.s, *o.rows.shape)
    return o._replace(correct=correct)


def _counted(correct: Tensor, y: Tensor, s: Tensor, num_groups: int, num_classes: int) -> tuple[Tensor, Tensor]:
    """Count the rows of each group and label, [S, C], and how many of them are decided correctly, [R, S, C].

    ``correct`` [R, N] is bool or probabilities.
    """
    correct = correct if correct.is_floating_point() else correct.float()  # sums of 0 and 1 are exact up to 2^24
    shape = (num_groups, num_classes)
    cells = F.one_hot(num_classes * s + y.long(), num_groups * num_classes).to(correct)  # [N, SC]
    return cells.sum(0).double().unflatten(0, shape), (correct @ cells).double().unflatten(1, shape)
