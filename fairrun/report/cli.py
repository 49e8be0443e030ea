"""A sweep's tables, pictures and page: ``python -m fairrun.report outputs/sweeps/SWEEP``."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from fairrun.analysis import published
from fairrun.analysis.bargaining import alignment
from fairrun.analysis.compare import Pair
from fairrun.analysis.relative import relative, tasks, tasks_of_runs
from fairrun.analysis.tasks import Multitask, multitask
from fairrun.analysis.tradeoff import Tradeoff, greater_is_better, tradeoff, value, words
from fairrun.config.check import OVER_SEEDS, InputError, require
from fairrun.report import page, tables
from fairrun.report.options import (
    _known_columns,
    _known_pairs,
    _parsed,
    _recorded,
    _recorded_columns,
    _recorded_keys,
    _recorded_over_seeds,
    _recorded_pairs,
    _recorded_points,
)
from fairrun.report.sections import bargaining as traces
from fairrun.report.sections import histories as curves
from fairrun.report.sections import tasks as fronts
from fairrun.report.sections.tasks import captioned
from fairrun.report.sections.tradeoff import draw
from fairrun.report.terminal import areas_as_text, pairs_as_text, settings_as_text, tasks_as_text
from fairrun.results.records import load

log = logging.getLogger(__name__)
NOT_FAIRNESS = ("accuracy", "match_rate_accuracy", "selection_rate")  # the other axis; and without a good end


def report(folder: Path, **options: Any) -> list[Path]:
    """Write everything about the sweep into ``folder``; returns what was written.  Options and errors: ``tradeoffs``.

    Raises ``InputError`` if there are no runs below the folder.
    """
    frame = load(folder)
    return write(folder, frame, tradeoffs(frame, **options))


def tradeoffs(
    frame: pd.DataFrame,
    metric: str | None = None,
    test_oracle: bool = False,
    columns: Sequence[str] | None = None,
    curves: Sequence[str] | None = None,
    compare: Sequence[Pair] | None = None,
    over_seeds: str | None = None,
    reference: str | None = None,
    methods_by: Sequence[str] | None = None,
) -> list[Tradeoff]:
    """The trade-off of each data set that has a finished run, sorted by name.

    Fairness is measured by ``metric``, or else by the one that the runs were made with.  ``test_oracle`` adds fronts
    chosen on test rows, labelled so; ``columns`` are more metrics for the tables, ``curves`` columns of histories to be
    drawn over epochs, ``compare`` pairs of methods, ``over_seeds`` what of a setting's seeds stands for it,
    ``reference`` points that others published ("": none),
    ``methods_by`` keys of the configuration whose values make a method several.  None: what the config block ``report``
    of any finished run asks for, in the order of the runs.  Pairs with a method that has no run are left out.  Raises
    ``InputError``: no finished run, a metric that the runs do not have, runs made with different metrics and none
    named, a reference that cannot be read, or a key that no run has.

    Runs of several tasks are measured against those of ``stl`` among them (``relative``).
    """
    runs = frame[frame["status"] == "finished"]
    if runs.empty:
        reasons = [f"  {run['folder']}: {value(run.get('failure')) or run['status']}" for _, run in frame.iterrows()]
        raise InputError("\n".join([f"a report needs a finished run, got {len(frame)} that are not", *reasons]))
    runs = relative(runs)
    name, greater = _metric(runs, metric)
    runs = _told_apart(runs, _recorded_keys(runs) if methods_by is None else methods_by)
    more = _recorded_columns(runs) if columns is None else _known_columns(runs, columns)
    compared = _recorded_pairs(runs) if compare is None else compare
    options: dict[str, Any] = {"greater_is_better": greater, "test_oracle": test_oracle}
    options["over_seeds"] = _recorded_over_seeds(runs) if over_seeds is None else over_seeds
    points = (
        _recorded_points(runs) if reference is None else published.read(reference, "reference") if reference else None
    )
    drawn = _recorded(runs, "report.curves") if curves is None else list(curves)
    options |= {"columns": more, "curves": drawn, "compared": compared, "points": points}
    trades = [tradeoff(own, name, **options) for _, own in _by_problem(runs).groupby("dataset")]
    if points is not None:
        _warn_of_no_points(trades, points)
    return trades


def _by_problem(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with their tasks in the names of data sets on which not all have the same: "adult, income and gain"."""
    names = [" and ".join(names) for names in tasks_of_runs(runs)]
    problems = pd.Series(names, index=runs.index)
    several = problems.groupby(runs["dataset"]).transform("nunique") > 1
    named = runs["dataset"] + ", " + problems.where(problems != "", "one label")
    return runs.assign(dataset=runs["dataset"].where(~several, named))


def _warn_of_no_points(trades: list[Tradeoff], points: pd.DataFrame) -> None:
    """Name the data sets of which a reference has no point, in the kinds of points that it has."""
    text = "the reference has no point of the %s on %s to be drawn"
    for trade in trades:
        if "kind" in points and not any(len(panel.quoted) for panel in trade.panels):
            log.warning(text, words(trade.metric), trade.dataset)
        if "task" in points and tasks(trade.runs) and trade.quoted_tasks.empty:
            log.warning(text, "tasks", trade.dataset)


