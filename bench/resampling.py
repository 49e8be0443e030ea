"""What row weights cost in variance: drawing rows by their weights against weighing rows drawn alike.

With weights w on N rows, w_i >= 0 and sum_i w_i = 1, gradients g_i and G = sum_i w_i g_i, one row drawn gives G without
bias in two ways.  The trace of the covariance of each (Var), which is E|estimate|^2 - |G|^2:

    resampling    draw i with probability w_i, take g_i           sum_i w_i |g_i|^2 - |G|^2
    reweighting   draw i with probability 1/N, take N w_i g_i     N sum_i w_i^2 |g_i|^2 - |G|^2
    difference    reweighting minus resampling                    sum_i w_i (N w_i - 1) |g_i|^2

The mean of b rows, each drawn so independently of the others, has 1/b of each.

The difference is >= 0 where v_i = w_i |g_i|^2 is ordered as w_i is, (w_i - w_j) (v_i - v_j) >= 0 for all i and j
(Chebyshev's sum inequality; gradients of equal length are one case).  It is not so for all weights: where rows of
little weight have long gradients it can be below 0, as with w = (.9, .1) and |g|^2 = (.01, 10), which give -.79.

Li et al. ("Alpha and Prejudice", 2024) state that resampling has the lower variance; we do not know their conditions.
These are our formulas, of single draws with replacement: not of batches that go through all rows in random order, as
``fairrun.training.fit`` makes them for reweighted losses, and of no optimizer.
"""

from typing import NamedTuple

from torch import Tensor

from fairrun.config.check import require


class Variances(NamedTuple):
    """Of one row drawn, each [...]; in the dtype of what they are made of, best float64."""

    resampling: Tensor  # >= 0 but for rounding
    reweighting: Tensor  # likewise
    difference: Tensor  # the second minus the first, of either sign; exact where they are large and nearly equal


def variances(w: Tensor, g: Tensor) -> Variances:
    """Of weights ``w`` [..., N] and gradients ``g`` [..., N, P].  ``InputError`` as of ``variances_of_norms``."""
    G = (w.unsqueeze(-1) * g).sum(-2)
    return variances_of_norms(w, g.square().sum(-1), G.square().sum(-1))


def variances_of_norms(w: Tensor, squares: Tensor, square: Tensor) -> Variances:
    """Of weights ``w`` [..., N], ``squares`` |g_i|^2 [..., N] and ``square`` |G|^2 [...]: no gradient of a row is kept.

    The difference needs no ``square``, which may be NaN.  ``InputError`` for weights below 0, and for those that do not
    sum to 1, to within 1e-5.
    """
    total = w.sum(-1)
    require((w >= 0).all() and ((total - 1).abs() <= 1e-5).all(), "w", w, ">= 0, with sum 1")
    resampled, reweighted = w * squares, w.shape[-1] * w.square() * squares
    difference = (resampled * (w.shape[-1] * w - 1)).sum(-1)
    return Variances(resampled.sum(-1) - square, reweighted.sum(-1) - square, difference)
