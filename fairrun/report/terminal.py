"""Tables for the terminal: whole cells at every width."""

import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from fairrun.analysis.compare import SIDES
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.names import counted
from fairrun.report.style import PUBLISHED, UNKNOWN

LEADING_ZERO = r"\b0\."
GAP = 3  # between the columns of a table
FOLDED, NARROWEST = ("method", *SIDES), 12  # columns that a narrow terminal breaks, and the width that they keep
MARKS = ("degenerate", "front", "test oracle")  # columns that stand in the first part of a table


def console() -> Console:
    """Where tables are printed: a terminal, or a file, whose width is COLUMNS or 160."""
    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=160)


@dataclass(frozen=True)
class Shown:
    """A table of text that fits the terminal it is printed on.

    A narrow terminal has each interval below its value.  What is still too wide goes into parts below each other, each
    with the ``keys``; the ``optional`` columns are left out instead, and are counted.
    """

    rows: pd.DataFrame
    title: str
    caption: str = ""
    keys: Sequence[str] = ("method",)
    optional: Collection[str] = ()
    file: str = "table.csv"  # which has all columns

    def marked(self, headings: Mapping[str, str]) -> "Shown":
        """The table with other headings."""
        optional = [headings.get(name, name) for name in self.optional]
        return replace(self, rows=self.rows.rename(columns=headings), optional=optional)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        parts, left = self.fitted(options.max_width)
        yield Text(self.title, style="bold")
        for k, part in enumerate(parts):
            if k:
                yield ""
            yield _table(part)
        if left:
            yield Text(f"{counted(left, 'column')} left out for width: {self.file} has all", style="dim")
        if self.caption:
            yield Text(self.caption, style="dim")

    def fitted(self, width: int) -> tuple[list[pd.DataFrame], int]:
        """The parts of the table that fit ``width``, and how many optional columns have no room."""
        marks = [name for name in self.rows if name in MARKS]
        others = [name for name in self.rows if name not in (*self.keys, *marks)]
        must = [name for name in others if name not in self.optional]
        rows = self.rows
        if _width(rows, [*self.keys, *must, *marks]) > width:
            rows = rows.map(lambda cell: cell.replace(" [", "\n["))
        shown = list(must)
        for name in (name for name in others if name in self.optional):
            if _width(rows, [*self.keys, *shown, name, *marks]) <= width:
                shown.append(name)
        groups = _groups(rows, self.keys, [name for name in others if name in shown], marks, width)
        parts = [_saying(rows[[*self.keys, *group]], group) for group in groups]
        return parts, len(others) - len(shown)


def _groups(
    rows: pd.DataFrame, keys: Sequence[str], names: Sequence[str], marks: Sequence[str], width: int
) -> list[list[str]]:
    """The columns of each part, in order: as many as fit beside the keys; the marks are the last of the first part."""
    groups: list[list[str]] = [[]]
    room = [*keys, *marks]  # of the first part
    for name in names:
        if groups[-1] and _width(rows, [*room, *groups[-1], name]) > width:
            groups.append([])
            room = [*keys]
        groups[-1].append(name)
    if not marks:
        return groups
    if _width(rows, [*keys, *groups[0], *marks]) <= width:
        return [[*groups[0], *marks], *groups[1:]]
    return [*groups, [*marks]]


def _saying(part: pd.DataFrame, figures: Sequence[str]) -> pd.DataFrame:
    """The part without published rows that have no figure in it."""
    nothing = part[list(figures)].isin(["", UNKNOWN]).all(axis=1)
    return part[~(nothing & part.iloc[:, 0].str.startswith(PUBLISHED))]


def in_parts(trade: Tradeoff, table: pd.DataFrame, title: str, caption: str) -> list[Shown]:
    """A table of metrics, shortened where there are more than accuracy and the chosen one."""
    more = [name for name in (*map(words, trade.columns), *trade.removal.values()) if name in table]
    if more:
        own = [name for name in table if name in {trade.heading, *map(words, trade.directions), *more}]
        table = table.assign(**{name: without_zero(table[name]) for name in own})
    return [Shown(table, title, caption, list(table.loc[:, :"seeds"]))]


def without_zero(column: "pd.Series[str]") -> "pd.Series[str]":
    """The cells without the 0 before the point."""
    return column.str.replace(LEADING_ZERO, ".", regex=True)


def _width(rows: pd.DataFrame, names: Sequence[str]) -> int:
    return sum(_widest(rows[name]) + GAP for name in names) - GAP


def _widest(column: "pd.Series[str]") -> int:
    """The width that a column needs: of its longest cell, or of the longest word of its heading."""
    cells = max((cell_len(line) for cell in column for line in cell.split("\n")), default=0)
    if column.name in FOLDED:
        cells = min(cells, NARROWEST)
    return max(cells, *map(cell_len, str(column.name).split()))


def _table(rows: pd.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), collapse_padding=True)
    for name in rows:
        side: Literal["left", "right"] = "left" if name in FOLDED else "right"
        table.add_column(Text(str(name)), justify=side, min_width=_widest(rows[name]), overflow="fold")
    for row in rows.to_numpy():
        table.add_row(*map(Text, row))
    return table
