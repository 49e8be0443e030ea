"""Fairness-aware meta-learning by Nash bargaining (Zeng et al., NeurIPS 2024), and the one-stage methods that it
improves: LtR (Ren et al., ICML 2018), FORML (Yan et al., 2022) and Meta-gDRO.  https://arxiv.org/abs/2406.07029

Weigh the rows of each batch so that a step on them lowers the losses of a small balanced validation set.  The players
are the K = 2S cells of group and label of this set; L_k is the mean loss of a cell.  In stage 1 the players bargain for
the direction of the step.  In stage 2 a goal sets it:

    mean   (LtR)        lower the mean loss:               beta_k = 1/K
    gap    (FORML)      lower max_s L_s - min_s L_s:       beta_k = 1/2 in the worst group, -1/2 in the best, else 0
    worst  (Meta-gDRO)  lower max_s L_s:                   beta_k = 1/2 in the worst group, else 0

    1  theta' <- the step of the optimizer with zero gradient (momentum and weight decay move theta)
    2  g_k[j] <- <grad L_k(theta'), grad l_j(theta)>       times lr: how much weight on row j lowers L_k
    3  alpha <- in stage 1 the Nash bargaining solution, G'G alpha = 1/alpha; in stage 2 beta
    4  d <- sum_k alpha_k g_k;   w <- max(d, 0), normalised
    5  theta <- theta - lr sum_j w_j grad l_j(theta)

Letters: G holds the g_k, M = G'G; L_s is the mean of a group's two cells.  A cell without a row is not a player.
Differs from the paper: the network has one logit, not two.  Where the players cannot agree (0 is in the convex hull of
the g_k) the goal sets the direction.  A criterion, ``bargain_until``, may also start stage 2.  The virtual step is
along the gradient, whatever the optimizer.
Differs from the authors' code: there g_k comes from differentiating through a copy of the network, here from inner
products.  Here the bargaining problem is solved exactly; theirs stops at a tolerance, and fails on some batches that
have a solution.  Where bargaining fails under the goal mean, theirs repeats the direction of the previous batch, and so
does ``variant: authors``.  Here the weights are computed with the dropout masks of the step.  Theirs sums the weighted
losses with |w| = 1; here |w| = 1/sqrt(B), the norm of equal weights.  So their lr and weight decay are our lr / sqrt(B)
and weight decay sqrt(B).  ``normalise: sum`` is that of Ren et al.; a few rows may then have all the weight, and a step
may be large.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fairrun.method import (
    Batch,
    In,
    Method,
    Model,
    Theta,
    descend,
    group_mask,
    label_cells,
    nash_bargaining,
    normalised,
    scaled,
)


class Stage(NamedTuple):
    """Which runs still bargain, and the counts that ``bargain_until`` checks, each [R]."""

    bargains: Tensor  # bool
    epoch: Tensor  # the epoch of the counts
    steps: Tensor  # number of steps in this epoch
    aligned: Tensor  # number of these steps whose weights lowered every player's loss


class Game(NamedTuple):
    """The players, and how much each row of the batch can lower their losses."""

    g: Tensor  # [R, K, B] how much a row's weight lowers a player's loss
    exact: Tensor  # the same in float64
    gram: Tensor  # M, [R, K, K], in float64
    beta: Tensor  # [R, K] the weights that the goal gives to players
    present: Tensor  # bool [R, K] which cells have a row


class End(NamedTuple):
    """How the bargaining of each run ended, bool [R]; both are False for a run that does not bargain."""

    bargained: Tensor
    infeasible: Tensor


class State(NamedTuple):
    """Parameters, optimizer, stage, and the direction of the previous batch where it may be repeated."""

    theta: Theta
    opt: Any
    stage: Stage
    d: Tensor  # [R, B]; [R, 1] where it is not needed


@dataclass(frozen=True)
class NashMeta(Method):
    """Two stages: first the players bargain, then a goal sets the direction."""

    goal: Literal["mean", "gap", "worst"] = "mean"  # for stage 2
    bargain_epochs: Annotated[int, In("[0, inf)")] = 0  # epochs of stage 1; 0 is the one-stage form
    # stage 1 ends after an epoch in which row weights >= 0 lowered every player's loss in this share of the steps
    bargain_until: Annotated[float | None, In("(0, 1]")] = None
    # loss of a validation row; cross_entropy_f1, the paper's, adds a surrogate of the F1 score
    validation_loss: Literal["cross_entropy", "cross_entropy_f1"] = "cross_entropy_f1"
    normalise: Literal["norm", "sum"] = "norm"  # |w| = 1/sqrt(B) (Zeng et al.), or sum 1 (Ren et al.)
    variant: Literal["exact", "authors"] = "exact"  # where bargaining fails: exact, by the goal; as the code
    needs = frozenset({"val"})

    def remarks(self, epochs: int) -> list[str]:
        """Warn if a stage never starts within ``epochs``."""
        if self.bargain_until is not None and self.bargain_epochs == 0:
            return [f"method.bargain_until={self.bargain_until} has no effect: method.bargain_epochs=0, no stage 1"]
        if self.bargain_until is None and self.bargain_epochs >= epochs:
            return [f"method.bargain_epochs={self.bargain_epochs}: stage 2 never starts, epochs={epochs}"]
        return []

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Start every run in stage 1."""
        nothing = torch.zeros_like(train.y[:, 0])
        stage = Stage(torch.ones_like(nothing, dtype=torch.bool), nothing, nothing, nothing)
        return State(theta, self.optimizer.init(theta), stage, nothing.unsqueeze(-1))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the batch, with row weights that help the players."""
        game = self._game(model, state, batch)  # 1, 2
        stage = self._stage(state.stage, batch.epoch)
        alpha, end = self._bargain(game, stage, batch.epoch)  # 3
        d = self._direction(game, alpha, end, state.d, batch)
        w = normalised(d.clamp(min=0), batch.w, self.normalise)  # 4

        def weighted_risk(theta: Theta) -> Tensor:
            return (w * model.losses(theta, batch)).sum(-1)

        theta, opt, loss = descend(weighted_risk, state.theta, state.opt, self.optimizer)  # 5
        logs = {"loss": loss} | {name: value.to(loss) for name, value in _logs(game, alpha, end, d, w).items()}
        stage = stage._replace(steps=stage.steps + 1, aligned=stage.aligned + logs["aligned_rectified"])
        return State(theta, opt, stage, d if self._repeats else state.d), logs

    def _game(self, model: Model, state: State, batch: Batch) -> Game:
        """How much every row of the batch lowers every player's loss."""
        assert batch.val is not None
        players = cell_weights(batch.val)  # [R, K, M]
        present = players.any(-1)
        standstill = {name: torch.zeros_like(p) for name, p in state.theta.items()}
        theta_val, _ = self.optimizer.step(state.theta, standstill, state.opt)  # 1
        g, losses = model.influence(state.theta, batch, theta_val, batch.val, players, self._row_loss(batch.val))  # 2
        g = g * batch.w.unsqueeze(1)
        beta = goal_weights(self.goal, (players * losses.unsqueeze(1)).sum(-1), present)
        exact = g.double()
        return Game(g, exact, exact @ exact.mT, beta, present)

    def _bargain(self, game: Game, stage: Stage, epoch: int) -> tuple[Tensor, End]:
        """The weights alpha [R, K], whose absolute values sum to 1, and how the bargaining ended."""
        nobody = torch.zeros_like(stage.bargains)
        alpha, end = game.beta, End(nobody, nobody)
        if epoch < self.bargain_epochs:
            agreed, status = nash_bargaining(game.gram)
            end = End(stage.bargains & status.solved, stage.bargains & ~status.solved)
            alpha = torch.where(end.bargained.unsqueeze(-1), agreed.to(alpha), alpha)
        return scaled(alpha, alpha.abs().sum(-1, keepdim=True)), end

    def _direction(self, game: Game, alpha: Tensor, end: End, before: Tensor, batch: Batch) -> Tensor:
        """The direction d [R, B]; if bargaining failed and ``_repeats``, that ``before``, of the previous batch."""
        d = (alpha.unsqueeze(-1) * game.g).sum(1)
        return torch.where(end.infeasible.unsqueeze(-1), before.expand_as(d), d) * batch.w if self._repeats else d

    @property
    def _repeats(self) -> bool:
        """Whether the direction of the previous batch is repeated where bargaining fails."""
        return self.variant == "authors" and self.goal == "mean"

    def _row_loss(self, val: Batch) -> Any:
        """The function that maps a row's cross-entropy and probability of class 1 to its validation loss."""

        def with_f1(losses: Tensor, p: Tensor) -> Tensor:
            p_label = torch.where(val.y > 0, p, 1 - p)
            return losses + torch.sigmoid(-2 * p_label / (1 + p_label))

        return with_f1 if self.validation_loss == "cross_entropy_f1" else lambda losses, p: losses

    def _stage(self, stage: Stage, epoch: int) -> Stage:
        """The stage at a step of ``epoch``; the first step of an epoch checks the counts of the previous epoch."""
        first = stage.epoch < epoch
        bargains = stage.bargains
        if self.bargain_until is not None:
            bargains = bargains & ~(first & (stage.aligned >= self.bargain_until * stage.steps))
        steps, aligned = (torch.where(first, 0, count) for count in (stage.steps, stage.aligned))
        return Stage(bargains, torch.full_like(stage.epoch, epoch), steps, aligned)


