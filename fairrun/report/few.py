"""Says what rests on little: on a group of few rows, which it names, or on one run where seeds change nothing.

Few test rows are a mark, few validation rows a warning.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fairrun.analysis.tradeoff import Tradeoff
from fairrun.config.metrics import LEAST_CHOSEN, LEAST_ROWS, of_name, rests_on_groups
from fairrun.results.records import by_class, read

SAME = 1e-9  # width of an interval; rounding alone makes less
MARK = " \u2020"  # a dagger behind the name of a metric


def few_rows(trade: Tradeoff) -> dict[str, int]:
    """The groups with fewer than ``LEAST_ROWS`` test rows, but some, and how many: ``rows_of_groups``."""
    return {name: rows for name, rows in rows_of_groups(trade.runs, "test").items() if 0 < rows < LEAST_ROWS}


def rows_of_groups(runs: pd.DataFrame, split: str, label: int | None = None) -> dict[str, int]:
    """How many rows of a split each group has: of all labels, or of one.

    Where runs have several tasks or splits, a group's number is the smallest that is not 0.
    """
    columns = [name for name in runs if re.fullmatch(rf"base_rates\.(.*/)?{split}", name)]
    cells = [cell for name in columns for cell in runs[name] if isinstance(cell, list)]
    if not cells:
        return {}
    names = read(Path(runs["folder"].iloc[0])).get("groups", [])
    numbers = ([group[0] if label is None else by_class(group)[label] for group in cell] for cell in cells)
    fewest = [min(filter(None, of_group), default=0) for of_group in zip(*numbers, strict=True)]
    return dict(zip(names, fewest, strict=False))


def warnings(trade: Tradeoff) -> list[str]:
    """A sentence on the groups whose few validation rows a choice rests on; none where nothing is chosen by groups."""
    runs, metric = trade.runs, of_name(trade.metric)
    chosen = len(trade.settings) > 1 or runs.get("postprocess", pd.Series()).notna().any()
    if not (chosen and rests_on_groups(trade.metric)):
        return []
    found = []
    for label in (metric and metric.labels_needed) or (None,):
        few = {name: n for name, n in rows_of_groups(runs, "val", label).items() if n < LEAST_CHOSEN}
        rows = "validation rows" + ("" if label is None else f" of label {label}")
        text = f"{trade.dataset}: partly noise, as what is chosen (a setting, a bound, thresholds) rests on a group of "
        found += [f"{text}fewer than {LEAST_CHOSEN} {rows}: {_named(few)}."] if few else []
    return found


def seeds_alike(trade: Tradeoff) -> list[str]:
    """A sentence on the methods whose seeds all give the same accuracy; their intervals have no width."""
    ends = [trade.settings.get(f"test/accuracy.{end}", pd.Series(dtype=float)) for end in ("low", "high")]
    none = (ends[1] - ends[0] < SAME).groupby(trade.settings["method"], sort=False).all()
    methods = ", ".join(none.index[none])
    text = f"{trade.dataset}: all seeds of {methods} give the same accuracy: intervals without width say nothing; "
    return [f"{text}'dataset.split.seed=${{seed}}' gives each seed rows of its own."] if methods else []


def column(trade: Tradeoff) -> dict[str, str]:
    """A column for CSV files that names the groups and their rows; none if every group has enough rows."""
    few = few_rows(trade)
    return {"few_test_rows": _named(few)} if few else {}


def note(trade: Tradeoff) -> str:
    """The footnote on the mark, which names the groups; empty if every group has enough rows."""
    few = few_rows(trade)
    text = f"{MARK.strip()} {trade.dataset}: uncertain, rests on a group of fewer than {LEAST_ROWS} test rows: "
    return f"{text}{_named(few)}." if few else ""


def _named(few: Mapping[str, int]) -> str:
    return "; ".join(f"{name}: {rows}" for name, rows in few.items())
