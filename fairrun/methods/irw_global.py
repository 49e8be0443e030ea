"""IRW (Li et al., "Alpha and Prejudice", 2024), global scheme: weights for all training rows, computed once an epoch.
https://arxiv.org/abs/2411.03068

The problem is that of ``irw.py``.  At the start of an epoch, over all N training rows, with g_i = grad l_i:

    1  W <- the ceil(alpha N) rows with the largest loss;   G <- mean_{i in W} g_i
    2  w_i <- max(<g_i, G>, 0), normalised

In each step of the epoch, on a batch of B rows, by ``scope``:

    3  reweighted   theta <- theta - lr (N / B) sum_i w_i g_i
       resampled    theta <- theta - lr (1 / B) sum_i g_i          rows are drawn in proportion to w

Both steps have the same mean if w sums to 1; ``fairrun.claims.programs.resampling`` has their variances.

Letters: as in ``irw.py``.
Differs from the paper: as ``irw.py``.  Where G is 0, all rows are drawn with the same probability.
Differs from the authors' code: none was found.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from fairrun.method import (
    Batch,
    Model,
    RowGradients,
    Theta,
    WorstOff,
    normalised,
    parts,
    worst_fraction,
)

MOST_KEPT = 2**20  # most rows, over all runs, whose activations are kept at the start of an epoch


class State(NamedTuple):
    """Parameters, optimizer, and N times the weight of every training row, [R, N]."""

    theta: Theta
    opt: Any
    row_weights: Tensor


@dataclass(frozen=True)
class IRWGlobal(WorstOff):
    """For an epoch, each row weighs how much a step on it lowers the loss of the worst-off training rows."""

    scope: Literal["reweighted", "resampled"] = "reweighted"  # losses are weighted, or rows are drawn by weight
    layers: Literal["last", "all"] = "last"  # layers whose gradients are compared
    normalise: Literal["sum", "norm"] = "sum"  # reweighted: weights sum to 1, or have the L2 norm of equal weights
    multiclass = True

    def remarks(self, epochs: int) -> list[str]:
        """Name fields that were set and have no effect."""
        unused = self.scope == "resampled" and self.normalise != IRWGlobal.normalise
        said = [f"method.normalise={self.normalise} has no effect with method.scope=resampled"] if unused else []
        return super().remarks(epochs) + said

    @property
    def needs(self) -> frozenset[str]:
        """The layer ``classifier`` if only the gradients of the last layer are compared."""
        return frozenset({"classifier"} if self.layers == "last" else ())

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Start with equal weights."""
        return State(theta, self.optimizer.init(theta), train.w)

    @torch.no_grad()
    def start_epoch(self, model: Model, state: State, train: Batch) -> tuple[State, Tensor | None]:
        """Compute the weights of all training rows; return those for drawing rows, or None."""
        rows = self._in_parts(model, state.theta, train)
        share = worst_fraction(torch.cat([part.losses for part in rows()], dim=1), self.alpha, train.w, up=True)  # 1
        G: Theta = {}
        for part, of in zip(rows(), parts(train._replace(w=share)), strict=True):
            for name, g in part.combined(of.w).items():
                G[name] = G[name] + g if name in G else g
        gains = [part.along(G) for part in rows()]
        w = normalised(torch.cat(gains, dim=1).clamp(min=0) * train.w, train.w, self.normalise)  # 2
        state = state._replace(row_weights=w * train.w.sum(-1, keepdim=True))
        return state, w if self.scope == "resampled" else None

    def _in_parts(self, model: Model, theta: Theta, train: Batch) -> Callable[[], Iterable[RowGradients]]:
        """A function that iterates over the gradients of all rows; they are kept, or computed again if too many."""

        def rows() -> Iterator[RowGradients]:
            return (model.row_gradients(theta, part, self.layers) for part in parts(train))

        if train.w.numel() > MOST_KEPT:
            return rows
        kept = list(rows())
        return lambda: kept

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the rows of the batch, with the weights of the epoch."""
        w = self._weights(state, batch)
        theta, opt, logs = self.weighted_step(model, state.theta, state.opt, batch, w)  # 3
        return state._replace(theta=theta, opt=opt), logs

    def _weights(self, state: State, batch: Batch) -> Tensor:
        """The weight of every row of the batch, [R, B]; resampled rows all have the same weight."""
        even = batch.w / batch.w.sum(-1, keepdim=True)
        return even if self.scope == "resampled" else even * state.row_weights.gather(-1, batch.i)
