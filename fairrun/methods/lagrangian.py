"""The Lagrangian that FairBiNN is compared with (Yazdani-Jahromi et al., NeurIPS 2024).
https://arxiv.org/abs/2410.16432

minimise over theta  mean_i l_i(theta) + eta F(theta)

    1  theta <- theta - lr grad (mean_i l_i + eta F)

Letters: theta is all parameters, those of the fairness layers among them, so that the network is the players'.  It is
``penalty`` with their letter ``eta``, their loss F, see ``fairrun.method.losses``, and their schedule.
Differs from the authors' code: theirs has the fairness layers twice, 41,310 parameters instead of 31,008 on Adult, and
hands some of them to Adam twice.  Theirs logs the sum as the loss; ours logs the loss and F apart.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from fairrun.method import (
    LOSSES,
    Batch,
    FairnessLoss,
    In,
    Method,
    Model,
    PerRun,
    State,
    Theta,
    decay_rate,
    descend,
    mean,
)


@dataclass(frozen=True)
class Lagrangian(Method):
    """min over theta of the mean loss plus eta times a fairness loss."""

    eta: Annotated[PerRun, In("[0, inf)")] = 100.0  # weight of the fairness loss; 0 is ERM
    fairness_loss: FairnessLoss = "demographic_parity_fairbinn"
    decay: Annotated[PerRun, In("(0, 1]")] = 0.5  # factor of lr after every decay_epochs
    decay_epochs: Annotated[int, In("[1, inf)")] = 50
    needs = frozenset({"s"})

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the sum."""

        def lagrangian(theta: Theta) -> tuple[Tensor, Tensor, Tensor]:
            losses, p = model.losses_and_scores(theta, batch)  # [R, B]
            loss, unfairness = mean(losses, batch.w), LOSSES[self.fairness_loss](p, batch)  # [R]
            return loss + self.eta[:, 0] * unfairness, loss, unfairness

        rate = decay_rate(self.decay, batch.epoch, self.decay_epochs)
        theta, opt, (_, loss, unfairness) = descend(lagrangian, state.theta, state.opt, self.optimizer, rate)  # 1
        return State(theta, opt), {"loss": loss, "unfairness": unfairness}
