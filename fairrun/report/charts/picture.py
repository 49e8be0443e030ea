"""Draws a chart for a paper: 8 pt at the width of a column, or of the text where there are more than two panels."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from fairrun.report.charts.chart import Axis, Chart, Panel, Point, Rule, Series
from fairrun.report.charts.limits import ticks
from fairrun.report.charts.looks import MARKERS
from fairrun.report.charts.place import Placer
from fairrun.report.style import PUBLISHED

COLUMN, TEXT = 3.25, 6.75  # widths in inches
HEIGHT, LOW, WIDE = 2.2, 2.0, 3  # of a panel in a column and in a row; most panels in a row
LETTERS, HANDLE = 18, 7  # letters of small text in an inch, and before a name in a legend
SIZE, SMALL = 8.0, 7.0  # points
SOFT, FAINT = "#5b6675", "#c9ced6"
RC: Any = {  # matplotlib's settings
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.linewidth": 0.6,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.markersize": 4.5,
    "svg.hashsalt": "fairrun",
}


def draw(chart: Chart) -> Figure:
    """Draw the panels: two or fewer below each other, more of them in rows.

    Names and values stand beside their points, where there is room; a name without room is in the legend, as are those
    of points that others published and of curves over epochs.
    """
    names = [one.name for one in _listed(chart) if chart.of_epochs or one.muted or not one.points]
    with matplotlib.rc_context(RC):
        figure, left = _drawn(chart, names)
        if left:
            figure, _ = _drawn(chart, [*left, *names])
        return figure


def _listed(chart: Chart) -> list[Series]:
    """A series for each name of the legend that a picture has, those of others last."""
    series = [one for panel in chart.panels for one in panel.shown.series if one.listed]
    first = {one.name: one for one in reversed(series)}
    return [first[name] for name in chart.names if name in first]


def _drawn(chart: Chart, names: Sequence[str]) -> tuple[Figure, list[str]]:
    """The picture with ``names`` in the legend, and the names for which no panel had room."""
    figure, row = _figure(chart, names)
    for axes, panel in zip(row, chart.panels, strict=True):
        _draw_panel(axes, panel.shown, chart)
    if names:
        _legend(figure, chart, names)
    elif chart.legend:
        note = textwrap.fill(chart.legend, int(LETTERS * figure.get_figwidth()))
        figure.supxlabel(note, fontsize=SMALL, color=SOFT, x=0.01, ha="left", linespacing=1.15)
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # from here on the layout stands
    figure.set_layout_engine("none")
    written: dict[str, bool] = {}
    for axes, panel in zip(row, chart.panels, strict=True):
        for name, stands in _write_beside(Placer(axes, panel.shown, canvas), panel.shown, names).items():
            written[name] = written.get(name, False) or stands
    return figure, [name for name, stands in written.items() if not stands]


def _figure(chart: Chart, names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    count = len(chart.panels)
    wide = 1 if count <= 2 else WIDE
    height = -(-count // wide)
    width = COLUMN if count <= 2 else TEXT
    room = 0.15 * (-(-len(names) // _columns(width, names)) + -(-len(chart.legend) // int(LETTERS * width)))
    figure = Figure(figsize=(width, (HEIGHT if count <= 2 else LOW) * height + room), layout="constrained")
    panels = list(figure.subplots(height, wide, squeeze=False).ravel())
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def _columns(width: float, names: Sequence[str]) -> int:
    """The most columns of ``names`` that fit into a legend of this width."""
    lengths = [len(name.removeprefix(PUBLISHED)) + HANDLE for name in names]
    for columns in range(min(len(names), 5), 1, -1):
        rows = -(-len(names) // columns)
        if sum(max(lengths[k : k + rows]) for k in range(0, len(names), rows)) <= LETTERS * width:
            return columns
    return 1


def _legend(figure: Figure, chart: Chart, names: Sequence[str]) -> None:
    """The legend, below what all of it shares; those that others published are said once to be so."""
    handles = {series.name: _handle(series) for series in _listed(chart)}
    handles |= {rule.text: _line(rule) for panel in chart.panels for rule in panel.rules}
    text = chart.legend + "; grey: published by others" * any(name.startswith(PUBLISHED) for name in names)
    width = figure.get_figwidth()
    figure.legend(
        handles=[handles[name] for name in names],
        loc="outside lower left",
        ncols=_columns(width, names),
        frameon=False,
        handlelength=1.6,
        title=textwrap.fill(text, int(LETTERS * width)),
        title_fontproperties={"size": SMALL},
        alignment="left",
    )


def _line(rule: Rule) -> Line2D:
    return Line2D([], [], color=SOFT, linewidth=0.7, linestyle=rule.style, label=rule.text)


def _handle(series: Series) -> Line2D:
    marker = MARKERS[series.look.marker] if series.points else ""
    face = "white" if series.muted else series.look.on_light
    return Line2D(
        [],
        [],
        color=series.look.on_light,
        marker=marker,
        markerfacecolor=face,
        markersize=3.5,
        linestyle=series.look.style if series.line else "",
        linewidth=series.width,
        label=series.name.removeprefix(PUBLISHED),
    )


def dress(axes: Axes) -> None:
    """A faint grid below all else, and no frame above and to the right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=FAINT, alpha=0.5, linewidth=0.4)
    axes.set_axisbelow(True)


