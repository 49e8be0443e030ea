"""Weights of K players from the Gram matrix of their gradients: the Nash bargaining solution and other rules.

Player i wants its loss L_i to fall.  g_i is the gradient of L_i, the rows of G [K, P] are the g_i, and M = G G^T is the
Gram matrix.  A rule maps M to weights a.  The step follows -d with d = G^T a, and L_i falls at the rate u_i = g_i . d.

Letters: ``gram`` is M, [R, K, K] for R runs or [K, K] for one (any leading shape).  Inside, in float64: n_i = |g_i|,
C_ij = M_ij / (n_i n_j) the cosines, b_i = a_i n_i.  Weights are [R, K] in the type of ``gram``.
In all rules: a player whose gradient is 0, or whose row and column of M the caller has set to 0, is left out.  Its
weight is 0, and the other weights are as if it did not exist.  Where M is not finite every weight is 0 (then G^T a is
nan without further action).  No gradient flows through the weights.  A run's weights are bit for bit the same in any
batch of runs: sums are over the last axes only, linear algebra is called once for each matrix (see ``_aligned``), and a
run that has converged is frozen.  Iterations end early when every run is frozen, which does not change the result; on a
GPU this check waits for the device once in each iteration.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad, threshold

MAX_STEPS = 100  # limit of Newton steps in both solvers; the most seen is 82 (K = 32, nearly opposed)
NEAR = 1e-5  # a hull of unit gradients this close to 0 counts as one that contains 0
TOLERANCE = 1e-5  # largest residual of a solution, reached only at the edge of NEAR; 1e-13 is usual
SMOOTHING = 1e-4  # smoothing of the norm in CAGrad, in units of the players' root mean square norm


class Status(NamedTuple):
    """How the bargaining of each run ended."""

    solved: Tensor  # bool [R]
    residual: Tensor  # [R] float64: max_i |a_i (M a)_i - 1|, before a is rounded to gram's type; nan without players


@torch.no_grad()
def nash_bargaining(gram: Tensor) -> tuple[Tensor, Status]:
    """The Nash bargaining solution: the a > 0 with M a = 1/a (Navon et al., ICML 2022, Claim 3.1).

    d = G^T a maximises prod_i u_i over the ball |d|^2 <= K; every u_i = 1/a_i > 0.  The solution is unique.  It exists
    where 0 is not in the convex hull of the g_i; linearly dependent gradients are no obstacle.  It is the minimum of
    the self-concordant F(a) = 1/2 a' M a - sum_i log a_i, found by damped Newton steps in the units of b:

        1  A_ij <- b_i C_ij b_j;  r <- 1 - A 1             -r is the gradient of F, per relative change of b
        2  q <- (A + I)^-1 r;  lam <- sqrt(r' q)           Newton's relative step, its decrement
        3  b <- b (1 + t q),  t = 1 if lam < 1/4 else 1 / (1 + lam)          b stays > 0; F converges from anywhere

    The last step is one with lam < 1e-6; after it lam is about 1e-12.  The scale of a gradient cancels in C.

    Returns the weights and their ``Status``.  A run is solved if the residual is at most ``TOLERANCE``.  A run is not
    solved, and all its weights are 0, if no player is left, or if the hull of the g_i/n_i is nearer to 0 than ``NEAR``.
    (NEAR is 4 sqrt(eps) of gram's type if that is more: float32 cannot distinguish 0.0014 from 0.)  d/sum(b) lies in
    the hull and |d| = sqrt(K) at the solution, so the second condition is sum(b) >= sqrt(K)/NEAR.  Two players are so
    near if their cosine is -1 + 2e-10.

    Differs from the authors' solver, a sequence of convex programs that keeps the last weights if one fails: here the
    equation is solved to rounding, and ``Status`` reports a failure.
    """
    C, norm, one = _cosines(_aligned(gram))
    identity = torch.eye(C.shape[-1], dtype=C.dtype, device=C.device)
    limit = one.sum(-1).sqrt() / max(NEAR, 4 * torch.finfo(gram.dtype).eps ** 0.5)
    b = one * C.clamp(min=0).sum(-1).clamp(min=1).rsqrt()
    active = limit > 0
    for _ in range(MAX_STEPS):
        A = b.unsqueeze(-1) * C * b.unsqueeze(-2)
        r = one - A.sum(-1)
        q = torch.cholesky_solve(r.unsqueeze(-1), torch.linalg.cholesky_ex(A + identity).L).squeeze(-1)
        lam = (r * q).sum(-1).sqrt()
        t = 1 / (1 + threshold(lam, 0.25, 0.0))
        b = torch.where(active.unsqueeze(-1), b * (1 + t.unsqueeze(-1) * q), b)
        active = active & (lam > 1e-6) & (b.sum(-1) < limit)
        if not active.any():
            break
    A = b.unsqueeze(-1) * C * b.unsqueeze(-2)
    residual = torch.where(limit > 0, (one - A.sum(-1)).abs().amax(-1), torch.nan)
    solved = (residual <= TOLERANCE) & (b.sum(-1) < limit)
    alpha = torch.where(solved.unsqueeze(-1), b / norm, 0.0)[..., : gram.shape[-1]]
    return alpha.to(gram.dtype), Status(solved, residual)


@torch.no_grad()
def uniform(gram: Tensor) -> Tensor:
    """Weights 1/K: d is the gradient of the mean loss of the players that are not left out."""
    _, _, one = _cosines(gram)
    return (one / one.sum(-1, keepdim=True).clamp(min=1)).to(gram.dtype)


@torch.no_grad()
def mgda(gram: Tensor) -> Tensor:
    """The point of least norm in the convex hull of the gradients (Desideri, 2012; Sener and Koltun, NeurIPS 2018).

    min_w |G^T w|^2 over w >= 0, sum w = 1.  u_i >= |d|^2 for every i; d = 0 where the players cannot all gain.
    Differs from Sener and Koltun, who use the Frank-Wolfe algorithm: an interior point method makes |d - d*| at most
    1e-6 of the smallest n_i.  If gradients are linearly dependent w may not be unique, but d is.
    """
    C, norm, one = _cosines(_aligned(gram))
    smallest = torch.where(one > 0, norm, torch.inf).amin(-1, keepdim=True)
    a = one * smallest / norm  # v_i = w_i n_i / smallest: minimise v' C v where a' v = 1
    C = C + torch.diag_embed(1 - one)
    v = _interior(lambda v: ((C * v.unsqueeze(-2)).sum(-1), C), torch.ones_like(a), a)
    w = torch.where(one > 0, v * a, 0.0)
    return (w / w.sum(-1, keepdim=True).clamp(min=0.5))[..., : gram.shape[-1]].to(gram.dtype)


@torch.no_grad()
def pcgrad(gram: Tensor) -> Tensor:
    """Gradient surgery (Yu et al., NeurIPS 2020, Algorithm 1): d = sum_i p_i, where p_i is g_i without its conflicts.

    p_i <- g_i;  for every j != i:  p_i <- p_i - min(p_i . g_j, 0) / |g_j|^2 g_j.
    Row i of W holds p_i as weights of the players.  So all i are computed together, and p_i . g_j = (W M)_ij.
    Differs from the paper: there every i goes through the j in random order, here through i+1, i+2, .. K, 1, .. i-1.
    """
    C, norm, one = _cosines(gram)
    K = C.shape[-1]
    W = torch.diag_embed(one * norm)  # weights of the unit gradients
    i = torch.arange(K, device=C.device)
    for step in range(1, K):
        j = (i + step) % K
        conflict = (W * C[..., j, :]).sum(-1).clamp(max=0)  # [R, K] min(p_i . g_j, 0) / n_j
        W[..., i, j] -= conflict
    return (W.sum(-2) / norm).to(gram.dtype)


@torch.no_grad()
def cagrad(gram: Tensor, c: float | Tensor) -> Tensor:
    """Conflict-averse descent (Liu et al., NeurIPS 2021, Algorithm 1): the best worst gain near the mean gradient g_0.

    max_d min_i g_i . d  where |d - g_0| <= c |g_0|.  Its dual is  min_w g_w . g_0 + c |g_0| |g_w|  over w >= 0,
    sum w = 1, with g_w = G^T w, and  d = g_0 + c |g_0| g_w / |g_w|.  ``c`` in [0, 1), a float or [R, 1]; the
    authors' toy has 0.5.  c = 0 is ``uniform``.  An interior point method solves it in w and tau, the paper's lambda,
    with |g_w| = min_tau (|g_w|^2 / tau + tau) / 2.
    Differs from the paper: |g_w| is smoothed to sqrt(|g_w|^2 + (1e-4 n)^2), where n^2 is the mean of the n_i^2.  So
    |d - g_0| may be less than c |g_0| where g_w is near 0.  The authors' code has 1e-8 under the root, at any scale.
    """
    C, norm, one = _cosines(_aligned(gram, beside=1))
    count = one.sum(-1, keepdim=True).clamp(min=1)
    unit = ((one * norm).square().sum(-1, keepdim=True) / count).sqrt()
    size = one * norm / torch.where(unit > 0, unit, 1.0)
    M = size.unsqueeze(-1) * C * size.unsqueeze(-2)
    mean = one / count
    along = (M * mean.unsqueeze(-2)).sum(-1)  # [R, K] g_i . g_0
    length = (mean * along).sum(-1, keepdim=True).clamp(min=0).sqrt()  # |g_0|
    along = along / torch.where(length > 0, length, 1.0)
    c = torch.as_tensor(c, dtype=M.dtype, device=M.device)
    absent = torch.diag_embed(1 - one)

    def model(x: Tensor) -> tuple[Tensor, Tensor]:
        w, tau = x[..., :-1], x[..., -1:]
        Mw = (M * w.unsqueeze(-2)).sum(-1)
        square = (w * Mw).sum(-1, keepdim=True) + SMOOTHING**2
        gradient = torch.cat([along + c * Mw / tau, c * (1 - square / tau.square()) / 2], -1)
        side = (-c * Mw / tau.square()).unsqueeze(-1)
        corner = (c * square / tau**3).unsqueeze(-1)
        top = torch.cat([(c / tau).unsqueeze(-1) * M + absent, side], -1)
        return gradient, torch.cat([top, torch.cat([side.mT, corner], -1)], -2)

    a = torch.cat([one, torch.zeros_like(count)], -1)
    x = _interior(model, torch.cat([mean + 1 - one, torch.ones_like(count)], -1), a)
    w = torch.where(one > 0, x[..., :-1], 0.0)
    w = w / w.sum(-1, keepdim=True).clamp(min=0.5)
    norm_w = ((w.unsqueeze(-1) * M * w.unsqueeze(-2)).sum((-2, -1)).unsqueeze(-1) + SMOOTHING**2).sqrt()
    return (mean + c * length / norm_w * w)[..., : gram.shape[-1]].to(gram.dtype)


def _cosines(gram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """C [R, K, K], n [R, K], and 1.0 for players that count, else 0.0, [R, K]; for the others C is 0 and n is 1."""
    M = gram.detach().double()
    squares = M.diagonal(dim1=-2, dim2=-1)
    counts = (squares > 0) & M.isfinite().all(-1).all(-1, keepdim=True)
    norm = torch.where(counts, squares.sqrt(), 1.0)
    both = counts.unsqueeze(-1) & counts.unsqueeze(-2)
    return torch.where(both, M / norm.unsqueeze(-1) / norm.unsqueeze(-2), 0.0), norm, counts.double()


def _aligned(gram: Tensor, beside: int = 0) -> Tensor:
    """Add players without a gradient, so that K + ``beside`` is a multiple of 4.

    Then every matrix and vector of a stack starts at a multiple of 32 bytes.  LAPACK's rounding depends on this
    alignment; without the added players it would depend on the place in the stack.
    """
    missing = -(gram.shape[-1] + beside) % 4
    return pad(gram, (0, missing, 0, missing))


def _interior(model: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor, a: Tensor) -> Tensor:
    """The x >= 0 with a' x = 1 that minimises a convex function, from a start x > 0, all [R, n].

    ``model(x)`` returns the gradient [R, n] and the Hessian H [R, n, n].  Newton's method solves  gradient - nu a = z,
    x_i z_i = mu, a' x = 1  with z > 0.  mu is a tenth of the mean of x_i z_i; the steps end when this mean is below
    1e-14.
    """
    z = torch.ones_like(x)
    active = torch.ones(x.shape[:-1], dtype=torch.bool, device=x.device)
    for _ in range(MAX_STEPS):
        gradient, H = model(x)
        mu = (x * z).mean(-1, keepdim=True) / 10
        S = x.unsqueeze(-1) * H * x.unsqueeze(-2)
        ridge = 1e-15 * S.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)  # in case rounding has made S indefinite
        S = S + torch.diag_embed(x * z + ridge)
        sides = torch.stack([mu - x * gradient, x * a], -1)
        free, bound = torch.cholesky_solve(sides, torch.linalg.cholesky_ex(S).L).unbind(-1)
        missing = 1 - (a * x * (1 + free)).sum(-1, keepdim=True)
        q = free + missing / (a * x * bound).sum(-1, keepdim=True) * bound  # relative change of x
        p = mu / (x * z) - q - 1  # and of z
        t = 1 / torch.maximum(-q, -p).amax(-1, keepdim=True).div(0.95).clamp(min=1)
        x, z = (torch.where(active.unsqueeze(-1), v * (1 + t * change), v) for v, change in ((x, q), (z, p)))
        active = active & ((x * z).mean(-1) > 1e-14)
        if not active.any():
            break
    return x
