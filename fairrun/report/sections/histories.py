"""Section on histories: columns of histories over epochs, with a line for each configuration."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from fairrun.analysis.recommend import named
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.report.charts.chart import Axis, Chart, Panel
from fairrun.report.charts.curves import curves_said, over_epochs
from fairrun.report.charts.limits import fitted
from fairrun.report.charts.looks import STYLES, Look, looks
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section
from fairrun.results.records import history_of

log = logging.getLogger(__name__)
SPLITS = {"train": "training", "val": "validation", "test": "test"}


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The chart ``curves``; None if no column is asked for, or if no history has any of them."""
    steps = steps_of(trade, options.histories) if options.histories else None
    if steps is None:
        return None
    return Section(title="Over epochs", charts={"curves": chart(trade, steps)})


def steps_of(trade: Tradeoff, columns: Sequence[str]) -> pd.DataFrame | None:
    """A row for each run and epoch: ``epoch``, ``columns``, ``seed``, ``setting`` (its number in their table).

    A warning names each column that no history has.  The result is None if no history has any of the columns.
    """
    frames = []
    for number, (_, setting) in enumerate(trade.settings.iterrows()):
        for _, run in trade.runs_of(setting).iterrows():
            history = history_of(run["folder"]).reindex(columns=["epoch", *columns])
            frames.append(history.assign(setting=number, seed=run["seed"]))
    steps = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["epoch", *columns])
    for column in columns:
        if steps[column].isna().all():
            log.warning("report.histories has %r, which no history has; the report goes without it", column)
    steps = steps.drop(columns=[column for column in columns if steps[column].isna().all()])
    return steps if set(steps) & set(columns) else None


def chart(trade: Tradeoff, steps: pd.DataFrame) -> Chart:
    """A panel for each column: means over seeds, with intervals as bands.

    Each method has its own colour, and each configuration of a method its own line style.
    """
    columns = [column for column in steps if column not in ("epoch", "setting", "seed")]
    alt = f"{', '.join(map(_title, columns))} over epochs on {trade.dataset}"
    seeds = int(trade.settings["seeds"].min())
    panels = [_panel(trade, steps, column) for column in columns]
    return Chart(panels, alt, seeds, of_epochs=True, legend=f"{trade.dataset}: {curves_said(seeds)}")


def _panel(trade: Tradeoff, steps: pd.DataFrame, column: str) -> Panel:
    series = [
        over_epochs(steps[steps["setting"] == number], column, name, look)
        for number, (name, look) in enumerate(_looks(trade))
    ]
    values = [value for one in series for _, value in one.line]
    ends = [end for one in series for _, *both in one.band for end in both]
    limits = fitted(values, pd.DataFrame({"low": ends, "high": ends}))
    epochs = steps["epoch"]
    across = Axis("epoch", float(epochs.min()) - 0.5, float(epochs.max()) + 0.5, integers=True)
    return Panel(across, Axis("", *limits), series, _title(column))


def _title(column: str) -> str:
    split, _, name = column.partition("/")
    return f"{words(name)}, {SPLITS[split]} rows"


def _looks(trade: Tradeoff) -> list[tuple[str, Look]]:
    """Name, colour and line style of each configuration."""
    shown = looks(trade.settings["method"])
    seen: Counter[str] = Counter()
    found = []
    for _, setting in trade.settings.iterrows():
        method = setting["method"]
        found.append((named(setting, trade.by), replace(shown[method], style=STYLES[seen[method] % len(STYLES)])))
        seen[method] += 1
    return found
