"""The parts of a report's section.  ``fairrun.report.sections`` lists the sections."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table as Text

from fairrun.analysis.tradeoff import Tradeoff
from fairrun.report.charts.chart import Chart
from fairrun.report.terminal import Shown


@dataclass(frozen=True)
class Table:
    """A table for people: on the page, and in table.md and table.tex."""

    kind: str  # its label in LaTeX is tab:DATASET-kind
    rows: pd.DataFrame  # all text
    caption: str
    title: str = ""  # on the page
    in_files: bool = True  # whether table.md and table.tex have it too
    lead: str = ""  # on the page in place of the caption: a sentence; terms say the rest
    marked: Collection[int] = ()  # the rows to set off on the page
    badge: str = ""  # the column of what the set off rows recommend; by default the first
    folded: Collection[int] = ()  # the rows that the page shows on demand only
    terms: Mapping[str, str] = field(default_factory=dict)  # definitions of headings: beside them, and in the glossary


@dataclass(frozen=True)
class Section:
    """One subject of a report on one data set: its tables, pictures, charts and files."""

    title: str = ""  # heading on the page; without one the titles of the tables are the headings
    pictures: Mapping[str, Figure] = field(default_factory=dict)  # by the name of their files without its ending
    alt: str = ""  # of the pictures, for readers who do not see them
    charts: Mapping[str, Chart] = field(default_factory=dict)  # by name, as pictures: files, and live on the page
    notes: Sequence[str] = ()  # captions of the charts
    sentences: Sequence[str] = ()  # on the page below the title; they and the commands are the last on the terminal
    commands: Sequence[str] = ()  # on the page with a button that copies it
    tables: Sequence[Table] = ()
    terminal: Sequence[Shown | Text] = ()
    csv: Mapping[str, pd.DataFrame] = field(default_factory=dict)  # full precision, by the name of the file
    of_groups: Collection[str] = ()  # headings of tables whose figures compare groups

    def marked(self, mark: str, footnote: str) -> "Section":
        """The section with ``mark`` on every heading that ``of_groups`` names, and the footnote in captions."""
        tables, headings = [], {name: name + mark for name in self.of_groups}
        for table in self.tables:
            rows = table.rows.rename(columns=headings)
            same = list(rows) == list(table.rows)
            tables.append(table if same else replace(table, rows=rows, caption=f"{table.caption} {footnote}"))
        texts = [text.marked(headings) if isinstance(text, Shown) else text for text in self.terminal]
        return replace(self, tables=tables, terminal=texts)


@dataclass(frozen=True)
class Chapter:
    """The sections of a report on one data set."""

    trade: Tradeoff
    sections: Sequence[Section]
    footnote: str = ""  # on metrics that rest on a group of few test rows
    warnings: Sequence[str] = ()  # sentences on the runs as a whole
    headline: str = ""  # what the recommended configuration gains and costs
