"""The Stackelberg game that FairBiNN (Yazdani-Jahromi et al., NeurIPS 2024, section 3.2) describes.
https://arxiv.org/abs/2410.16432

The accuracy player (the leader) updates theta_a, all layers except the fairness layers.  It knows how the fairness
player (the follower) will answer with theta_f, the fairness layers.

min over theta_a of  L(theta_a, theta_f*(theta_a))   with   theta_f*(theta_a) = argmin over theta_f of
phi(theta_a, theta_f) = (eta F + proximal/2 |theta_f - theta_f^0|^2) / (eta + proximal)

    1  theta_f(theta_a) <- theta_f, then follower_steps times  theta_f <- theta_f - follower_lr grad_f phi
    2  theta_a <- theta_a - lr dL(theta_a, theta_f(theta_a)) / dtheta_a

The total derivative of line 2 is grad_a L plus a part that goes through the answer:

    unrolled   (Maclaurin et al., ICML 2015)  the steps of line 1 are differentiated
    implicit   (Pedregosa, ICML 2016)         - (d^2 phi / dtheta_a dtheta_f) v,  (d^2 phi / dtheta_f^2) v = grad_f L,
               v by conjugate gradient; a run stops at a direction along which phi does not curve upwards

Letters: L is the mean loss.  F is a fairness loss of the batch's scores; it is smooth, because a gap has no derivative
at parity.  theta_f^0 is the initial theta_f.  Without the proximal term the follower's best answer would be a constant
output, whatever the leader does.  Dividing by eta + proximal does not change the answer, and lets one follower_lr serve
all eta.
Differs from the paper: in all of this.  Its prose speaks of unrolling; its Algorithm 1 is ``fairbinn.py``.  Where
theta_f has not converged both derivatives are approximate; the implicit one treats theta_f as the answer.
Differs from the authors' code: ``fairbinn_authors.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor

from fairrun.method import (
    Batch,
    FairnessLoss,
    In,
    Method,
    Model,
    PerRun,
    Theta,
    descend,
    flatten,
    loss_named,
    mean,
    split,
    unflatten,
)


class State(NamedTuple):
    """Parameters, the leader's optimizer, and the initial parameters of the fairness layers, [R, P_f]."""

    theta: Theta
    opt: Any
    start: Tensor


@dataclass(frozen=True)
class Stackelberg(Method):
    """A leader for accuracy that foresees the answer of a follower for fairness."""

    eta: Annotated[PerRun, In("[0, inf)")] = 100.0  # weight of the fairness loss
    proximal: Annotated[PerRun, In("(0, inf)")] = 1.0  # weight of the distance of theta_f from its start
    follower_lr: Annotated[PerRun, In("(0, inf)")] = 0.5  # step size of the follower
    follower_steps: Annotated[int, In("[1, inf)")] = 3
    fairness_loss: FairnessLoss = "demographic_parity_mean_square"
    # how the leader foresees the answer; none, for comparison: it treats theta_f as fixed
    derivative: Literal["unrolled", "implicit", "none"] = "unrolled"
    cg_steps: Annotated[int, In("[1, inf)")] = 5  # of conjugate gradient, for derivative=implicit
    needs = frozenset({"s", "fairness"})
    second_derivatives = True

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The initial state of the leader's optimizer, and the drawn fairness layers as theta_f^0."""
        theta_f, theta_a = split(theta, "fairness")
        return State(theta, self.optimizer.init(theta_a), flatten(theta_f))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """The follower's answer, and a step of the leader that foresees it."""
        theta_f, theta_a = split(state.theta, "fairness")
        share = (self.eta / (self.eta + self.proximal))[:, 0]  # [R]

        def risks(theta_a: Theta, f: Tensor) -> tuple[Tensor, Tensor]:
            losses, p = model.losses_and_scores({**theta_a, **unflatten(f, theta_f)}, batch)  # [R, B]
            return mean(losses, batch.w), loss_named(self.fairness_loss)(p, batch)  # L and F, [R]

        def slope(theta_a: Theta, f: Tensor, *, differentiable: bool) -> Tensor:
            """grad_f phi, [R, P_f]."""
            unfairness = risks(theta_a, f)[1]
            (g,) = torch.autograd.grad(unfairness.sum(), f, create_graph=differentiable)
            return share.unsqueeze(-1) * g + (1 - share).unsqueeze(-1) * (f - state.start)

        def foreseen(theta_a: Theta) -> tuple[Tensor, ...]:
            f, unrolled = flatten(theta_f).requires_grad_(), self.derivative == "unrolled"
            for _ in range(self.follower_steps):  # 1
                f = f - self.follower_lr * slope(theta_a, f, differentiable=unrolled)
                f = f if unrolled else f.detach().requires_grad_()
            loss, unfairness = risks(theta_a, f)
            total = loss
            if self.derivative == "implicit":
                total = loss - _answered(loss, slope(theta_a, f, differentiable=True), f, self.cg_steps)
            return total, loss, unfairness, f

        theta_a, opt, (_, loss, unfairness, f) = descend(foreseen, theta_a, state.opt, self.optimizer)  # 2
        theta_f = unflatten(f, theta_f)
        return State({**state.theta, **theta_a, **theta_f}, opt, state.start), {"loss": loss, "unfairness": unfairness}


def _answered(loss: Tensor, slope: Tensor, f: Tensor, steps: int) -> Tensor:
    """<grad_f phi, v> [R] with fixed v; its gradient by theta_a is (d^2 phi / dtheta_a dtheta_f) v."""
    (g,) = torch.autograd.grad(loss.sum(), f, retain_graph=True)  # grad_f L

    def curvature(v: Tensor) -> Tensor:
        return torch.autograd.grad(slope, f, v, retain_graph=True)[0]  # (d^2 phi / dtheta_f^2) v

    return (slope * conjugate_gradient(curvature, g, steps)).sum(-1)


@torch.no_grad()
def conjugate_gradient(product: Callable[[Tensor], Tensor], b: Tensor, steps: int) -> Tensor:
    """Solve ``product(x)`` = ``b`` [R, P] for x, with a symmetric matrix for each run (Hestenes and Stiefel, 1952).

    A run stops at a direction that does not curve upwards (Steihaug, 1983), or when it has reached the solution.
    """
    x, r, p = torch.zeros_like(b), b, b
    rr = (r * r).sum(-1, keepdim=True)
    going = rr > 0  # [R, 1]
    for _ in range(steps):
        ap = product(p)
        curvature = (p * ap).sum(-1, keepdim=True)
        going = going & (curvature > 0)
        step = torch.where(going, rr / torch.where(going, curvature, 1.0), 0.0)
        x, r = x + step * p, r - step * ap
        before, rr = rr, (r * r).sum(-1, keepdim=True)
        p = r + rr / torch.where(before > 0, before, 1.0) * p
    return x
