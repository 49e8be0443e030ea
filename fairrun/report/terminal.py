"""A report's tables for the terminal."""

import re

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from fairrun.analysis.compare import SIDES
from fairrun.analysis.tasks import HYPERVOLUME_POINT, Multitask
from fairrun.analysis.tradeoff import AREAS, Tradeoff, words
from fairrun.report import tables
from fairrun.report.sections.tasks import captioned, rule
from fairrun.report.style import QUOTED, UNKNOWN

LEADING_ZERO = r"\b0\."
QUOTED_CAPTION = "published points; areas with the anchors of these runs' test rows; sources and caveats: table.md"
FIGURES_AT_ONCE = 4  # of the tables of tasks
AT_ONCE = 3  # metrics in a table on the terminal, beside accuracy and the chosen one: 160 columns hold them


def settings_as_text(trade: Tradeoff) -> list[Table]:
    """The settings as tables for the terminal; a star marks the front."""
    caption = "* front: chosen on validation rows" + ("; test oracle: chosen on test rows" if trade.test_oracle else "")
    title = f"{trade.dataset}: test rows, mean over seeds [95% interval]"
    if trade.seed_summary != "mean":
        title += f", but the {trade.heading}"
    if note := tables.collapse_note(trade):
        caption += f"\n{note}"
    return _in_parts(trade, tables.settings_table(trade), title, caption)


def pairs_as_text(trade: Tradeoff) -> list[Table]:
    """The pairs of settings as tables for the terminal; none without a pair."""
    title = f"{trade.dataset}: compared, seed by seed: first minus second on test rows [95% interval]"
    table = tables.pairs_table(trade)
    return _in_parts(trade, table, title, tables.directions(trade)) if len(table) else []


def _in_parts(trade: Tradeoff, table: pd.DataFrame, title: str, caption: str) -> list[Table]:
    """A table of metrics; with more of them than a terminal is wide it is shorter and in parts."""
    more = [name for name in (*map(words, trade.columns), *trade.removal.values()) if name in table]
    if more:
        own = [name for name in table if name in {trade.heading, *map(words, trade.directions), *more}]
        table = table.assign(**{name: table[name].str.replace(LEADING_ZERO, ".", regex=True) for name in own})
    first = table.drop(columns=more[AT_ONCE:])
    keys = list(table.loc[:, :"seeds"])
    rest = [table[[*keys, *more[k : k + AT_ONCE]]] for k in range(AT_ONCE, len(more), AT_ONCE)]
    width = table[[name for name in ("accuracy", trade.heading, *more) if name in table]].map(len).max().max()
    return [_rich(part, title, caption, min_width=width) for part in (first, *rest)]


def areas_as_text(trade: Tradeoff) -> list[Table]:
    """The methods' areas as a table for the terminal, and those of what is quoted; none where no area is known."""
    if trade.methods[list(AREAS)].isna().all(axis=None):
        return []
    title = f"{trade.dataset}: area under each method's front, mean over seeds [95% interval]"
    reference = ", ".join(f"{number:.4g}" for number in trade.hypervolume_point)
    table = tables.methods_table(trade).drop(columns=["settings on front", "most accurate", "fairest"])
    caption = f"hypervolume: reference (accuracy, metric) = ({reference})"
    caption += "; / ideal: share of the best front's AOPAC" * ("aopac" in trade.areas)
    short = table.map(lambda cell: re.sub(LEADING_ZERO, ".", cell))
    found = [_rich(short, title, caption)]
    others = tables.quoted_table(trade)
    if len(others):
        found.append(_rich(others, f"{trade.dataset}: quoted from publications, not run here", QUOTED_CAPTION))
    return found


def tasks_as_text(found: Multitask) -> list[Table]:
    """The tables of tasks for the terminal, in parts."""
    over = "test rows, mean over seeds [95% interval]"
    titles = f"at the match-rate threshold: {over}", f"at 0.5: {over}", f"match-rate threshold: {over}"
    quoted = "; quoted: published, not run here; sources: table.md" * bool(len(found.quoted))
    point = f"({HYPERVOLUME_POINT[0]:g}, {HYPERVOLUME_POINT[1]:g})"
    corner = f"hypervolume: of the front of ARE and ARFG, reference {point}"
    notes = f"* front of ARE and ARFG: chosen on validation rows{quoted}", "", f"{corner}\npicked: {rule(found)}"
    return [
        _rich(part, f"{found.dataset}, tasks {title}", note)
        for (_, table, _), title, note in zip(captioned(found), titles, notes, strict=True)
        for part in _figures_in_parts(table)
    ]


def _figures_in_parts(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The columns up to the seeds with some of the others at a time, and ``front`` with the last; what is quoted only
    where it has a figure.
    """
    keys = list(table.loc[:, :"seeds"])
    figures = [name for name in table if name not in (*keys, "front")]
    short = table.assign(**{name: table[name].str.replace(LEADING_ZERO, ".", regex=True) for name in figures})
    parts = []
    for k in range(0, len(figures), FIGURES_AT_ONCE):
        own = figures[k : k + FIGURES_AT_ONCE]
        last = ["front"] if "front" in table and k + FIGURES_AT_ONCE >= len(figures) else []
        nothing = table["method"].str.startswith(QUOTED) & (table[own] == UNKNOWN).all(axis=1)
        parts.append(short.loc[~nothing, [*keys, *own, *last]])
    return parts


def _rich(table: pd.DataFrame, title: str, caption: str, min_width: int | None = None) -> Table:
    text = Table(title=title, caption=caption, box=SIMPLE_HEAD)
    for name in table:
        width = min_width if table[name].str.contains("[", regex=False).any() else None
        text.add_column(name, justify="left" if name in ("method", *SIDES) else "right", min_width=width)
    for row in table.to_numpy():
        text.add_row(*(cell.replace("[", r"\[") for cell in row))
    return text
