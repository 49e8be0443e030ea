"""Colours, markers and axes that all pictures share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fairrun.analysis.tradeoff import Tradeoff
from fairrun.config.metrics import rests_on_groups
from fairrun.report.few import MARK, few_rows

UNKNOWN = "-"


def estimate(row: pd.Series, column: str, digits: int = 3) -> str:
    """A mean with its interval, as text.  Without an interval, the mean alone; a dash if the mean is undefined.

    An end without decimals, [0, 0.770], is where the range of the quantity cuts the interval.
    """
    ends = [float(row.get(f"{column}.{end}", float("nan"))) for end in ("low", "high")]
    mean = _number(float(row[column]), digits)
    if mean == "nan":
        return UNKNOWN
    if ends[0] != ends[0]:
        return mean
    low, high = (f"{end:g}" if end in (-1, 0, 1) and end != row[column] else _number(end, digits) for end in ends)
    return f"{mean} [{low}, {high}]"


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # no -0


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # Okabe and Ito; no yellow
MARKERS = (("o", "circle"), ("s", "square"), ("^", "triangle-up"), ("D", "diamond"), ("v", "triangle-down"))
# matplotlib's and plotly's names; five of them and seven colours: 35 methods look different
Style = Literal["-", "--", ":", "-."]
STYLES: tuple[Style, ...] = ("-", "--", ":", "-.")  # of lines
GREYS = ("#8c8c8c", "#5a5a5a")  # of published points
DEGENERATE = "degenerate: nearly constant"  # in legends
PUBLISHED = "published: "


@dataclass(frozen=True)
class Look:
    """How a method looks in every picture."""

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


def published_look(k: int) -> Look:
    """The look of published method number ``k``: grey and hollow."""
    marker, symbol = MARKERS[k % len(MARKERS)]
    return Look(GREYS[k // len(MARKERS) % len(GREYS)], marker, f"{symbol}-open")


def draw_legend(figure: Figure, row: Sequence[Axes], columns: int | None = None) -> None:
    """One legend for all panels, published points last; without ``columns`` in as many as short names need."""
    handles = {label: handle for axes in row for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    names = sorted(handles, key=lambda label: label.startswith(PUBLISHED))
    columns = columns or (3 if len(row) == 1 else 5)
    shown = [handles[name] for name in names]
    figure.legend(shown, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def draw_method(axes: Axes, rows: pd.DataFrame, x: str, y: str, look: Look, label: str) -> None:
    """A method's configurations, sorted by ``x``, with intervals; those on its front filled and joined."""
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
        text = f"not shown: {beyond} configuration{'s' * (beyond > 1)} far off or undefined"
        axes.text(0.99, 0.99, text, transform=axes.transAxes, ha="right", va="top", fontsize=8, color="0.4")


def metric_title(trade: Tradeoff, separator: str) -> str:
    """The title of the metric's axis.  ``separator`` stands between the metric and the rest."""
    seeds = "" if trade.seed_summary == "mean" else f"of {trade.seeds} "
    mark = MARK if rests_on_groups(trade.metric) and few_rows(trade) else ""
    return f"{trade.heading}{mark}{separator}{seeds}on test rows ({trade.direction})"


def accuracy_title(trade: Tradeoff) -> str:
    """The title of the axis of accuracy."""
    return f"{'' if trade.seed_summary == 'mean' else 'mean '}accuracy on test rows (higher is better)"


def accuracy_limits(trade: Tradeoff) -> tuple[float, float]:
    """The limits that all panels share."""
    lows, highs = zip(*(limits(panel, "test/accuracy") for panel in trade.panels), strict=True)
    return (min(lows), max(highs))


def limits(trade: Tradeoff, column: str) -> tuple[float, float]:
    """The limits of an axis: ``span`` with the anchor and the published points beside."""
    beside = trade.published.get(column, pd.Series(dtype=float)).tolist()
    if trade.anchored:
        beside.append(trade.anchors.majority if column == "test/accuracy" else trade.anchors.max_dp)
    return span(trade.runs[column], trade.settings, column, beside)
