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
from typing import ClassVar

from torch import Tensor

from fairrun.method import (
    COMBINE,
    REDUCTIONS,
    Batch,
    Model,
    Optimizer,
    PerTask,
    State,
    Theta,
    mean,
    move,
    one_of,
    per_task,
    reduced,
    require_not_negative,
    task_gradients,
)


@dataclass(frozen=True)
class MTL:
    """min over shared and head parameters of the weighted sum of the tasks' losses."""

    optimizer: Optimizer
    task_weight: PerTask  # w_t
    reduction: str  # of a task's losses over the batch: mean, or sum as in MTA-F's code
    combine: str  # of the tasks' gradients of the shared parameters: sum, pcgrad, mgda, cagrad, nash
    needs: ClassVar[frozenset[str]] = frozenset({"tasks"})

    def __post_init__(self) -> None:
        require_not_negative(task_weight=self.task_weight)
        one_of("reduction", self.reduction, REDUCTIONS)
        one_of("combine", self.combine, COMBINE)

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The optimizer's first state."""
        return State(theta, self.optimizer.init(theta))

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
