"""Section on histories: columns of histories over epochs, with a line for each configuration."""

import logging
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fairrun.analysis.bargaining import curve
from fairrun.analysis.tradeoff import Tradeoff, describe, words
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section
from fairrun.report.style import COLOURS, STYLES, Style, line, look, over_epochs
from fairrun.results.records import history_of

log = logging.getLogger(__name__)
WIDE = 3  # most panels in a row
SPLITS = {"train": "training", "val": "validation", "test": "test"}


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The picture ``curves``; None if no column is asked for, or if no history has any of them."""
    steps = steps_of(trade, options.histories) if options.histories else None
    if steps is None:
        return None
    alt = f"Columns of the histories over epochs on {trade.dataset}"
    return Section(title="Over epochs", pictures={"curves": draw(trade, steps)}, alt=alt)


def steps_of(trade: Tradeoff, columns: Sequence[str]) -> pd.DataFrame | None:
    """A row for each run and epoch: ``setting`` (its number in the table of settings), ``epoch``, and ``columns``.

    A warning names each column that no history has.  The result is None if no history has any of the columns.
    """
    frames = []
    for number, (_, setting) in enumerate(trade.settings.iterrows()):
        histories = map(history_of, trade.runs_of(setting)["folder"])
        frames += [history.reindex(columns=["epoch", *columns]).assign(setting=number) for history in histories]
    steps = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["epoch", *columns])
    for column in columns:
        if steps[column].isna().all():
            log.warning("report.histories has %r, which no history has; the report goes without it", column)
    steps = steps.drop(columns=[column for column in columns if steps[column].isna().all()])
    return steps if set(steps) & set(columns) else None


def draw(trade: Tradeoff, steps: pd.DataFrame) -> Figure:
    """Draw a panel for each column: means over seeds, with intervals as bands.

    Each method has its own colour, and each configuration of a method its own line style.
    """
    columns = [column for column in steps if column not in ("epoch", "setting")]
    height = -(-len(columns) // WIDE)
    figure = Figure(figsize=(11, 0.8 + 3 * height), layout="constrained")
    panels = figure.subplots(height, min(WIDE, len(columns)), squeeze=False).ravel()
    looks = _looks(trade)
    for axes, column in zip(panels, columns, strict=False):
        for number, (_, colour, style) in enumerate(looks):
            points = curve(steps[steps["setting"] == number], column)
            line(axes, points, colour, style)
        split, _, name = column.partition("/")
        axes.set_title(f"{words(name)}, {SPLITS[split]} rows", fontsize=10, loc="left")
        over_epochs(axes)
    for axes in panels[len(columns) :]:
        axes.remove()
    options: dict[str, Any] = {"frameon": False, "fontsize": 9, "title_fontsize": 9, "alignment": "left"}
    handles = [Line2D([], [], color=colour, linestyle=style, label=name) for name, colour, style in looks]
    title = f"{trade.dataset}: means over {trade.seeds} with 95% intervals"
    figure.legend(handles=handles, loc="outside upper left", ncols=4, title=title, **options)
    return figure


def _looks(trade: Tradeoff) -> list[tuple[str, str, Style]]:
    """Name, colour and line style of each configuration."""
    methods = list(dict.fromkeys(trade.settings["method"]))
    keys = [key for key in trade.by if key != "method"]
    seen: dict[str, int] = {}
    looks = []
    for _, setting in trade.settings.iterrows():
        method = setting["method"]
        seen[method] = seen.get(method, -1) + 1
        k = methods.index(method)
        style = STYLES[(seen[method] + k // len(COLOURS)) % len(STYLES)]  # methods may share a colour, but no style
        looks.append((f"{method} {describe(setting, keys)}".strip(), look(k).colour, style))
    return looks
