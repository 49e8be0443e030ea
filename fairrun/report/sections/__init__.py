"""The sections of a report.  To add one, write a module with a function ``build`` and add it to ``SECTIONS``.

Those of other packages follow (``own``): ``report.sections`` names their functions.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from fairrun.analysis.tradeoff import Tradeoff
from fairrun.config.names import counted
from fairrun.report import few
from fairrun.report.headline import headline
from fairrun.report.options import ReportOptions
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
    """A chapter for each data set."""
    return [_chapter(trade, options) for trade in trades]


def _chapter(trade: Tradeoff, options: ReportOptions) -> Chapter:
    sections = [section for build in SECTIONS if (section := build(trade, options)) is not None]
    sections += own.sections(trade, options, sections)
    footnote = few.note(trade)
    if footnote:
        sections = [section.marked(few.MARK, footnote) for section in sections]
    return Chapter(trade, sections, footnote, [*_changed(trade), *few.warnings(trade)], headline(trade))


def _changed(trade: Tradeoff) -> Iterator[str]:
    """Which runs were made before something changed that their command does not say."""
    for name, number in Counter(trade.replaced.values()).items():
        runs = f"{number} of {counted(trade.runs['folder'].nunique(), 'run')}"
        now = "other runs" if name == trade.dataset else f"runs of {name}"
        changed = f"since {runs} were made, a file of their configuration or data has changed"
        yield f"{trade.dataset}: {changed}: their commands now make {now}."
