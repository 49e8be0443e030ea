"""The nav of mkdocs.yml, with patterns in it."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any


def filled(nav: Sequence[Any], pages: Sequence[str]) -> list[Any]:
    """The nav with the pages that fit each pattern in its place: those that no entry before it has, and none names."""
    left = sorted(set(pages) - set(_named(nav)))
    return list(_filled(nav, left))


def _named(entries: Any) -> Iterator[str]:
    """The pages that entries name without a pattern."""
    if isinstance(entries, str):
        yield from () if "*" in entries else (entries,)
    else:
        for entry in entries.values() if isinstance(entries, dict) else entries:
            yield from _named(entry)


def _filled(entries: Sequence[Any], left: list[str]) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, dict):
            sections = {
                title: list(_filled(below, left)) if isinstance(below, list) else below
                for title, below in entry.items()
            }
            yield from ({title: below} for title, below in sections.items() if below)
        elif "*" in entry:
            fitting = [page for page in left if fnmatchcase(page, entry) and page.count("/") == entry.count("/")]
            left[:] = [page for page in left if page not in fitting]
            yield from fitting
        else:
            yield entry
