"""Differentiable fairness losses.  Each takes scores and a batch and returns one value for each run, 0 at parity.

``p`` [R, B] are scores in [0, 1]; the result is [R].  There may be any number of groups.  Rows of weight 0 have no
effect, so the loss on a subset of rows is the loss on a batch in which only the subset has weight.  Groups without rows
in the batch are left out.  With rows of fewer than two groups the loss and its gradient are 0, except ``mmd_authors``.
"""

import functools
import math
from collections.abc import Callable
from typing import Annotated, Any

import torch
from torch import Tensor

from fairrun.config.check import OneOf, located
from fairrun.method.api import Batch
from fairrun.method.rows import group_mask, group_mean, group_rates

Loss = Callable[[Tensor, Batch], Tensor]
KERNEL_WIDTH = 0.1  # width of the MMD's Gaussian kernel, in units of probability


def positives(batch: Batch) -> Batch:
    """The batch in which only rows of class 1 have weight."""
    return batch._replace(w=batch.w * batch.y)


def negatives(batch: Batch) -> Batch:
    """The batch in which only rows of class 0 have weight."""
    return batch._replace(w=batch.w * (1 - batch.y))


def task(batch: Batch, t: int) -> Batch:
    """The batch of several tasks, ``y`` [R, B, T], with the labels of task ``t`` only, [R, B].

    Rows without that label have weight 0.
    """
    w = batch.w if batch.known is None else batch.w * batch.known[..., t]
    return batch._replace(y=batch.y[..., t], w=w, known=None)


def exclusive_negatives(batch: Batch, t: int) -> Batch:
    """``task(batch, t)`` in which only rows of class 0 in task ``t`` and of class 1 in all others have weight."""
    in_all_others = batch.y.sum(-1) == batch.y.shape[-1] - 1
    return negatives(task(batch._replace(w=batch.w * in_all_others), t))


def demographic_parity(p: Tensor, batch: Batch) -> Tensor:
    """max_s E[p | s] - min_s E[p | s], in [0, 1]: the demographic parity difference of scores."""
    rates, rows = group_rates(p, batch.s, batch.num_groups, batch.w)  # [R, S]
    return (_sides(rates, rows > 0) * rates).sum(-1)


def demographic_parity_pairs(p: Tensor, batch: Batch) -> Tensor:
    """Mean over pairs of groups of (E[p | s] - E[p | s'])^2, in [0, 1].  Smooth; for two groups the squared gap."""
    rates, rows = group_rates(p, batch.s, batch.num_groups, batch.w)  # [R, S]
    return _mean_over_pairs((rates.unsqueeze(2) - rates.unsqueeze(1)).square(), rows > 0)


def demographic_parity_mean_square(p: Tensor, batch: Batch) -> Tensor:
    """Mean over groups of (E[p | s] - E[p])^2, in [0, 1).  Smooth; a rare group weighs as much as a common one."""
    gaps, present = _gaps(p, batch)
    return gaps.square().sum(-1) / present.sum(-1).clamp(min=1)


def equal_opportunity_mean_square(p: Tensor, batch: Batch) -> Tensor:
    """Mean over groups of (E[p | s, y = 1] - E[p | y = 1])^2, in [0, 1).  Smooth."""
    return demographic_parity_mean_square(p, positives(batch))


def false_positive_rate_mean_square(p: Tensor, batch: Batch) -> Tensor:
    """Mean over groups of (E[p | s, y = 0] - E[p | y = 0])^2, in [0, 1).  Smooth."""
    return demographic_parity_mean_square(p, negatives(batch))


def equalized_odds_mean_square(p: Tensor, batch: Batch) -> Tensor:
    """The larger of the mean squares of true and false positive rates, in [0, 1).  Smooth where they differ."""
    return torch.maximum(equal_opportunity_mean_square(p, batch), false_positive_rate_mean_square(p, batch))


def average_equalized_odds_mean_square(p: Tensor, batch: Batch) -> Tensor:
    """The mean of the mean squares of true and false positive rates, in [0, 1).  Smooth."""
    return (equal_opportunity_mean_square(p, batch) + false_positive_rate_mean_square(p, batch)) / 2


