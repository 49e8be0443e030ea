"""Adversarial learning (Zhang, Lemoine and Mitchell, AIES 2018), equation 1.  https://arxiv.org/abs/1801.07593

A predictor W predicts y.  An adversary U predicts the sensitive attribute z from the predictor's output; for equalized
odds it sees the label too.  W lowers L_P and raises L_A, both cross-entropies, and never takes a step that helps U:

    1  s <- sigma((1 + |c|) sigma^-1(y_hat));   z_hat <- softmax(U s + b), for equalized odds U [s y, s (1 - y), y] + b
    2  g_P <- grad_W L_P;   g_A <- grad_W L_A
    3  W <- W - lr (g_P - proj_{g_A} g_P - alpha g_A)       proj_g v = <v, g> / <g, g> g
    4  U, b, c <- the adversary's step on grad L_A

Letters: y_hat is our score p and z is our s; the adversary's s keeps its name.  Both players step from the same point.
Differs from the paper: z may have more than two values (softmax for their logistic output).  alpha and the step size
are constant; the paper's simulated example has alpha = sqrt(t) and a step size ~ 1/t.  Any optimizer takes the step
along line 3's direction: with plain SGD this step is orthogonal to g_A, with Adam it is not.  U and b start at 0 (no
preference among groups), c at 1.  L_A is the mean over a batch, as is L_P.  For equalized odds the adversary also sees
y; theirs sees [s, s y, s (1 - y)].  Without y only s can say how z depends on y, so that U is not 0 at equalized odds.
This would drive the predictor away from equalized odds (on Adult, alpha = 1: a difference of 0.33 instead of 0.09; ERM
has 0.08).
Differs from the authors' code: not compared.
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
    Optimizer,
    PerRun,
    Theta,
    descend,
    flatten,
    gradients,
    mean,
    move,
    unflatten,
)

TINY = torch.finfo(torch.float32).tiny
EPS = 1e-6  # y_hat is clamped to [EPS, 1 - EPS], so that sigma^-1 is finite


class State(NamedTuple):
    """Parameters and optimizer of the predictor, and of the adversary: U, b and c."""

    theta: Theta
    opt: Any
    adversary: Theta
    opt_a: Any


@dataclass(frozen=True)
class Adversarial(Method):
    """min over W of L_P, max over W and min over U of L_A."""

    adversary_optimizer: Optimizer
    # weight of the adversary's gradient in the predictor's step; at 0 the predictor only avoids helping the adversary
    alpha: Annotated[PerRun, In("[0, inf)")] = 1.0
    # what the adversary sees: the score; for equalized_odds the score and the label
    goal: Literal["demographic_parity", "equalized_odds"] = "demographic_parity"
    needs = frozenset({"s"})

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Start with an adversary that predicts all groups with equal probability."""
        zero = train.x.new_zeros(train.x.shape[0], train.num_groups, 1)
        num_inputs = 3 if self.goal == "equalized_odds" else 1
        adversary = {"U": zero.repeat(1, 1, num_inputs), "b": zero, "c": torch.ones_like(zero[:, 0])}
        return State(theta, self.optimizer.init(theta), adversary, self.adversary_optimizer.init(adversary))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step of the predictor, then one of the adversary."""

        def both_losses(theta: Theta) -> tuple[Tensor, Tensor]:
            losses, p = model.losses_and_scores(theta, batch)
            return mean(losses, batch.w), self._adversary_loss(state.adversary, p, batch)

        (g_p, g_a), (loss, adversary_loss) = gradients(both_losses, state.theta)  # 2
        direction = flatten(g_p) - flatten(projection(g_p, g_a)) - self.alpha * flatten(g_a)  # 3, [R, P]
        theta, opt = move(state.theta, unflatten(direction, state.theta), state.opt, self.optimizer)
        with torch.no_grad():
            p = model.scores(state.theta, batch)

        def guess(adversary: Theta) -> Tensor:
            return self._adversary_loss(adversary, p, batch)

        adversary, opt_a, _ = descend(guess, state.adversary, state.opt_a, self.adversary_optimizer)  # 4
        return State(theta, opt, adversary, opt_a), {"loss": loss, "adversary_loss": adversary_loss}

    def _adversary_loss(self, adversary: Theta, p: Tensor, batch: Batch) -> Tensor:
        """L_A [R], the mean cross-entropy of the adversary's prediction."""
        s = torch.sigmoid((1 + adversary["c"].abs()) * torch.logit(p, EPS))  # 1
        seen = [s * batch.y, s * (1 - batch.y), batch.y] if self.goal == "equalized_odds" else [s]
        U = adversary["U"].split(1, dim=-1)  # one [R, S, 1] for each input; a matrix product would round by R
        z_hat = adversary["b"] + sum(u * v.unsqueeze(1) for u, v in zip(U, seen, strict=True))  # [R, S, B]
        return mean(F.cross_entropy(z_hat, batch.s, reduction="none"), batch.w)


def projection(v: Theta, g: Theta) -> Theta:
    """proj_g v = <v, g> / <g, g> g, for each run over all its parameters together; 0 where g is 0."""
    flat_v, flat_g = flatten(v), flatten(g)  # [R, P]
    inner, square = ((flat * flat_g).sum(-1, keepdim=True) for flat in (flat_v, flat_g))
    return unflatten(inner / square.clamp(min=TINY) * flat_g, g)
