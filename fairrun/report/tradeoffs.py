"""Computes the trade-off of each data set of a sweep from its records and a report's options."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from fairrun.analysis import published
from fairrun.analysis.recommend import bound_of, recommend
from fairrun.analysis.relative import relative, tasks, tasks_of_runs
from fairrun.analysis.tradeoff import Tradeoff, greater_is_better, tradeoff, words
from fairrun.config.check import InputError, nearest, one_of
from fairrun.config.keys import is_problem
from fairrun.config.metrics import MATCH_RATE, RELATIVE, can_be_traded
from fairrun.config.names import file_name
from fairrun.config.values import parts, value
from fairrun.report.options import ReportOptions, check_sections
from fairrun.results.records import with_points

log = logging.getLogger(__name__)
NOTHING = ReportOptions()


def complete(frame: pd.DataFrame, given: ReportOptions = NOTHING) -> ReportOptions:
    """The options of a report on the runs in ``frame``.  Those not ``given`` come from the finished runs' records."""
    return given | ReportOptions.from_records(_finished(frame))


def check(frame: pd.DataFrame, given: ReportOptions) -> None:
    """Raise ``InputError`` if ``given`` names a key, metric or method that no run has, or no file or function.

    A metric of several tasks may be named where the runs have one label.
    """
    runs = relative(_finished(frame))
    for key in given.split_by or ():
        if key not in runs:
            allowed = "a key of the runs' configuration, such as model.width"
            raise InputError(f"split_by must be {allowed}, got {key!r}")
    for source in given.published or ():
        published.read(source, "published")
    check_sections("sections", given.sections or ())
    known = _metrics(runs)
    for name in given.columns or ():
        if "/s=" in name or name.partition("/")[0].removeprefix(MATCH_RATE) not in (*known, *RELATIVE):
            one_of("columns", name, known)
    methods = sorted(split(runs, complete(frame, given).split_by)["method"].unique())
    for method in (method for pair in given.compare or () for method in pair):
        one_of("compare", method, methods)


def tradeoffs(frame: pd.DataFrame, options: ReportOptions) -> list[Tradeoff]:
    """The trade-off of each data set that has a finished run, sorted by name.

    ``options`` come from ``complete``.  What no run has is named in a warning and left out, as are pairs with a method
    that has no run.  Raises ``InputError`` if there is no finished run, if the runs do not have the metric, or if runs
    were made with different metrics and ``options`` names none.

    Runs of several tasks are measured against those of ``stl`` among them (``relative``).
    """
    runs = relative(_finished(frame))
    name, greater = _metric(runs, options.metric)
    runs = split(runs, _present("split_by", options.split_by, list(runs)))
    columns = _present("columns", options.columns, _metrics(runs))
    methods = sorted(runs["method"].unique())
    _present("compare", sorted({method for pair in options.compare for method in pair}), methods)
    points = _points(options.published)
    problems, several = _named(runs)
    trades = [
        tradeoff(
            own,
            name,
            greater_is_better=greater,
            test_oracle=options.test_oracle,
            columns=columns,
            compared=options.compare,
            seed_summary=options.seed_summary,
            keep_degenerate=options.degenerate == "keep",
            points=points,
            several_states=bool(several[own.index].any()),
        )
        for _, own in problems.groupby("dataset")
    ]
    if points is not None:
        _warn_of_no_points(trades, points)
    return _with_choices(trades, options)


def _with_choices(trades: Sequence[Tradeoff], options: ReportOptions) -> list[Tradeoff]:
    """The trade-offs with what is recommended of each."""
    bounds = [bound_of(trade) if options.bound is None else options.bound for trade in trades]
    return [
        replace(trade, recommended=recommend(trade, bound, options.compare))
        for trade, bound in zip(trades, bounds, strict=True)
    ]


def _finished(frame: pd.DataFrame) -> pd.DataFrame:
    runs = with_points(frame[frame["status"] == "finished"])
    if runs.empty:
        reasons = [f"  {run['folder']}: {value(run.get('failure')) or run['status']}" for _, run in frame.iterrows()]
        raise InputError("\n".join([f"a report needs a finished run, got {len(frame)} that are not", *reasons]))
    return runs