def cell_weights(val: Batch) -> Tensor:
    """The weight [R, K, M] of each validation row in the mean of its cell of group and label; 0 in an empty cell."""
    cells = group_mask(label_cells(val), 2 * val.num_groups) * val.w.unsqueeze(1)
    return cells / cells.sum(-1, keepdim=True).clamp(min=1)


def goal_weights(goal: str, l_k: Tensor, present: Tensor) -> Tensor:
    """The derivative beta [R, K] of the goal at the losses ``l_k``; only players that are ``present`` count."""
    share = present.to(l_k)
    if goal == "mean":
        return share / share.sum(-1, keepdim=True)
    share = share.unflatten(-1, (-1, 2))  # [R, S, 2]
    known = share.sum(-1)  # cells of each group, [R, S]
    share = share / known.clamp(min=1).unsqueeze(-1)
    l_s = (share * l_k.unflatten(-1, (-1, 2))).sum(-1)

    def group(losses: Tensor) -> Tensor:
        worst = losses.masked_fill(known == 0, -torch.inf).argmax(-1)
        return F.one_hot(worst, losses.shape[-1]).unsqueeze(-1) * share

    beta = group(l_s) if goal == "worst" else group(l_s) - group(-l_s)
    return beta.flatten(1)


def _logs(game: Game, alpha: Tensor, end: End, d: Tensor, w: Tensor) -> dict[str, Tensor]:
    """Logs, each [R]: whether ``d`` and row weights ``w`` [R, B] help all players, how bargaining ended, and alpha."""
    moving = game.present & (game.gram.diagonal(dim1=-2, dim2=-1) > 0)  # a player without a gradient cannot gain
    return {
        "aligned": _aligned(game.exact, d, moving),
        "aligned_rectified": _aligned(game.exact, w, moving),
        "goal_aligned": _aligned(game.exact, (game.beta.unsqueeze(-1) * game.g).sum(1), moving),
        "smallest_gain": _smallest_gain(game.exact, d, moving),
        **end._asdict(),
        **{f"alpha/s={k // 2}/y={k % 2}": share for k, share in enumerate(alpha.unbind(-1))},
    }


def _aligned(g: Tensor, d: Tensor, players: Tensor) -> Tensor:
    """Whether row weights ``d`` [R, B] help every one of the ``players``, g_k . d > 0; bool [R]."""
    return (((g * d.unsqueeze(1)).sum(-1) > 0) | ~players).all(-1) & players.any(-1)


def _smallest_gain(g: Tensor, d: Tensor, players: Tensor) -> Tensor:
    """min_k g_k . d / |d| [R] over the ``players``; 0 where there is no player."""
    gains = scaled((g * d.unsqueeze(1)).sum(-1), d.double().square().sum(-1, keepdim=True).sqrt())
    return torch.where(players.any(-1), torch.where(players, gains, torch.inf).amin(-1), 0.0)
