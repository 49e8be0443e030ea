"""Group DRO (Sagawa et al., ICLR 2020), Algorithm 1.  https://arxiv.org/abs/1911.08731

min over theta, max over q in the simplex, of  sum_g q_g l_g(theta),  l_g the mean loss of group g

    1  q_g <- q_g exp(eta_q l_g(theta));  q <- q / sum q
    2  theta <- theta - lr sum_g q_g grad l_g

Letters: our ``eta_q`` is the paper's eta_q, our ``lr`` its eta_theta.
Differs from the paper: a step sees a batch, so l_g is the group's mean in the batch; the paper draws one group in each
step.  A group without rows in the batch has loss 0, so that only the normalisation changes its q.
Differs from the authors' code: no generalisation adjustment (C / sqrt n_g), and no running average of group losses.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor

from fairrun.method import Batch, In, Method, Model, PerRun, Theta, descend, group_mean, label_cells


class State(NamedTuple):
    """Parameters, optimizer, and the weight of each group, [R, G], which sums to 1."""

    theta: Theta
    opt: Any
    q: Tensor


@dataclass(frozen=True)
class GroupDRO(Method):
    """min over theta of the largest group loss."""

    # step size of the group weights; 0 is the mean of the group losses; paper: 0.01 (appendix C)
    eta_q: Annotated[PerRun, In("[0, inf)")] = 0.01
    # the groups. s: the sensitive attribute; sy: its cells with the label, the paper's choice
    group_by: Literal["s", "sy"] = "sy"
    needs = frozenset({"s"})
    multiclass = True

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Equal group weights."""
        _, num_groups = self._groups(train)
        q = torch.full((train.x.shape[0], num_groups), 1 / num_groups, dtype=train.x.dtype, device=train.x.device)
        return State(theta, self.optimizer.init(theta), q)

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the group losses, weighted by the group weights."""
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
        return batch.s, batch.num_groups
