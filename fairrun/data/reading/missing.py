"""How missing values are spelt."""

import functools
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fairrun.config.check import closest
from fairrun.config.ways import override
from fairrun.data.reading.account import Column
from fairrun.data.reading.dates import stamp
from fairrun.data.reading.numbers import amount_of, amounts, is_code

_CATEGORIES = """
na n/a n.a. n.a <na> nan -nan +nan null (null) <null> none nil nat ? - -- --- \u2013 \u2014 . .. ... \\n
(blank) (empty) 1.#ind -1.#ind 1.#qnan -1.#qnan
"""
MARKS = frozenset(["", *_CATEGORIES.split()])
_NUMBERS = (
    "unknown|unk|missing|not available|not applicable|not known|no data|nd|n.d.|tbd|*|x|#|??|???|keine angabe|k.a.|s/d"
)
AMONG_NUMBERS = frozenset(_NUMBERS.split("|"))  # and dates; among categories these may be a category
WORDS = frozenset(["none", "nil"])  # marks that, among categories, may be one
_EXCEL = re.compile(r"#(n/a.*|na|nv|n/d|n/disp|[\w/.À-ɏ ]+[!?])")  # #N/A, #DIV/0!, #NAME?, #WERT!
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)  # a mark that is typed without quotes
NEAR = 1e-3  # of a mark, how far a number may be for it
MOST = 1000  # texts of a column that are looked at

Given = Collection[str] | Mapping[str, Collection[str]]  # of the whole table, or of some columns


@dataclass(frozen=True)
class Marks:
    """What stands for a missing value in a column, beside the empty cell."""

    given: Sequence[str] | None = None  # None: the usual ones, in any case

    @classmethod
    def of(cls, given: Given | None, column: str) -> "Marks":
        """The marks of one column."""
        own = given.get(column) if isinstance(given, Mapping) else given
        return cls(None if own is None else [mark.strip() for mark in own])

    @functools.cached_property
    def numbers(self) -> dict[float, str]:
        """Those that are numbers, and how they are given."""
        found = ((amount_of(mark), mark) for mark in self.given or ())
        return {number: mark for number, mark in found if number is not None}

    @functools.cached_property
    def dates(self) -> dict[pd.Timestamp, str]:
        """Those that are dates, and how they are given."""
        found = ((stamp(mark), mark) for mark in self.given or ())
        return {date: mark for date, mark in found if date is not None}

    def read(self, text: str) -> str | None:
        """The mark that ``text`` is, "" for an empty cell; None for a value.

        A number is one however it is written, unless its sign may be a decimal one or one of thousands.
        """
        spelt = text.strip()
        if self.given is None:
            return spelt if _is_usual(spelt.casefold()) else None
        if not spelt or spelt in self.given:
            return spelt
        found = amounts(spelt) if self.numbers else set()
        return self.numbers.get(found.pop()) if len(found) == 1 else None

    def among(self, values: Sequence[Any], texts: Sequence[str]) -> dict[int, str]:
        """The marks among numbers or dates, by their places; ``texts``: as they are written."""
        named: dict[Any, str] = {**self.numbers, **self.dates}
        if not named:
            return {}
        found = enumerate(zip(values, texts, strict=True))
        return {k: named[value] for k, (value, text) in found if value in named and not is_code(text)}


def _is_usual(spelt: str) -> bool:
    return spelt in MARKS or (spelt.startswith("#") and _EXCEL.fullmatch(spelt) is not None)


def remedy(given: Given | None, column: str, marks: Sequence[str], others: Sequence[str] = ()) -> str:
    """For messages: the override that makes ``marks`` those of ``column`` alone.

    Where a list is given, or the column's name cannot be a key, it is of all columns, and has their ``others`` too.
    """
    of_one = override("+dataset.rows.missing_marks", {column: [_typed(mark) for mark in marks]})
    if of_one is not None and (given is None or isinstance(given, Mapping)):
        return of_one
    of_all = [_typed(mark) for mark in dict.fromkeys([*marks, *others])]
    return f"{override('dataset.rows.missing_marks', of_all)} (of all columns)"


def _typed(mark: str) -> str | float:
    """A mark as the user types it: one that is a number counts however it is written."""
    return json.loads(mark) if _NUMBER.fullmatch(mark) else mark


def unmatched(given: Given | None, columns: Sequence[Column], frame: pd.DataFrame) -> list[str]:
    """What is to be said of marks that are given and stand nowhere in ``frame``, as it was read."""
    own: list[tuple[Collection[str], Sequence[Column], str]]
    if isinstance(given, Mapping):
        own = [(given[column.name], [column], f"column {column.name!r}") for column in columns if column.name in given]
    else:
        own = [(given or [], columns, "the table")]
    return [said for marks, among, where in own for said in _unmatched(marks, among, where, frame)]


def _unmatched(marks: Collection[str], columns: Sequence[Column], where: str, frame: pd.DataFrame) -> Iterator[str]:
    found = {mark for column in columns for mark in column.marks}
    numbers = {amount_of(mark) for mark in found} - {None}
    for mark in map(str.strip, marks):
        if mark and mark not in found and amount_of(mark) not in numbers:
            yield f"dataset.rows.missing_marks: {mark!r} stands nowhere in {where}{_nearest(mark, columns, frame)}"


def _nearest(mark: str, columns: Sequence[Column], frame: pd.DataFrame) -> str:
    """For messages: the value that is nearly the same number as ``mark``, or is spelt much like it; "" if none is."""
    values = {text: column.name for column in columns for text in _values(column, frame[column.name])}
    number = amount_of(mark)
    same = [text for text in values if number and abs((amount_of(text) or 0.0) / number - 1) < NEAR]
    near = next(iter(same), None) or closest(mark, values, cutoff=0.75)
    return f"; did you mean {near} (column {values[near]!r})?" if near else ""


def _values(column: Column, values: pd.Series) -> list[str]:
    """Values of a column that may be meant by a mark: the least and the largest number or date, texts."""
    if column.type in ("integer", "number"):
        ends = [float(values.min()), float(values.max())]
        return [f"{end:.0f}" if end.is_integer() else repr(end) for end in ends]
    if column.type == "date":
        return [str(end.date()) for end in (values.min(), values.max()) if end is not pd.NaT]
    return list(map(str, values.dropna().unique()[:MOST])) if column.type in ("category", "boolean") else []
