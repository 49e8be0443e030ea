"""The picture of several tasks: error against gap of each, and ARE against ARFG, on test rows."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairrun.figure import QUOTED, draw_legend, draw_method, dress, quoted_look, span
from fairrun.multitask import Multitask, Plane

WIDE = 3  # panels in a row
ONE: dict[str, Any] = {"color": "0.35", "linewidth": 0.9, "linestyle": "--", "zorder": 1}


def draw(found: Multitask) -> Figure:
    """A panel a task, and one of ARE against ARFG with lines at 1; lower left is better.

    A method has its colour: single runs faint, settings as points with intervals, those on its validation front in the
    panel filled and joined.  What is quoted is grey and hollow.  Settings that are far off are counted, not drawn.
    """
    wide = min(WIDE, len(found.planes))
    height = -(-len(found.planes) // wide)
    figure = Figure(figsize=(0.6 + 4.1 * wide, 1.3 + 3.7 * height), layout="constrained")
    panels = list(figure.subplots(height, wide, squeeze=False).ravel())
    for axes, plane in zip(panels, found.planes, strict=False):
        _draw_plane(axes, found, plane)
    for axes in panels[len(found.planes) :]:
        axes.remove()
    figure.suptitle(_title(found), x=0.01, ha="left", fontsize=10)
    draw_legend(figure, panels[: len(found.planes)])
    return figure


def _title(found: Multitask) -> str:
    text = f"{found.dataset}: test rows, means over {found.seeds} with 95% intervals, decisions at the match-rate "
    text += (
        "threshold; lower left is better\nfilled and joined: each method's front in the panel, chosen on validation "
    )
    text += "rows; open: other settings; faint: single runs"
    return text + "; grey: quoted, not run here" * bool(len(found.quoted))


def _draw_plane(axes: Axes, found: Multitask, plane: Plane) -> None:
    x, y = f"test/{plane.gap}", f"test/{plane.error}"
    for (k, method), own in plane.quoted.groupby(["number", "method"]):
        look = quoted_look(k)
        hollow: dict[str, Any] = {"marker": look.marker, "markersize": 5, "markerfacecolor": "white"}
        axes.plot(
            own["gap"], own["error"], color=look.colour, linestyle="", zorder=2, label=f"{QUOTED}{method}", **hollow
        )
    for method, look in found.looks.items():
        runs = found.runs[found.runs["method"] == method]
        axes.scatter(runs[x], runs[y], s=9, alpha=0.22, color=look.colour, marker=look.marker, linewidths=0)
        rows = plane.settings[plane.settings["method"] == method]
        draw_method(axes, rows.sort_values(x), x, y, look, method)
    if plane.relative:
        axes.axvline(1, **ONE)
        axes.axhline(1, **ONE)
    axes.set_xlim(_limits(found, plane, x, plane.quoted["gap"].tolist()))
    axes.set_ylim(_limits(found, plane, y, plane.quoted["error"].tolist()))
    _count_those_beyond(axes, plane.settings[x], plane.settings[y])
    axes.set_title(plane.title, fontsize=10, loc="left")
    axes.set_xlabel(plane.labels[1])
    axes.set_ylabel(plane.labels[0])
    dress(axes)


def _limits(found: Multitask, plane: Plane, column: str, beside: list[float]) -> tuple[float, float]:
    """``span`` of what is near: twice as far as the median, quoted points, and fronts within thrice of these."""
    settings = plane.settings
    beside = [*beside, 1.0] if plane.relative else beside
    middle = max([settings[column].median(), *beside])
    fronts = settings.loc[settings["method_front"], column]
    near = max([middle, *fronts[fronts <= 3 * middle]])
    ends = settings.loc[settings[column] <= near, f"{column}.high"]
    far = max(2 * near - settings[column].min(), ends.max())
    runs = found.runs[column]
    return span(runs[runs <= far], settings[settings[column] <= far], column, beside)


def _count_those_beyond(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    """Say how many settings are not in the picture."""
    beyond = int((~(x.between(*axes.get_xlim()) & y.between(*axes.get_ylim()))).sum())
    if beyond:
        text = f"not shown: {beyond} setting{'s' * (beyond > 1)} far off or undefined"
        axes.text(0.99, 0.99, text, transform=axes.transAxes, ha="right", va="top", fontsize=8, color="0.4")
