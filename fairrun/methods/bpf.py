"""BPF, Blind Pareto Fairness (Martinez et al., ICML 2021).  https://github.com/natalialmg/BlindParetoFairness

min over theta  max over w of  mean_i (w_i / alpha) l_i(theta),   w_i in [eps, 1] with mean alpha, i all training rows

This minimises the loss of the worst group among all groups with a share of at least alpha.  The least weight eps is > 0
so that theta is Pareto optimal between that group and the other rows.

    1  w_i <- alpha
    2  theta <- theta - lr grad mean_i (w_i / alpha) l_i                for one epoch
    3  w <- the point nearest to w + eta l(theta) with w_i in [eps, 1] and mean alpha; back to 2

The method uses no group labels.
Letters: our ``alpha`` is the paper's rho; eps is 0.01, as in the authors' experiments; ``eta`` is the regulator's step.
Differs from the paper: there the game has hundreds of rounds, and the best model on validation rows is kept.  Here a
round is an epoch, and ``selection`` chooses the epoch.
Differs from the authors' code: there line 3 starts at eta = 5 in each round and repeats its step until the weighted
loss has grown or the weights have changed by 5 %; eta falls where a step helps too little or too much.  Here line 3 is
one step of a fixed size, so eta = 5 would be far too large.  The projection is exact here, by bisection there.  Their
learner (one hidden layer of 512, Adam with lr 1e-5) is not ours.
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
    """min over theta of the loss of the worst group of share alpha, with a small weight on all other rows."""

    alpha: Annotated[PerRun, In(f"[{EPS}, 1]")] = 0.5  # smallest share of a group, and mean of the weights; 1 is ERM
    eta: Annotated[PerRun, In("[0, inf)")] = 0.2  # step size of the weights; 0 is ERM
    multiclass = True

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Equal weights."""
        return State(theta, self.optimizer.init(theta), self.alpha.expand_as(train.y))  # 1

    @torch.no_grad()
    def start_epoch(self, model: Model, state: State, train: Batch) -> tuple[State, None]:
        """The regulator's step; none before the first epoch."""
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
    """The point [R, N] nearest to ``v`` [R, N] whose entries are in [EPS, 1] with mean ``alpha`` [R, 1].

    It is v - tau, clamped to [EPS, 1], for some tau [R, 1].  As tau grows, an entry is 1 until tau = v - 1, then falls,
    and is EPS from tau = v - EPS on.  So the sum of the entries is linear in tau between these 2N points.
    """
    exact, one = v.double(), torch.ones_like(v, dtype=torch.float64)
    points, order = torch.cat([exact - 1, exact - EPS], dim=-1).sort(dim=-1)
    falling = torch.cat([one, -one], dim=-1).gather(-1, order).cumsum(-1)  # number of falling entries after each point
    drops = (falling[:, :-1] * points.diff(dim=-1)).cumsum(-1)
    target = (1 - alpha.double()) * v.shape[-1]  # N minus the wanted sum
    j = torch.searchsorted(drops, target).clamp(max=drops.shape[-1] - 1)  # the first interval that reaches it
    before = torch.where(j > 0, drops.gather(-1, (j - 1).clamp(min=0)), 0.0)
    tau = points.gather(-1, j) + (target - before) / falling.gather(-1, j).clamp(min=1)
    return (exact - tau).clamp(EPS, 1).to(v)
