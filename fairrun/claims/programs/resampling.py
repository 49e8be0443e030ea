"""The variances of two estimates by row weights: drawing rows by their weights, and weighing uniformly drawn rows.

Let w be weights on N rows, w_i >= 0 and sum_i w_i = 1, let g_i be gradients and G = sum_i w_i g_i.  One drawn row gives
an unbiased estimate of G in two ways.  The trace of the covariance of each estimate, E|estimate|^2 - |G|^2, is

    resampling    draw i with probability w_i, take g_i           sum_i w_i |g_i|^2 - |G|^2
    reweighting   draw i with probability 1/N, take N w_i g_i     N sum_i w_i^2 |g_i|^2 - |G|^2
    difference    reweighting minus resampling                    sum_i w_i (N w_i - 1) |g_i|^2

The mean over b rows that are drawn independently has 1/b of each variance.

The difference is >= 0 if v_i = w_i |g_i|^2 has the same order as w_i: (w_i - w_j) (v_i - v_j) >= 0 for all i and j
(Chebyshev's sum inequality).  Gradients of equal length are one case.  The difference can be below 0 if rows of small
weight have long gradients: w = (.9, .1) and |g|^2 = (.01, 10) give -.79.

Li et al. ("Alpha and Prejudice", 2024) state that resampling has the lower variance; we do not know their conditions.
These formulas are ours.  They are for single draws with replacement, without an optimizer.  They are not for batches
that go through all rows in random order, as ``fairrun.training.fit`` makes them for reweighted losses.
"""

from typing import NamedTuple

from torch import Tensor

from fairrun.config.check import require


class Variances(NamedTuple):
    """The variances for one drawn row, each [...], in the dtype of the inputs (float64 is best)."""

    resampling: Tensor  # >= 0 except for rounding
    reweighting: Tensor  # >= 0 except for rounding
    difference: Tensor  # reweighting minus resampling; exact even if both are large and nearly equal


def variances(w: Tensor, g: Tensor) -> Variances:
    """The variances for weights ``w`` [..., N] and gradients ``g`` [..., N, P]; errors as ``variances_of_norms``."""
    G = (w.unsqueeze(-1) * g).sum(-2)
    return variances_of_norms(w, g.square().sum(-1), G.square().sum(-1))


def variances_of_norms(w: Tensor, squares: Tensor, square: Tensor) -> Variances:
    """The variances for weights ``w`` [..., N], ``squares`` |g_i|^2 [..., N] and ``square`` |G|^2 [...].

    The gradients themselves are not needed.  The difference does not need ``square``, which may be NaN.  Raises
    ``InputError`` if a weight is below 0, or if the sum of weights differs from 1 by more than 1e-5.
    """
    total = w.sum(-1)
    require((w >= 0).all() and ((total - 1).abs() <= 1e-5).all(), "w", w, ">= 0, with sum 1")
    resampled, reweighted = w * squares, w.shape[-1] * w.square() * squares
    difference = (resampled * (w.shape[-1] * w - 1)).sum(-1)
    return Variances(resampled.sum(-1) - square, reweighted.sum(-1) - square, difference)
