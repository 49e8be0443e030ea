"""Single-task learning: a network for each task, trained side by side in one run.

minimise over theta_1 .. theta_T  sum_t L_t(theta_t)

    1  theta_t <- theta_t - lr grad L_t        every t

Each network is the bottom and the head that task t has in multi-task learning; no parameter is shared, so the tasks do
not touch each other under any optimizer that treats every number apart, as all of ``fairrun.training.optim`` do.  The
bottoms start from the same parameters, those of the shared one of a run with the same seed.  It gives the denominators
of ARFG and ARE (Wang et al., KDD 2021, https://arxiv.org/abs/2106.02705): see ``mtaf.py``.
Differs from the authors' code, which has no script for it; their multi-task one would do, with one w_t of 1 at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from fairrun.method import Batch, Method, Model, Reduction, State, Theta, mean, move, reduced, task_gradients


@dataclass(frozen=True)
class STL(Method):
    """Every task's own network, min of its own loss."""

    reduction: Reduction = "mean"  # of a task's losses over the batch; sum: as in MTA-F's code
    needs = frozenset({"tasks"})

    def draw(self, theta: Theta, num_groups: int, generators: Sequence[Generator]) -> Theta:
        """Bottoms for the tasks behind the first one: copies of its own."""
        num_tasks = len({name.split(".")[1] for name in theta if name.startswith("head.")})
        bottom = {name: p for name, p in theta.items() if name.startswith("shared.")}
        return {f"own.{t}.{name}": p.clone() for t in range(1, num_tasks) for name, p in bottom.items()}

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step of every network."""

        def objectives(theta: Theta) -> tuple[Tensor, ...]:
            losses = model.losses(theta, batch)  # [R, B, T]
            objective = reduced(losses, batch, self.reduction)  # [R, T]
            return objective, objective, losses.mean(-1)

        grads, (_, _, losses) = task_gradients(objectives, state.theta)
        theta, opt = move(state.theta, grads, state.opt, self.optimizer)  # 1
        return State(theta, opt), {"loss": mean(losses, batch.w)}
