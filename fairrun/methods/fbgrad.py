"""FBGrad: a fairness loss for each task, left out or turned where its gradient conflicts with another gradient.
This is the correction of gradients of FairBranch (Roy, Koutlis, Papadopoulos and Ntoutsi, IJCNN 2024), without its
branches.  https://arxiv.org/abs/2310.13746

minimise over theta_sh and all theta_t  sum_t (w_t L_t + lam_t F_t), but

    1  lam_t <- 0 in this step if <grad L_t, grad F_t> < 0 on theta_t                    every t
    2  theta_t <- theta_t - lr grad (w_t L_t + lam_t F_t)                                head t, every t
    3  p_t <- g_t, the gradient of lam_t F_t on theta_sh;  every k != t:
       p_t <- p_t - min(<p_t, g_k>, 0) / |g_k|^2 g_k                                     every t
    4  theta_sh <- theta_sh - lr sum_t (grad w_t L_t + p_t)

Letters: F_t is a fairness loss of the scores on the rows with label 0 in task t, as in ``mtl_fair.py``; ``task_weight``
is w_t.  If two tasks conflict, line 3 removes from each gradient its part along the other's original gradient.  With
more tasks, t is corrected against the originals t+1, .. T, 1, .. t-1 in turn.  Where lam_t is 0, also by line 1, g_t is
0 and turns no other gradient.
Differs from the paper: the paper makes a branch for each group of tasks with similar heads and corrects between
branches.  Here are no branches: all tasks share the whole bottom.  The paper's fairness loss is that of
``greedy_fmt.py`` with equalized_odds.
Differs from the authors' code: there line 1 takes effect in the next step.  There line 3 works layer by layer, on
weights and biases separately, between the first two members of a group, and on the output layers of tasks too.  There
is no correction before the first branches.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from fairrun.method import (
    Batch,
    In,
    Method,
    Model,
    PerTask,
    Reduction,
    TaskLoss,
    TaskState,
    Theta,
    backward,
    backward_each,
    factor,
    flatten,
    move,
    ordered,
    pcgrad,
    per_task,
    positive_rates,
    reduced,
    split,
    total,
    tracked,
    unfairness,
    unflatten,
    weighted,
)


@dataclass(frozen=True)
class FBGrad(Method):
    """min over shared and head parameters of every task's loss and fairness loss, without their conflicts."""

    lam: Annotated[PerTask, In("[0, inf)")] = 1.0  # lam_t, weight of the fairness loss; 0 is MTL
    task_weight: Annotated[PerTask, In("[0, inf)")] = 0.5  # w_t
    fairness_loss: TaskLoss = "mmd"
    reduction: Reduction = "mean"  # of the objective over the batch; sum: the mean times the number of rows
    needs = frozenset({"s", "tasks"})
    allows_missing_labels = True

    def init(self, model: Model, theta: Theta, train: Batch) -> TaskState:
        """The initial state of the optimizer."""
        return TaskState(theta, self.optimizer.init(theta), positive_rates(train))

    def update(self, model: Model, state: TaskState, batch: Batch) -> tuple[TaskState, dict[str, Tensor]]:
        """One step of heads and shared parameters."""
        w, lam = (per_task(value, batch.y.shape[-1]) for value in (self.task_weight, self.lam))
        leaves = tracked(state.theta)
        heads, shared = split(leaves, "head.")
        losses, p = model.losses_and_scores(leaves, batch)  # [R, B, T]
        l = reduced(losses, batch, self.reduction)  # [R, T]
        f = unfairness(self.fairness_loss, p, batch, state.rates)[0][..., 0]  # [R, T]
        objective = f * factor(batch, self.reduction)
        of_l, of_f = (backward(value, heads, keep=True) for value in (l, objective))
        agree = _inner_products(of_l, of_f, batch.y.shape[-1]) >= 0
        lam = lam * agree  # 1
        grads = {name: _of_task(w, name, of_l) + _of_task(lam, name, of_f) for name in heads}
        rest = flatten(backward(w * l, shared, keep=True))
        turned = weighted(backward_each(lam * objective, shared), pcgrad)  # 3
        grads |= unflatten(rest + turned, shared)
        theta, opt = move(state.theta, ordered(grads, leaves), state.opt, self.optimizer)  # 2, 4
        logs = {"loss": total(losses.detach(), batch, w), "unfairness": f.detach().mean(-1)}
        return TaskState(theta, opt, state.rates), logs | {"left_out": 1 - agree.to(w).mean(-1)}


def _inner_products(first: Theta, second: Theta, num_tasks: int) -> Tensor:
    """<first, second> on each task's head, [R, T]."""
    heads = [[name for name in first if name.startswith(f"head.{t}.")] for t in range(num_tasks)]
    products = [[(first[name] * second[name]).flatten(1).sum(-1) for name in names] for names in heads]
    return torch.stack([torch.stack(of_head).sum(0) for of_head in products], dim=-1)


def _of_task(factors: Tensor, name: str, grads: Theta) -> Tensor:
    """The gradient of the head parameter ``name``, times the factor of its task in ``factors`` [R, T]."""
    grad = grads[name]
    return factors[:, int(name.split(".")[1])].view(-1, *[1] * (grad.dim() - 1)) * grad
