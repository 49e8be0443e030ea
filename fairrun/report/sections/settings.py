"""Section on configurations: their table, and notes on their seeds and runs."""

import pandas as pd

from fairrun.analysis.interval import RULE
from fairrun.analysis.recommend import Recommendation, named
from fairrun.analysis.relative import tasks
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.values import value
from fairrun.report import few
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.style import estimate
from fairrun.report.terminal import Shown, in_parts
from fairrun.results.selection import DEGENERATE, MARGIN

REMOVED = {
    "train/removed": "share of training rows left out as outliers, at the epoch that counts",
    "train/removal_precision": "how many of the rows left out had been made outliers",
    "train/removal_recall": "how many of the rows that had been made outliers were left out",
}


def build(trade: Tradeoff, options: ReportOptions) -> Section:
    """The table, and ``table.csv``."""
    table = Table(
        "settings",
        settings_table(trade),
        caption(trade),
        "Configurations",
        lead=" ".join([f"Test rows, means over {trade.seeds} [95% intervals].", *_remarks(trade)]),
        marked=_chosen(trade, trade.recommended),
        terms=_terms(trade),
    )
    return Section(
        tables=[table],
        terminal=_terminal(trade),
        csv={"table.csv": trade.settings.drop(columns="dataset", errors="ignore").assign(**few.column(trade))},
        of_groups=trade.of_groups,
    )


def _chosen(trade: Tradeoff, found: Recommendation | None) -> list[int]:
    """The row of the recommended configuration."""
    names = [named(row, trade.by) for _, row in trade.settings.iterrows()]
    return [k for k, name in enumerate(names) if found is not None and name == found.name]


def _terms(trade: Tradeoff) -> dict[str, str]:
    found = {words(column.removeprefix("train/")): text for column, text in REMOVED.items() if column in trade.removal}
    return found | ({"test oracle": "front chosen on test rows, for comparison only"} if trade.test_oracle else {})


def _remarks(trade: Tradeoff) -> list[str]:
    """What is special about the configurations."""
    found = []
    if (trade.settings["seeds"] == 2).any():
        found.append("Two seeds give no interval worth showing.")
    if tasks(trade.runs):
        found.append("Of several tasks: means over tasks, decisions at 0.5.")
    return [*found, *filter(None, (seed_summary_note(trade), degenerate_note(trade)))]


def settings_table(trade: Tradeoff) -> pd.DataFrame:
    """A row of text for each configuration; a star marks the Pareto front of all methods."""
    rows = []
    some_degenerate = (trade.settings["degenerate"] > 0).any()
    for _, row in trade.settings.iterrows():
        cells = {c.removeprefix("method."): value(row[c]) for c in trade.by} | {"seeds": str(row["seeds"])}
        for name in trade.directions:
            cells[trade.heading if name == trade.metric else words(name)] = estimate(row, f"test/{name}")
        cells |= {name: estimate(row, column) for column, name in trade.removal.items()}
        if some_degenerate:
            cells["degenerate"] = value(row["degenerate"])
        cells["front"] = "*" if row["front"] else ""
        if trade.test_oracle:
            cells["test oracle"] = "*" if row["test_oracle"] else ""
        rows.append(cells)
    return pd.DataFrame(rows)


def caption(trade: Tradeoff) -> str:
    """The caption of the table, which explains its rows."""
    text = f"{trade.dataset}: test rows, mean over {trade.seeds} [95% interval: {RULE}]. {directions(trade)} "
    if (trade.settings["seeds"] == 2).any():
        text += "Two seeds give no interval worth showing. "
    if tasks(trade.runs):
        text += "Of several tasks: means over tasks, decisions at 0.5. "
    if trade.removal:
        text += "Removed: training rows left out as outliers, at the epoch that counts; precision: how many of "
        text += "them had been made outliers; recall: how many of those that had been. "
    text += "* Pareto front of all configurations, chosen on validation rows."
    if trade.test_oracle:
        text += " Test oracle: * front chosen on test rows, for comparison only."
    for note in filter(None, (seed_summary_note(trade), degenerate_note(trade))):
        text += f" {note}"
    return text


def _terminal(trade: Tradeoff) -> list[Shown]:
    text = "* front: chosen on validation rows" + ("; test oracle: chosen on test rows" if trade.test_oracle else "")
    title = f"{trade.dataset}: test rows, mean over seeds [95% interval]"
    if trade.seed_summary != "mean":
        title += f", but the {trade.heading}"
    if note := degenerate_note(trade):
        text += f"\n{note}"
    return in_parts(trade, settings_table(trade), title, text)


def degenerate_note(trade: Tradeoff) -> str:
    """A note on the number of degenerate runs and on their configurations; empty if there is none."""
    number = int(trade.settings["degenerate"].sum())
    if not number:
        return ""
    text = f"{number} of {len(trade.runs)} runs are degenerate, {DEGENERATE}: on validation rows, at "
    text += f"the epoch that counts, their balanced accuracy is within {MARGIN} of chance, or their selection rate is "
    text += f"below {MARGIN} or above {1 - MARGIN}."
    if trade.keep_degenerate:
        return text
    return f"{text} A configuration with more of them than of others is on no front, without report.degenerate=keep."


def seed_summary_note(trade: Tradeoff) -> str:
    """A note on a configuration's value of the metric; empty if it is the mean over seeds."""
    if trade.seed_summary == "mean":
        return ""
    text = (
        f"{trade.heading[0].upper()}{trade.heading[1:]}: that of the worst seed of a configuration, on validation rows "
    )
    return f"{text}as on test rows, without an interval; all else: means."


def directions(trade: Tradeoff) -> str:
    """The better direction of each metric: "Accuracy: higher is better; log loss: lower is better."."""
    text = "; ".join(f"{words(name)}: {good}" for name, good in trade.directions.items())
    return f"{text[0].upper()}{text[1:]}."
