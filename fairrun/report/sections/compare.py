"""Section on pairs: configurations of two methods compared seed by seed, as set by ``report.compare``."""

import pandas as pd

from fairrun.analysis.compare import SIDES
from fairrun.analysis.interval import RULE
from fairrun.analysis.tradeoff import Tradeoff, describe, words
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.sections.settings import directions
from fairrun.report.style import estimate
from fairrun.report.terminal import Shown, in_parts

LEAD = "First minus second on test rows, mean over shared seeds [95% interval]. Settings agree in every key in which "
LEAD += "both methods have a value in common."


def build(trade: Tradeoff, options: ReportOptions) -> Section:
    """``pairs.csv``, and a table if there are pairs."""
    table, csv = pairs_table(trade), {"pairs.csv": trade.pairs}
    if table.empty:
        return Section(csv=csv)
    title = "Compared, seed by seed"
    tables, texts = [Table("pairs", table, caption(trade), title, lead=LEAD)], _terminal(trade, table)
    return Section(tables=tables, terminal=texts, csv=csv, of_groups=trade.of_groups)


def pairs_table(trade: Tradeoff) -> pd.DataFrame:
    """A row of text for each pair of configurations: first minus second in each metric."""
    keys = [column for column in trade.by if column != "method"]
    rows = []
    for _, row in trade.pairs.iterrows():
        cells = {}
        for side in SIDES:
            setting = describe(pd.Series({key: row[f"{side}.{key}"] for key in keys}), keys)
            cells[side] = f"{row[side]} {setting}".strip()
        cells["seeds"] = str(row["seeds"])
        rows.append(cells | {words(name): estimate(row, f"test/{name}") for name in trade.directions})
    return pd.DataFrame(rows)


def caption(trade: Tradeoff) -> str:
    """The caption of the table, which explains its rows."""
    text = f"{trade.dataset}: compared, seed by seed: first minus second on test rows, mean over shared seeds "
    text += f"[95% interval: {RULE}]. {directions(trade)} Settings agree in every key in which both "
    return text + "methods have a value in common."


def _terminal(trade: Tradeoff, table: pd.DataFrame) -> list[Shown]:
    title = f"{trade.dataset}: compared, seed by seed: first minus second on test rows [95% interval]"
    return in_parts(trade, table, title, directions(trade))
