"""Multi-task learning with a shared bottom and a fairness loss for each task: the baselines of MTA-F (Wang et al., KDD
2021).  https://arxiv.org/abs/2106.02705

minimise over theta_sh and all theta_t  sum_t (w_t L_t + lam_t F_t)

    1  theta_t <- theta_t - lr grad (w_t L_t + lam_t F_t)                    head t, every t
    2  theta_sh <- theta_sh - lr sum_t a_t grad (w_t L_t + lam_t F_t)        a_t = 1; else by ``combine``

Letters: L_t is the cross-entropy of task t; ``task_weight`` is w_t.  F_t is a fairness loss of the scores on N_t, the
rows of the batch with label 0 in task t, because the aim is a small difference of false positive rates; see
``mtaf.py``.
``fairness_loss`` None: there is no F_t, and group labels are not used.  This is ``method=mtl``, the paper's "vanilla".
``reduction`` sum, as in the authors' code: w_t (L_t + lam_t |N_t| F_t), where L_t is a sum over the batch.
``combine`` weighs the tasks' gradients of the shared parameters by their inner products: PCGrad (Yu et al., NeurIPS
2020), MGDA (Sener and Koltun, NeurIPS 2018), CAGrad (Liu et al., NeurIPS 2021; c = 0.5), Nash-MTL (Navon et al., ICML
2022); ``fairrun/method/bargaining.py`` says how they differ from their papers.  Their directions differ in length.
That of CAGrad is about as long as the mean of the gradients, that of PCGrad about as long as their sum.  That of
Nash-MTL has length sqrt(T) whatever the gradients are; it is 0 where the tasks cannot agree.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from fairrun.method import (
    Batch,
    Combine,
    In,
    Method,
    Model,
    PerTask,
    Reduction,
    TaskLoss,
    TaskState,
    Theta,
    move,
    per_task,
    positive_rates,
    reduced,
    require,
    task_gradients,
    total,
    unfairness,
)


@dataclass(frozen=True)
class FairMTL(Method):
    """min over shared and head parameters of every task's loss and fairness loss."""

    lam: Annotated[PerTask, In("[0, inf)")] = 1.0  # lam_t, weight of the fairness loss; 0 is MTL
    task_weight: Annotated[PerTask, In("[0, inf)")] = 0.5  # w_t
    fairness_loss: TaskLoss | None = "mmd"
    reduction: Reduction = "mean"  # of a task's losses over the batch; sum: also multiplies F_t by w_t |N_t|
    combine: Combine = "sum"  # how the tasks' gradients of the shared parameters are combined
    allows_missing_labels = True

    @property
    def needs(self) -> frozenset[str]:
        """Labels of several tasks, and group labels if there is a fairness loss."""
        return frozenset({"tasks"} if self.fairness_loss is None else {"s", "tasks"})

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = self.lam if isinstance(self.lam, list) else [self.lam]
        sound = self.fairness_loss is not None or not any(weights)
        require(sound, "lam", self.lam, "0 with method.fairness_loss=null, where there is no fairness loss to weigh")

    def init(self, model: Model, theta: Theta, train: Batch) -> TaskState:
        """The initial state of the optimizer."""
        return TaskState(theta, self.optimizer.init(theta), positive_rates(train))

    def update(self, model: Model, state: TaskState, batch: Batch) -> tuple[TaskState, dict[str, Tensor]]:
        """One step of heads and shared parameters."""
        w, lam = (per_task(value, batch.y.shape[-1]) for value in (self.task_weight, self.lam))

        def objectives(theta: Theta) -> tuple[Tensor, ...]:
            losses, p = model.losses_and_scores(theta, batch)  # [R, B, T]
            objective = w * reduced(losses, batch, self.reduction)
            if self.fairness_loss is None:
                return objective, objective, losses
            f, sizes = (v[..., 0] for v in unfairness(self.fairness_loss, p, batch, state.rates))  # [R, T]
            objective = objective + (w * lam * sizes if self.reduction == "sum" else lam) * f
            return objective, objective, losses, f

        grads, (_, _, losses, *unfair) = task_gradients(objectives, state.theta, self.combine)
        theta, opt = move(state.theta, grads, state.opt, self.optimizer)  # 1, 2
        logs = {"loss": total(losses, batch, w)}
        if unfair:
            logs["unfairness"] = unfair[0].mean(-1)
        return TaskState(theta, opt, state.rates), logs
