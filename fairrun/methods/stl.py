"""Single-task learning: one network for each task; all networks train side by side in one run.

minimise over theta_1 .. theta_T  sum_t L_t(theta_t)

    1  theta_t <- theta_t - lr grad L_t        every t

The network of task t is the bottom and the head that the task has in multi-task learning.  No parameter is shared.  The
tasks do not affect each other, because every optimizer of ``fairrun.training.optim`` treats each number separately.
L_t is the mean over the rows of the batch that have a label of task t.
All bottoms start from the parameters of the shared bottom of a multi-task run with the same seed.  The results are the
denominators of ARFG and ARE (Wang et al., KDD 2021, https://arxiv.org/abs/2106.02705): see ``mtaf.py``.
Differs from the authors' code: it has no script for this; their multi-task script would do it with one w_t = 1 at a
time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from fairrun.method import Batch, Method, Model, Reduction, State, Theta, mean, move, reduced, task_gradients


@dataclass(frozen=True)
class STL(Method):
    """min over each task's own network of the task's loss."""

    reduction: Reduction = "mean"  # of a task's losses over the batch; sum: as in MTA-F's code
    needs = frozenset({"tasks"})
    allows_missing_labels = True

    def draw(self, theta: Theta, num_groups: int, generators: Sequence[Generator]) -> Theta:
        """The bottoms of all tasks after the first: copies of the first task's bottom."""
        num_tasks = len({name.split(".")[1] for name in theta if name.startswith("head.")})
        bottom = {name: p for name, p in theta.items() if name.startswith("shared.")}
        return {f"own.{t}.{name}": p.clone() for t in range(1, num_tasks) for name, p in bottom.items()}

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step of every network."""

        def objectives(theta: Theta) -> tuple[Tensor, ...]:
            losses = model.losses(theta, batch)  # [R, B, T]
            objective = reduced(losses, batch, self.reduction)  # [R, T]
            return objective, objective, losses

        grads, (_, _, losses) = task_gradients(objectives, state.theta)
        theta, opt = move(state.theta, grads, state.opt, self.optimizer)  # 1
        return State(theta, opt), {"loss": _mean(losses, batch)}


def _mean(losses: Tensor, batch: Batch) -> Tensor:
    """The mean over tasks [R] of their mean losses, from ``losses`` [R, B, T]."""
    if batch.known is None:
        return mean(losses.mean(-1), batch.w)
    return reduced(losses, batch, "mean").mean(-1)