def demographic_parity_fairbinn(p: Tensor, batch: Batch) -> Tensor:
    """The loss that FairBiNN's code intends (Yazdani-Jahromi et al., NeurIPS 2024), in [0, 0.03).

    1/2 mean_s (E[q | s] - E[q])^2 with q = sigmoid(p): a second sigmoid, with a slope of 0.20 to 0.25, on top of the
    network's own.
    """
    return demographic_parity_mean_square(torch.sigmoid(p), batch) / 2


def demographic_parity_fairbinn_group_0(p: Tensor, batch: Batch) -> Tensor:
    """The loss that FairBiNN's code computes, by a wrong index: 1/2 (E[q | s = 0] - E[q])^2, in [0, 0.03).

    Group 0 takes the place of every group.  With more than two groups, the other groups may differ from each other.
    """
    return _fairbinn_of_group(p, batch, 0)


def demographic_parity_fairbinn_group_1(p: Tensor, batch: Batch) -> Tensor:
    """The same for group 1.  On Adult the men are group 0 in that code, and group 1 here, in the order of the alphabet.

    Of two groups the rarer has the larger loss: (E[q | s] - E[q])^2 is 4.3 times as large for the women of Adult.
    """
    return _fairbinn_of_group(p, batch, 1)


def equal_opportunity(p: Tensor, batch: Batch) -> Tensor:
    """max_s E[p | s, y = 1] - min_s E[p | s, y = 1], in [0, 1]: the spread of soft true positive rates."""
    return demographic_parity(p, positives(batch))


def false_positive_rate(p: Tensor, batch: Batch) -> Tensor:
    """max_s E[p | s, y = 0] - min_s E[p | s, y = 0], in [0, 1]: the spread of soft false positive rates."""
    return demographic_parity(p, negatives(batch))


def equalized_odds(p: Tensor, batch: Batch) -> Tensor:
    """The larger of the spreads of soft true and false positive rates, in [0, 1]."""
    return torch.maximum(equal_opportunity(p, batch), false_positive_rate(p, batch))


def average_equalized_odds(p: Tensor, batch: Batch) -> Tensor:
    """The mean of the spreads of soft true and false positive rates, in [0, 1]."""
    return (equal_opportunity(p, batch) + false_positive_rate(p, batch)) / 2


def correlation(p: Tensor, batch: Batch) -> Tensor:
    """max_g |corr(p, 1[s = g])|, in [0, 1]: the absolute Pearson correlation of the score and membership in a group.

    With two groups this is |corr(p, s)|.  Standard deviations divide by N; 1e-7 under each root keeps the gradient
    finite where all scores are equal.
    """
    member = group_mask(batch.s, batch.num_groups).to(p.dtype)  # [R, S, B]
    w = (batch.w / batch.w.sum(-1, keepdim=True).clamp(min=1)).unsqueeze(1)  # [R, 1, B], sums to 1
    p_centred = p.unsqueeze(1) - (w * p.unsqueeze(1)).sum(-1, keepdim=True)
    share = (w * member).sum(-1)  # [R, S]
    covariance = (w * p_centred * (member - share.unsqueeze(-1))).sum(-1)
    spread = (share * (1 - share)).clamp(min=0)  # a share of 1 may be rounded to more
    deviations = ((w * p_centred.square()).sum(-1) + 1e-7).sqrt() * (spread + 1e-7).sqrt()
    present = _present(batch)
    value = (covariance.abs() / deviations).masked_fill(~present, 0).amax(-1)
    return torch.where(present.sum(-1) >= 2, value, 0.0)


def mmd(p: Tensor, batch: Batch) -> Tensor:
    """The squared maximum mean discrepancy of the groups' scores, averaged over pairs of groups, in [0, 2].

    MMD^2 = E k(p, p') + E k(q, q') - 2 E k(p, q) for scores p, p' of one group and q, q' of another (Gretton et al.
    2012, biased estimate, diagonal included), with k(p, q) = exp(-(p - q)^2 / 0.1^2).  Smooth; time and memory are
    linear in the number of rows.
    """
    return _mmd(p, batch, batch.w.unsqueeze(1))[:, 0]


def mmd_authors(p: Tensor, batch: Batch) -> Tensor:
    """``mmd``; if only one group has rows, that group's E k(p, p') in (0, 1], whose gradient spreads its scores.

    As in MTA-F's code (Wang et al., KDD 2021), where the mean over the rows of an absent group is 0.
    """
    return _mmd_authors(p, batch, batch.w.unsqueeze(1))[:, 0]


