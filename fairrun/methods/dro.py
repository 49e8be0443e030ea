"""DRO, distributionally robust optimisation, on each batch (Levy et al., NeurIPS 2020).
https://arxiv.org/abs/2010.05893

minimise over theta  max over q of  sum_i q_i l_i(theta),   q >= 0 on the m rows of a batch, with sum 1, and

    cvar   q_i <= 1 / (alpha m)                              the mean of the alpha m largest losses
    chi2   1/(2m) sum_i (m q_i - 1)^2 <= rho                 rho = (1/alpha - 1)^2 / 2

    1  q <- the maximiser, exactly
    2  theta <- theta - lr sum_i q_i grad l_i

If alpha m is not whole, the last loss of cvar counts in part.  The method uses no group labels.  ``DivergenceDRO`` is
this method.  ``DRO`` is the average top-k loss (Fan et al., NeurIPS 2017): q_i = 1/k for the k = floor(fraction m)
largest losses.  It equals CVaR where fraction m is a whole number.
Line 1 of chi2: q_i is proportional to max(0, l_i - eta).  Let k losses be above eta, mu and v their mean and variance,
and C^2 = 1 + 2 rho.  Then eta = mu - sqrt(v / (k C^2 / m - 1)), and k is the number for which exactly the k largest
losses are above this eta.  Equal losses get equal weights.  If n rows share the largest loss and n C^2 >= m, they have
all the weight; so a single row has all the weight where m <= C^2.
Letters: alpha = 1 is ERM.  rho as a function of alpha is the radius of Hashimoto et al. (ICML 2018,
https://arxiv.org/abs/1806.08010; from memory, their divergence has no factor 1/2).  The set of cvar contains every
group with a share of at least alpha of a batch.  So does the set of chi2 for alpha <= 1/2 (the divergence of such a
group is (1/alpha - 1) / 2).  So no such group has a larger loss than the minimised loss.
Differs from the paper: none.  As there, the worst rows of a batch stand for the worst rows of the data, which is
biased.  The paper's penalised forms and multilevel estimator are not implemented.
Differs from the authors' code: there bisection finds the chi2 maximiser to a tolerance.  Equal losses at the cut of
cvar get equal weights here; there the rows that the sort puts first get the weight.  ``variant: zeng`` of ``DRO`` is
the baseline "DRO" in the code of Zeng et al. (NeurIPS 2024), which sums the losses.  Here a row weighs 1/sqrt(B); this
equals their sum if their lr is our lr / sqrt(B) and their weight decay is our weight decay sqrt(B).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from fairrun.method import Batch, In, Method, Model, PerRun, State, Theta, descend, whole_rows, worst_fraction


@dataclass(frozen=True)
class DRO(Method):
    """min over theta of the mean of the largest losses."""

    fraction: Annotated[PerRun, In("(0, 1]")] = 0.4  # share of rows with the largest losses; 1 is ERM; Zeng et al.: 0.4
    variant: Literal["mean", "zeng"] = "mean"  # mean of these losses; zeng: their sum, scaled
    multiclass = True

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the largest losses of the batch."""

        def tail_risk(theta: Theta) -> Tensor:
            losses = model.losses(theta, batch)  # [R, B]
            u = worst_fraction(losses.detach(), self.fraction, batch.w)  # 1
            if self.variant == "zeng":
                u = (u > 0) / batch.w.sum(-1, keepdim=True).sqrt()
            return (u * losses).sum(-1)

        theta, opt, loss = descend(tail_risk, state.theta, state.opt, self.optimizer)  # 2
        return State(theta, opt), {"loss": loss}


@dataclass(frozen=True)
class DivergenceDRO(Method):
    """min over theta of the largest weighted loss, over all row weights near equal weights."""

    alpha: Annotated[PerRun, In("(0, 1]")] = 0.5  # smallest share of rows that a group may have; 1 is ERM
    divergence: Literal["cvar", "chi2"] = "cvar"  # the bound on the weights
    multiclass = True

    @property
    def smallest_batch(self) -> tuple[int, str]:
        """cvar: a share ``alpha`` of the batch is at least one row.  chi2: more than C^2 rows share the weight."""
        square = 1 + (1 / self.alpha - 1) ** 2
        least = 1 / self.alpha if self.divergence == "cvar" or self.alpha == 1 else square + 1
        return whole_rows(least), f"alpha={self.alpha:.6g}"

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the worst weights of the batch's rows."""
        weights = cvar_weights if self.divergence == "cvar" else chi2_weights

        def worst_risk(theta: Theta) -> Tensor:
            losses = model.losses(theta, batch)  # [R, B]
            q = weights(losses.detach(), self.alpha, batch.w)  # 1
            return (q * losses).sum(-1)

        theta, opt, loss = descend(worst_risk, state.theta, state.opt, self.optimizer)  # 2
        return State(theta, opt), {"loss": loss}


def cvar_weights(losses: Tensor, alpha: PerRun, w: Tensor) -> Tensor:
    """The weights q [R, B] of cvar for ``losses`` [R, B] and ``alpha`` [R, 1]; ``w`` [R, B]: 1 for rows, 0 for padding.

    Where alpha m < 1, only the largest loss gets weight.
    """
    losses = losses.masked_fill(w == 0, -torch.inf)
    num_rows = w.sum(-1, keepdim=True)
    number = (alpha * num_rows).clamp(max=num_rows)  # of rows at the bound; may be fractional
    last = number.ceil().long().clamp(min=1) - 1
    cut = losses.sort(dim=-1, descending=True).values.gather(-1, last)
    above, tied = ((losses > cut).to(w), (losses == cut).to(w))
    rest = (number - above.sum(-1, keepdim=True)) / tied.sum(-1, keepdim=True)
    return (above + rest * tied) / number


def chi2_weights(losses: Tensor, alpha: PerRun, w: Tensor) -> Tensor:
    """The weights q [R, B] of chi2, with the arguments of ``cvar_weights``."""
    real, m = w > 0, w.double().sum(-1, keepdim=True)
    square = 1 + (1 / alpha.double() - 1).square()  # C^2
    largest = losses.masked_fill(~real, -torch.inf).amax(-1, keepdim=True)
    below = torch.where(real, losses - largest, 0.0).double()
    spread = -below.amin(-1, keepdim=True)
    v = below / torch.where(spread > 0, spread, 1.0)  # scaled to [-1, 0]; scaling and shifting losses leaves q the same
    top = v.masked_fill(~real, -2.0).sort(dim=-1, descending=True).values
    k = torch.arange(1, v.shape[-1] + 1, dtype=v.dtype, device=v.device)
    sums, squares = top.cumsum(-1), top.square().cumsum(-1)
    # sum q^2 for eta at each loss; it rises with eta, and the wanted eta makes it C^2 / m.  At the largest loss: 0 / 0
    concentration = (squares - 2 * top * sums + k * top.square()) / (sums - k * top).square()
    inside = (top == 0) | ((concentration > square / m) & (k <= m))
    active = (v >= top.gather(-1, inside.sum(-1, keepdim=True).clamp(min=1) - 1)) & real
    number = active.sum(-1, keepdim=True)
    centred = torch.where(active, v - (v * active).sum(-1, keepdim=True) / number, 0.0)
    variance = centred.square().sum(-1, keepdim=True) / number
    excess = (number * square / m - 1).clamp(min=0)
    slope = (excess / torch.where(variance > 0, variance, torch.inf)).sqrt()
    return (active * (1 + slope * centred).clamp(min=0) / number).to(w)
