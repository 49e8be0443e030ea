"""Greedy-FMT: in every step a task trains on its loss or its fairness loss, whichever is larger.
This is a baseline of L2T-FMT (Roy and Ntoutsi, "Learning to Teach Fairness-aware Deep Multi-task Learning", ECML-PKDD
2022).  https://arxiv.org/abs/2206.08403

minimise over theta_sh and all theta_t  sum_t omega_t max(L_t, F_t),  F_t = max_g L_t(y=1, g) + max_g L_t(y=0, g)

    1  L_t* <- F_t if F_t > L_t else L_t                                   every t
    2  theta_t <- theta_t - lr omega_t grad L_t*                           head t, every t
    3  theta_sh <- theta_sh - lr sum_t omega_t grad L_t*
    4  G_t <- omega_t |grad L_t*|;  rho_t <- L_t* / L_t*(first step);  rho <- rho / mean rho
    5  omega <- omega - omega_lr d/domega sum_t |G_t - mean(G) rho_t|;  omega <- omega / sum omega

Letters: L_t is the mean cross-entropy of task t over the batch.  L_t(y, g) is the mean over its rows with label y in
group g, or 0 without such rows.  Gradients in 4 are with respect to the shared parameters.  Every omega starts at 1/T
and stays at least 1e-6; a step uses the omega from before it.  Lines 4 and 5 follow GradNorm (Chen et al., ICML 2018).
Where labels are missing, a batch without a label of some task changes no omega.
``fairness`` false_positive_rate: F_t = max_g L_t(y=0, g).  Where label 1 is rare, F_t is seldom the larger loss (on
Adult in 1 of the first epoch's 52 choices, then in none), and the method is MTL.  With equalized_odds F_t >= L_t for
every batch, because L_t is a mean over its cells; then the method always trains on the loss of the worst groups.
Differs from the authors' code: we know only a description of it, and a copy of line 5 in the code of FairBranch.  In
that copy line 5 comes before line 3, and its slope leaves out rho.  They use AdamW with batches of 8192; here both are
configured.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor

from fairrun.method import (
    Batch,
    In,
    Method,
    Model,
    PerRun,
    Reduction,
    Theta,
    backward,
    backward_each,
    factor,
    group_mean,
    move,
    negatives,
    num_labelled,
    ordered,
    positives,
    reduced,
    split,
    task,
    total,
    tracked,
    unflatten,
)

CLASSES = {"equalized_odds": (positives, negatives), "false_positive_rate": (negatives,)}
SMALLEST = 1e-6  # smallest weight of a task


class State(NamedTuple):
    """Parameters, optimizer, task weights (with sum 1), and the losses of tasks in the first step, both [R, T]."""

    theta: Theta
    opt: object
    omega: Tensor
    start: Tensor  # 0 before the first step


@dataclass(frozen=True)
class GreedyFMT(Method):
    """min over shared and head parameters of the larger of each task's loss and fairness loss."""

    fairness: Literal["equalized_odds", "false_positive_rate"] = "false_positive_rate"  # the criterion of F_t
    reduction: Reduction = "mean"  # of the objective over the batch; sum: the mean times the number of rows
    omega_lr: Annotated[PerRun, In("[0, inf)")] = 0.001  # step size of the tasks' weights; 0 keeps them at 1/T
    needs = frozenset({"s", "tasks"})
    allows_missing_labels = True

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Start with equal task weights."""
        empty = torch.zeros_like(train.y[:, 0])  # [R, T]
        return State(theta, self.optimizer.init(theta), empty + 1 / empty.shape[-1], empty)

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step of heads, shared parameters and task weights."""
        leaves, omega = tracked(state.theta), state.omega
        heads, shared = split(leaves, "head.")
        losses = model.losses(leaves, batch)  # [R, B, T]
        accuracy, fairness = reduced(losses, batch, "mean"), self._fairness(losses, batch)  # [R, T]
        chosen = torch.where(fairness > accuracy, fairness, accuracy)  # 1
        scale = omega * factor(batch, self.reduction)
        grads = backward(scale * chosen, heads, keep=True)
        each = backward_each(chosen, shared)  # [R, T, P]
        grads |= unflatten((scale.unsqueeze(-1) * each).sum(1), shared)
        theta, opt = move(state.theta, ordered(grads, leaves), state.opt, self.optimizer)  # 2, 3
        now = chosen.detach()
        start = torch.where(state.start > 0, state.start, now.clamp(min=torch.finfo(now.dtype).tiny))
        new = self._weights(omega, each.square().sum(-1).sqrt(), now / start)
        if batch.known is not None:
            labelled = num_labelled(batch) > 0
            start = torch.where(labelled, start, state.start)  # the task's first step is yet to come
            new = torch.where(labelled.all(-1, keepdim=True), new, omega)
        logs = {"loss": total(losses.detach(), batch, omega)}
        logs |= {"unfairness": fairness.detach().mean(-1), "fairness_first": (fairness > accuracy).to(now).mean(-1)}
        return State(theta, opt, new, start), logs | {f"omega/t={t}": v for t, v in enumerate(omega.unbind(-1))}

    def _fairness(self, losses: Tensor, batch: Batch) -> Tensor:
        """The fairness losses F_t, [R, T]."""
        each = []
        for t in range(losses.shape[-1]):
            rows = [select(task(batch, t)) for select in CLASSES[self.fairness]]
            each.append(torch.stack([_worst_group(losses[..., t], part) for part in rows]).sum(0))
        return torch.stack(each, dim=-1)

    def _weights(self, omega: Tensor, length: Tensor, progress: Tensor) -> Tensor:
        """Lines 4 and 5 from ``omega``, ``length`` |grad L_t*| and ``progress`` L_t* / L_t*(first step), all [R, T]."""
        G = omega * length
        rho = progress / progress.mean(-1, keepdim=True).clamp(min=torch.finfo(progress.dtype).tiny)
        sign = torch.sign(G - G.mean(-1, keepdim=True) * rho)
        slope = length * (sign - (sign * rho).mean(-1, keepdim=True))
        new = (omega - self.omega_lr * slope).clamp(min=SMALLEST)
        return new / new.sum(-1, keepdim=True)


def _worst_group(losses: Tensor, batch: Batch) -> Tensor:
    """The largest group mean [R] of ``losses`` [R, B]; a group without rows has mean 0."""
    return group_mean(losses, batch.s, batch.num_groups, batch.w).amax(-1)
