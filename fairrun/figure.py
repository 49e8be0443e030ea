"""The picture of a trade-off: accuracy against the metric on test rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.ticker import MaxNLocator

from fairrun.relative import tasks
from fairrun.tradeoff import Tradeoff

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # Okabe and Ito; no yellow
MARKERS = (("o", "circle"), ("s", "square"), ("^", "triangle-up"), ("D", "diamond"), ("v", "triangle-down"))
# matplotlib's and plotly's names; five of them and seven colours: 35 methods look different
Style = Literal["-", "--", ":", "-."]
STYLES: tuple[Style, ...] = ("-", "--", ":", "-.")  # of lines
GREYS = ("#8c8c8c", "#5a5a5a")  # of what is quoted
QUOTED = "quoted: "
MAJORITY, MAX_DP = "always the majority", "the labels' difference"


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


def line(axes: Axes, points: pd.DataFrame, colour: str, style: Style) -> None:
    """A mean over epochs with its interval as a band; ``points`` has the columns epoch, mean, low, high."""
    axes.plot(points["epoch"], points["mean"], style, color=colour, linewidth=1.4)
    axes.fill_between(points["epoch"], points["low"], points["high"], color=colour, alpha=0.13, linewidth=0)


def over_epochs(axes: Axes) -> None:
    """Dress a panel whose horizontal axis counts epochs."""
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=9)
    dress(axes)


def dress(axes: Axes) -> None:
    """A faint grid, and no frame above and to the right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def quoted_look(k: int) -> Look:
    """The look of quoted method number ``k``: grey and hollow."""
    marker, symbol = MARKERS[k % len(MARKERS)]
    return Look(GREYS[k // len(MARKERS) % len(GREYS)], marker, f"{symbol}-open")


def draw(trade: Tradeoff) -> Figure:
    """A method has a colour: its single runs faint, its settings as points with intervals, those on its validation
    front filled and joined, with the interval of accuracy as a band.  A ring marks the front of all methods.

    A demographic parity difference, hard or soft, has the other one beside it, where the runs have both; the labels'
    anchors as lines, where they are known; and what others published in grey.
    """
    panels = trade.panels
    figure = Figure(figsize=(7.5 if len(panels) == 1 else 12, 5), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(row, panels, strict=True):
        _draw_panel(axes, panel)
        axes.set_xlim(limits(panel, f"test/{panel.metric}"))
        axes.set_xlabel(metric_title(panel, " " if len(panels) == 1 else "\n"))
        dress(axes)
    row[0].set_ylim(accuracy_limits(trade))
    row[0].set_ylabel(accuracy_title(trade))
    _draw_title(row[0], trade)
    draw_legend(figure, row)
    return figure


def _draw_title(axes: Axes, trade: Tradeoff) -> None:
    title = f"{trade.dataset}: means over {trade.seeds} with 95% intervals"
    if trade.over_seeds != "mean":
        title += f", but the {trade.heading}"
    axes.set_title(title, fontsize=10, loc="left", pad=16)
    legend = "means over tasks, decisions at 0.5; " * bool(tasks(trade.runs))
    legend += "faint: single runs; open: settings that are not on their method's validation front"
    if len(trade.panels) > 1:
        legend += "; a front for each panel"
    if any(len(panel.quoted) for panel in trade.panels):
        legend += "; grey: quoted from publications, not run here"
    note = axes.text(0, 1.015, legend, transform=axes.transAxes, fontsize=8, color="0.4")
    note.set_in_layout(len(trade.panels) == 1)  # else what is wider than a panel would part the two


def draw_legend(figure: Figure, row: Sequence[Axes]) -> None:
    """One for all panels, what is quoted last."""
    handles = {label: handle for axes in row for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    names = sorted(handles, key=lambda label: label.startswith(QUOTED))
    columns = 3 if len(row) == 1 else 5
    shown = [handles[name] for name in names]
    figure.legend(shown, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _draw_panel(axes: Axes, trade: Tradeoff) -> None:
    x, y = f"test/{trade.metric}", "test/accuracy"
    _draw_anchors(axes, trade)
    _draw_quoted(axes, trade, x, y)
    for k, (method, rows) in enumerate(trade.settings.groupby("method", sort=False)):
        runs = trade.runs[trade.runs["method"] == method]
        axes.scatter(runs[x], runs[y], s=9, alpha=0.22, color=look(k).colour, marker=look(k).marker, linewidths=0)
        draw_method(axes, rows.sort_values(x), x, y, look(k), str(method))
    front = trade.settings[trade.settings["front"]].sort_values(x)
    ring = MarkerStyle("o", fillstyle="none")
    name = "front of all, chosen on validation"
    axes.scatter(front[x], front[y], s=90, marker=ring, color="black", linewidths=0.9, zorder=4, label=name)
    if trade.test_oracle:
        oracle = trade.settings[trade.settings["test_oracle"]].sort_values(x)
        axes.plot(oracle[x], oracle[y], ":", color="black", linewidth=1.2, label="test oracle: chosen on test")


def _draw_anchors(axes: Axes, trade: Tradeoff) -> None:
    if not trade.anchored:
        return
    text: dict[str, Any] = {"fontsize": 7.5, "color": "0.35", "zorder": 1}
    axes.axhline(trade.anchors.majority, color="0.35", linewidth=0.9, linestyle="--", zorder=1)
    across = axes.get_yaxis_transform()
    axes.text(0.7, trade.anchors.majority, MAJORITY, transform=across, ha="center", va="bottom", **text)
    axes.axvline(trade.anchors.max_dp, color="0.35", linewidth=0.9, linestyle=":", zorder=1)
    up = axes.get_xaxis_transform()
    axes.text(trade.anchors.max_dp, 0.4, f" {MAX_DP}", transform=up, rotation=90, ha="left", va="center", **text)


def _draw_quoted(axes: Axes, trade: Tradeoff, x: str, y: str) -> None:
    for (k, method), own in trade.quoted.groupby(["number", "method"]):
        look, points = quoted_look(k), own.sort_values([x, y])
        hollow: dict[str, Any] = {"marker": look.marker, "markersize": 4, "markerfacecolor": "white"}
        label = f"{QUOTED}{method}"
        axes.plot(points[x], points[y], color=look.colour, linewidth=0.7, zorder=2, label=label, **hollow)


def draw_method(axes: Axes, rows: pd.DataFrame, x: str, y: str, look: Look, label: str) -> None:
    """A method's settings, sorted by ``x``, with intervals; those on its front filled and joined."""
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


def metric_title(trade: Tradeoff, separator: str) -> str:
    """What the axis of the metric shows; ``separator``: between the metric and the rest."""
    seeds = "" if trade.over_seeds == "mean" else f"of {trade.seeds} "
    return f"{trade.heading}{separator}{seeds}on test rows ({trade.direction})"


def accuracy_title(trade: Tradeoff) -> str:
    """What the axis of accuracy shows."""
    return f"{'' if trade.over_seeds == 'mean' else 'mean '}accuracy on test rows (higher is better)"


def accuracy_limits(trade: Tradeoff) -> tuple[float, float]:
    """The limits that all panels share."""
    lows, highs = zip(*(limits(panel, "test/accuracy") for panel in trade.panels), strict=True)
    return (min(lows), max(highs))


def limits(trade: Tradeoff, column: str) -> tuple[float, float]:
    """The limits of an axis: ``span`` with the anchor and the quoted points beside."""
    beside = trade.quoted.get(column, pd.Series(dtype=float)).tolist()
    if trade.anchored:
        beside.append(trade.anchors.majority if column == "test/accuracy" else trade.anchors.max_dp)
    return span(trade.runs[column], trade.settings, column, beside)


def span(runs: pd.Series, settings: pd.DataFrame, column: str, beside: Sequence[float]) -> tuple[float, float]:
    """From the least to the greatest single run, end of an interval, or value ``beside``, and a little more; an
    interval counts as far as the runs' range goes beyond the runs: those of two seeds may be wider than the scale.
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
