"""The sections of a report.  To add one, write a module with a function ``build`` and add it to ``SECTIONS``.

Those of other packages follow (``own``): ``report.sections`` names their functions.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from fairrun.analysis.recommend import Recommendation
from fairrun.analysis.tradeoff import Tradeoff
from fairrun.report import few
from fairrun.report.headline import headline
from fairrun.report.options import ReportOptions
from fairrun.report.rerun import otherwise
from fairrun.report.section import Chapter, Section
from fairrun.report.sections import (
    bargaining,
    compare,
    groups,
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
    groups.build,
    methods.build,
    compare.build,
    published.build,
    histories.build,
    bargaining.build,
    tasks.build,
]


def chapters(trades: Sequence[Tradeoff], options: ReportOptions) -> list[Chapter]:
    """A chapter for each data set; those whose recommended run no command makes any more are the last."""
    found = [trade if trade.recommended is None else _checked(trade, trade.recommended) for trade in trades]
    return [_chapter(trade, options) for trade in sorted(found, key=lambda trade: bool(trade.otherwise))]


def _checked(trade: Tradeoff, found: Recommendation) -> Tradeoff:
    return replace(trade, otherwise=otherwise(found.folder))


def _chapter(trade: Tradeoff, options: ReportOptions) -> Chapter:
    sections = [section for build in SECTIONS if (section := build(trade, options)) is not None]
    sections += own.sections(trade, options, sections)
    footnote = few.note(trade)
    if footnote:
        sections = [section.marked(few.MARK, footnote) for section in sections]
    return Chapter(trade, sections, footnote, [*few.warnings(trade), *few.seeds_alike(trade)], headline(trade))