def _metric(runs: pd.DataFrame, name: str | None) -> tuple[str, bool]:
    """The metric to show and whether greater values are better.  Raises ``InputError``."""
    own = list(dict.fromkeys(runs["metric.name"]))
    if name is None and len(own) > 1:
        raise InputError(f"the runs must share one metric, got {', '.join(own)}; name one with --metric")
    name = own[0] if name is None else name
    known = [m for m in _metrics(runs) if f"val/{m}" in runs and can_be_traded(m)]
    one_of("metric", name, known)
    return name, bool(greater_is_better(name, runs))


def _metrics(runs: pd.DataFrame) -> list[str]:
    """The metrics of all test rows that any run has; accuracy/TASK is of one task."""
    return sorted(c.removeprefix("test/") for c in runs if c.startswith("test/") and "/s=" not in c)


def _present(option: str, names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The names that are known.  A warning names the others."""
    for name in names:
        if name not in known:
            near = nearest(name, known)
            log.warning("report.%s has %r, which no run has; the report goes without it%s", option, name, near)
    return [name for name in names if name in known]


def split(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The runs with the values of ``keys`` in the names of their methods: "laftr, width 8"."""
    for key in (key for key in keys if key in runs):
        values = runs[key].map(value)
        named = runs["method"] + f", {key.rpartition('.')[2]} " + values
        runs = runs.assign(method=named.where(values != "", runs["method"]))
    return runs


def _points(sources: Sequence[str]) -> pd.DataFrame | None:
    """The published points of all sources that can be read.  Each other source gives a warning."""
    found = []
    for source in sources:
        try:
            found.append(published.read(source))
        except InputError as error:
            log.warning("%s; the report goes without it", error)
    return pd.concat(found, ignore_index=True) if found else None


def by_problem(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, with the names of their data sets extended by what differs between problems: "adult, sensitive race".

    Runs with other rows, labels, groups or splits are never on one front.
    """
    return _named(runs)[0]


def _named(runs: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """The runs as ``by_problem`` names them, and whether there are runs of the same problem with other rows."""
    names = pd.concat([own["dataset"] + _differing(own) for _, own in runs.groupby("dataset")])[runs.index]
    several = runs["data_sha256"].groupby(names).transform("nunique") > 1
    return runs.assign(dataset=names.where(~several, names + ", data " + runs["data_sha256"].str[:8])), several


def suffix(dataset: str, *, several: bool) -> str:
    """The end of the names of a data set's pictures; empty if the sweep has no other data set."""
    return f"_{file_name(dataset)}" if several else ""


def _differing(runs: pd.DataFrame) -> pd.Series:
    """What differs between the problems of one data set's runs: ", tasks income and gain, split.seed 1".

    It is "" if there is only one problem.
    """
    tasks = pd.Series([" and ".join(names) for names in tasks_of_runs(runs)], index=runs.index)
    parts = [", " + tasks.where(tasks != "", "one label")] if tasks.nunique() > 1 else []
    for key in filter(is_problem, runs):
        values = runs[key].map(_text)
        of_tasks = key.startswith("dataset.task") and parts
        if values.nunique() > 1 and not of_tasks and not (values == runs["seed"].map(_text)).all():
            parts.append(f", {key.removeprefix('dataset.').removesuffix('._target_')} " + values)
    return pd.Series("", index=runs.index).str.cat(parts) if parts else pd.Series("", index=runs.index)


def _text(cell: object) -> str:
    """A value of a configuration in a name; a list without its brackets."""
    return parts(cell) or "none"


def _warn_of_no_points(trades: list[Tradeoff], points: pd.DataFrame) -> None:
    """Warn about each data set that has no published point of the shown metric, or none of its tasks."""
    text = "report.published has no point of the %s on %s"
    for trade in trades:
        if "kind" in points and not any(len(panel.published) for panel in trade.panels):
            log.warning(text, words(trade.metric), trade.dataset)
        if "task" in points and tasks(trade.runs) and trade.published_tasks.empty:
            log.warning(text, "tasks", trade.dataset)
