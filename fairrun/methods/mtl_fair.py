"""Multi-task learning with a fairness loss for each task: the baseline of MTA-F (Wang et al., KDD 2021).
https://arxiv.org/abs/2106.02705

minimise over theta_sh and all theta_t  sum_t (w_t L_t + lam_t F_t)

    1  theta_t <- theta_t - lr grad (w_t L_t + lam_t F_t)                    head t, every t
    2  theta_sh <- theta_sh - lr sum_t a_t grad (w_t L_t + lam_t F_t)        a_t = 1; else by ``combine``

Letters: F_t is a fairness loss of the scores on N_t, the rows of the batch with label 0 in task t, for the aim is the
difference of false positive rates; see ``mtaf.py`` for it and for the rest, ``mtl.py`` for ``combine``.
``variant`` authors, as in the authors' code: w_t (L_t + lam_t |N_t| F_t), L_t a sum over the batch.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from fairrun.method import (
    Batch,
    Combine,
    In,
    Method,
    Model,
    PerTask,
    TaskLoss,
    TaskState,
    Theta,
    mean,
    move,
    per_task,
    positive_rates,
    reduced,
    task_gradients,
    unfairness,
)


@dataclass(frozen=True)
class FairMTL(Method):
    """min over shared and head parameters of every task's loss and fairness loss."""

    lam: Annotated[PerTask, In("[0, inf)")] = 1.0  # lam_t, weight of the fairness loss; 0 is MTL
    task_weight: Annotated[PerTask, In("[0, inf)")] = 0.5  # w_t
    fairness_loss: TaskLoss = "mmd"
    variant: Literal["algorithm1", "authors"] = "algorithm1"  # means; or sums, lam_t times w_t and the number of rows
    combine: Combine = "sum"  # of the tasks' gradients of the shared parameters
    needs = frozenset({"s", "tasks"})

    def init(self, model: Model, theta: Theta, train: Batch) -> TaskState:
        """The optimizer's first state."""
        return TaskState(theta, self.optimizer.init(theta), positive_rates(train))

    def update(self, model: Model, state: TaskState, batch: Batch) -> tuple[TaskState, dict[str, Tensor]]:
        """One step of heads and shared parameters."""
        w, lam = (per_task(value, batch.y.shape[-1]) for value in (self.task_weight, self.lam))
        authors = self.variant == "authors"

        def objectives(theta: Theta) -> tuple[Tensor, ...]:
            losses, p = model.losses_and_scores(theta, batch)  # [R, B, T]
            f, sizes = (v[..., 0] for v in unfairness(self.fairness_loss, p, batch, state.rates))  # [R, T]
            l_t = w * reduced(losses, batch, "sum" if authors else "mean")
            objective = l_t + (w * lam * sizes if authors else lam) * f
            return objective, objective, (w.unsqueeze(1) * losses).sum(-1), f

        grads, (_, _, losses, f) = task_gradients(objectives, state.theta, self.combine)
        theta, opt = move(state.theta, grads, state.opt, self.optimizer)  # 1, 2
        logs = {"loss": mean(losses, batch.w), "unfairness": f.mean(-1)}
        return TaskState(theta, opt, state.rates), logs
