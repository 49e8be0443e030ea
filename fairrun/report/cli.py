"""``python -m fairrun.report FOLDER``: print a sweep's tables, write its report."""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from fairrun.analysis.bargaining import alignment
from fairrun.analysis.tasks import Multitask, multitask
from fairrun.analysis.tradeoff import Tradeoff, value
from fairrun.config.check import InputError
from fairrun.report import page, tables
from fairrun.report.options import ReportOptions
from fairrun.report.sections import bargaining as traces
from fairrun.report.sections import histories
from fairrun.report.sections import tasks as fronts
from fairrun.report.sections.tasks import captioned
from fairrun.report.sections.tradeoff import draw
from fairrun.report.terminal import areas_as_text, pairs_as_text, settings_as_text, tasks_as_text
from fairrun.report.tradeoffs import NOTHING, check, complete, tradeoffs
from fairrun.results.records import load


def report(folder: Path, given: ReportOptions = NOTHING) -> list[Path]:
    """Write everything about the sweep into ``folder``; returns what was written.

    What ``given`` does not say, the records of the runs do.  Raises ``InputError``: no run below the folder, and as
    ``check`` and ``tradeoffs`` do.
    """
    frame = load(folder)
    check(frame, given)
    options = complete(frame, given)
    return write(folder, frame, tradeoffs(frame, options), options)


def several_tasks(trades: list[Tradeoff]) -> dict[str, Multitask]:
    """The data sets whose runs have several tasks."""
    return {trade.dataset: found for trade in trades if (found := multitask(trade)) is not None}


def write(
    folder: Path,
    frame: pd.DataFrame,
    trades: list[Tradeoff],
    options: ReportOptions,
    several: Mapping[str, Multitask] | None = None,
) -> list[Path]:
    """Write pictures (``front.png`` and ``.pdf``, of histories ``curves.png`` and ``.pdf``, where methods bargain
    ``bargaining.png`` and ``.pdf``, where runs have several tasks ``tasks.png`` and ``.pdf``; with several data sets
    ``front_DATASET`` and so on), tables, page.

    ``several``: of ``several_tasks``, where they are at hand.  An earlier report stays whole until this one is.
    """
    several = several_tasks(trades) if several is None else several
    with tempfile.TemporaryDirectory(dir=folder, prefix=".report") as part:
        return [
            path.replace(folder / path.name) for path in _write(Path(part), folder, frame, trades, options, several)
        ]


def _write(
    part: Path,
    folder: Path,
    frame: pd.DataFrame,
    trades: list[Tradeoff],
    options: ReportOptions,
    several: Mapping[str, Multitask],
) -> list[Path]:
    paths = []
    bargained, pictured, drawn = {}, {}, {}
    for trade in trades:
        dataset = "" if len(trades) == 1 else f"_{trade.dataset.replace('/', '_')}"
        paths += _save(draw(trade), part / f"front{dataset}")
        found = alignment(trade)
        if found is not None:
            pictures = _save(traces.draw(found), part / f"bargaining{dataset}")
            paths += pictures
            bargained[trade.dataset] = (found, pictures[0].read_bytes())
        if options.histories and (steps := histories.steps_of(trade, options.histories)) is not None:
            pictures = _save(histories.draw(trade, steps), part / f"curves{dataset}")
            paths += pictures
            drawn[trade.dataset] = pictures[0].read_bytes()
        if trade.dataset in several:
            pictures = _save(fronts.draw(several[trade.dataset]), part / f"tasks{dataset}")
            paths += pictures
            pictured[trade.dataset] = (several[trade.dataset], pictures[0].read_bytes())
    html = part / "report.html"
    html.write_text(page.render(folder, frame, trades, bargained, pictured, drawn), encoding="utf-8")
    return [*paths, *_write_tables(part, trades, several), html]


def _write_tables(part: Path, trades: list[Tradeoff], several: Mapping[str, Multitask]) -> list[Path]:
    """Tables of all kinds; with several tasks also ``tasks.csv`` (settings) and ``tasks_methods.csv``."""
    more = {dataset: captioned(found) for dataset, found in several.items()}
    paths = tables.write(part, trades, more)
    if several:
        rows = {dataset: found.settings.drop(columns="dataset", errors="ignore") for dataset, found in several.items()}
        paths.append(tables.write_csv(part / "tasks.csv", rows))
        methods = {dataset: found.methods for dataset, found in several.items()}
        paths.append(tables.write_csv(part / "tasks_methods.csv", methods))
    return paths


def _save(figure: Figure, stem: Path) -> list[Path]:
    """Save as PNG and PDF, the same bytes for the same figure."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "pdf")]
    for path in paths:
        figure.savefig(path, dpi=150, metadata={"CreationDate": None} if path.suffix == ".pdf" else None)
    return paths


def main(arguments: list[str] | None = None) -> None:
    """Print the tables, write everything, and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m fairrun.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder that holds runs, at any depth")
    ReportOptions.add_to(parser)
    arguments_given = parser.parse_args(arguments)
    try:
        given = ReportOptions.from_args(arguments_given)
        frame = load(arguments_given.folder)
        check(frame, given)
        show(arguments_given.folder, frame, given)
    except InputError as error:
        sys.exit(str(error))


def show(folder: Path, frame: pd.DataFrame, given: ReportOptions = NOTHING) -> None:
    """As ``report``, of the runs in ``frame``, with the tables printed, what did not finish, and what was written.

    What no run has is left out with a warning.
    """
    options = complete(frame, given)
    trades = tradeoffs(frame, options)
    console = Console() if sys.stdout.isatty() else Console(width=160)  # a file takes the whole table
    several = several_tasks(trades)
    for trade in trades:
        console.print(*settings_as_text(trade), *areas_as_text(trade), *pairs_as_text(trade))
        if trade.dataset in several:
            console.print(*tasks_as_text(several[trade.dataset]))
    for _, run in frame[frame["status"] != "finished"].iterrows():
        console.print(
            f"{run['status']}: {run['folder']}: {value(run.get('failure'))}", style="red", soft_wrap=True, markup=False
        )
    try:
        paths = write(folder, frame, trades, options, several)
    except OSError as error:
        raise InputError(f"the report must be able to write into {str(folder)!r}: {error}") from None
    for path in paths:
        console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)
