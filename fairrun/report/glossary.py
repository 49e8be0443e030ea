"""What the words of a report mean: one list at the end of the page, whose entries also stand beside headings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Self

from fairrun.about import declared, files
from fairrun.analysis.interval import RULE
from fairrun.analysis.tradeoff import words
from fairrun.config.metrics import FUNCTIONS, of_name
from fairrun.report.few import MARK
from fairrun.report.section import Chapter
from fairrun.results.selection import DEGENERATE, MARGIN

TERMS = {
    "seeds": "the number of runs of a configuration, which differ in the seed alone",
    "front": "whether a configuration is on the Pareto front of accuracy and the metric: by its values on validation "
    "rows, none is at least as good in both and better in one",
    "95% interval": f"of the mean over seeds: {RULE}. It is about the seeds, not about other data",
    "degenerate": f"a prediction that is {DEGENERATE}: on validation rows, balanced accuracy within {MARGIN} of "
    f"chance, or a selection rate below {MARGIN} or above {1 - MARGIN}",
    "attainment surface": "what at least one, half, or every seed of a method reaches with the front that its own "
    "validation values choose",
}


class Entry(NamedTuple):
    """A word and its definition."""

    id: str
    name: str
    defines: str
    text: str  # the definition, behind the data sets that it is for if others have another


@dataclass(frozen=True)
class Glossary:
    """The entries, in alphabetical order."""

    entries: Sequence[Entry]

    @classmethod
    def of(cls, chapters: Sequence[Chapter]) -> Self:
        """The words of these chapters; where data sets define one differently, with an entry for each."""
        found: dict[tuple[str, str], list[str]] = {}
        for chapter in chapters:
            for name, text in dict.fromkeys(_terms(chapter)):
                found.setdefault((name, text), []).append(chapter.trade.dataset)
        said = {}
        for (name, text), datasets in found.items():
            everywhere = len(datasets) == len(chapters)
            said[name, text] = text if everywhere else f"{', '.join(datasets)}: {text}"
        order = sorted(said, key=lambda key: (key[0].lower(), key[1]))
        return cls([Entry(f"term-{k}", *key, said[key]) for k, key in enumerate(order)])

    def find(self, heading: str, terms: Mapping[str, str] = MappingProxyType({})) -> str:
        """The id of the entry for a heading of a table with these ``terms``; empty if there is none.

        The heading is a word, or ends in one: "income: gap", "stage 1, aligned".
        """
        whole = heading.removesuffix(MARK)
        for name in (whole, whole.rpartition(": ")[2], whole.rpartition(", ")[2]):
            for entry in self.entries:
                if entry.name == name and terms.get(name, entry.defines) == entry.defines:
                    return entry.id
        return ""


def _terms(chapter: Chapter) -> Iterator[tuple[str, str]]:
    trade = chapter.trade
    some_degenerate = (trade.settings["degenerate"] > 0).any()
    yield from (item for item in TERMS.items() if some_degenerate or item[0] != "degenerate")
    for name, direction in trade.directions.items():
        if text := metric(name):
            yield (trade.heading if name == trade.metric else words(name)), f"{text} ({direction})"
    for table in (table for section in chapter.sections for table in section.tables):
        yield from table.terms.items()
    yield from methods(trade.settings["method"].unique()).items()


def metric(name: str) -> str:
    """The definition of one of fairrun's metrics, without its range; empty for one of a user's own."""
    known = of_name(name)
    if known is None:
        return ""
    first = declared.docstring(f"{FUNCTIONS}.{known.name}")[0].partition("\n\n")[0]
    return re.split(r", (?:in \[|>= 0)", first)[0].rstrip(".")


def methods(names: Sequence[str]) -> dict[str, str]:
    """What the files of fairrun's methods say first; a user's own are left out."""
    known = files.choices("method")
    found = {name: known.get(name.partition(", ")[0]) for name in names}
    return {name: files.read(path).summary for name, path in found.items() if path}
