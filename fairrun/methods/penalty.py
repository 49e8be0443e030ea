"""ERM with a fairness penalty: the plainest way to trade accuracy for fairness.

minimise over theta  mean_i l_i(theta) + lam F(theta)

    1  theta <- theta - lr grad (mean_i l_i + lam F)      F: a fairness loss of the batch's scores

Letters: ``lam`` is lambda, the weight of the fairness loss.  The method has many names (regularised, Lagrangian, "gap
regularisation").  With the demographic parity gap as F it is the DiffDP of the FFB benchmark (Han et al., ICLR 2024).
Differs from the paper: F is any loss of ``fairrun.method.losses``.  Differs from the authors' code: not compared.

``method=lagrangian`` is the baseline of FairBiNN (Yazdani-Jahromi et al., NeurIPS 2024,
https://arxiv.org/abs/2410.16432): ``lam`` is their eta, F their loss, and the network has the players' fairness layers.
Differs from their code: their network has the fairness layers twice (41,310 parameters instead of 31,008 on Adult), and
their Adam gets some of these layers twice.  They log the sum as the loss; the preset logs the mean loss and F.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from fairrun.method import (
    Batch,
    FairnessLoss,
    In,
    Method,
    Model,
    PerRun,
    State,
    Theta,
    descend,
    loss_named,
    mean,
)


@dataclass(frozen=True)
class Penalty(Method):
    """min over theta of the mean loss plus lam times a fairness loss."""

    lam: Annotated[PerRun, In("[0, inf)")] = 1.0  # weight of the fairness loss; 0 is ERM
    fairness_loss: FairnessLoss = "demographic_parity"
    logged_loss: Literal["objective", "mean"] = "objective"  # logged as loss: the sum, or the mean loss alone
    needs = frozenset({"s"})

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the penalised loss of the batch."""

        def penalised_risk(theta: Theta) -> tuple[Tensor, Tensor, Tensor]:
            losses, p = model.losses_and_scores(theta, batch)  # [R, B]
            loss, unfairness = mean(losses, batch.w), loss_named(self.fairness_loss)(p, batch)  # [R]
            return loss + self.lam[:, 0] * unfairness, loss, unfairness

        theta, opt, (objective, loss, unfairness) = descend(  # 1
            penalised_risk, state.theta, state.opt, self.optimizer
        )
        logged = objective if self.logged_loss == "objective" else loss
        return State(theta, opt), {"loss": logged, "unfairness": unfairness}
