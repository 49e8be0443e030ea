"""Nash bargaining on a problem of two losses in the plane: prints a table, writes outputs/toy_bargaining.png and .pdf.

The losses are those of Nash-MTL's toy (Navon et al., ICML 2022, after Liu et al., NeurIPS 2021) without their factor of
0.1 on the first loss, so that the line f1 = f2, the goal of fairness, crosses the Pareto front.  There are five starts,
and 1000 steps of Adam with lr 0.1.  A fairness protocol follows its goal either from the start, or from step 100 on,
after Nash bargaining (the two stages of Zeng et al., NeurIPS 2024).
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fairrun.method.bargaining import cagrad, mgda, nash_bargaining, pcgrad, uniform
from fairrun.training.binding import bind
from fairrun.training.optim import Adam

STARTS = ((-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0))
STEPS = 1000
STAGE = 100  # steps of the first stage, of two
OFF_FRONT = 0.1  # a point is off the front if the shortest convex combination of the two gradients is longer
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")  # one for each start


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


def ends(outcome: Outcome) -> str:
    """The two losses at the end for every start; a star marks a point off the front."""
    points = zip(outcome.losses[-1].tolist(), outcome.off_front.tolist(), strict=True)
    return " ".join(f"({a:.1f}, {b:.1f}){'*' if off else ''}" for (a, b), off in points)


def table(outcomes: dict[str, Outcome]) -> Table:
    """A table with a row for each rule."""
    table = Table(title=f"Two losses, {len(STARTS)} starts, {STEPS} steps of Adam; off front: least norm > {OFF_FRONT}")
    table.add_column("rule", no_wrap=True)
    for column in ("off front", "largest |f1 - f2|", "Nash unsolved"):
        table.add_column(column, justify="right")
    table.add_column("end points (f1, f2); *: off front")
    for name, outcome in outcomes.items():
        off, far = f"{int(outcome.off_front.sum())}/{len(STARTS)}", f"{outcome.distance.max():.2f}"
        table.add_row(name, off, far, str(outcome.unsolved), ends(outcome))
    return table


def draw(outcomes: dict[str, Outcome]) -> Figure:
    """Draw paths in the plane of the losses: protocols with one stage, protocols with two stages, aggregators."""
    figure = Figure(figsize=(12, 9.6), layout="constrained")
    grid = figure.subplots(3, 4, sharex=True, sharey=True)
    rows = {
        "one stage": [*ONE_STAGE, *BARGAINING],
        "two stages": [*TWO_STAGES],
        "aggregators": [*AGGREGATORS],
    }
    for axes_row, (kind, names) in zip(grid, rows.items(), strict=True):
        for axes, name in zip(axes_row, names, strict=False):
            panel(axes, name, outcomes[name])
        axes_row[0].set_ylabel(f"{kind}\n\nloss $f_2$")
    for axes in grid[2]:
        axes.set_xlabel("loss $f_1$")
    grid[0, 3].xaxis.set_tick_params(labelbottom=True)
    legend(grid[1, 3])
    return figure


def panel(axes: Axes, name: str, outcome: Outcome) -> None:
    """Draw the paths of one rule."""
    off = outcome.off_front
    axes.plot((-20, 10), (-20, 10), ":", color="0.45", linewidth=1)
    x1 = torch.linspace(-7, 7, 100, dtype=torch.float64)
    front = objectives(torch.stack([x1, torch.full_like(x1, -8.3552)], -1))
    axes.plot(front[:, 0], front[:, 1], color="0.7", linewidth=5, solid_capstyle="round", zorder=1)
    for k, colour in enumerate(COLOURS):
        f1, f2 = outcome.losses[:, k].unbind(-1)
        axes.plot(f1, f2, color=colour, linewidth=1.2, alpha=0.85, zorder=2)
        axes.plot(f1[0], f2[0], "o", color=colour, markerfacecolor="white", markersize=5, zorder=3)
        axes.plot(f1[-1], f2[-1], "o", color=colour, markersize=6, markeredgecolor="black", zorder=4)
    last = outcome.losses[-1, off]
    axes.plot(last[:, 0], last[:, 1], "o", color="red", markerfacecolor="none", markersize=13, mew=1.6, zorder=5)
    fair = f"$|f_1-f_2|$ ≤ {outcome.distance.max():.2f}"
    axes.set_title(f"{name}\n{int(off.sum())}/{len(off)} off front; {fair}", size=10)
    if outcome.unsolved:
        steps = f"no bargain in {outcome.unsolved}\nof {len(off) * STEPS} steps"
        axes.text(-20.5, 6.5, steps, size=8, color="0.3")
    axes.set(xlim=(-21.5, 11), ylim=(-21.5, 11), aspect="equal")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def legend(axes: Axes) -> None:
    """Draw the legend into axes of its own."""
    axes.set_axis_off()
    handles = [
        Line2D([], [], color="0.7", linewidth=5, label="Pareto front"),
        Line2D([], [], color="0.45", linestyle=":", label="$f_1 = f_2$, the goal"),
        Line2D([], [], color="0.3", marker="o", markerfacecolor="white", markersize=5, linewidth=0, label="start"),
        Line2D([], [], color="0.3", marker="o", markersize=6, markeredgecolor="black", linewidth=0, label="end"),
        Line2D(
            [],
            [],
            color="red",
            marker="o",
            markerfacecolor="none",
            markersize=13,
            linewidth=0,
            label="end off the front",
        ),
        *(Line2D([], [], color=c, label=f"from ({a:g}, {b:g})") for c, (a, b) in zip(COLOURS, STARTS, strict=True)),
    ]
    axes.legend(handles=handles, loc="center", frameon=False, fontsize=10, labelspacing=0.7)


def main() -> None:
    """Run all rules, print the table and write the pictures."""
    torch.set_num_threads(1)
    outcomes = descend(ONE_STAGE | TWO_STAGES | BARGAINING | AGGREGATORS)
    Console(width=160).print(table(outcomes))
    Path("outputs").mkdir(exist_ok=True)
    for kind in ("png", "pdf"):
        draw(outcomes).savefig(f"outputs/toy_bargaining.{kind}", dpi=150)
    print(
        "Where Nash bargaining has no solution a step follows the rule's goal; throughout, none: Adam's momentum alone."
    )
    print("Wrote outputs/toy_bargaining.png and .pdf")


if __name__ == "__main__":
    main()
