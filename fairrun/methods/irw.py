"""IRW, intrinsic reweighting for alpha-sized worst-case fairness, and IRWO, which leaves outliers out (Li et al.,
"Alpha and Prejudice", 2024).  https://arxiv.org/abs/2411.03068

minimise over theta  max_W  mean_{i in W} l_i(theta)      over sets W of a share ``alpha`` of the rows

so that no group of that size or a larger one fares worse, without group labels.  With g_i = grad l_i:

    0  IRWO: leave out the rows that DBSCAN calls noise, by the distances ||g_i - g_j|| within the batch
    1  W <- the ceil(alpha n) of the n rows with the largest loss
    2  G <- mean_{i in W} g_i
    3  w_i <- max(<g_i, G>, 0), normalised                    how much a step on row i lowers the loss of W
    4  theta <- theta - lr sum_i w_i g_i                      every row counts, not only those of W

``scope``: the rows are those of a batch (the local scheme); or, once an epoch, all training rows (the global one),
whose w then stay for the epoch: reweighted, a batch of B of the N rows steps on (N / B) sum_i w_i l_i; resampled, rows
are drawn in proportion to w and weigh alike.  On average both steps are the same where w sums to 1;
``bench.resampling`` says how much they vary.

Letters: g_i are gradients of ``layers``, all or the last one.  None is made: with a_i the inputs of a layer and e_i the
slopes at its output, <g_i, g_j> is a sum over layers of (1 + <a_i, a_j>) <e_i, e_j>.  At the last layer, behind a ReLU,
rows of two classes help each other where they have the same label: if W is of one class, the other weighs nothing.
Differs from the paper: we know its abstract and a digest of it, not its text.  The normaliser, which it leaves open as
far as we know, is ``normalise``; the layers, the grid of alpha, the optimizer, DBSCAN's two settings and the guards are
ours.  Where G is 0 no row helps: all w are 0 and so is the gradient of 4, but resampled rows are drawn alike.  Where
fewer than ``min_samples`` rows would stay, all do.
Differs from the authors' code: not found.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from fairrun.method import (
    Batch,
    Model,
    Optimizer,
    PerRun,
    RowGradients,
    Theta,
    descend,
    group_mask,
    is_number,
    kth_smallest,
    mean,
    normalised,
    one_of,
    parts,
    require,
    scaled,
    share_of_rows,
    whole_rows,
    worst_fraction,
)

SMALLEST_EPS = 1e-6  # of DBSCAN: copies of a row are near each other, whatever rounding says
MOST_KEPT = 2**20  # rows of all runs whose activations are kept while an epoch starts
ROUNDING = 1e-5  # by how much, relatively, the square of a distance may miss the quantile that it is


class State(NamedTuple):
    """Parameters, optimizer, and of the global schemes N times the weight of every training row, [R, N]."""

    theta: Theta
    opt: Any
    row_weights: Tensor | None


@dataclass(frozen=True)
class IRW:
    """Rows weigh what a step on them gains for the worst-off share."""

    optimizer: Optimizer
    alpha: PerRun  # share of the worst-off, a lower bound of the smallest group's, in (0, 1]
    alpha_from: (
        str  # given; randomized_response: estimated from the groups that people report (fairrun.training.privacy)
    )
    epsilon: float  # of these reports, > 0; ln 3 with two groups: the truth on heads, on tails a fair coin
    delta: float | None  # None: the smallest estimated share; in (0, 1): what it is below with this probability at most
    scope: str  # batch; of all training rows once an epoch: reweighted, resampled
    layers: str  # whose gradients are compared: last, all
    normalise: str  # the weights, unless resampled. sum: they sum to 1; norm: their L2 norm is that of equal weights
    multiclass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(0 < self.alpha <= 1, "alpha", self.alpha, "in (0, 1]")
        one_of("alpha_from", self.alpha_from, ("given", "randomized_response"))
        require(self.epsilon > 0, "epsilon", self.epsilon, "> 0")
        bounded = self.delta is None or (is_number(self.delta) and 0 < self.delta < 1)
        require(bounded, "delta", self.delta, "null or in (0, 1)")
        unused = self.delta is None or self.alpha_from == "randomized_response"
        require(unused, "delta", self.delta, "null with method.alpha_from=given, where there are no reports")
        one_of("scope", self.scope, ("batch", "reweighted", "resampled"))
        one_of("layers", self.layers, ("last", "all"))
        one_of("normalise", self.normalise, ("sum", "norm"))

    @property
    def needs(self) -> frozenset[str]:
        """No label of groups; the last layer by name, where it is the one."""
        return frozenset({"classifier"} if self.layers == "last" else ())

    @property
    def smallest_batch(self) -> tuple[int, str]:
        """So that the worst-off are a row at least."""
        known = self.scope == "batch" and self.alpha_from == "given"
        return (whole_rows(1 / self.alpha), f"alpha={self.alpha:.6g}") if known else (1, "")

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The optimizer's first state, and equal weights."""
        return State(theta, self.optimizer.init(theta), None if self.scope == "batch" else train.w)

    @torch.no_grad()
    def start_epoch(self, model: Model, state: State, train: Batch) -> tuple[State, Tensor | None]:
        """The weights of all rows."""
        if self.scope == "batch":
            return state, None
        rows = self._in_parts(model, state.theta, train)
        share = self._worst_off(torch.cat([part.losses for part in rows()], dim=1), train.w)  # 1
        G: Theta = {}
        for part, of in zip(rows(), parts(train._replace(w=share)), strict=True):
            for name, g in part.combined(of.w).items():
                G[name] = G[name] + g if name in G else g  # 2
        gains = [part.along(G) for part in rows()]
        w = normalised(torch.cat(gains, dim=1).clamp(min=0) * train.w, train.w, self.normalise)  # 3
        state = state._replace(row_weights=w * train.w.sum(-1, keepdim=True))
        return state, w if self.scope == "resampled" else None

    def _in_parts(self, model: Model, theta: Theta, train: Batch) -> Callable[[], Iterable[RowGradients]]:
        """The gradients of all rows, to be gone through more than once: kept, or where these are many made anew."""

        def rows() -> Iterator[RowGradients]:
            return (model.row_gradients(theta, part, self.layers) for part in parts(train))

        if train.w.numel() > MOST_KEPT:
            return rows
        kept = list(rows())
        return lambda: kept

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the reweighted batch."""
        w, logs = self._weights(model, state, batch)

        def weighted_risk(theta: Theta) -> tuple[Tensor, Tensor]:
            losses = model.losses(theta, batch)
            return (w * losses).sum(-1), losses

        theta, opt, (_, losses) = descend(weighted_risk, state.theta, state.opt, self.optimizer)  # 4
        of_class = (group_mask(batch.y, batch.num_classes) * w.unsqueeze(1)).sum(-1)  # [R, C]
        logs |= {"loss": mean(losses, batch.w), "weighted_rows": mean((w > 0).to(losses), batch.w)}
        logs |= {"largest_class_weight": scaled(of_class.amax(-1), w.sum(-1)), "alpha": self.alpha.squeeze(-1)}
        return state._replace(theta=theta, opt=opt), logs

    def _weights(self, model: Model, state: State, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Every row's, [R, B], and what else to log."""
        if state.row_weights is None:
            rows = model.row_gradients(state.theta, batch, self.layers)
            share = self._worst_off(rows.losses, batch.w)  # 1
            gains = rows.along(rows.combined(share))  # 2
            w = normalised(gains.clamp(min=0) * batch.w, batch.w, self.normalise)  # 3
            return w, {"worst_off_loss": (share * rows.losses).sum(-1)}
        even = batch.w / batch.w.sum(-1, keepdim=True)
        return (even if self.scope == "resampled" else even * state.row_weights.gather(-1, batch.i)), {}

    def _worst_off(self, losses: Tensor, real: Tensor) -> Tensor:
        """The weights of W's mean."""
        return worst_fraction(losses, self.alpha, real, up=True)


