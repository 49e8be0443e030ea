"""A sweep's tables, pictures and page: ``python -m fairrun.report outputs/sweeps/SWEEP``."""

import argparse
import logging
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fairrun import curves, fronts, page, quoted, tables, traces
from fairrun.alignment import alignment
from fairrun.check import MATCH_RATE, OVER_SEEDS, RELATIVE, InputError, one_of, require
from fairrun.figure import QUOTED, draw
from fairrun.multitask import REFERENCE, Multitask, captioned, multitask, rule
from fairrun.pairs import SIDES, Pair
from fairrun.relative import relative, tasks, tasks_of_runs
from fairrun.results import load
from fairrun.tradeoff import AREAS, Tradeoff, greater_is_better, tradeoff, value, words

log = logging.getLogger(__name__)
NOT_FAIRNESS = ("accuracy", "match_rate_accuracy", "selection_rate")  # the other axis; and without a good end
COMPARE = "report.compare."  # prefix of columns
LEADING_ZERO = r"\b0\."
QUOTED_CAPTION = "published points; areas with the anchors of these runs' test rows; sources and caveats: table.md"
FIGURES_AT_ONCE = 4  # of the tables of tasks
AT_ONCE = 3  # metrics in a table on the terminal, beside accuracy and the chosen one: 160 columns hold them


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
    points = _recorded_points(runs) if reference is None else quoted.read(reference, "reference") if reference else None
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


def _recorded_over_seeds(runs: pd.DataFrame) -> str:
    """The worst if any record asks for it."""
    return "worst" if "worst" in set(runs.get("report.over_seeds", [])) else "mean"


def _recorded_points(runs: pd.DataFrame) -> pd.DataFrame | None:
    """The references that any record asks for, as far as they can be read; the others are named in a warning."""
    found = []
    for name in runs["report.reference"].dropna().unique() if "report.reference" in runs else []:
        try:
            found.append(quoted.read(name))
        except InputError as error:
            log.warning("%s; the report goes without it", error)
    return pd.concat(found, ignore_index=True) if found else None


def _told_apart(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The runs with the values of ``keys`` in the names of their methods: "laftr, width 8"."""
    for key in keys:
        require(key in runs, "methods_by", key, "a key of the runs' configuration, such as model.width")
        values = runs[key].map(value)
        named = runs["method"] + f", {key.rpartition('.')[2]} " + values
        runs = runs.assign(method=named.where(values != "", runs["method"]))
    return runs


def _recorded_keys(runs: pd.DataFrame) -> list[str]:
    """The keys of ``report.methods_by`` that any record asks for and has; the others are named in a warning."""
    keys = _recorded(runs, "report.methods_by")
    for key in keys:
        if key not in runs:
            log.warning("report.methods_by has %r, which is no key of the runs; the report goes without it", key)
    return [key for key in keys if key in runs]


def _recorded_columns(runs: pd.DataFrame) -> list[str]:
    """The metrics that any record asks for, as far as the runs have them; the others are named in a warning."""
    return _present(runs, _recorded(runs, "report.columns"))


def _present(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    for name in names:
        if f"test/{name}" not in runs:
            log.warning("report.columns has %r, which no run has; the report goes without it", name)
    return [name for name in names if f"test/{name}" in runs]


def _recorded(runs: pd.DataFrame, key: str) -> list[str]:
    """What any record has in its list ``key``, once each."""
    lists = [names for names in runs.get(key, []) if isinstance(names, list)]
    return list(dict.fromkeys(name for names in lists for name in names))


def _recorded_pairs(runs: pd.DataFrame) -> list[Pair]:
    """The pairs of methods that any record asks for."""
    asked = [column for column in runs if column.startswith(COMPARE)]
    return [(column.removeprefix(COMPARE), other) for column in asked for other in runs[column].dropna().unique()]


def _known_columns(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """As far as the runs have them: what is of several tasks may be asked for where there is one label."""
    known = sorted(c.removeprefix("test/") for c in runs if c.startswith("test/") and "/s=" not in c)
    for name in names:
        metric = name.partition("/")[0].removeprefix(MATCH_RATE)
        if "/s=" in name or metric not in (*known, *RELATIVE):
            one_of("columns", name, known)
    return _present(runs, names)


def _known_pairs(runs: pd.DataFrame, pairs: Sequence[Pair]) -> Sequence[Pair]:
    for method in (method for pair in pairs for method in pair):
        one_of("compare", method, sorted(runs["method"].unique()))
    return pairs


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


def _parsed(text: str) -> list[Pair]:
    """The pairs of methods in "a=b,c=d"; a comma before a space is part of a name: "laftr, width 8".

    Raises ``InputError``.
    """
    pairs = [tuple(pair.split("=")) for pair in re.split(r",(?! )", text) if pair]
    require(all(len(pair) == 2 and all(pair) for pair in pairs), "compare", text, "pairs as in penalty=erm,ltr=erm")
    return [(pair[0], pair[1]) for pair in pairs]


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


def settings_as_text(trade: Tradeoff) -> list[Table]:
    """The settings as tables for the terminal; a star marks the front."""
    caption = "* front: chosen on validation rows" + ("; test oracle: chosen on test rows" if trade.test_oracle else "")
    title = f"{trade.dataset}: test rows, mean over seeds [95% interval]"
    if trade.over_seeds != "mean":
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
    reference = ", ".join(f"{number:.4g}" for number in trade.reference)
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
    corner = f"hypervolume: of the front of ARE and ARFG, reference ({REFERENCE[0]:g}, {REFERENCE[1]:g})"
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
        nothing = table["method"].str.startswith(QUOTED) & (table[own] == tables.UNKNOWN).all(axis=1)
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


if __name__ == "__main__":
    main()
