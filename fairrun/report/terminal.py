"""Tables for the terminal."""

import sys

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fairrun.analysis.compare import SIDES
from fairrun.analysis.tradeoff import Tradeoff, words

LEADING_ZERO = r"\b0\."
AT_ONCE = 3  # metrics in a table, beside accuracy and the chosen one: 160 columns hold them


def console() -> Console:
    """Where tables are printed: a terminal, or a file, which takes whole tables."""
    return Console() if sys.stdout.isatty() else Console(width=160)


def in_parts(trade: Tradeoff, table: pd.DataFrame, title: str, caption: str) -> list[Table]:
    """A table of metrics.  If they are too many for the width of a terminal, it is shortened and split into parts."""
    more = [name for name in (*map(words, trade.columns), *trade.removal.values()) if name in table]
    if more:
        own = [name for name in table if name in {trade.heading, *map(words, trade.directions), *more}]
        table = table.assign(**{name: table[name].str.replace(LEADING_ZERO, ".", regex=True) for name in own})
    first = table.drop(columns=more[AT_ONCE:])
    keys = list(table.loc[:, :"seeds"])
    rest = [table[[*keys, *more[k : k + AT_ONCE]]] for k in range(AT_ONCE, len(more), AT_ONCE)]
    width = table[[name for name in ("accuracy", trade.heading, *more) if name in table]].map(len).max().max()
    return [as_text(part, title, caption, min_width=width) for part in (first, *rest)]


def as_text(table: pd.DataFrame, title: str, caption: str, min_width: int | None = None) -> Table:
    """A table of text; ``min_width``: of columns with intervals."""
    text = Table(title=title, caption=caption, box=SIMPLE_HEAD)
    for name in table:
        width = min_width if table[name].str.contains("[", regex=False).any() else None
        text.add_column(name, justify="left" if name in ("method", *SIDES) else "right", min_width=width)
    for row in table.to_numpy():
        text.add_row(*(cell.replace("[", r"\[") for cell in row))
    return text
