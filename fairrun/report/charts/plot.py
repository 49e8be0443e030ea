"""A chart as the page's template draws it: places in percent of a panel, from the left and from the top.

So the page needs no script to draw it, and it fits every width.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from fairrun.report.charts.chart import ATTAINMENT, Axis, Chart, Panel, Point, Rule, Series
from fairrun.report.charts.limits import ticks

Shapes = dict[str, Any]
DASHES = {"-": "", "--": "6 4", ":": "1.5 3", "-.": "7 3 1.5 3"}
SYMBOLS = {  # id -> path, within 8 of the middle
    "m-square": "M-4.6-4.6H4.6V4.6H-4.6Z",
    "m-triangle": "M0-6 5.6 4.4H-5.6Z",
    "m-diamond": "M0-6 6 0 0 6-6 0Z",
    "m-down": "M0 6 5.6-4.4H-5.6Z",
    "m-pentagon": "M0-6 5.7-1.9 3.5 4.9H-3.5L-5.7-1.9Z",
    "m-hexagon": "M-5.4-3V3L0 6 5.4 3V-3L0-6Z",
    "cut-x-low": "M0 0 6-4V4Z",
    "cut-x-high": "M0 0-6-4V4Z",
    "cut-y-low": "M0 0-4-6H4Z",
    "cut-y-high": "M0 0-4 6H4Z",
}


def plot(chart: Chart) -> Shapes:
    """What the template needs for a chart."""
    series = [one for panel in chart.panels for one in panel.series]
    first = {one.name: one for one in reversed(series) if one.listed}
    return {
        "alt": chart.alt,
        "panels": [_panel(panel, chart) for panel in chart.panels],
        "legend": [_entry(first[name]) for name in chart.names],
        "note": chart.legend,
        "of_epochs": chart.of_epochs,
        "has_runs": any(not run.few for one in series for run in one.runs),
        "has_ends": any(_has_ends(one) for one in series),
        "has_surfaces": any(one.view == ATTAINMENT for one in series),
        "curves": _curves(chart) if chart.of_epochs else None,
    }


def _has_ends(series: Series) -> bool:
    return any(math.isfinite(end) for point in series.points if not point.few for end in (*point.x_ends, *point.y_ends))


def _entry(series: Series) -> Shapes:
    return {
        "name": series.name,
        "knob": series.knob,
        "look": series.look,
        "hollow": series.muted,
        "marked": bool(series.points),
        "lined": bool(series.line),
        "dash": DASHES[series.look.style],
    }


def _panel(panel: Panel, chart: Chart) -> Shapes:
    x, y = panel.x, panel.y
    across = ticks(x.low, x.high, 4, integers=x.integers)
    return {
        "title": panel.title,
        "x": {"title": x.title, "ticks": [(_share(place, x), text) for place, text in across]},
        "y": {"title": y.title, "ticks": [(100 - _share(p, y), text) for p, text in ticks(y.low, y.high, 5)]},
        "better": panel.better,
        "rules": [_rule(rule, panel) for rule in panel.rules],
        "beyond": [mark for rule in panel.rules if (mark := rule.mark(panel.x if rule.axis == "x" else panel.y))],
        "series": [_series(series, panel, chart) for series in panel.series],
        "count": sum(point.known for series in panel.series for point in series.points),
        "missing": panel.missing,
    }


def _share(value: float, axis: Axis) -> float:
    return round(100 * (value - axis.low) / (axis.high - axis.low), 2)


def _place(x: float, y: float, panel: Panel) -> tuple[float, float]:
    return _share(x, panel.x), round(100 - _share(y, panel.y), 2)


def _rule(rule: Rule, panel: Panel) -> Shapes:
    axis = panel.x if rule.axis == "x" else panel.y
    share = _share(rule.at, axis)
    share = share if rule.axis == "x" else 100 - share
    mark = rule.mark(axis)
    side = "" if rule.axis == "y" or share > 40 else "right"
    return {
        "axis": rule.axis,
        "at": share,
        "side": side,
        "arrow": mark[:1],
        "text": mark or rule.text,
        "dash": DASHES[rule.style],
    }


def _series(series: Series, panel: Panel, chart: Chart) -> Shapes:
    return {
        "name": series.name,
        "look": series.look,
        "muted": series.muted,
        "view": series.view,
        "width": series.width,
        "dash": DASHES[series.look.style],
        "line": _steps(series, panel) if series.steps else _path(series.line, panel),
        "band": "" if chart.few_seeds else _band(series, panel),
        "threads": [_path(thread, panel) for thread in series.threads] if chart.few_seeds else [],
        "points": [_point(point, panel) for point in series.points if point.known],
        "runs": [_point(run, panel) for run in series.runs if run.known],
    }


def _path(line: Sequence[tuple[float, float]], panel: Panel) -> str:
    """The line as an SVG path; a gap where a value is undefined."""
    parts, pen = [], "M"
    for x, y in line:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        left, top = _place(x, y, panel)
        parts.append(f"{pen}{left:g} {top:g}")
        pen = "L"
    return "".join(parts)


def _steps(series: Series, panel: Panel) -> str:
    """The line in steps, from the bottom of the panel to its side."""
    if not series.line:
        return ""
    places = [_place(x, y, panel) for x, y in series.line]
    parts = [f"M{places[0][0]:g} 100", *(f"H{left:g}V{top:g}" for left, top in places)]
    return "".join([*parts, "H100" if panel.x.better < 0 else "H0"])


def _band(series: Series, panel: Panel) -> str:
    known = [row for row in series.band if all(map(math.isfinite, row))]
    if len(known) < 2:
        return ""
    above = [_place(x, high, panel) for x, _, high in known]
    below = [_place(x, low, panel) for x, low, _ in reversed(known)]
    return "M" + "L".join(f"{left:g} {top:g}" for left, top in (*above, *below)) + "Z"


def _point(point: Point, panel: Panel) -> Shapes:
    x, y = _place(point.x, point.y, panel)
    return {
        "x": x,
        "y": y,
        "name": point.name,
        "says": list(point.says),
        "label": point.label,
        "filled": point.filled,
        "crossed": point.crossed,
        "chosen": point.chosen,
        "few": point.few,
        "ends": [] if point.few else list(_ends(point, panel)),
    }


def _ends(point: Point, panel: Panel) -> Iterator[Shapes]:
    """The intervals as lines, and the sides at which the panel cuts them."""
    x, y = _place(point.x, point.y, panel)
    for along, ends, axis in (("x", point.x_ends, panel.x), ("y", point.y_ends, panel.y)):
        if not all(map(math.isfinite, ends)):
            continue
        low, high = (_share(min(max(end, axis.low), axis.high), axis) for end in ends)
        line = (low, y, high, y) if along == "x" else (x, 100 - low, x, 100 - high)
        cut = [
            (edge, *place)
            for edge, place in zip(("low", "high"), (line[:2], line[2:]), strict=True)
            if _beyond(edge, ends, axis)
        ]
        yield {"line": line, "cut": [(f"{along}-{edge}", *place) for edge, *place in cut]}


def _beyond(edge: str, ends: tuple[float, float], axis: Axis) -> bool:
    return ends[0] < axis.low if edge == "low" else ends[1] > axis.high


def _curves(chart: Chart) -> Shapes:
    """The values of all curves by epoch, for who moves along the epochs."""
    epochs = sorted({x for panel in chart.panels for series in panel.series for x, _ in series.line})
    panels = []
    for panel in chart.panels:
        curves = []
        for series in panel.series:
            values, ends = dict(series.line), {x: (low, high) for x, low, high in series.band}
            said = [_said(values.get(epoch, math.nan), *ends.get(epoch, (math.nan, math.nan))) for epoch in epochs]
            curves.append({"name": series.name + " (dashed)" * (not series.listed), "says": said})
        panels.append({"low": panel.x.low, "high": panel.x.high, "curves": curves})
    return {"epochs": epochs, "panels": panels}


def _said(mean: float, low: float, high: float) -> str:
    if not math.isfinite(mean):
        return ""
    return f"{mean:.4g}" + (f" [{low:.4g}, {high:.4g}]" if math.isfinite(low) else "")
