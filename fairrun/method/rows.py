"""Sums over the rows of a batch: means, groups, weights."""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fairrun.method.api import Batch, PerRun, PerTask


def per_task(value: PerTask, num_tasks: int) -> Tensor:
    """A bound ``PerTask`` field as [R, T]: one number for each task."""
    assert isinstance(value, Tensor)
    return value.expand(-1, num_tasks)


def mean(v: Tensor, w: Tensor) -> Tensor:
    """Mean [R] of ``v`` [R, B] over the real rows of a batch, which have ``w`` [R, B] 1."""
    return (w / w.sum(-1, keepdim=True) * v).sum(-1)


def parts(rows: Batch, size: int = 256) -> Iterator[Batch]:
    """Split a batch of many rows into batches of ``size``, whose activations stay in cache.

    Padding rows at the end of the batch may lack features in ``rows.x``; they get features 0.
    """
    for start in range(0, rows.y.shape[1], size):
        own = slice(start, start + size)
        x, y, i, w = (v[:, own] for v in (rows.x, rows.y, rows.i, rows.w))
        s, known = (None if v is None else v[:, own] for v in (rows.sensitive, rows.known))
        if x.shape[1] < y.shape[1]:
            x = F.pad(x, (0, 0, 0, y.shape[1] - x.shape[1]))
        yield rows._replace(x=x, y=y, i=i, w=w, sensitive=s, known=known)


def group_mask(g: Tensor, num_groups: int) -> Tensor:
    """Whether each row is in each group: ``g`` [R, B] in {0..G-1} -> bool [R, G, B]."""
    return g.unsqueeze(1) == torch.arange(num_groups, device=g.device).unsqueeze(-1)


def group_mean(v: Tensor, g: Tensor, num_groups: int, w: Tensor) -> Tensor:
    """Mean [R, G] of ``v`` [R, B] over each group of ``g`` [R, B], with row weights ``w`` [R, B].

    An empty group has mean 0.
    """
    return group_rates(v, g, num_groups, w)[0]


def group_rates(v: Tensor, g: Tensor, num_groups: int, w: Tensor) -> tuple[Tensor, Tensor]:
    """``group_mean``, and the sum of the weights of each group, both [R, G]."""
    weights = group_mask(g, num_groups) * w.unsqueeze(1)
    total = weights.sum(-1)
    return (weights * v.unsqueeze(1)).sum(-1) / torch.where(total > 0, total, 1.0), total


def worst_fraction(losses: Tensor, fraction: PerRun, w: Tensor, *, up: bool = False) -> Tensor:
    """Equal weights [R, B], with sum 1, on the ``fraction`` [R, 1] of real rows with the largest ``losses`` [R, B].

    The number of these rows is rounded down, or ``up``, and is at least 1.  All other rows have weight 0.
    """
    rank = losses.masked_fill(w == 0, -torch.inf).argsort(dim=-1, descending=True, stable=True).argsort(-1)
    number = share_of_rows(fraction, w, up=up)
    return (rank < number) / number


def share_of_rows(fraction: PerRun, w: Tensor, *, up: bool = False) -> Tensor:
    """The number [R, 1] of rows in a ``fraction`` [R, 1] of those with ``w`` [R, B] 1; whole, and at least 1."""
    exact = fraction.double() * w.double().sum(-1, keepdim=True)
    slack = 1e-6 + 1e-7 * exact  # 0.3 * 10 is 3, not 2.999...; float32 rounds 0.3 by at most 6e-8 of it
    return ((exact - slack).ceil() if up else (exact + slack).floor()).clamp(min=1).to(w)


def share_without(group: int, total: int, batch_size: int) -> float:
    """The probability that a batch has no row of a group, in [0, 1].

    The batch is ``batch_size`` of ``total`` rows, drawn without replacement; ``group`` of these rows are in the group:
    C(total - group, batch_size) / C(total, batch_size).
    """
    others, batch_size = total - group, min(batch_size, total)
    if batch_size > others:
        return 0.0
    log_all, log_others = (math.lgamma(n + 1) - math.lgamma(n - batch_size + 1) for n in (total, others))
    return math.exp(log_others - log_all)


def whole_rows(number: PerRun) -> int:
    """``number`` rounded up, except that a number just above an integer by rounding errors gives this integer.

    For example, 1 / (1 / 49) gives 49, not 50.
    """
    return -int((1e-9 - number) // 1)


def kth_smallest(v: Tensor, k: int) -> Tensor:
    """The ``k``-th smallest value along the last axis, from k = 1; the largest if there are fewer than k."""
    k = min(k, v.shape[-1])
    if v.is_cuda:
        return v.topk(k, largest=False).values[..., -1]
    return torch.from_numpy(np.partition(v.numpy(), k - 1, axis=-1)[..., k - 1])  # 6 times as fast as torch


def normalised(w: Tensor, real: Tensor, rule: str) -> Tensor:
    """Normalise row weights ``w`` [R, B], none below 0; weights that are all 0 stay 0.

    ``rule`` norm gives them the L2 norm of equal weights on the ``real`` rows; sum gives them the sum 1.
    """
    if rule == "norm":
        return scaled(w, (w.square().sum(-1, keepdim=True) * real.sum(-1, keepdim=True)).sqrt())
    return scaled(w, w.sum(-1, keepdim=True))


def scaled(v: Tensor, length: Tensor) -> Tensor:
    """``v`` divided by ``length``, or unchanged where ``length`` is 0."""
    return v / torch.where(length > 0, length, 1.0)


def row_weight_logs(w: Tensor, batch: Batch) -> dict[str, Tensor]:
    """The logs of row weights ``w`` [R, B]: the share of rows with weight, and the largest weight share of a class."""
    per_class = (group_mask(batch.y, batch.num_classes) * w.unsqueeze(1)).sum(-1)  # [R, C]
    return {
        "weighted_rows": mean((w > 0).to(w), batch.w),
        "largest_class_weight": scaled(per_class.amax(-1), w.sum(-1)),
    }


def label_cells(batch: Batch) -> Tensor:
    """The cell of sensitive attribute and label of each row, C s + y in {0..CS-1}, [R, B]."""
    return batch.num_classes * batch.s + batch.y.long()
