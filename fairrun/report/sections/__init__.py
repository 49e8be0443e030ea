"""The sections of a report.  To add one, write a module with a function ``build`` and add it to ``SECTIONS``.

Those of other packages follow (``own``): ``report.sections`` names their functions.
"""

from collections.abc import Callable, Sequence

from fairrun.analysis.tradeoff import Tradeoff
from fairrun.report import few
from fairrun.report.headline import headline
from fairrun.report.options import ReportOptions
from fairrun.report.section import Chapter, Section
from fairrun.report.sections import (
    bargaining,
    compare,
    histories,
    methods,
    own,
    published,
    recommend,
    settings,
    tasks,
    tradeoff,
)

# In the order of the page.  A function returns None if the data set has nothing for its section.
SECTIONS: list[Callable[[Tradeoff, ReportOptions], Section | None]] = [
    recommend.build,
    tradeoff.build,
    settings.build,
    methods.build,
    compare.build,
    published.build,
    histories.build,
    bargaining.build,
    tasks.build,
]


def chapters(trades: Sequence[Tradeoff], options: ReportOptions) -> list[Chapter]:
    """A chapter for each data set."""
    return [_chapter(trade, options) for trade in trades]


def _chapter(trade: Tradeoff, options: ReportOptions) -> Chapter:
    sections = [section for build in SECTIONS if (section := build(trade, options)) is not None]
    sections += own.sections(trade, options, sections)
    footnote = few.note(trade)
    if footnote:
        sections = [section.marked(few.MARK, footnote) for section in sections]
    return Chapter(trade, sections, footnote, headline(trade, recommend.choice(trade, options)))
