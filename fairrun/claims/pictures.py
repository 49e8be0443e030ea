"""Pictures of the runs that claims are tested on: values of methods, or their settings in a plane with the fronts."""

import io
from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fairrun.analysis.front import finished, summarise
from fairrun.analysis.interval import interval
from fairrun.analysis.tradeoff import greater_is_better
from fairrun.claims.axes import count_those_beyond, draw_legend, draw_method, span
from fairrun.claims.judge import cells_of
from fairrun.claims.spec import PictureSpec
from fairrun.config.metrics import bounds
from fairrun.report.charts.looks import MARKERS, Look, looks, numbered_look
from fairrun.report.charts.picture import dress

WIDE = 3  # most panels in a row
DPI = 110
COLOURS = 256  # of a picture, which take a third of the bytes of all
SOFTWARE = "Software"
ACCURACY = "accuracy"
CAPTIONS = {
    "values": "Points with bars: means over seeds with 95% intervals; faint: single runs.",
    "fronts": "Points with bars: settings, means over seeds with 95% intervals on test rows; filled and joined: the "
    "front of each method, which validation rows choose.",
}


def png(spec: PictureSpec, frame: pd.DataFrame) -> bytes:
    """The picture as a PNG of few colours; its text ``Software`` names the version of matplotlib that drew it."""
    canvas = FigureCanvasAgg(draw(spec, frame))
    canvas.figure.set_dpi(DPI)
    canvas.draw()
    said, file = PngInfo(), io.BytesIO()
    said.add_text(SOFTWARE, f"matplotlib {matplotlib.__version__}")
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    drawn.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(file, format="png", optimize=True, pnginfo=said)
    return file.getvalue()


def draw(spec: PictureSpec, frame: pd.DataFrame) -> Figure:
    """Draw a panel for each value of ``spec.each``, with one legend."""
    frame = frame.reset_index(drop=True)
    runs = finished(frame)
    methods = list(dict.fromkeys(runs["method"]))
    cells = cells_of(frame.loc[runs.index], spec.each)  # of ``runs`` lists are text with brackets
    panels = [(cell, runs[cells == cell]) for cell in dict.fromkeys(cells)]
    wide = min(WIDE, len(panels))
    height = -(-len(panels) // wide)
    tall = 1.0 + 0.19 * len(methods) if spec.kind == "values" else 3.4
    figure = Figure(figsize=(max(5.5, 0.6 + 3.3 * wide), 0.7 + tall * height), layout="constrained")
    drawn = list(figure.subplots(height, wide, squeeze=False).ravel())
    for axes, (cell, own) in zip(drawn, panels, strict=False):
        axes.set_title(cell, fontsize=10, loc="left")
        if spec.kind == "values":
            _draw_values(axes, spec, own)
        else:
            _draw_fronts(axes, spec, own, methods)
        axes.tick_params(labelsize=8)
        dress(axes)
    for axes in drawn[len(panels) :]:
        axes.remove()
    draw_legend(figure, drawn[: len(panels)], 1 if spec.kind == "values" else None)
    return figure


def _draw_values(axes: Axes, spec: PictureSpec, runs: pd.DataFrame) -> None:
    """A line for each method that has one of the values: in the method's look, or of several values in their own."""
    methods = [m for m, own in runs.groupby("method", sort=False) if own[[*spec.values]].notna().any(axis=None)]
    own = looks(methods) if len(spec.values) == 1 else {}
    for k, (column, label) in enumerate(spec.values.items()):
        shift = 0.16 * (k - (len(spec.values) - 1) / 2)
        for place, values in _values_of(runs, methods, column):
            low, high = interval(values, bounds(column.partition("/")[2]))
            mean, y = values.mean(), place + shift
            look = own.get(methods[place], numbered_look(k))
            colour, marker = look.on_light, MARKERS[look.marker]
            axes.scatter(values, np.full(len(values), y), s=9, alpha=0.25, color=colour, marker=marker, linewidths=0)
            errors = None if np.isnan(low) else [[mean - low], [high - mean]]
            axes.errorbar(mean, y, xerr=errors, fmt=marker, color=colour, markersize=4, elinewidth=1)
        look = numbered_look(k) if not own else Look("dim")
        axes.plot([], [], marker=MARKERS[look.marker], linestyle="", color=look.on_light, label=label)
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()


def _values_of(runs: pd.DataFrame, methods: list[str], column: str) -> Iterator[tuple[int, np.ndarray]]:
    """The place of each method that has values, and these."""
    for place, method in enumerate(methods):
        values = runs.loc[runs["method"] == method, column].dropna().to_numpy(dtype=float)
        if len(values):
            yield place, values


def _draw_fronts(axes: Axes, spec: PictureSpec, runs: pd.DataFrame, methods: list[str]) -> None:
    """The settings of each method in the plane of two metrics, with its front, whose surroundings are shown."""
    metric, other = spec.values
    lower = greater_is_better(other, runs) is False
    fronts = {f"{split}/{ACCURACY}": (-1 if lower else 1) * runs[f"{split}/{other}"] for split in ("val", "test")}
    runs = runs.assign(**fronts)
    greater = bool(greater_is_better(metric, runs))
    table = summarise(runs, metric, greater_is_better=greater, columns=[] if other == ACCURACY else [other])
    x, y = f"test/{metric}", f"test/{other}"
    shown_as = looks(methods)
    for method in methods:
        rows = table[table["method"] == method].dropna(subset=[x, y])
        if len(rows):
            draw_method(axes, rows.sort_values(x), x, y, shown_as[method], method)
    shown = table[table["method_front"]]
    axes.set_xlim(span(shown[x], shown, x, []))
    axes.set_ylim(span(shown[y], shown, y, []))
    count_those_beyond(axes, table[x], table[y])
    axes.set_xlabel(f"{spec.values[metric]} ({'higher' if greater else 'lower'} is better)", fontsize=9)
    axes.set_ylabel(f"{spec.values[other]} ({'lower' if lower else 'higher'} is better)", fontsize=9)
