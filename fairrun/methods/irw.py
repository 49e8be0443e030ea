"""IRW, intrinsic reweighting for alpha-sized worst-case fairness (Li et al., "Alpha and Prejudice", 2024), within each
batch.  https://arxiv.org/abs/2411.03068

minimise over theta  max_W  mean_{i in W} l_i(theta)      over sets W of a share ``alpha`` of the rows

No group of that size or larger then has a larger mean loss.  The method uses no group labels.  With g_i = grad l_i:

    1  W <- the ceil(alpha n) of the n rows with the largest loss
    2  G <- mean_{i in W} g_i
    3  w_i <- max(<g_i, G>, 0), normalised                    how much a step on row i lowers the loss of W
    4  theta <- theta - lr sum_i w_i g_i                      every row may count, not only those of W

``irw_global.py`` weighs all training rows once an epoch; ``irwo.py`` leaves out outliers.

Letters: g_i are gradients of ``layers``, all layers or the last one.  No g_i is computed.  With a_i the inputs of a
layer and e_i the slopes at its output, <g_i, g_j> is a sum over layers of (1 + <a_i, a_j>) <e_i, e_j>.  At the last
layer, behind a ReLU, rows help each other if they have the same label.  So if W has rows of one class only, the rows of
the other class have weight 0.
Differs from the paper: we know its abstract and a digest of it, not its text.  As far as we know it leaves the
normaliser open; here it is ``normalise``.  The layers, the grid of alpha and the optimizer are ours.  Where G is 0 no
row helps; then all weights are 0, and so is the step's gradient.
Differs from the authors' code: none was found.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fairrun.method import (
    Batch,
    Model,
    State,
    WorstOff,
    normalised,
    worst_fraction,
)


@dataclass(frozen=True)
class IRW(WorstOff):
    """Each row weighs how much a step on it lowers the loss of the worst-off rows."""

    layers: Literal["last", "all"] = "last"  # layers whose gradients are compared
    normalise: Literal["sum", "norm"] = "sum"  # the weights sum to 1, or have the L2 norm of equal weights
    multiclass = True

    @property
    def needs(self) -> frozenset[str]:
        """The layer ``classifier`` if only the gradients of the last layer are compared."""
        return frozenset({"classifier"} if self.layers == "last" else ())

    @property
    def smallest_batch(self) -> tuple[int, str]:
        """At least one row must be among the worst-off."""
        return self.batch_with_a_worst_off_row

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the reweighted batch."""
        w, logs = self._weights(model, state, batch)
        theta, opt, more = self.weighted_step(model, state.theta, state.opt, batch, w)  # 4
        return State(theta, opt), logs | more

    def _weights(self, model: Model, state: State, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weight of every row, [R, B], and the logged loss of the worst-off rows."""
        rows = model.row_gradients(state.theta, batch, self.layers)
        share = worst_fraction(rows.losses, self.alpha, batch.w, up=True)  # 1
        gains = rows.along(rows.combined(share))  # 2, <g_i, G>
        w = normalised(gains.clamp(min=0) * batch.w, batch.w, self.normalise)  # 3
        return w, {"worst_off_loss": (share * rows.losses).sum(-1)}
