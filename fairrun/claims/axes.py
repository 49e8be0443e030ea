"""How the pictures of claims are dressed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairrun.config.names import counted
from fairrun.report.charts.looks import MARKERS, Look


def draw_legend(figure: Figure, row: Sequence[Axes], columns: int | None = None) -> None:
    """One legend for all panels; without ``columns`` in as many as short names need."""
    handles = {label: handle for axes in row for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    columns = columns or (3 if len(row) == 1 else 5)
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def draw_method(axes: Axes, rows: pd.DataFrame, x: str, y: str, look: Look, label: str) -> None:
    """A method's configurations, sorted by ``x``, with intervals; those on its front filled and joined."""
    colour, marker = look.on_light, MARKERS[look.marker]
    for on_front, own in rows.groupby("method_front"):
        errors = [np.abs([own[c] - own[f"{c}.low"], own[f"{c}.high"] - own[c]]) for c in (x, y)]
        axes.errorbar(
            own[x],
            own[y],
            xerr=errors[0],
            yerr=errors[1],
            fmt=marker,
            color=colour,
            markersize=5,
            markerfacecolor=colour if on_front else "white",
            elinewidth=0.8,
            alpha=1 if on_front else 0.7,
            zorder=3,
        )
    front = rows[rows["method_front"]]
    axes.fill_between(front[x], front[f"{y}.low"], front[f"{y}.high"], color=colour, alpha=0.15, linewidth=0)
    axes.plot(front[x], front[y], color=colour, marker=marker, markersize=5, linewidth=1.4, label=label)


def span(runs: pd.Series, settings: pd.DataFrame, column: str, beside: Sequence[float]) -> tuple[float, float]:
    """The limits of an axis that shows all runs, the ends of intervals and the values ``beside``, with a little room.

    Intervals of two seeds may be wider than the scale.  So intervals widen the range of the runs by at most half of it
    on each side.
    """
    runs = runs.dropna()
    if runs.empty:
        return (0.0, 1.0)
    low, high = float(runs.min()), float(runs.max())
    room = max(high - low, 0.01)
    ends = (settings[f"{column}.low"].min(), settings[f"{column}.high"].max())
    low, high = max(np.fmin(low, ends[0]), low - room / 2), min(np.fmax(high, ends[1]), high + room / 2)
    if beside:
        low, high = min(low, *beside), max(high, *beside)
        room = max(high - low, 0.01)
    return (low - room / 20, high + room / 20)


def count_those_beyond(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    """Write the number of configurations outside the picture."""
    beyond = int((~(x.between(*axes.get_xlim()) & y.between(*axes.get_ylim()))).sum())
    if beyond:
        text = f"not shown: {counted(beyond, 'configuration')} far off or undefined"
        axes.text(0.99, 0.99, text, transform=axes.transAxes, ha="right", va="top", fontsize=8, color="0.4")
