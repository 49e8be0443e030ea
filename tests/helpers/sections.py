"""Sections of a report as a package of a user's own has them: functions that ``report.sections`` names."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table as Text

from fairrun.analysis.tradeoff import Tradeoff
from fairrun.report import ReportOptions
from fairrun.report.section import Section, Table

BINS = 5  # of probabilities


def groups(trade: Tradeoff, options: ReportOptions) -> Section:
    """The metric of each method, as a table alone."""
    rows = trade.runs.groupby("method")[f"test/{trade.metric}"].mean().reset_index()
    text = pd.DataFrame({"method": rows.iloc[:, 0], "mean": [f"{number:.3f}" for number in rows.iloc[:, 1]]})
    return Section(tables=[Table("own", text, f"{trade.metric} over all runs.", "Of my own")])


def calibration(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """How often the label is 1 where a model says so with a probability, for each group; none without scores."""
    found = [_scores(Path(run.folder)).assign(method=run.method) for run in trade.runs.itertuples()]
    rows = pd.concat(found) if found else pd.DataFrame()
    if rows.empty:
        return None
    means = rows.groupby(["method", "group", "bin"], observed=True)[["score", "label"]].mean().reset_index()
    text = Text("method", "group", "bins", title="Calibration on test rows")
    for (method, group), own in means.groupby(["method", "group"], observed=True):
        text.add_row(method, group, str(len(own)))
    shown = means.assign(**{name: means[name].map("{:.3f}".format) for name in ("score", "label")}).astype(str)
    return Section(
        "Calibration",
        {"calibration": _picture(means)},
        "Share of labels 1 against the mean score, by group",
        sentences=["Calibration is that of all seeds together."],
        tables=[Table("calibration", shown, "Mean score and share of labels 1 in bins of the score, by group.")],
        terminal=[text],
        csv={"calibration.csv": means},
    )


def _scores(folder: Path) -> pd.DataFrame:
    """The scores of a run's test rows."""
    path = folder / "model" / "scores.parquet"
    rows = pd.read_parquet(path) if path.exists() else pd.DataFrame({"split": [], "score": []})
    return rows[rows["split"] == "test"].assign(bin=lambda own: np.minimum(own["score"] * BINS, BINS - 1).astype(int))


def _picture(means: pd.DataFrame) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    for (method, group), own in means.groupby(["method", "group"], observed=True):
        axes.plot(own["score"], own["label"], marker="o", label=f"{method}, {group}")
    axes.legend()
    return figure
