"""A sweep's tables, pictures and page: ``python -m fairrun.report outputs/sweeps/SWEEP``."""

import argparse
import sys
import tempfile
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fairrun import page, tables
from fairrun.check import InputError
from fairrun.figure import draw
from fairrun.results import load
from fairrun.tradeoff import Tradeoff, tradeoff, value, words

LOWER_IS_BETTER = ("_difference", "_error", "_loss")  # endings of metrics; of all others greater values are better
NOT_FAIRNESS = ("accuracy", "selection_rate")  # the other axis; and without a good end


def report(folder: Path, metric: str | None = None, test_oracle: bool = False) -> list[Path]:
    """Write everything about the sweep into ``folder``; returns what was written.

    Fairness is measured by ``metric``, or else by the one that the runs were made with.  ``test_oracle`` adds fronts
    chosen on test rows, labelled so.  Raises ``InputError``: no runs below the folder, none that finished, a metric
    that the runs do not have, or runs made with different metrics and none named.
    """
    frame = load(folder)
    return write(folder, frame, tradeoffs(frame, metric, test_oracle))


def tradeoffs(frame: pd.DataFrame, metric: str | None, test_oracle: bool) -> list[Tradeoff]:
    """The trade-off of each data set that has a finished run, sorted by name.  Raises ``InputError``."""
    runs = frame[frame["status"] == "finished"]
    if runs.empty:
        reasons = [f"  {run['folder']}: {value(run.get('failure')) or run['status']}" for _, run in frame.iterrows()]
        raise InputError("\n".join([f"a report needs a finished run, got {len(frame)} that are not", *reasons]))
    name, greater_is_better = _metric(runs, metric)
    return [
        tradeoff(own, name, greater_is_better=greater_is_better, test_oracle=test_oracle)
        for _, own in runs.groupby("dataset")
    ]


def write(folder: Path, frame: pd.DataFrame, trades: list[Tradeoff]) -> list[Path]:
    """Write pictures (``front.png`` and ``.pdf``; with several data sets ``front_DATASET``), tables and page.

    An earlier report stays whole until this one is.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".report") as part:
        return [path.replace(folder / path.name) for path in _write(Path(part), folder, frame, trades)]


def _write(part: Path, folder: Path, frame: pd.DataFrame, trades: list[Tradeoff]) -> list[Path]:
    paths = []
    for trade in trades:
        figure = draw(trade)
        stem = "front" if len(trades) == 1 else f"front_{trade.dataset.replace('/', '_')}"
        for name in (f"{stem}.png", f"{stem}.pdf"):
            figure.savefig(part / name, dpi=150, metadata={"CreationDate": None} if name.endswith("pdf") else None)
            paths.append(part / name)
    html = part / "report.html"
    html.write_text(page.render(folder, frame, trades), encoding="utf-8")
    return [*paths, *tables.write(part, trades), html]


def main(arguments: list[str] | None = None) -> None:
    """Print the tables, write everything, and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m fairrun.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder that holds runs, at any depth")
    parser.add_argument("--metric", help="the fairness metric to show; default: the one the runs were made with")
    parser.add_argument("--test-oracle", action="store_true", help="add fronts chosen on test rows, labelled so")
    given = parser.parse_args(arguments)
    try:
        show(given.folder, given.metric, given.test_oracle)
    except InputError as error:
        sys.exit(str(error))


def show(folder: Path, metric: str | None = None, test_oracle: bool = False) -> None:
    """As ``report``, with the tables printed, what did not finish, and what was written."""
    frame = load(folder)
    trades = tradeoffs(frame, metric, test_oracle)
    console = Console() if sys.stdout.isatty() else Console(width=160)  # a file takes the whole table
    for trade in trades:
        console.print(as_text(trade), areas_as_text(trade))
    for _, run in frame[frame["status"] != "finished"].iterrows():
        console.print(
            f"{run['status']}: {run['folder']}: {value(run.get('failure'))}", style="red", soft_wrap=True, markup=False
        )
    try:
        paths = write(folder, frame, trades)
    except OSError as error:
        raise InputError(f"the report must be able to write into {str(folder)!r}: {error}") from None
    for path in paths:
        console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)


def as_text(trade: Tradeoff) -> Table:
    """The settings as a table for the terminal; a star marks the front."""
    caption = "* front: chosen on validation rows" + ("; test oracle: chosen on test rows" if trade.test_oracle else "")
    title = f"{trade.dataset}: test rows, mean over seeds [95% interval]"
    table = tables.settings_table(trade)
    return _rich(table, title, caption, min_width=table[["accuracy", words(trade.metric)]].map(len).max().max())


def areas_as_text(trade: Tradeoff) -> Table:
    """The methods' areas as a table for the terminal."""
    title = f"{trade.dataset}: area under each method's front, mean over seeds [95% interval]"
    reference = ", ".join(f"{number:.4g}" for number in trade.reference)
    table = tables.methods_table(trade).drop(columns=["settings on front", "most accurate", "fairest"])
    return _rich(table, title, f"hypervolume: reference (accuracy, metric) = ({reference})")


def _rich(table: pd.DataFrame, title: str, caption: str, min_width: int | None = None) -> Table:
    text = Table(title=title, caption=caption, box=SIMPLE_HEAD)
    for name in table:
        width = min_width if table[name].str.contains("[", regex=False).any() else None
        text.add_column(name, justify="left" if name == "method" else "right", min_width=width)
    for row in table.to_numpy():
        text.add_row(*(cell.replace("[", r"\[") for cell in row))
    return text


def _metric(runs: pd.DataFrame, name: str | None) -> tuple[str, bool]:
    """The metric to show and whether greater values are better.  Raises ``InputError``."""
    own = dict(zip(runs["metric.name"], runs["metric.greater_is_better"], strict=True))
    if name is None and len(own) > 1:
        raise InputError(f"the runs must share one metric, got {', '.join(own)}; name one with --metric")
    name = next(iter(own)) if name is None else name
    known = [c.removeprefix("test/") for c in runs if c.startswith("test/") and "/s=" not in c]
    known = sorted(metric for metric in known if f"val/{metric}" in runs and metric not in NOT_FAIRNESS)
    if name not in known:
        raise InputError(f"metric must be one of {', '.join(known)}, got {name!r}")
    return name, bool(own.get(name, not name.endswith(LOWER_IS_BETTER)))


if __name__ == "__main__":
    main()
