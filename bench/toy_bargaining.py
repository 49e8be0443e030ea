"""Nash bargaining on a problem of two losses in the plane: prints a table, writes outputs/toy_bargaining.png and .pdf.

``fairrun.claims.programs.toy`` has the problem and its rules.
"""

from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.console import Console
from rich.table import Table

from fairrun.claims.programs.toy import (
    AGGREGATORS,
    BARGAINING,
    OFF_FRONT,
    ONE_STAGE,
    STARTS,
    STEPS,
    TWO_STAGES,
    Outcome,
    descend,
    objectives,
)

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")  # one for each start


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
