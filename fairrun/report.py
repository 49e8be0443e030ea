"""A sweep's table and picture: ``python -m fairrun.report outputs/sweeps/SWEEP``."""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fairrun.check import InputError
from fairrun.pareto import settings, summarise
from fairrun.results import load


def report(folder, metric=None, test_oracle=False):
    main([str(folder)])


def main(arguments: list[str] | None = None) -> None:
    """Print the table of settings and write ``front.png`` beside the runs; with several data sets, one each."""
    parser = argparse.ArgumentParser(prog="python -m fairrun.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder that holds runs, at any depth")
    folder = parser.parse_args(arguments).folder
    try:
        frame = load(folder)
        metric, greater_is_better = _metric(frame)
    except InputError as error:
        sys.exit(str(error))
    errors = []
    for dataset, runs in frame.groupby("dataset"):
        try:
            table = summarise(runs, metric, greater_is_better=greater_is_better)
        except InputError as error:
            errors.append(f"{dataset}: {error}")
            continue
        Console().print(as_text(table, runs, metric))
        path = folder / ("front.png" if frame["dataset"].nunique() == 1 else f"front_{dataset}.png")
        draw(table, runs, metric, greater_is_better=greater_is_better).savefig(path, dpi=150)
        print(f"picture: {path}")
    if errors:
        sys.exit("\n".join(errors))


def as_text(table: pd.DataFrame, frame: pd.DataFrame, metric: str) -> Table:
    """The settings as a table for the terminal; a star marks the front."""
    failed = int((frame["status"] != "finished").sum())
    text = Table(
        title=f"{frame['dataset'].iloc[0]}: test rows, mean over seeds [95% interval]"
        + (f"; {failed} failed runs left out" if failed else ""),
        caption="* front: chosen on validation rows",
        box=SIMPLE_HEAD,
    )
    by = settings(frame[frame["status"] == "finished"])
    for name in by:
        text.add_column(name.removeprefix("method."), justify="left" if name == "method" else "right")
    text.add_column("seeds", justify="right")
    for name in ("accuracy", metric):
        text.add_column(name.replace("_", " "), justify="right", min_width=len("0.000 [-0.000, 0.000]"))
    text.add_column("front", justify="right")
    for _, row in table.iterrows():
        cells = ["" if pd.isna(row[c]) else str(row[c]) for c in by] + [str(row["seeds"])]
        cells += [_interval(row, column) for column in ("test/accuracy", f"test/{metric}")]
        text.add_row(*cells, "*" if row["front"] else "")
    return text


def draw(table: pd.DataFrame, frame: pd.DataFrame, metric: str, *, greater_is_better: bool = False) -> Figure:
    """Accuracy against the metric on test rows: single runs faint, settings with intervals, each method's validation
    front joined.
    """
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    x, y = f"test/{metric}", "test/accuracy"
    for colour, (method, rows) in zip(plt.colormaps["tab10"].colors, table.groupby("method", sort=False), strict=False):  # type: ignore[attr-defined]
        runs = frame[(frame["method"] == method) & (frame["status"] == "finished")]
        axes.scatter(runs[x], runs[y], s=10, alpha=0.25, color=colour, linewidths=0)
        xerr, yerr = ([rows[c] - rows[f"{c}.low"], rows[f"{c}.high"] - rows[c]] for c in (x, y))
        axes.errorbar(
            rows[x], rows[y], xerr=xerr, yerr=yerr, fmt="o", markersize=4, elinewidth=1, color=colour, label=method
        )
    front = table[table["front"]].sort_values(x)
    axes.plot(front[x], front[y], color="black", linewidth=1, alpha=0.6, zorder=0, label="front, chosen on validation")
    direction = "higher" if greater_is_better else "lower"
    axes.set_xlabel(f"{metric.replace('_', ' ')} on test rows ({direction} is better)")
    axes.set_ylabel("accuracy on test rows (higher is better)")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _interval(row: pd.Series, column: str) -> str:
    return f"{row[column]:.3f} [{row[f'{column}.low']:.3f}, {row[f'{column}.high']:.3f}]"


def _metric(frame: pd.DataFrame) -> tuple[str, bool]:
    names = frame[["metric.name", "metric.greater_is_better"]].drop_duplicates()
    if len(names) > 1:
        raise InputError(f"the runs must share one metric, got {', '.join(names['metric.name'])}")
    return str(names.iloc[0, 0]), bool(names.iloc[0, 1])


if __name__ == "__main__":
    main()
