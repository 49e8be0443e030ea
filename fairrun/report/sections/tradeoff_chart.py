"""The interactive chart of a trade-off for plotly.js: traces and layout as plain JSON."""

from typing import Any

import numpy as np
import pandas as pd

from fairrun.analysis.front import attainment, is_degenerate
from fairrun.analysis.tradeoff import Tradeoff, describe, words
from fairrun.report.style import (
    DEGENERATE,
    PUBLISHED,
    Look,
    accuracy_limits,
    accuracy_title,
    estimate,
    limits,
    look,
    metric_title,
    published_look,
)

Trace = dict[str, Any]
LAST = 2000  # rank of the last entries in the legend; plotly's default is 1000
DOMAINS = ([0, 0.485], [0.515, 1])  # horizontal domains of two panels


def chart(trade: Tradeoff) -> dict[str, Any]:
    """``data`` (traces) and ``layout`` of the chart.

    The traces of a method share its colour and its legend entry.  They are the band and line of its validation front,
    the points of its settings, its single runs, and its hidden attainment surfaces.  ``meta`` of a trace is
    "attainment" or "means".  Panels share the axis of accuracy and the legend.
    """
    data: list[Trace] = []
    for k, panel in enumerate(trade.panels):
        place = {"xaxis": f"x{k + 1}", "yaxis": f"y{k + 1}"} if k else {}
        data += [trace | place for trace in _panel(panel, accuracy_limits(trade)[0], named=k == 0)]
    return {"data": data, "layout": _layout(trade)}


def _panel(trade: Tradeoff, bottom: float, *, named: bool) -> list[Trace]:
    """The traces of one panel; if ``named``, they are in the legend."""
    data: list[Trace] = _published(trade)
    targets: list[Trace] = []
    for k, (method, rows) in enumerate(trade.settings.groupby("method", sort=False)):
        runs = trade.runs[trade.runs["method"] == method]
        common = {"legendgroup": str(method), "name": _harmless(str(method)), "showlegend": False}
        traces = [_band(trade, rows, look(k)), _single(trade, runs, look(k)), *_points(trade, rows, look(k))]
        data += [common | {"meta": "means"} | trace for trace in traces]
        surfaces = _surfaces(trade, runs, look(k), bottom)
        data += [common | {"meta": "attainment", "visible": False} | trace for trace in surfaces]
        targets.append(common | {"meta": "means"} | _targets(trade, rows, look(k)))
    data.append(_ring(trade))
    data += _crosses(trade)
    if trade.test_oracle:
        data.append(_oracle(trade))
    data += targets
    return data if named else [t if "legendrank" in t else t | {"showlegend": False} for t in data]


def _xy(trade: Tradeoff, rows: pd.DataFrame) -> Trace:
    return {"x": numbers(rows[f"test/{trade.metric}"]), "y": numbers(rows["test/accuracy"])}


def _band(trade: Tradeoff, rows: pd.DataFrame, look: Look) -> Trace:
    """The interval of accuracy along the method's validation front."""
    front = rows[rows["method_front"]].sort_values(f"test/{trade.metric}").dropna(subset=["test/accuracy.low"])
    x = front[f"test/{trade.metric}"]
    return {
        "x": numbers(pd.concat([x, x[::-1]])),
        "y": numbers(pd.concat([front["test/accuracy.high"], front["test/accuracy.low"][::-1]])),
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": _clear(look.colour, 0.15),
        "hoverinfo": "skip",
    }


def _single(trade: Tradeoff, runs: pd.DataFrame, look: Look) -> Trace:
    """The single runs, faint."""
    texts = [
        f"{_name(run, trade)}<br>seed {run['seed']:g}: accuracy {run['test/accuracy']:.3f}, "
        f"{words(trade.metric)} {run[f'test/{trade.metric}']:.3f}"
        for _, run in runs.iterrows()
    ]
    marker = {"color": look.colour, "symbol": look.symbol, "size": 5, "opacity": 0.25}
    return _xy(trade, runs) | {"mode": "markers", "marker": marker, "text": texts, "hoverinfo": "text"}


