"""Section on bargaining: the alignment of players and their shares of the weights, over epochs."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fairrun.analysis.bargaining import ALPHA, Alignment, alignment, curve, second_stage
from fairrun.analysis.interval import RULE, interval
from fairrun.analysis.tradeoff import Tradeoff
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.style import STYLES, UNKNOWN, Style, estimate, line, look, over_epochs

WIDE = 3  # most panels in a row
# Paul Tol's muted palette; methods have another
PLAYERS = ("#332288", "#AA4499", "#44AA99", "#999933", "#882255", "#88CCEE")
PANELS: tuple[tuple[str, dict[str, Style]], ...] = (  # title -> columns with their line styles
    ("(a) smallest gain of a player", {"smallest_gain": "-"}),
    ("(b) alignment rate", {"aligned": "-", "aligned_rectified": "--"}),
    ("(c) steps without an agreement", {"infeasible": "-"}),
)
STAGE: dict[str, Any] = {"linewidth": 0.9, "linestyle": (0, (1, 2))}  # style of the line where stage 2 starts


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The picture ``bargaining`` and a table; None if no method bargained."""
    found = alignment(trade)
    if found is None:
        return None
    alt = f"Gains and alignment of the players and their shares of the weights, over epochs, on {trade.dataset}"
    table = Table("bargaining", alignment_table(found), caption(found), in_files=False)
    return Section(title="Bargaining", pictures={"bargaining": draw(found)}, alt=alt, tables=[table])


def draw(found: Alignment) -> Figure:
    """Draw means over seeds, with intervals as bands.

    The upper panels show smallest gain, alignment rate and steps without an agreement, with a colour for each method.
    The lower panels, one for each method, show each player's share of alpha.  Thin lines show where stage 2 starts.
    """
    players = list(found.players)
    shares = [method for method in found.settings if found.of(method)[players].notna().any(axis=None)]
    height = 1 + -(-len(shares) // WIDE)
    figure = Figure(figsize=(11, 1 + 2.6 * height), layout="constrained")
    panels = figure.subplots(height, WIDE, squeeze=False)
    for axes, (title, columns) in zip(panels[0], PANELS, strict=True):
        _draw_methods(axes, found, columns)
        axes.set_title(title, fontsize=10, loc="left")
    lower = panels[1:].ravel()
    for k, (axes, method) in enumerate(zip(lower, shares, strict=False)):
        _draw_players(axes, found, method)
        axes.set_title(f"({chr(ord('d') + k)}) shares of alpha: {method}", fontsize=10, loc="left")
    ends = [end for axes in lower[: len(shares)] for end in axes.get_ylim()]
    for axes in lower[: len(shares)]:
        axes.set_ylim(min(ends), max(ends))
    for axes in lower[len(shares) :]:
        axes.remove()
    epochs = found.steps["epoch"]
    for axes in figure.axes:
        axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
        over_epochs(axes)
    _legends(figure, found, bool(shares))
    return figure


def _draw_methods(axes: Axes, found: Alignment, columns: dict[str, Style]) -> None:
    for method, k in found.numbers.items():
        steps = found.of(method)
        for column, style in columns.items():
            line(axes, curve(steps, column), look(k).colour, style)
        _stage(axes, steps, look(k).colour)
    if "smallest_gain" in columns:
        axes.axhline(0, color="0.4", linewidth=0.8)
    else:
        axes.set_ylim(-0.03, 1.03)


def _draw_players(axes: Axes, found: Alignment, method: str) -> None:
    steps = found.of(method)
    for player, (colour, style) in _shades(found).items():
        line(axes, curve(steps, player), colour, style)
    _stage(axes, steps, "0.2")
    axes.axhline(0, color="0.4", linewidth=0.8)


def _stage(axes: Axes, steps: pd.DataFrame, colour: str) -> None:
    start = second_stage(steps)
    if start == start:
        axes.axvline(start - 0.5, color=colour, **STAGE)


def _shades(found: Alignment) -> dict[str, tuple[str, Style]]:
    """Colour and line style of each player: one colour for each group, one style for each label."""
    cells = {player: player.removeprefix(ALPHA).partition("/") for player in found.players}
    groups, labels = (list(dict.fromkeys(cell[k] for cell in cells.values())) for k in (0, 2))
    return {
        player: (PLAYERS[groups.index(group) % len(PLAYERS)], STYLES[labels.index(label) % len(STYLES)])
        for player, (group, _, label) in cells.items()
    }


def _legends(figure: Figure, found: Alignment, shares: bool) -> None:
    """Draw legends: methods and line styles above the panels, players below."""
    above = [
        Line2D([], [], color=look(k).colour, label=f"{method} {found.settings[method]}".strip())
        for method, k in found.numbers.items()
    ]
    above += [Line2D([], [], color="0.3", label="before rectification")]
    above += [Line2D([], [], color="0.3", linestyle="--", label="after")]
    above += [Line2D([], [], color="0.3", label="stage 2 starts", **STAGE)]
    options: dict[str, Any] = {"frameon": False, "fontsize": 9, "title_fontsize": 9}
    title = f"{found.dataset}: means over seeds with 95% intervals"
    figure.legend(handles=above, loc="outside upper left", ncols=6, title=title, alignment="left", **options)
    if shares:
        below = [
            Line2D([], [], color=colour, linestyle=style, label=found.players[player])
            for player, (colour, style) in _shades(found).items()
        ]
        figure.legend(handles=below, loc="outside lower left", ncols=6, **options)


def alignment_table(found: Alignment) -> pd.DataFrame:
    """A row of text for each method: rates by stage, as means over seeds with intervals."""
    rows = []
    for method, setting in found.settings.items():
        steps = found.of(method)
        stages = steps[steps["stage"] == 1], steps[steps["stage"] == 2]
        cells = {"method": f"{method} {setting}".strip(), "seeds": str(steps["seed"].nunique())}
        cells["epochs bargained"] = _estimate(steps.groupby("seed")["bargained"].sum(min_count=1), digits=1)
        for number, stage in enumerate(stages, 1):
            for column, name in (("aligned", "aligned"), ("aligned_rectified", "rectified")):
                cells[f"stage {number}, {name}"] = _estimate(stage.groupby("seed")[column].mean())
        if len(stages[0]) and stages[1].empty:
            cells |= {"stage 2, aligned": "stage 2 never starts", "stage 2, rectified": UNKNOWN}
        cells["goal alone"] = _estimate(steps.groupby("seed")["goal_aligned"].mean())
        rows.append(cells | {"infeasible": _estimate(stages[0].groupby("seed")["infeasible"].mean())})
    return pd.DataFrame(rows)


def _estimate(by_seed: pd.Series, digits: int = 3) -> str:
    values = by_seed.dropna().to_numpy()
    low, high = interval(values, (0.0, 1.0))  # a share
    return estimate(pd.Series({"x": by_seed.mean(), "x.low": low, "x.high": high}), "x", digits)


def caption(found: Alignment) -> str:
    """The caption of the table, which explains its rows."""
    text = f"{found.dataset}: share of steps that lower every player's loss (every g_i . d > 0), mean over epochs and "
    text += f"seeds [95% interval: {RULE}]; a player is a cell of group and label. Aligned: before rectification; "
    text += "rectified: with the row weights that were used, max(d, 0); goal alone: the direction that the goal alone "
    text += "would take, all epochs; infeasible: share of stage 1's steps without an agreement. An epoch is of stage 1 "
    text += "where more than half of its steps were bargained, or were to be."
    first = " Of a method with several configurations the first is shown."
    return text + first * any(found.settings.values())
