"""Section on groups: the rates of each group on test rows, of the recommended configuration and of the baseline."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from fairrun.analysis.interval import RULE, interval
from fairrun.analysis.recommend import named
from fairrun.analysis.relative import tasks
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.metrics import LEAST_ROWS
from fairrun.report.few import MARK, few_rows, note, rows_of_groups
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.style import UNKNOWN, estimate
from fairrun.results.records import read

OF_TASKS = "rates are means over tasks, decisions at 0.5, and rows those of the task with the fewest"
FEW = f"{MARK} Fewer than {LEAST_ROWS} test rows: uncertain."
BASE = "base rate"
RATES = ("selection_rate", "accuracy", "true_positive_rate", "false_positive_rate")


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The table, and ``groups.csv``; None where there is no choice, or the records have no rates of groups."""
    found = by_group(trade)
    if found.empty:
        return None
    of_tasks = f" Of several tasks: {OF_TASKS}." * bool(tasks(trade.runs))
    text = f"{trade.dataset}: rates of each group on test rows, mean over {trade.seeds}"
    few = few_rows(trade)
    shown = groups_table(found, few)
    table = Table(
        "groups",
        shown,
        " ".join(filter(None, [f"{text} [95% interval: {RULE}].{of_tasks}", note(trade)])),
        "Rates by group",
        lead=f"Test rows, means over {trade.seeds} [95% intervals].{of_tasks}{FEW * bool(few)}",
        badge="configuration",
        marked=[k for k, name in enumerate(found["configuration"]) if name == found["configuration"].iloc[0]]
        if found["configuration"].nunique() > 1
        else (),
        terms={BASE: "share of the group's rows whose label is 1"} if BASE in shown else {},
    )
    return Section(tables=[table], csv={"groups.csv": found})


def by_group(trade: Tradeoff) -> pd.DataFrame:
    """A row for each group and configuration: rows, the share of label 1, and ``RATES`` with ``.low`` and ``.high``.

    Rows are the fewest of all seeds and tasks; the share is NaN with several tasks or classes.
    """
    names = read(Path(trade.runs["folder"].iloc[0])).get("groups", [])
    shown = [(name, runs, rows_of_groups(runs, "test")) for name, runs in _configurations(trade)]
    rows = []
    for g, group in enumerate(names):
        for configuration, runs, numbers in shown:
            known = {name: runs[f"test/{name}/s={g}"] for name in RATES if f"test/{name}/s={g}" in runs}
            if not any(values.notna().any() for values in known.values()):
                continue
            row = {"group": group, "configuration": configuration, "rows": numbers.get(group, 0)}
            row["base_rate"] = _base_rate(runs, g)
            for name, values in known.items():
                row[name] = values.mean(skipna=False)
                row[f"{name}.low"], row[f"{name}.high"] = interval(values.to_numpy(dtype=float), (0.0, 1.0))
            rows.append(row)
    return pd.DataFrame(rows)


def _configurations(trade: Tradeoff) -> Iterator[tuple[str, pd.DataFrame]]:
    """The recommended configuration and the one that it is compared with, or the only one, and their runs."""
    found, compared = trade.recommended, trade.recommended and trade.recommended.comparison
    rows = {named(row, trade.by): row for _, row in trade.settings.iterrows()}
    shown = [found.name, *([compared.name] if compared else [])] if found else [*rows] if len(rows) == 1 else []
    yield from ((name, trade.runs_of(rows[name])) for name in shown)


def _base_rate(runs: pd.DataFrame, g: int) -> float:
    """The mean over seeds of the share of label 1 in group ``g``."""
    cells = [cells[g] for cells in runs.get("base_rates.test", []) if isinstance(cells, list)]
    shares = [cell[1] / cell[0] for cell in cells if len(cell) == 2 and cell[0]]
    return float(np.mean(shares)) if shares else float("nan")


def groups_table(found: pd.DataFrame, few: Collection[str] = ()) -> pd.DataFrame:
    """The rows as text, the groups of few rows with a mark; no share of label 1 where it is known of none."""
    table = found[["group", "configuration"]].assign(rows=found["rows"].map("{:,}".format))
    table["group"] += found["group"].isin(list(few)).map({True: MARK, False: ""})
    if found["base_rate"].notna().any():
        table[BASE] = found["base_rate"].map("{:.3f}".format).replace("nan", UNKNOWN)
    for name in (name for name in RATES if name in found):
        table[words(name)] = [estimate(row, name) for _, row in found.iterrows()]
    return table
