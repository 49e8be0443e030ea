"""Marks metrics that rest on a group of few test rows, and names these groups."""

import re
from collections.abc import Mapping
from pathlib import Path

from fairrun.analysis.tradeoff import Tradeoff
from fairrun.config.metrics import LEAST_ROWS
from fairrun.results.records import read

MARK = " \u2020"  # a dagger behind the name of a metric


def few_rows(trade: Tradeoff) -> dict[str, int]:
    """The groups with fewer than ``LEAST_ROWS`` test rows, but some, and how many.

    Where runs have several tasks or splits, a group's number is the smallest that is not 0.
    """
    columns = [name for name in trade.runs if re.fullmatch(r"base_rates\.(.*/)?test", name)]
    cells = [cell for name in columns for cell in trade.runs[name] if isinstance(cell, list)]
    if not cells:
        return {}
    names = read(Path(trade.runs["folder"].iloc[0]))["groups"]
    of_groups = zip(*([rows for rows, *_ in cell] for cell in cells), strict=True)
    fewest = [min(filter(None, rows), default=0) for rows in of_groups]
    return {name: rows for name, rows in zip(names, fewest, strict=True) if 0 < rows < LEAST_ROWS}


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
