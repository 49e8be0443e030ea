"""Group DRO (Sagawa et al., ICLR 2020), Algorithm 1.  https://arxiv.org/abs/1911.08731

min over theta, max over q in the simplex, of  sum_g q_g l_g(theta),  l_g the mean loss of group g

    1  q_g <- q_g exp(eta_q l_g(theta));  q <- q / sum q
    2  theta <- theta - lr sum_g q_g grad l_g

Letters: our ``eta_q`` is the paper's eta_q, our ``lr`` its eta_theta.
Differs from the paper: a step sees a batch, so l_g is the group's mean in the batch, and a group that is absent has
loss 0 (its q changes by the normalisation only); the paper draws one group a step.
Differs from the authors' code: no generalisation adjustment (C / sqrt n_g), and no running average of group losses.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from fairrun.method import Batch, Model, Optimizer, PerRun, Theta, descend, group_mean, label_cells, one_of, require


class State(NamedTuple):
    """Parameters, optimizer, and the weight of each group, [R, G], which sums to 1."""

    theta: Theta
    opt: Any
    q: Tensor


@dataclass(frozen=True)
class GroupDRO:
    """min over theta of the largest group loss."""

    optimizer: Optimizer
    eta_q: PerRun  # step size of the group weights, >= 0; 0 is the mean of the group losses; paper: 0.01
    group_by: str  # the groups: s, the sensitive attribute; or sy, its cells with the label (the paper's choice)
    needs: ClassVar[frozenset[str]] = frozenset({"s"})
    multiclass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(self.eta_q >= 0, "eta_q", self.eta_q, ">= 0")
        one_of("group_by", self.group_by, ("s", "sy"))

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Equal group weights."""
        _, num_groups = self._groups(train)
        q = torch.full((train.x.shape[0], num_groups), 1 / num_groups, dtype=train.x.dtype, device=train.x.device)
        return State(theta, self.optimizer.init(theta), q)

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the loss that the group weights make."""
        g, num_groups = self._groups(batch)

        def robust_risk(theta: Theta) -> tuple[Tensor, Tensor]:
            l_g = group_mean(model.losses(theta, batch), g, num_groups, batch.w)  # [R, G]
            q = torch.softmax(state.q.log() + self.eta_q * l_g.detach(), dim=-1)  # 1, and it cannot overflow
            return (q * l_g).sum(-1), q

        theta, opt, (loss, q) = descend(robust_risk, state.theta, state.opt, self.optimizer)  # 2
        return State(theta, opt, q), {"loss": loss, "largest_group_weight": q.amax(-1)}

    def _groups(self, batch: Batch) -> tuple[Tensor, int]:
        if self.group_by == "sy":
            return label_cells(batch), batch.num_classes * batch.num_groups
        assert batch.s is not None
        return batch.s, batch.num_groups
