"""Empirical risk minimisation: the baseline without group labels.

minimise over theta  mean_i l_i(theta)

    1  theta <- theta - lr grad mean_i l_i

Differs from the paper: none.  Differs from the authors' code: there is none.
"""

from dataclasses import dataclass

from torch import Tensor

from fairrun.method import Batch, Method, Model, State, Theta, descend, mean


@dataclass(frozen=True)
class ERM(Method):
    """min over theta of the mean loss."""

    multiclass = True

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the mean loss of the batch."""

        def risk(theta: Theta) -> Tensor:
            return mean(model.losses(theta, batch), batch.w)  # [R]

        theta, opt, loss = descend(risk, state.theta, state.opt, self.optimizer)  # 1
        return State(theta, opt), {"loss": loss}