def _draw_panel(axes: Axes, panel: Panel, chart: Chart) -> None:
    axes.set_xlim(panel.x.low, panel.x.high)
    axes.set_ylim(panel.y.low, panel.y.high)
    for axis, own, most in ((axes.xaxis, panel.x, 5), (axes.yaxis, panel.y, 5)):
        places = ticks(own.low, own.high, most, integers=own.integers)
        axis.set_major_locator(FixedLocator([place for place, _ in places]))
        axis.set_ticklabels([text for _, text in places])
    axes.set_xlabel(panel.x.title)
    axes.set_ylabel(panel.y.title)
    axes.set_title(panel.title, loc="left")
    dress(axes)
    for rule in panel.rules:
        _draw_rule(axes, rule, panel)
    for series in sorted(panel.series, key=lambda one: not one.muted):
        _draw_series(axes, series, chart, panel)


def _draw_rule(axes: Axes, rule: Rule, panel: Panel) -> None:
    """A line across, or at the edge a mark of a value beyond the axis."""
    axis = _axis(panel, rule)
    line: dict[str, Any] = {"color": SOFT, "linewidth": 0.7, "linestyle": rule.style, "zorder": 1}
    if axis.low <= rule.at <= axis.high:
        (axes.axvline if rule.axis == "x" else axes.axhline)(rule.at, **line)


def _axis(panel: Panel, rule: Rule) -> Axis:
    return panel.x if rule.axis == "x" else panel.y


def _draw_series(axes: Axes, series: Series, chart: Chart, panel: Panel) -> None:
    colour, marker = series.look.on_light, MARKERS[series.look.marker]
    order, fade = (2, 0.6) if series.muted else (3, 1.0)
    for thread in series.threads if chart.few_seeds else ():
        axes.plot(*zip(*thread, strict=True), linestyle=series.look.style, color=colour, linewidth=0.5, alpha=0.4)
    if series.band and not chart.few_seeds:
        x, low, high = zip(*series.band, strict=True)
        axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
    if series.line:
        axes.plot(
            *zip(*series.line, strict=True),
            linestyle=series.look.style,
            color=colour,
            linewidth=series.width,
            alpha=fade,
            label=series.name,
            zorder=order,
        )
    known = [run for run in series.runs if run.known and run.few]
    if known:
        axes.scatter([run.x for run in known], [run.y for run in known], s=5, marker=marker, color=colour, alpha=0.4)
    size = 3.0 if series.muted else 4.5
    for point in (point for point in series.points if point.known):
        if not point.few:
            _draw_ends(axes, point, colour, panel)
        face = colour if point.filled and not series.muted else "white"
        axes.plot(
            [point.x],
            [point.y],
            marker=marker,
            color=colour,
            markerfacecolor=face,
            markersize=size,
            markeredgewidth=0.8,
            linestyle="",
            alpha=fade,
            zorder=order + 1,
        )
        if point.crossed:
            axes.plot([point.x], [point.y], marker="x", color="black", markersize=5, linestyle="", zorder=6)
        if point.chosen:
            ring: dict[str, Any] = {"markerfacecolor": "none", "markersize": 9, "markeredgewidth": 0.9}
            axes.plot([point.x], [point.y], marker="o", color="black", linestyle="", zorder=6, **ring)


def _draw_ends(axes: Axes, point: Point, colour: str, panel: Panel) -> None:
    """The intervals of a point; an arrowhead where one goes beyond the axis."""
    for along, (low, high), at in (("x", point.x_ends, point.y), ("y", point.y_ends, point.x)):
        axis = panel.x if along == "x" else panel.y
        if not (math.isfinite(low) and math.isfinite(high)):
            continue
        inside = max(low, axis.low), min(high, axis.high)
        places = (inside, (at, at)) if along == "x" else ((at, at), inside)
        axes.plot(*places, color=colour, linewidth=0.6, alpha=0.75, zorder=2)
        for end, edge, marker in ((low, axis.low, "<v"), (high, axis.high, ">^")):
            beyond = end < edge if edge == axis.low else end > edge
            if beyond:
                place = (edge, at) if along == "x" else (at, edge)
                head = marker[0] if along == "x" else marker[1]
                axes.plot(*place, marker=head, color=colour, markersize=2.6, linestyle="", zorder=2, clip_on=False)


def _write_beside(placer: Placer, panel: Panel, listed: Sequence[str]) -> dict[str, bool]:
    """Write names, values and rules where nothing is in their way; returns whether each name had room.

    Names that are ``listed`` stand in the legend.
    """
    if panel.better:
        placer.corner(f"{panel.better} better", panel.better, color=SOFT, fontsize=SMALL)
    rules = [(rule, _axis(panel, rule)) for rule in panel.rules if rule.text and rule.text not in listed]
    for rule, axis in (entry for entry in rules if entry[0].mark(entry[1])):  # which have few places, and no other
        placer.rule(rule, axis, color=SOFT, fontsize=SMALL)
    written = {}
    for series in (one for one in panel.series if one.listed and one.points and one.name not in listed):
        name = f"{series.name} ({series.knob})" if series.knob else series.name
        written[series.name] = placer.name(name, series, color=series.look.on_light, fontsize=SIZE)
    for rule, axis in (entry for entry in rules if not entry[0].mark(entry[1])):
        written[rule.text] = placer.rule(rule, axis, color=SOFT, fontsize=SMALL)
    points = [(point, series.look) for series in panel.series for point in series.points if point.known]
    for point, look in sorted(points, key=lambda entry: not entry[0].chosen):
        text = f"{point.label} recommended".strip() if point.chosen else point.label
        if text:
            placer.beside(point, text, color=look.on_light, fontsize=SMALL)
    if panel.missing:
        text = f"not shown: {panel.missing} far off or undefined"
        placer.corner(text, "", color=SOFT, fontsize=SMALL)
    return written
