"""IRW, intrinsic reweighting for alpha-sized worst-case fairness, its local scheme (Li et al., "Alpha and Prejudice",
2024).  https://arxiv.org/abs/2411.03068

minimise over theta  max_W  mean_{i in W} l_i(theta)      over sets W of a share ``alpha`` of the rows

so that no group of that size or a larger one fares worse, without group labels:

    1  W <- the ceil(alpha B) rows of the batch with the largest loss
    2  G <- mean_{i in W} grad l_i
    3  w_i <- max(<grad l_i, G>, 0), normalised               how much a step on row i lowers the loss of W
    4  theta <- theta - lr sum_i w_i grad l_i                 every row counts, not only those of W

Letters: gradients in 2 and 3 are of ``layers``, all or the last one.  For the last layer no gradient is made: with h_i
its input and a 1, and r_i = p_i - y_i, grad l_i = r_i h_i, and w_i is r_i h_i . (sum_W r_j h_j) / |W|.  There, behind a
ReLU, rows help each other where they have the same label: if W is of one class, the other class weighs nothing.
Differs from the paper: we know its abstract and a digest of it, not its text.  The normaliser, which it leaves open as
far as we know, is ``normalise``; the layers, the grid of alpha and the optimizer are ours.  Only the scheme within a
batch is here, not the one with weights of a whole epoch, nor IRWO.  Where no row helps, G is 0 and nothing moves.
Differs from the authors' code: not found.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fairrun.check import one_of, require
from fairrun.method import Batch, Model, Optimizer, PerRun, State, Theta, descend, mean, normalised, worst_fraction


@dataclass(frozen=True)
class IRW:
    """Rows weigh what a step on them gains for the worst-off share of the batch."""

    optimizer: Optimizer
    alpha: PerRun  # share of the worst-off, a lower bound of the smallest group's, in (0, 1]
    layers: str  # whose gradients are compared: last, all
    normalise: str  # the weights. sum: they sum to 1; norm: |w| = 1/sqrt(B), as of equal weights
    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        require(0 < self.alpha <= 1, "alpha", self.alpha, "in (0, 1]")
        one_of("layers", self.layers, ("last", "all"))
        one_of("normalise", self.normalise, ("sum", "norm"))

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The optimizer's first state."""
        return State(theta, self.optimizer.init(theta))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the reweighted batch."""
        gains, share = self._gains(model, state.theta, batch)
        helps = gains.clamp(min=0) * batch.w
        w = normalised(helps, batch.w, self.normalise)  # 3

        def weighted_risk(theta: Theta) -> tuple[Tensor, Tensor]:
            losses = model.losses(theta, batch)
            return (w * losses).sum(-1), losses

        theta, opt, (_, losses) = descend(weighted_risk, state.theta, state.opt, self.optimizer)  # 4
        logs = {"loss": mean(losses, batch.w), "worst_off_loss": (share * losses).sum(-1)}
        return State(theta, opt), logs | {"weighted_rows": mean((helps > 0).to(losses), batch.w)}

    @torch.no_grad()
    def _gains(self, model: Model, theta: Theta, batch: Batch) -> tuple[Tensor, Tensor]:
        """<grad l_i, G>, and the weights of W's mean, both [R, B]."""
        if self.layers == "all":
            share = self._worst_off(model.losses(theta, batch), batch)
            with torch.enable_grad():
                gains, _ = model.influence(theta, batch, theta, batch, share.unsqueeze(1), lambda losses, p: losses)
            return gains[:, 0], share
        h = model.representation(theta, batch)  # [R, B, H]
        logits = (h * theta["classifier.weight"].mT).sum(-1) + theta["classifier.bias"].squeeze(-1)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.y, reduction="none")
        share = self._worst_off(losses, batch)
        r = torch.sigmoid(logits) - batch.y
        pull = share * r
        G = (pull.unsqueeze(-1) * h).sum(1, keepdim=True)  # 2, [R, 1, H]; of the bias the sum of ``pull``
        return r * ((h * G).sum(-1) + pull.sum(-1, keepdim=True)), share

    def _worst_off(self, losses: Tensor, batch: Batch) -> Tensor:
        return worst_fraction(losses, self.alpha, batch.w, up=True)  # 1
