"""The picture of bargaining: alignment of the players and their shares of the weights, over epochs."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fairrun.alignment import ALPHA, Alignment, curve, second_stage
from fairrun.figure import STYLES, Style, line, over_epochs

WIDE = 3  # panels in a row
PLAYERS = ("#332288", "#AA4499", "#44AA99", "#999933", "#882255", "#88CCEE")  # Paul Tol's muted: not the methods'
PANELS: tuple[tuple[str, dict[str, Style]], ...] = (  # title, and the columns with their line styles
    ("(a) smallest gain of a player", {"smallest_gain": "-"}),
    ("(b) alignment rate", {"aligned": "-", "aligned_rectified": "--"}),
    ("(c) steps without an agreement", {"infeasible": "-"}),
)
STAGE: dict[str, Any] = {"linewidth": 0.9, "linestyle": (0, (1, 2))}  # of the line where stage 2 starts


def draw(found: Alignment) -> Figure:
    """Means over seeds, with intervals as bands.  Above, a colour a method: smallest gain, alignment rate and steps
    without an agreement; below, a panel a method: each player's share of alpha.  Thin lines: where stage 2 starts.
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
    for method, look in found.looks.items():
        steps = found.of(method)
        for column, style in columns.items():
            line(axes, curve(steps, column), look.colour, style)
        _stage(axes, steps, look.colour)
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
    """Colour and line style of each player: a colour a group, a style a label."""
    cells = {player: player.removeprefix(ALPHA).partition("/") for player in found.players}
    groups, labels = (list(dict.fromkeys(cell[k] for cell in cells.values())) for k in (0, 2))
    return {
        player: (PLAYERS[groups.index(group) % len(PLAYERS)], STYLES[labels.index(label) % len(STYLES)])
        for player, (group, _, label) in cells.items()
    }


def _legends(figure: Figure, found: Alignment, shares: bool) -> None:
    """Methods and line styles above the panels, players below."""
    above = [
        Line2D([], [], color=look.colour, label=f"{method} {found.settings[method]}".strip())
        for method, look in found.looks.items()
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