LOSSES: dict[str, Loss] = {
    loss.__name__: loss
    for loss in (
        demographic_parity,
        demographic_parity_pairs,
        demographic_parity_mean_square,
        equal_opportunity_mean_square,
        false_positive_rate_mean_square,
        equalized_odds_mean_square,
        average_equalized_odds_mean_square,
        demographic_parity_fairbinn,
        demographic_parity_fairbinn_group_0,
        demographic_parity_fairbinn_group_1,
        equal_opportunity,
        false_positive_rate,
        equalized_odds,
        average_equalized_odds,
        correlation,
        mmd,
        mmd_authors,
    )
}
# Type of a method's field: the name of a loss, or the path of the user's own function, "package.module.name"
FairnessLoss = Annotated[str, OneOf(tuple(LOSSES), or_path=True)]


@functools.cache
def loss_named(name: str) -> Loss:
    """The function that a ``FairnessLoss`` names."""
    own: Loss = LOSSES[name] if name in LOSSES else located(name, "fairness_loss")
    return own


def step_gap(p: Tensor, batch: Batch, threshold: Tensor, temperature: float = 0.1) -> Tensor:
    """max_s - min_s of E[sigmoid((p - threshold) / temperature) | s], in [0, 1]; ``threshold`` is [R] or [R, 1].

    A differentiable spread of the rates of decisions 1 at a threshold.  On ``negatives`` these are false positive
    rates.
    """
    return demographic_parity(torch.sigmoid((p - threshold.view(-1, 1)) / temperature), batch)


def on_subsets(loss: Loss, p: Tensor, batch: Batch, weights: Tensor) -> Tensor:
    """``loss`` [R, J] on J subsets of the rows, whose ``weights`` [R, J, B] replace the batch's w.

    An MMD computes the features of every score once, so that two subsets cost little more than one.
    """
    if loss in _MMDS:
        return _MMDS[loss](p, batch, weights)
    return torch.stack([loss(p, batch._replace(w=w)) for w in weights.unbind(1)], dim=1)


def _mmd(p: Tensor, batch: Batch, weights: Tensor) -> Tensor:
    """``mmd`` [R, J] for each of ``weights`` [R, J, B]."""
    phi, present = _mean_features(p, batch, weights)
    return _mean_over_pairs(_square(phi.unsqueeze(-2) - phi.unsqueeze(-3)), present)


def _mmd_authors(p: Tensor, batch: Batch, weights: Tensor) -> Tensor:
    """``mmd_authors`` [R, J] for each of ``weights`` [R, J, B]."""
    phi, present = _mean_features(p, batch, weights)
    between = _mean_over_pairs(_square(phi.unsqueeze(-2) - phi.unsqueeze(-3)), present)
    return torch.where(present.sum(-1) == 1, _square(phi).sum(-1), between)


_MMDS = {mmd: _mmd, mmd_authors: _mmd_authors}


def _square(v: Tensor) -> Tensor:
    return v.square().sum(-1)


