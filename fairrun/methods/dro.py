"""DRO on the largest losses of each batch: the conditional value at risk, CVaR (Levy et al., NeurIPS 2020,
https://arxiv.org/abs/2010.05893), or average top-k loss (Fan et al., NeurIPS 2017).

minimise over theta  the mean of the ``fraction`` largest l_i(theta)

    1  u_i <- 1/k for the k = floor(fraction B) rows with the largest losses, else 0
    2  theta <- theta - lr sum_i u_i grad l_i

Sees no group.
Differs from the paper: none; as there, the worst rows of a batch stand for those of the data, which is biased.
Differs from the authors' code: not compared.  ``variant: zeng`` is the baseline "DRO" in the code of Zeng et al.
(NeurIPS 2024), which sums the losses: a row weighs 1/sqrt(B), which is their sum where their lr and weight decay are
our lr / sqrt(B) and weight decay sqrt(B).
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fairrun.check import one_of, require
from fairrun.method import Batch, Model, Optimizer, PerRun, State, Theta, descend, worst_fraction


@dataclass(frozen=True)
class DRO:
    """min over theta of the mean of the largest losses."""

    optimizer: Optimizer
    fraction: PerRun  # of the rows, in (0, 1]; 1 is ERM; Zeng et al.: 0.4
    variant: str  # mean: of these losses; zeng: their sum, scaled
    needs: ClassVar[frozenset[str]] = frozenset()
    multiclass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(0 < self.fraction <= 1, "fraction", self.fraction, "in (0, 1]")
        one_of("variant", self.variant, ("mean", "zeng"))

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The optimizer's first state."""
        return State(theta, self.optimizer.init(theta))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the largest losses of the batch."""

        def tail_risk(theta: Theta) -> Tensor:
            losses = model.losses(theta, batch)  # [R, B]
            u = worst_fraction(losses.detach(), self.fraction, batch.w)  # 1
            if self.variant == "zeng":
                u = (u > 0) / batch.w.sum(-1, keepdim=True).sqrt()
            return (u * losses).sum(-1)

        theta, opt, loss = descend(tail_risk, state.theta, state.opt, self.optimizer)  # 2
        return State(theta, opt), {"loss": loss}