def _told_apart(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The runs with the values of ``keys`` in the names of their methods: "laftr, width 8"."""
    for key in keys:
        require(key in runs, "methods_by", key, "a key of the runs' configuration, such as model.width")
        values = runs[key].map(value)
        named = runs["method"] + f", {key.rpartition('.')[2]} " + values
        runs = runs.assign(method=named.where(values != "", runs["method"]))
    return runs


def several_tasks(trades: list[Tradeoff]) -> dict[str, Multitask]:
    """The data sets whose runs have several tasks."""
    return {trade.dataset: found for trade in trades if (found := multitask(trade)) is not None}


def write(
    folder: Path, frame: pd.DataFrame, trades: list[Tradeoff], several: Mapping[str, Multitask] | None = None
) -> list[Path]:
    """Write pictures (``front.png`` and ``.pdf``, of histories ``curves.png`` and ``.pdf``, where methods bargain
    ``bargaining.png`` and ``.pdf``, where runs have several tasks ``tasks.png`` and ``.pdf``; with several data sets
    ``front_DATASET`` and so on), tables, page.

    ``several``: of ``several_tasks``, where they are at hand.  An earlier report stays whole until this one is.
    """
    several = several_tasks(trades) if several is None else several
    with tempfile.TemporaryDirectory(dir=folder, prefix=".report") as part:
        return [path.replace(folder / path.name) for path in _write(Path(part), folder, frame, trades, several)]


def _write(
    part: Path, folder: Path, frame: pd.DataFrame, trades: list[Tradeoff], several: Mapping[str, Multitask]
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
        if trade.curves and (steps := curves.steps_of(trade)) is not None:
            pictures = _save(curves.draw(trade, steps), part / f"curves{dataset}")
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
    parser.add_argument("--metric", help="the fairness metric to show; default: the one the runs were made with")
    parser.add_argument("--test-oracle", action="store_true", help="add fronts chosen on test rows, labelled so")
    text = "more metrics for the tables, as in balanced_accuracy,roc_auc; default: those of the runs' configuration"
    parser.add_argument("--columns", help=text)
    text = "columns of the runs' histories to be drawn over epochs, as in train/loss,test/accuracy"
    parser.add_argument("--curves", help=f"{text}; default: those of the runs' configuration")
    text = "methods to compare seed by seed, as in penalty=erm,group_dro=erm; default: those of the runs' configuration"
    parser.add_argument("--compare", help=text)
    text = "what of a setting's seeds stands for it; worst: mean accuracy, and the metric of the worst seed"
    parser.add_argument("--over-seeds", choices=OVER_SEEDS, help=f"{text}; default: as the runs' configuration has it")
    text = "points that others published, to be drawn beside: fairbinn, mtaf, or a CSV file; '' for none"
    parser.add_argument("--reference", help=f"{text}; default: those of the runs' configuration")
    text = "keys whose values make a method several, each with a front of its own, as in model.width,model.depth"
    parser.add_argument("--methods-by", help=f"{text}; default: those of the runs' configuration")
    given = parser.parse_args(arguments)
    try:
        columns, curved, methods_by = (
            None if text is None else [name for name in text.split(",") if name]
            for text in (given.columns, given.curves, given.methods_by)
        )
        frame, compare = load(given.folder), None
        if given.compare is not None:
            named = _told_apart(frame, _recorded_keys(frame) if methods_by is None else methods_by)
            compare = _known_pairs(named, _parsed(given.compare))
        options = {"over_seeds": given.over_seeds, "reference": given.reference, "compare": compare, "columns": columns}
        options |= {"methods_by": methods_by, "curves": curved}
        show(given.folder, frame, metric=given.metric, test_oracle=given.test_oracle, **options)
    except InputError as error:
        sys.exit(str(error))


def show(folder: Path, frame: pd.DataFrame, **options: Any) -> None:
    """As ``report``, of the runs in ``frame``, with the tables printed, what did not finish, and what was written."""
    trades = tradeoffs(frame, **options)
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
        paths = write(folder, frame, trades, several)
    except OSError as error:
        raise InputError(f"the report must be able to write into {str(folder)!r}: {error}") from None
    for path in paths:
        console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)


def _metric(runs: pd.DataFrame, name: str | None) -> tuple[str, bool]:
    """The metric to show and whether greater values are better.  Raises ``InputError``."""
    own = dict(zip(runs["metric.name"], runs["metric.greater_is_better"], strict=True))
    if name is None and len(own) > 1:
        raise InputError(f"the runs must share one metric, got {', '.join(own)}; name one with --metric")
    name = next(iter(own)) if name is None else name
    known = [c.removeprefix("test/") for c in runs if c.startswith("test/") and "/s=" not in c]
    known = sorted(m for m in known if f"val/{m}" in runs and m.partition("/")[0] not in NOT_FAIRNESS)
    if name not in known:
        raise InputError(f"metric must be one of {', '.join(known)}, got {name!r}")
    return name, bool(own.get(name, greater_is_better(name)))
