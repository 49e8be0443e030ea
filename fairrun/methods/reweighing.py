"""Reweighing (Kamiran and Calders, Knowledge and Information Systems 2012, section 4.3).
https://doi.org/10.1007/s10115-011-0463-8

minimise over theta  mean_i w(s_i, y_i) l_i(theta),  with weights under which label and sensitive attribute are
independent

    1  w(s, y) <- P(s) P(y) / P(s, y)       counted once, on the training rows
    2  theta <- theta - lr grad mean_i w(s_i, y_i) l_i

Differs from the paper: any number of groups; the weights enter the loss of a gradient method (the paper reweighs the
training set of any classifier).  Differs from the authors' code: not compared.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fairrun.method import Batch, Method, Model, Theta, descend, group_mask, label_cells, mean


class State(NamedTuple):
    """Parameters, optimizer, and the weight of each cell C s + y, [R, CS]."""

    theta: Theta
    opt: Any
    cell_weights: Tensor


@dataclass(frozen=True)
class Reweighing(Method):
    """min over theta of the mean loss, weighted so that s and y are independent."""

    needs = frozenset({"s"})
    multiclass = True

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Count the cells of the training rows; an empty cell has weight 0."""
        shape = (train.num_groups, train.num_classes)
        joint = group_mask(label_cells(train), shape[0] * shape[1]).to(train.x.dtype).mean(-1)  # [R, CS] P(s, y)
        table = joint.unflatten(-1, shape)  # [R, S, C]
        independent = (table.sum(2, keepdim=True) * table.sum(1, keepdim=True)).flatten(1)  # P(s) P(y)
        weights = torch.where(joint > 0, independent / torch.where(joint > 0, joint, 1.0), 0.0)  # 1
        return State(theta, self.optimizer.init(theta), weights)

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the weighted loss of the batch."""
        w = state.cell_weights.gather(-1, label_cells(batch))  # [R, B]

        def weighted_risk(theta: Theta) -> Tensor:
            return mean(w * model.losses(theta, batch), batch.w)  # [R]

        theta, opt, loss = descend(weighted_risk, state.theta, state.opt, self.optimizer)  # 2
        return state._replace(theta=theta, opt=opt), {"loss": loss}
