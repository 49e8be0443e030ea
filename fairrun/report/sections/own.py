"""Sections from outside: functions of plug-ins and of packages that the user named, by ``report.sections``.

What such a section does wrong costs that section, not the report: one line names it, its file and its line.
"""

import inspect
import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence

import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table as Text

from fairrun.analysis.tradeoff import Tradeoff
from fairrun.config.check import InputError, located, require
from fairrun.config.plugins import told
from fairrun.report import tables
from fairrun.report.charts.chart import Chart
from fairrun.report.charts.picture import draw
from fairrun.report.options import NODE, SECTION_PACKAGES, ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.terminal import Shown

log = logging.getLogger(__name__)
KEY = f"{NODE}sections"
Build = Callable[[Tradeoff, ReportOptions], Section | None]


def sections(trade: Tradeoff, options: ReportOptions, beside: Sequence[Section]) -> list[Section]:
    """The sections that ``options`` name, behind those of fairrun.  A warning names each that cannot be shown."""
    found: list[Section] = []
    for path in options.sections or ():
        try:
            section = _section(path, trade, options, {name for one in (*beside, *found) for name in _files(one)})
        except InputError as error:
            log.warning("%s; the report on %s goes without it", error, trade.dataset)
        else:
            found += [] if section is None else [section]
    return found


def _section(path: str, trade: Tradeoff, options: ReportOptions, taken: set[str]) -> Section | None:
    build: Build = located(path, KEY, SECTION_PACKAGES)
    try:
        section = build(trade, options)
    except Exception as error:  # a function of the user's own raises what it likes
        raise InputError(f"{KEY}: {path}: {told(error)}") from None
    try:
        if section is not None:
            check(section, taken)
    except Exception as error:  # of libraries: what cannot be written, or drawn
        raise InputError(f"{KEY}: {path} ({_place(build)}): {told(error)}") from None
    return section


def check(section: Section, taken: Collection[str] = ()) -> None:
    """Raise where the section could not be written, or its files would be those that are ``taken``."""
    require(isinstance(section, Section), "what it returns", type(section).__name__, "a Section, or None")
    for name, parts, kind, *others in (
        ("tables", section.tables, Table),
        ("terminal", section.terminal, Text, Shown),
        ("pictures", section.pictures.values(), Figure),
        ("charts", section.charts.values(), Chart),
        ("csv", section.csv.values(), pd.DataFrame),
    ):
        for part in parts:
            allowed = f"of {kind.__module__}.{kind.__name__}"
            require(isinstance(part, (kind, *others)), name, type(part).__name__, allowed)
    for name in _files(section):
        require(re.fullmatch(r"[\w-]+\.(csv|png)", name), "the file", name, "letters, digits, _, -, and .csv of a CSV")
        require(name not in taken, "the file", name, f"another one than {', '.join(sorted(taken))}")
    for table in section.tables:
        for cell in (cell for row in table.rows.to_numpy().tolist() for cell in row):
            require(isinstance(cell, str), f"a cell of the table {table.kind}", cell, "text, as f'{value:.3f}'")
        tables.latex(table.rows, table.caption, table.kind)
    for figure in (*section.pictures.values(), *map(draw, section.charts.values())):
        figure.draw_without_rendering()


def _files(section: Section) -> Iterator[str]:
    yield from (f"{name}.png" for name in (*section.pictures, *section.charts))
    yield from section.csv


def _place(build: Build) -> str:
    return f"{inspect.getsourcefile(build)}:{inspect.getsourcelines(build)[1]}"
