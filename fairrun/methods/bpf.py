"""BPF, Blind Pareto Fairness (Martinez et al., ICML 2021).  https://github.com/natalialmg/BlindParetoFairness

min over theta  max over w of  mean_i (w_i / alpha) l_i(theta),   w_i in [eps, 1] with mean alpha, i all training rows

so that no group of a share of at least alpha fares worse; eps > 0 because theta should be Pareto optimal between that
group and the others.

    1  w_i <- alpha
    2  theta <- theta - lr grad mean_i (w_i / alpha) l_i                one epoch
    3  w <- the nearest to w + eta l(theta) with w_i in [eps, 1] and mean alpha; back to 2

Sees no group.
Letters: our ``alpha`` is the paper's rho; eps is 0.01, as in the authors' experiments; ``eta`` is the regulator's step.
Differs from the paper: theirs is a game of hundreds of rounds, whose best model on validation rows is kept.  Here a
round is an epoch, and which epoch counts is ``selection``'s business.
Differs from the authors' code: there line 3 starts at eta = 5 each round and repeats steps, with eta lowered where a
step helps too little or too much, until the weighted loss has grown or the weights have changed by 5 %; here it is one
step of a fixed size, so eta = 5 would be far too large.  The projection, there by bisection, is exact.  The learner's
settings (one hidden layer of 512, Adam with lr 1e-5) are not ours.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor

from fairrun.method import Batch, In, Method, Model, PerRun, Theta, descend, mean, parts

EPS = 0.01


class State(NamedTuple):
    """Parameters, optimizer, and the weight of every training row, [R, N]."""

    theta: Theta
    opt: Any
    weights: Tensor


@dataclass(frozen=True)
class BPF(Method):
    """min over theta of the loss of the worst group of a share alpha, the others' kept in sight."""

    alpha: Annotated[PerRun, In(f"[{EPS}, 1]")] = 0.5  # mean of the weights, the least share of a group; 1 is ERM
    eta: Annotated[PerRun, In("[0, inf)")] = 0.2  # step size of the weights; 0 is ERM
    multiclass = True

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Equal weights."""
        return State(theta, self.optimizer.init(theta), self.alpha.expand_as(train.y))  # 1

    @torch.no_grad()
    def start_epoch(self, model: Model, state: State, train: Batch) -> tuple[State, None]:
        """The regulator's step, but before the first epoch."""
        if train.epoch == 0:
            return state, None
        losses = torch.cat([model.losses(state.theta, part) for part in parts(train)], dim=-1)
        moved = state.weights + self.eta * losses[:, : state.weights.shape[1]]
        return state._replace(weights=project(moved, self.alpha)), None  # 3

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """The learner's step on the weighted loss."""
        w = state.weights.gather(-1, batch.i)

        def weighted_risk(theta: Theta) -> Tensor:
            return mean(w / self.alpha * model.losses(theta, batch), batch.w)

        theta, opt, loss = descend(weighted_risk, state.theta, state.opt, self.optimizer)  # 2
        return state._replace(theta=theta, opt=opt), {"loss": loss, "full_weights": mean((w >= 1).to(w), batch.w)}


def project(v: Tensor, alpha: PerRun) -> Tensor:
    """The point nearest to ``v`` [R, N] with numbers in [EPS, 1] and mean ``alpha`` [R, 1] -> [R, N].

    It is v - tau, kept within [EPS, 1], for some tau [R, 1]: as tau grows, a number is 1 up to tau = v - 1, falls, and
    is EPS from tau = v - EPS on.  So the sum is linear between these 2N points.
    """
    exact, one = v.double(), torch.ones_like(v, dtype=torch.float64)
    points, order = torch.cat([exact - 1, exact - EPS], dim=-1).sort(dim=-1)
    falling = torch.cat([one, -one], dim=-1).gather(-1, order).cumsum(-1)  # how many do, from each point on
    drops = (falling[:, :-1] * points.diff(dim=-1)).cumsum(-1)
    target = (1 - alpha.double()) * v.shape[-1]  # by how much the sum is below N
    j = torch.searchsorted(drops, target).clamp(max=drops.shape[-1] - 1)  # the first point after which it is reached
    before = torch.where(j > 0, drops.gather(-1, (j - 1).clamp(min=0)), 0.0)
    tau = points.gather(-1, j) + (target - before) / falling.gather(-1, j).clamp(min=1)
    return (exact - tau).clamp(EPS, 1).to(v)
