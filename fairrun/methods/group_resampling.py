"""Group resampling: rows are drawn so that all groups are seen equally often.  A baseline of many papers, for example
Idrissi et al. (CLeaR 2022, https://arxiv.org/abs/2110.14503).

minimise over theta  mean_g l_g(theta),  l_g the mean loss of group g, by plain ERM on the rows drawn

    1  each epoch: draw N rows with replacement, a row of group g with a probability proportional to 1 / n_g
    2  theta <- theta - lr grad mean_i l_i                       over a batch of the drawn rows

Letters: n_g is the number of training rows in group g; groups are ``group_by``.
Differs from the paper: none that we know of; drawing a group and then one of its rows is the same.  Differs from the
authors' code: not compared.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fairrun.method import Batch, Method, Model, State, Theta, descend, label_cells, mean, scaled


@dataclass(frozen=True)
class GroupResampling(Method):
    """min over theta of the mean loss of rows drawn evenly from the groups."""

    group_by: Literal["s", "sy"] = "s"  # s: the sensitive attribute; sy: its cells with the label
    needs = frozenset({"s"})
    multiclass = True

    @torch.no_grad()
    def start_epoch(self, model: Model, state: State, train: Batch) -> tuple[State, Tensor]:
        """The weights by which rows are drawn."""
        cells, num_cells = train.s, train.num_groups
        if self.group_by == "sy":
            cells, num_cells = label_cells(train), train.num_classes * train.num_groups
        sizes = train.w.new_zeros(len(train.w), num_cells).scatter_add(-1, cells, train.w)  # [R, G]
        return state, scaled(train.w, sizes.gather(-1, cells))  # 1

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the mean loss of the rows drawn."""

        def risk(theta: Theta) -> Tensor:
            return mean(model.losses(theta, batch), batch.w)

        theta, opt, loss = descend(risk, state.theta, state.opt, self.optimizer)  # 2
        return State(theta, opt), {"loss": loss}