def _points(trade: Tradeoff, rows: pd.DataFrame, look: Look) -> list[Trace]:
    """The settings; those on the method's validation front are filled and joined, the others open."""
    traces = []
    for on_front in (False, True):
        own = rows[rows["method_front"] == on_front].sort_values(f"test/{trade.metric}")
        symbol = look.symbol if on_front else f"{look.symbol}-open"
        trace = {
            "mode": "lines+markers" if on_front else "markers",
            "line": {"color": look.colour, "width": 2},
            "marker": {"color": look.colour, "symbol": symbol, "size": 9},
            "error_x": _error(own, f"test/{trade.metric}", look),
            "error_y": _error(own, "test/accuracy", look),
            "hoverinfo": "skip",
        }
        traces.append(_xy(trade, own) | trace | ({"showlegend": True} if on_front else {}))
    return traces


def _targets(trade: Tradeoff, rows: pd.DataFrame, look: Look) -> Trace:
    """Invisible points that carry the text of configurations.

    plotly.js prefers small points, then late ones.  These points are small and last, so that it finds a configuration
    before the single runs around it.
    """
    marker = {"size": 6, "opacity": 0, "color": look.colour}
    texts = [_hover(row, trade) for _, row in rows.iterrows()]
    return _xy(trade, rows) | {"mode": "markers", "marker": marker, "text": texts, "hoverinfo": "text"}


def _published(trade: Tradeoff) -> list[Trace]:
    """The published points, grey and hollow."""
    traces = []
    for (k, method), rows in trade.published.groupby(["number", "method"]):
        own, look = rows.sort_values([f"test/{trade.metric}", "test/accuracy"]), published_look(k)
        texts = [
            f"{PUBLISHED}{_harmless(str(method))}, not run here<br>accuracy {row['test/accuracy']:.4f}, "
            f"{words(trade.metric)} {row[f'test/{trade.metric}']:.4f}"
            for _, row in own.iterrows()
        ]
        trace = {"mode": "lines+markers", "line": {"color": look.colour, "width": 1}, "meta": "means"}
        trace |= {
            "marker": {"color": look.colour, "symbol": look.symbol, "size": 6},
            "text": texts,
            "hoverinfo": "text",
        }
        name = f"{PUBLISHED}{_harmless(str(method))}"
        traces.append(_xy(trade, own) | trace | {"name": name, "legendgroup": name, "legendrank": LAST})
    return traces


def _surfaces(trade: Tradeoff, runs: pd.DataFrame, look: Look, bottom: float) -> list[Trace]:
    """The attainment surfaces of one, half and all of the seeds, as steps to the edges of the chart."""
    surface = attainment(runs, trade.metric, greater_is_better=trade.greater_is_better)
    edge = limits(trade, f"test/{trade.metric}")[not trade.greater_is_better]
    traces = []
    for percent, width, dash in ((0, 1, "dot"), (50, 2.5, "solid"), (100, 1, "dash")):
        own = surface[surface["percent"] == percent].sort_values("test/accuracy")
        x, y = numbers(own[f"test/{trade.metric}"]), numbers(own["test/accuracy"])
        traces.append(
            {
                "x": [*x[:1], *x, edge],
                "y": [bottom, *y, *y[-1:]],
                "mode": "lines",
                "line": {"color": look.colour, "width": width, "dash": dash, "shape": "hv"},
                "hoverinfo": "skip",
                "showlegend": percent == 50,
            }
        )
    return traces


def _ring(trade: Tradeoff) -> Trace:
    front = trade.settings[trade.settings["front"]]
    marker = {"symbol": "circle-open", "size": 17, "color": "black", "line": {"width": 1.2}}
    name = "front of all, chosen on validation"
    trace = {"mode": "markers", "marker": marker, "name": name, "hoverinfo": "skip", "meta": "means"}
    return _xy(trade, front) | trace | {"legendgroup": name}


def _crosses(trade: Tradeoff) -> list[Trace]:
    """Crosses on the degenerate configurations, if there are any."""
    rows = trade.settings[is_degenerate(trade.settings)]
    trace = {"mode": "markers", "marker": {"symbol": "x-thin-open", "size": 9, "color": "black"}, "hoverinfo": "skip"}
    trace |= {"name": DEGENERATE, "legendgroup": DEGENERATE, "meta": "means"}
    return [_xy(trade, rows) | trace] if len(rows) else []


