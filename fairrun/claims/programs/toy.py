"""Nash bargaining on a problem of two losses in the plane.

The losses are those of Nash-MTL's toy (Navon et al., ICML 2022, after Liu et al., NeurIPS 2021) without their factor of
0.1 on the first loss, so that the line f1 = f2, the goal of fairness, crosses the Pareto front.  There are five starts,
and 1000 steps of Adam with lr 0.1.  A fairness protocol follows its goal either from the start, or from step 100 on,
after Nash bargaining (the two stages of Zeng et al., NeurIPS 2024).
"""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from fairrun.method.bargaining import cagrad, mgda, nash_bargaining, pcgrad, uniform
from fairrun.training.binding import bind
from fairrun.training.optim import Adam

STARTS = ((-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0))
STEPS = 1000
STAGE = 100  # steps of the first stage, of two
OFF_FRONT = 0.1  # a point is off the front if the shortest convex combination of the two gradients is longer


def objectives(x: Tensor) -> Tensor:
    """The two losses [R, 2] at points [R, 2]."""
    x1, x2 = x.unbind(-1)
    c1, c2 = (x2 / 2).tanh().clamp(min=0), (-x2 / 2).tanh().clamp(min=0)
    valley = torch.stack([(-x1 - 7) / 2 + x2.tanh(), (-x1 + 3) / 2 - x2.tanh() + 2], -1).abs().clamp(min=5e-6).log() + 6
    bowl = (torch.stack([7 - x1, -x1 - 7], -1).square() + 0.1 * (x2 + 8).square().unsqueeze(-1)) / 10 - 20
    return c1.unsqueeze(-1) * valley + c2.unsqueeze(-1) * bowl


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """The losses [R, 2] and G [R, 2, 2], whose row k is the gradient of loss k."""
    x = x.detach().requires_grad_()
    losses = objectives(x)
    rows = [torch.autograd.grad(losses[:, k].sum(), x, retain_graph=k == 0)[0] for k in range(2)]
    return losses.detach(), torch.stack(rows, -2)


Goal = Callable[[Tensor, Tensor], Tensor]  # losses [R, 2] and the Gram matrix [R, 2, 2] -> weights [R, 2]


def mean(losses: Tensor, gram: Tensor) -> Tensor:
    """LtR: the mean loss."""
    return torch.full_like(losses, 0.5)


def gap(losses: Tensor, gram: Tensor) -> Tensor:
    """FORML: the larger loss minus the smaller loss."""
    return torch.sign(losses - losses.flip(-1))


def worst(losses: Tensor, gram: Tensor) -> Tensor:
    """Meta-gDRO: the larger loss."""
    return (1 + gap(losses, gram)) / 2


def nothing(losses: Tensor, gram: Tensor) -> Tensor:
    """No goal."""
    return torch.zeros_like(losses)


class Rule(NamedTuple):
    """Nash bargaining for some steps if it has a solution; otherwise a goal."""

    goal: Goal
    bargain: int = 0  # number of steps with bargaining


GOALS: dict[str, Goal] = {"LtR": mean, "FORML": gap, "Meta-gDRO": worst}
ONE_STAGE = {name: Rule(goal) for name, goal in GOALS.items()}
TWO_STAGES = {f"Nash, then {name}": Rule(goal, STAGE) for name, goal in GOALS.items()}
BARGAINING = {"Nash throughout": Rule(nothing, STEPS)}
AGGREGATORS = {
    "uniform": Rule(lambda losses, gram: uniform(gram)),
    "MGDA": Rule(lambda losses, gram: mgda(gram)),
    "PCGrad": Rule(lambda losses, gram: pcgrad(gram)),
    "CAGrad": Rule(lambda losses, gram: cagrad(gram, 0.5)),
}


class Outcome(NamedTuple):
    """The results of a rule from every start."""

    losses: Tensor  # [T + 1, 5, 2]
    stationarity: Tensor  # [5] smallest norm of a convex combination of the gradients, at the end
    unsolved: int  # number of steps, over all starts, in which bargaining had no solution

    @property
    def off_front(self) -> Tensor:
        """Whether each end point is off the Pareto front, bool [5]."""
        return self.stationarity > OFF_FRONT

    @property
    def distance(self) -> Tensor:
        """|f1 - f2| at the end, [5]."""
        return (self.losses[-1, :, 0] - self.losses[-1, :, 1]).abs()


def descend(rules: dict[str, Rule], num_steps: int = STEPS) -> dict[str, Outcome]:
    """Run every rule from every start, all side by side."""
    S = len(STARTS)
    runs = [slice(S * k, S * (k + 1)) for k in range(len(rules))]
    x = torch.tensor(STARTS, dtype=torch.float64).repeat(len(rules), 1)
    optimizer = bind([Adam(lr=0.1, b1=0.9, b2=0.999, eps=1e-8)] * len(x), torch.float64)
    state = optimizer.init({"x": x})
    path, unsolved = [], torch.zeros(len(x), dtype=torch.int64)
    for step in range(num_steps):
        losses, G = gradients(x)
        gram = G @ G.mT
        weights = torch.cat([rule.goal(losses[r], gram[r]) for rule, r in zip(rules.values(), runs, strict=True)])
        bargains = [k for k, rule in enumerate(rules.values()) if step < rule.bargain]
        if bargains:
            r = torch.cat([torch.arange(S) + S * k for k in bargains])
            alpha, status = nash_bargaining(gram[r])
            weights[r] = torch.where(status.solved.unsqueeze(-1), alpha, weights[r])
            unsolved[r] += ~status.solved
        theta, state = optimizer.step({"x": x}, {"x": (weights.unsqueeze(-1) * G).sum(-2)}, state)
        x = theta["x"]
        path.append(losses)
    losses, G = gradients(x)
    gram = G @ G.mT
    least = mgda(gram)
    norms = (least.unsqueeze(-1) * gram * least.unsqueeze(-2)).sum((-2, -1)).clamp(min=0).sqrt()
    history = torch.stack([*path, losses])
    return {name: Outcome(history[:, r], norms[r], int(unsolved[r].sum())) for name, r in zip(rules, runs, strict=True)}


def measured() -> pd.DataFrame:
    """The ends of all rules: a row for each rule, ``method``, and start, ``seed``."""
    rows = [
        {"method": name, "seed": k, "measured/stationarity": norm, "measured/distance": distance}
        for name, outcome in descend(ONE_STAGE | TWO_STAGES | BARGAINING | AGGREGATORS).items()
        for k, (norm, distance) in enumerate(zip(outcome.stationarity.tolist(), outcome.distance.tolist(), strict=True))
    ]
    return pd.DataFrame(rows)