def _mean_features(p: Tensor, batch: Batch, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Every group's mean [R, J, S, 2K] of features phi with phi(p) . phi(q) = k(p, q), and which groups have rows.

    The mean is 0 for a group without rows; the second result is bool [R, J, S].
    """
    mask = group_mask(batch.s, batch.num_groups).unsqueeze(1) * weights.unsqueeze(2)  # [R, J, S, B]
    share = (mask / mask.sum(-1, keepdim=True).clamp(min=1)).flatten(1, 2)  # each group's rows sum to 1
    frequencies, amplitudes = _kernel_series(p)
    phi = torch.cat([part * amplitudes for part in _MeanCircle.apply(p, share, frequencies)], dim=-1)
    return phi.unflatten(1, mask.shape[1:3]), (mask > 0).any(-1)


class _MeanCircle(torch.autograd.Function):
    """The means of cos and sin of ``p`` [R, B] times ``frequencies`` [K] by ``share`` [R, J, B], each [R, J, K].

    The gradient is torch's own, which computes every sine and cosine again.  ``torch.func`` does not take it.
    """

    @staticmethod
    def forward(ctx: Any, p: Tensor, share: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = _circle(p, frequencies)
        ctx.save_for_backward(p, share, frequencies, cos, sin)
        return share @ cos, share @ sin

    @staticmethod
    def backward(ctx: Any, dcos: Tensor, dsin: Tensor) -> tuple[Tensor, Tensor | None, None]:
        p, share, frequencies, cos, sin = ctx.saved_tensors
        if torch.is_grad_enabled():  # the caller wants a gradient of the gradient
            cos, sin = _circle(p, frequencies)
        slope = share.mT @ (dsin * frequencies) * cos
        slope = torch.addcmul(slope, share.mT @ (dcos * frequencies), sin, value=-1)
        of_share = dcos @ cos.mT + dsin @ sin.mT if ctx.needs_input_grad[1] else None
        return slope.sum(-1), of_share, None


def _circle(p: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    angle = p.unsqueeze(-1) * frequencies  # [R, B, K]
    return angle.cos(), angle.sin()


def _kernel_series(p: Tensor) -> tuple[Tensor, Tensor]:
    """``omega`` and a, both [K]: k(p, q) = sum_k a_k^2 (cos omega_k p cos omega_k q + sin omega_k p sin omega_k q).

    The kernel exp(-(d/l)^2), repeated with period P, is a cosine series: omega_k = 2 pi k / P, k = 0, 1, ..., and
    a_k^2 = (2 - [k = 0]) sqrt(pi) l/P exp(-(pi l k/P)^2).  For |d| <= 1 the next period adds at most
    exp(-((P - 1)/l)^2), and K terms leave out about exp(-(pi l K/P)^2).  The two errors are equal if
    P (P - 1) = pi l^2 K: 5e-9 for K = 20, 2e-17 for K = 32.
    """
    K = 20 if p.dtype == torch.float32 else 32  # a multiple of 4: else rounding depends on memory layout
    period = (1 + math.sqrt(1 + 4 * math.pi * KERNEL_WIDTH**2 * K)) / 2
    k = torch.arange(K, dtype=p.dtype, device=p.device)
    area = math.sqrt(math.pi) * KERNEL_WIDTH / period
    squares = torch.exp(-(math.pi * KERNEL_WIDTH / period * k).square()) * (1 + (k > 0)) * area
    return 2 * math.pi / period * k, squares.sqrt()


def _fairbinn_of_group(p: Tensor, batch: Batch, group: int) -> Tensor:
    gaps, _ = _gaps(torch.sigmoid(p), batch)
    return gaps[:, group : group + 1].square().sum(-1) / 2  # 0 where there is no such group


def _gaps(p: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """E[p | s] - E[p], and which groups have a row of positive weight, both [R, S]; the gap of the others is 0."""
    rates, rows = group_rates(p, batch.s, batch.num_groups, batch.w)
    overall = group_mean(p, torch.zeros_like(batch.s), 1, batch.w)  # [R, 1]
    present = rows > 0
    return torch.where(present, rates - overall, 0.0), present


@torch.no_grad()
def _sides(rates: Tensor, present: Tensor) -> Tensor:
    """The slope of max - min over the groups that are ``present`` at their ``rates``, both [R, S], [R, S].

    It is 1 for the highest group, -1 for the lowest and 0 for the others; groups with equal rates share it.
    """
    high, low = rates.masked_fill(~present, -torch.inf), rates.masked_fill(~present, torch.inf)
    top, bottom = ((v == end).to(rates) for v, end in ((high, high.amax(-1, True)), (low, low.amin(-1, True))))
    return top / top.sum(-1, keepdim=True) - bottom / bottom.sum(-1, keepdim=True)


def _mean_over_pairs(distance: Tensor, present: Tensor) -> Tensor:
    """Mean of ``distance`` [..., S, S] over the pairs of groups that are ``present`` [..., S]; 0 without a pair."""
    pairs = (present.unsqueeze(-1) & present.unsqueeze(-2)).triu(1)  # [..., S, S]
    return (distance * pairs).sum((-2, -1)) / pairs.sum((-2, -1)).clamp(min=1)


def _present(batch: Batch) -> Tensor:
    """Which groups have a row of positive weight, bool [R, S]."""
    return (group_mask(batch.s, batch.num_groups) & (batch.w > 0).unsqueeze(1)).any(-1)