def _oracle(trade: Tradeoff) -> Trace:
    oracle = trade.settings[trade.settings["test_oracle"]].sort_values(f"test/{trade.metric}")
    line = {"color": "black", "dash": "dot", "width": 1.5}
    name = "test oracle: chosen on test"
    trace = {"mode": "lines", "line": line, "name": name, "hoverinfo": "skip", "meta": "means"}
    return _xy(trade, oracle) | trace | {"legendgroup": name}


def _layout(trade: Tradeoff) -> dict[str, Any]:
    wide = len(trade.panels) == 1
    axes: dict[str, Any] = {}
    for k, panel in enumerate(trade.panels):
        number = str(k + 1) * bool(k)
        title = metric_title(panel, " " if wide else "<br>")
        domain = {} if wide else {"domain": DOMAINS[k], "anchor": f"y{number}"}
        axes[f"xaxis{number}"] = _axis(title, limits(panel, f"test/{panel.metric}")) | domain
        axes[f"yaxis{number}"] = _axis(accuracy_title(panel), accuracy_limits(trade))
    if not wide:
        axes["yaxis2"] |= {"anchor": "x2", "matches": "y", "showticklabels": False, "title": {"text": ""}}
    lines = [line for k, panel in enumerate(trade.panels) if panel.anchored for line in _anchors(panel, k)]
    return axes | {
        "shapes": lines,
        "legend": {"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"},
        "margin": {"l": 60, "r": 20, "t": 30, "b": 60},
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"color": "#1d2530"}},
        "font": {"size": 13},
    }


def _anchors(trade: Tradeoff, k: int) -> list[dict[str, Any]]:
    """Lines across panel ``k``: the majority's accuracy (dashed) and the labels' difference (dotted)."""
    x, y = (f"{axis}{k + 1 if k else ''}" for axis in "xy")
    majority, max_dp = trade.anchors
    line = {"color": "#666", "width": 1}
    across = {"xref": f"{x} domain", "x0": 0, "x1": 1, "yref": y, "y0": majority, "y1": majority}
    up = {"xref": x, "x0": max_dp, "x1": max_dp, "yref": f"{y} domain", "y0": 0, "y1": 1}
    common = {"type": "line", "layer": "below"}
    return [common | across | {"line": line | {"dash": "dash"}}, common | up | {"line": line | {"dash": "dot"}}]


def _axis(title: str, ends: tuple[float, float]) -> dict[str, Any]:
    look = {"gridcolor": "#e6e6e6", "zeroline": False, "linecolor": "#444", "ticks": "outside", "automargin": True}
    return look | {"title": {"text": title}, "range": list(ends)}


def _hover(row: pd.Series, trade: Tradeoff) -> str:
    lines = [_name(row, trade), f"accuracy {estimate(row, 'test/accuracy')}"]
    lines.append(f"{trade.heading} {estimate(row, f'test/{trade.metric}')}")
    lines.append(f"validation {row['val/accuracy']:.3f}, {row[f'val/{trade.metric}']:.3f}; {row['seeds']} seeds")
    return "<br>".join(lines)


def _name(row: pd.Series, trade: Tradeoff) -> str:
    return _harmless(f"{row['method']} {describe(row, trade.by)}".strip())


def _harmless(text: str) -> str:
    """Escape text that plotly.js could read as HTML tags in its labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _error(rows: pd.DataFrame, column: str, look: Look) -> Trace:
    above, below = rows[f"{column}.high"] - rows[column], rows[column] - rows[f"{column}.low"]
    arrays = {"array": numbers(above.fillna(0)), "arrayminus": numbers(below.fillna(0))}
    return arrays | {"type": "data", "symmetric": False, "color": look.colour, "thickness": 1, "width": 0}


def _clear(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def numbers(column: pd.Series) -> list[float | None]:
    """The values of a column for JSON; null for an undefined value."""
    return [None if np.isnan(number) else float(number) for number in column]
