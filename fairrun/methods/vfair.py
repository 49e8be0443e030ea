"""VFair (Wang et al., "Towards Harmless Rawlsian Fairness Regardless of Demographic Prior", NeurIPS 2024).
https://openreview.net/forum?id=7U5MwUS3Rw

Minimise the variance of the loss among the minimisers of the mean loss.  So all rows get similar losses, and the mean
loss does not rise.

    1  mu <- the running mean of the loss;   sigma <- sqrt(mean_i (l_i - mu)^2)                 over a batch
    2  g <- grad mean_i l_i;   f <- grad sigma = mean_i ((l_i - mu) / sigma) grad l_i
    3  lam <- max(epsilon - <f, g> / <g, g>,  (mu - min_i l_i) / sigma,  0)
    4  theta <- theta - lr (f + lam g)

The first bound in 3 makes <f + lam g, g> >= epsilon |g|^2, so that the mean loss falls.  The second bound makes all
weights in f + lam g = mean_i ((l_i - mu) / sigma + lam) grad l_i at least 0, so that no step raises a row's loss in
order to lower the variance.

The method uses no group labels.
Letters: theirs, except mu and sigma.  ``decay`` is the share of mu that stays from step to step.  Line 2 treats mu as a
constant.  With a large epsilon the steps are those of ERM, except for their length.
Differs from the paper: we know its abstract and its code, not its text.
Differs from the authors' code (wxqpxw/VFair): here mu is a running mean that starts at the mean of the first batch.
There mu is, for tables, the mean over all training rows, computed again at every step, and for images a running mean
that starts at 0 (decay 0.999).  Their code as we found it does not run for labels; the formulas above are from it.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor

from fairrun.method import (
    Batch,
    In,
    Method,
    Model,
    PerRun,
    Theta,
    backward,
    flatten,
    mean,
    move,
    scaled,
    tracked,
    unflatten,
)

TINY = torch.finfo(torch.float32).tiny


class State(NamedTuple):
    """Parameters, optimizer, the running mean mu, and the number of batches that it weighs, both [R, 1]."""

    theta: Theta
    opt: Any
    mu: Tensor
    n: Tensor


@dataclass(frozen=True)
class VFair(Method):
    """min over theta of the variance of the loss, among the minima of its mean."""

    epsilon: Annotated[PerRun, In("[0, inf)")] = 1.0  # a step lowers the mean loss >= epsilon times as fast as ERM
    decay: Annotated[PerRun, In("[0, 1)")] = 0.99  # of the running mean; authors' code, images: 0.999
    multiclass = True

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Start without a running mean."""
        zero = torch.zeros_like(train.w[:, :1])
        return State(theta, self.optimizer.init(theta), zero, zero)

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step that lowers the mean loss and, as far as possible then, the deviation of the loss."""
        leaves = tracked(state.theta)
        losses = model.losses(leaves, batch)
        l = losses.detach()
        loss = mean(l, batch.w)
        n = 1 + self.decay * state.n
        mu = torch.lerp(state.mu, loss.unsqueeze(-1), 1 / n)
        sigma = mean((l - mu).square(), batch.w).sqrt().unsqueeze(-1)  # 1
        share = batch.w / batch.w.sum(-1, keepdim=True)
        f = flatten(backward(share * scaled(l - mu, sigma) * losses, leaves, keep=True))  # 2
        g = flatten(backward(share * losses, leaves))
        aligned = (f * g).sum(-1, keepdim=True) / g.square().sum(-1, keepdim=True).clamp(min=TINY)
        least = l.masked_fill(batch.w == 0, torch.inf).amin(-1, keepdim=True)
        lam = torch.maximum(self.epsilon - aligned, scaled(mu - least, sigma)).clamp(min=0)  # 3
        direction = unflatten(f + lam * g, state.theta)
        theta, opt = move(state.theta, direction, state.opt, self.optimizer)  # 4
        return State(theta, opt, mu, n), {"loss": loss, "loss_deviation": sigma.squeeze(-1), "lam": lam.squeeze(-1)}
