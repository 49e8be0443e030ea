"""IRWO, IRW without outliers (Li et al., "Alpha and Prejudice", 2024), within each batch.
https://arxiv.org/abs/2411.03068

The problem is that of ``irw.py``, on the rows of a batch that are not outliers.  With g_i = grad l_i:

    0  leave out the rows that DBSCAN calls noise, by the distances ||g_i - g_j|| within the batch
    1  W <- the ceil(alpha n) rows with the largest loss, of the n rows that are left
    2  G <- mean_{i in W} g_i
    3  w_i <- max(<g_i, G>, 0), normalised
    4  theta <- theta - lr sum_i w_i g_i

Letters: as in ``irw.py``; ``eps`` and ``min_samples`` are DBSCAN's.
Differs from the paper: as ``irw.py``; DBSCAN's two settings are ours.  If fewer than ``min_samples`` rows would be
left, no row is left out.
Differs from the authors' code: none was found.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from fairrun.method import (
    Batch,
    In,
    Model,
    PerRun,
    State,
    WorstOff,
    dbscan_noise,
    kth_smallest,
    normalised,
    require,
    share_of_rows,
    worst_fraction,
)

SMALLEST_EPS = 1e-6  # smallest eps of DBSCAN, so that copies of a row are near each other despite rounding
ROUNDING = 1e-5  # relative rounding error of a squared distance; the quantile is raised by it


@dataclass(frozen=True)
class IRWO(WorstOff):
    """IRW on the rows of a batch that are not outliers."""

    layers: Literal["last", "all"] = "last"  # layers whose gradients are compared
    normalise: Literal["sum", "norm"] = "sum"  # the weights sum to 1, or have the L2 norm of equal weights
    min_samples: Annotated[int, In("[1, inf)")] = 5  # rows within eps of a core row, itself included
    # eps is a fixed distance, or a quantile of the rows' distances to their min_samples-th nearest row (itself counted)
    eps_rule: Literal["fixed", "quantile"] = "quantile"
    # the distance, or the quantile in (0, 1]; with a quantile at most 1 - eps of the rows are outliers
    eps: Annotated[PerRun, In("(0, inf)")] = 0.95
    multiclass = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.eps <= 1 or self.eps_rule == "fixed", "eps", self.eps, "in (0, 1] with method.eps_rule=quantile")

    @property
    def needs(self) -> frozenset[str]:
        """The layer ``classifier`` if only the gradients of the last layer are compared."""
        return frozenset({"classifier"} if self.layers == "last" else ())

    @property
    def smallest_batch(self) -> tuple[int, str]:
        """At least one row must be among the worst-off, and there must be enough rows for a core row."""
        return max((self.min_samples, f"min_samples={self.min_samples}"), self.batch_with_a_worst_off_row)

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the reweighted rows that are not outliers."""
        w, logs = self._weights(model, state, batch)
        theta, opt, more = self.weighted_step(model, state.theta, state.opt, batch, w)  # 4
        return State(theta, opt), logs | more

    def _weights(self, model: Model, state: State, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weight of every row, [R, B], and the logs of worst-off rows and outliers."""
        rows = model.row_gradients(state.theta, batch, self.layers)
        products = rows.gram()
        removed = self._outliers(products, batch.w)  # 0
        kept = batch.w * ~removed
        share = worst_fraction(rows.losses, self.alpha, kept, up=True)  # 1
        gains = (products * share.unsqueeze(1)).sum(-1)  # 2, <g_i, G>
        w = normalised(gains.clamp(min=0) * kept, kept, self.normalise)  # 3
        return w, {"worst_off_loss": (share * rows.losses).sum(-1), "removed": removed.to(w)}

    def _outliers(self, products: Tensor, real: Tensor) -> Tensor:
        """Which rows are left out, bool [R, B], from the products <g_i, g_j> [R, B, B]."""
        norms = products.diagonal(dim1=1, dim2=2)
        squares = (norms.unsqueeze(1) + norms.unsqueeze(2) - 2 * products).clamp_(min=0)
        squares = squares.masked_fill_((real == 0).unsqueeze(1), torch.inf)
        noise = dbscan_noise(squares, self._reach(squares, real), self.min_samples) & (real > 0)
        enough = (real * ~noise).sum(-1, keepdim=True) >= self.min_samples
        return noise & enough

    def _reach(self, squares: Tensor, real: Tensor) -> Tensor:
        """The square of DBSCAN's eps, [R, 1]."""
        if self.eps_rule == "fixed":
            return self.eps.square()
        away = kth_smallest(squares, self.min_samples)
        away = away.masked_fill(real == 0, torch.inf).sort(-1).values
        place = share_of_rows(self.eps, real, up=True).long() - 1
        return (away.gather(-1, place) * (1 + ROUNDING)).clamp(min=SMALLEST_EPS**2)
