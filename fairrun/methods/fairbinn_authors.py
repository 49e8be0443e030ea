"""FairBiNN as its released code trains it (Yazdani-Jahromi et al., NeurIPS 2024).  https://arxiv.org/abs/2410.16432

This is not the paper's algorithm (``fairbinn.py``).  The fairness player moves first.  The gradients of its loss are
not cleared before the accuracy player's backward pass, so that they are added to the accuracy player's step.

    1  g_a, g_f <- grad_a, grad_f eta F(theta_a, theta_f)
    2  theta_f <- theta_f - lr_f g_f
    3  theta_a <- theta_a - lr (grad_a mean_i l_i(theta_a, theta_f) + g_a)        with the theta_f of line 2

So theta_a descends on the Lagrangian, except that the fairness layers take a small step between its two gradients.
``eta`` has an effect through theta_a only: the fairness layers have an lr of 1e-5 and stay near their start, and Adam
divides ``eta`` out of their steps.

Letters: theta_f is the fairness layers, theta_a the rest.  F is 1/2 mean_s (E[q | s] - E[q])^2 with a second sigmoid,
q = sigmoid(p).  The code uses its group 0 instead of every s.  This is demographic_parity_fairbinn_group_0; on Adult it
is demographic_parity_fairbinn_group_1, because its group 0 is the men and our group 0 the women.
Differs from the authors' code: rows are shuffled.  A batch without group 0 has no fairness loss; theirs is then NaN and
stays NaN.  Scales are those of the training rows.  Validation rows are kept for selection.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from torch import Tensor

from fairrun.method import (
    Batch,
    FairnessLoss,
    In,
    Method,
    Model,
    Optimizer,
    PerRun,
    Theta,
    gradient,
    loss_named,
    mean,
    move,
    split,
)


class State(NamedTuple):
    """Parameters, and the optimizer of each player."""

    theta: Theta
    opt: Any
    opt_f: Any


@dataclass(frozen=True)
class FairBiNNAuthors(Method):
    """Two players; the accuracy player also follows the fairness gradient."""

    fairness_optimizer: Optimizer  # of theta_f
    eta: Annotated[PerRun, In("[0, inf)")] = 100.0  # weight of the fairness loss; paper: 100 (Table 2)
    fairness_loss: FairnessLoss = "demographic_parity_fairbinn"
    needs = frozenset({"s", "fairness"})

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The initial state of each optimizer, for its player's parameters."""
        theta_f, theta_a = split(theta, "fairness")
        return State(theta, self.optimizer.init(theta_a), self.fairness_optimizer.init(theta_f))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """A step of the fairness player, then one of the accuracy player, whose gradient includes the fairness loss."""
        theta_f, theta_a = split(state.theta, "fairness")

        def weighted_unfairness(theta: Theta) -> tuple[Tensor, Tensor]:
            unfairness = loss_named(self.fairness_loss)(model.scores(theta, batch), batch)  # [R]
            return self.eta[:, 0] * unfairness, unfairness

        grads, (_, unfairness) = gradient(weighted_unfairness, state.theta)  # 1
        g_f, g_a = split(grads, "fairness")
        theta_f, opt_f = move(theta_f, g_f, state.opt_f, self.fairness_optimizer)  # 2

        def error(theta_a: Theta) -> Tensor:
            return mean(model.losses({**theta_a, **theta_f}, batch), batch.w)  # [R]

        grads, loss = gradient(error, theta_a)
        grads = {name: g + g_a[name] for name, g in grads.items()}
        theta_a, opt = move(theta_a, grads, state.opt, self.optimizer)  # 3
        return State({**state.theta, **theta_a, **theta_f}, opt, opt_f), {"loss": loss, "unfairness": unfairness}