@dataclass(frozen=True)
class IRWO(IRW):
    """IRW on the rows of a batch that are no outliers."""

    min_samples: int  # rows within eps of a row, itself among them, that make it a core one
    eps_rule: str  # fixed; quantile: of the rows' distances to their min_samples-th nearest, themselves among them
    eps: PerRun  # the distance, > 0; or the quantile in (0, 1]: at most 1 - eps of the rows are outliers

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("scope", self.scope, ("batch",))
        require(self.min_samples >= 1, "min_samples", self.min_samples, ">= 1")
        one_of("eps_rule", self.eps_rule, ("fixed", "quantile"))
        require(self.eps > 0, "eps", self.eps, "> 0")
        require(self.eps <= 1 or self.eps_rule == "fixed", "eps", self.eps, "in (0, 1] with method.eps_rule=quantile")

    @property
    def smallest_batch(self) -> tuple[int, str]:
        """So that there can be core rows too."""
        return max((self.min_samples, f"min_samples={self.min_samples}"), super().smallest_batch)

    def _weights(self, model: Model, state: State, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        rows = model.row_gradients(state.theta, batch, self.layers)
        products = rows.gram()
        removed = self._outliers(products, batch.w)  # 0
        kept = batch.w * ~removed
        share = self._worst_off(rows.losses, kept)  # 1
        gains = (products * share.unsqueeze(1)).sum(-1)  # 2
        w = normalised(gains.clamp(min=0) * kept, kept, self.normalise)  # 3
        return w, {"worst_off_loss": (share * rows.losses).sum(-1), "removed": removed.to(w)}

    def _outliers(self, products: Tensor, real: Tensor) -> Tensor:
        """Which rows are left out, bool [R, B], by <g_i, g_j> [R, B, B]."""
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


def dbscan_noise(squares: Tensor, reach: Tensor, min_samples: int) -> Tensor:
    """The rows that DBSCAN (Ester et al., KDD 1996) calls noise, bool [R, B]: not core nor near a core row.

    ``squares`` [R, B, B]: of the distances, inf to a row that does not count; ``reach`` [R, 1]: of eps.
    """
    near = squares <= reach.unsqueeze(-1)
    core = near.sum(-1) >= min_samples
    return ~(near & core.unsqueeze(1)).any(-1)
