"""The picture of a trade-off: accuracy against the metric on test rows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from fairrun.tradeoff import Tradeoff, words

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # Okabe and Ito; no yellow
MARKERS = (("o", "circle"), ("s", "square"), ("^", "triangle-up"), ("D", "diamond"), ("v", "triangle-down"))
# matplotlib's and plotly's names; five of them and seven colours: 35 methods look different


@dataclass(frozen=True)
class Look:
    """How a method is drawn, everywhere."""

    colour: str
    marker: str
    symbol: str  # plotly's name of the marker


def look(k: int) -> Look:
    """The look of method number ``k``."""
    marker, symbol = MARKERS[k % len(MARKERS)]
    return Look(COLOURS[k % len(COLOURS)], marker, symbol)


def draw(trade: Tradeoff) -> Figure:
    """A method has a colour: its single runs faint, its settings as points with intervals, those on its validation
    front filled and joined, with the interval of accuracy as a band.  A ring marks the front of all methods.
    """
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.add_subplot()
    x, y = f"test/{trade.metric}", "test/accuracy"
    for k, (method, rows) in enumerate(trade.settings.groupby("method", sort=False)):
        runs = trade.runs[trade.runs["method"] == method]
        axes.scatter(runs[x], runs[y], s=9, alpha=0.22, color=look(k).colour, marker=look(k).marker, linewidths=0)
        _draw_method(axes, rows.sort_values(x), x, y, look(k), str(method))
    front = trade.settings[trade.settings["front"]].sort_values(x)
    ring = MarkerStyle("o", fillstyle="none")
    name = "front of all, chosen on validation"
    axes.scatter(front[x], front[y], s=90, marker=ring, color="black", linewidths=0.9, zorder=4, label=name)
    if trade.test_oracle:
        oracle = trade.settings[trade.settings["test_oracle"]].sort_values(x)
        axes.plot(oracle[x], oracle[y], ":", color="black", linewidth=1.2, label="test oracle: chosen on test")
    for axis, column in ((axes.set_xlim, x), (axes.set_ylim, y)):
        axis(limits(trade, column))
    axes.set_xlabel(f"{words(trade.metric)} on test rows ({trade.direction})")
    axes.set_ylabel("accuracy on test rows (higher is better)")
    axes.set_title(f"{trade.dataset}: means over {trade.seeds} with 95% intervals", fontsize=10, loc="left", pad=16)
    legend = "faint: single runs; open: settings that are not on their method's validation front"
    axes.text(0, 1.015, legend, transform=axes.transAxes, fontsize=8, color="0.4")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _draw_method(axes: Axes, rows: pd.DataFrame, x: str, y: str, look: Look, label: str) -> None:
    for on_front, own in rows.groupby("method_front"):
        errors = [np.abs([own[c] - own[f"{c}.low"], own[f"{c}.high"] - own[c]]) for c in (x, y)]
        axes.errorbar(
            own[x],
            own[y],
            xerr=errors[0],
            yerr=errors[1],
            fmt=look.marker,
            color=look.colour,
            markersize=5,
            markerfacecolor=look.colour if on_front else "white",
            elinewidth=0.8,
            alpha=1 if on_front else 0.7,
            zorder=3,
        )
    front = rows[rows["method_front"]]
    axes.fill_between(front[x], front[f"{y}.low"], front[f"{y}.high"], color=look.colour, alpha=0.15, linewidth=0)
    axes.plot(front[x], front[y], color=look.colour, marker=look.marker, markersize=5, linewidth=1.4, label=label)


def limits(trade: Tradeoff, column: str) -> tuple[float, float]:
    """From the least to the greatest single run or end of an interval, and a little more; an interval counts as far as
    the runs' range goes beyond the runs: those of two seeds may be wider than the scale.
    """
    runs = trade.runs[column].dropna()
    if runs.empty:
        return (0.0, 1.0)
    low, high = float(runs.min()), float(runs.max())
    room = max(high - low, 0.01)
    ends = (trade.settings[f"{column}.low"].min(), trade.settings[f"{column}.high"].max())
    low, high = max(np.fmin(low, ends[0]), low - room / 2), min(np.fmax(high, ends[1]), high + room / 2)
    return (low - room / 20, high + room / 20)
