"""Multi-task learning with a shared bottom: the weighted sum of the tasks' losses, nothing for fairness.

minimise over theta_sh and all theta_t  sum_t w_t L_t

    1  theta_t <- theta_t - lr grad w_t L_t                    head t, every t
    2  theta_sh <- theta_sh - lr sum_t a_t grad w_t L_t        a_t = 1; else by ``combine``

Letters: L_t is the cross-entropy of task t; ``task_weight`` is w_t.  It is the "vanilla" MTL of MTA-F (Wang et al., KDD
2021, https://arxiv.org/abs/2106.02705), see ``mtaf.py``.
``combine`` weighs the tasks' gradients of the shared parameters by their inner products: PCGrad (Yu et al., NeurIPS
2020), MGDA (Sener and Koltun, NeurIPS 2018), CAGrad (Liu et al., NeurIPS 2021; c = 0.5), Nash-MTL (Navon et al., ICML
2022); ``fairrun/method/bargaining.py`` says how they differ from their papers.  Their directions differ in length:
CAGrad's is about the mean, PCGrad's about the sum of the gradients, Nash-MTL's has length sqrt(T) whatever theirs; and
where the tasks have no agreement it is 0.
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
    State,
    Theta,
    mean,
    move,
    per_task,
    reduced,
    task_gradients,
)


@dataclass(frozen=True)
class MTL(Method):
    """min over shared and head parameters of the weighted sum of the tasks' losses."""

    task_weight: Annotated[PerTask, In("[0, inf)")] = 0.5  # w_t
    reduction: Reduction = "mean"  # of a task's losses over the batch; sum: as in MTA-F's code
    combine: Combine = "sum"  # of the tasks' gradients of the shared parameters
    needs = frozenset({"tasks"})

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step of heads and shared parameters."""

        def objectives(theta: Theta) -> tuple[Tensor, ...]:
            losses = model.losses(theta, batch)  # [R, B, T]
            w = per_task(self.task_weight, losses.shape[-1])
            objective = w * reduced(losses, batch, self.reduction)  # [R, T]
            return objective, objective, (w.unsqueeze(1) * losses).sum(-1)

        grads, (_, _, losses) = task_gradients(objectives, state.theta, self.combine)
        theta, opt = move(state.theta, grads, state.opt, self.optimizer)  # 1, 2
        return State(theta, opt), {"loss": mean(losses, batch.w)}
