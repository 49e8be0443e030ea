"""The type of a column of text: numbers, booleans, dates, times, or categories."""

import functools
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fairrun.config.check import InputError
from fairrun.config.values import FALSE, TRUE, listed
from fairrun.config.ways import override
from fairrun.data.reading import dates, numbers
from fairrun.data.reading.missing import AMONG_NUMBERS, WORDS, Given, Marks, remedy

SHOWN = 5  # values in a message
_ORDERS = {None: "", True: " with the day first", False: " with the month first"}  # of dates, for messages
FEW = 20  # distinct numbers beside other text that may be categories, as 0, 1, 2 and 3+


@dataclass(frozen=True)
class Forms:
    """How the user says that values are written; None: it is found."""

    decimal: str | None = None  # "." or ","
    day_first: bool | None = None  # of dates as 01/02/2020
    missing: Given | None = None  # the only marks of missing values beside the empty cell
    categories: Collection[str] = ()  # columns whose text stays text
    mixed: Collection[str] = ()  # columns that may hold text among numbers
    comma_likely: bool = False  # where nothing else tells what 1,234 is

    def marks(self, column: str) -> Marks:
        """Those of missing values in a column."""
        return Marks.of(self.missing, column)


class Found(NamedTuple):
    """A column's values, and what was made of its cells."""

    values: pd.Series
    type: str  # as in the account
    done: Sequence[str] = ()
    marks: Sequence[str] = ()  # of missing values, that were found
    decimal: str = "."  # sign of its numbers as text
    day_first: bool | None = None  # of its dates as 01/02/2020


@dataclass(frozen=True)
class Texts:
    """The distinct texts of a column."""

    codes: np.ndarray  # [N] number of each row's text, -1: missing
    texts: list[str]  # without spaces at their ends
    rows: np.ndarray  # of each text, how many rows
    done: list[str]
    marks: Sequence[str] = ()  # of missing values, that were found
    marking: Sequence[str] = ()  # numbers that are such marks, for they too tell the decimal sign
    doubtful: Mapping[str, int] = field(default_factory=dict)  # marks that may be values: how many rows

    @functools.cached_property
    def split(self) -> tuple[list[str], list[str]]:
        """The digits of each text, if it is a number, and its unit."""
        return numbers.split_units(self.texts)

    def spread(self, values: Sequence[object], dtype: str) -> pd.Series:
        """A value for each text -> one for each row."""
        with_missing = pd.Series([*values, np.nan if dtype != "datetime64[us]" else pd.NaT], dtype=dtype)
        return with_missing.iloc[self.codes].reset_index(drop=True)

    def found(
        self, values: pd.Series, kind: str, *done: str, decimal: str = ".", day_first: bool | None = None
    ) -> Found:
        """The column as ``values`` of type ``kind``."""
        return Found(values, kind, [*self.done, *done], self.marks, decimal, day_first)

    def decimals(self) -> set[str]:
        """The decimal signs that could be meant, as ``numbers.decimals``; marks tell it where the numbers do not."""
        digits = self.split[0]
        own = numbers.decimals(digits)
        return own if len(own) == 1 else numbers.decimals([*digits, *self.marking]) or own


def texts_of(values: pd.Series, marks: Marks) -> Texts:
    """The distinct texts of a column."""
    codes, unique = pd.factorize(values, use_na_sentinel=True)
    spelt = [str(value) for value in unique]
    as_is = set(spelt)
    stripped = [text.strip() for text in spelt]
    read = [marks.read(text) for text in spelt]
    texts = sorted({text for text, mark in zip(stripped, read, strict=True) if mark is None})
    place = {text: k for k, text in enumerate(texts)}
    number = np.array([place.get(text, -1) if mark is None else -1 for text, mark in zip(stripped, read, strict=True)])
    codes = np.append(number, -1)[codes]
    gone = dict(sorted((text, mark) for text, mark in zip(stripped, read, strict=True) if mark))
    done = told(gone)
    differ = {s for s, t, mark in zip(spelt, stripped, read, strict=True) if s != t and mark is None and t in as_is}
    if differ:
        done.append("spaces at the ends left out")
    rows = np.bincount(codes[codes >= 0], minlength=len(texts))
    doubtful = _doubtful(gone, texts) if marks.given is None else [text for text in gone if numbers.bound(text)]
    rows_of = {mark: int((values == mark).sum()) for mark in doubtful}
    return Texts(codes, texts, rows, done, list(dict.fromkeys(gone.values())), numbers.digits_of(gone), rows_of)


def told(gone: Collection[str]) -> list[str]:
    """What is said of a column with marks of missing values."""
    return ["missing: " + ", ".join(map(repr, list(gone)[:SHOWN]))] if gone else []


def _doubtful(gone: Collection[str], texts: Sequence[str]) -> list[str]:
    """The usual marks that may be values: words as "none", and NA among codes of two letters as NO."""
    codes = bool(texts) and all(len(text) == 2 and text.isalpha() and text.isupper() for text in texts)
    return [mark for mark in gone if mark.casefold() in WORDS or (codes and mark == "NA")]


def from_text(name: str, column: Texts, forms: Forms) -> Found:
    """What becomes of the column.  Raises ``InputError`` for text among numbers."""
    if not column.texts:
        return column.found(column.spread([], "float64"), "empty")
    if name in forms.categories:
        return column.found(column.spread(column.texts, "object"), "category")
    words = {text.casefold() for text in column.texts}
    if words <= TRUE | FALSE and words & TRUE and words & FALSE and not words <= {"0", "1"}:
        return _boolean(column)
    if (unit := numbers.common_unit(column.texts)) and len(column.texts) > FEW:
        bare = [text.removesuffix(unit).strip() for text in column.texts]
        return from_text(name, replace(column, texts=bare, done=[*column.done, f"{unit} left out"]), forms)
    kept = _without(column, _usual(column, forms.marks(name)))
    for try_as in (_number, _date):
        if kept.texts and (result := try_as(name, kept, forms)):
            return result
    if name not in forms.mixed:
        _refuse_mixed(name, kept, forms)
    return column.found(column.spread(column.texts, "object"), "category")


def text_as(name: str, kind: str, column: Texts, forms: Forms) -> pd.Series:
    """The values of new text, of a column whose type is ``kind``.  Raises ``InputError`` for text that is no such."""
    if kind not in ("integer", "number", "date", "time"):
        return column.spread(column.texts, "object")
    marks = forms.marks(name)
    column = _without(column, _usual(column, marks))
    try:
        values = [_value_as(kind, text, forms) for text in column.texts]
    except dates.Ambiguous as error:
        raise InputError(
            f"column {name!r} must hold dates of which day and month can be told apart, got {str(error)!r}: the "
            "training rows do not tell; write the year first, as 2020-01-31"
        ) from None
    wrong = [text for text, value in zip(column.texts, values, strict=True) if value is None]
    if wrong:
        what = {"date": f"dates{_ORDERS[forms.day_first]}", "time": "times"}.get(kind, "numbers")
        raise InputError(f"column {name!r} must hold {what}, as in the training rows, got {listed(wrong, 5)}")
    gone = {} if kind == "time" else marks.among(values, column.texts)
    values = [np.nan if k in gone else value for k, value in enumerate(values)]
    return column.spread(values, "datetime64[us]" if kind == "date" else "float64")


def _usual(column: Texts, marks: Marks) -> dict[int, str]:
    """The usual marks among numbers and dates, by their places; none where others are given."""
    texts = enumerate(column.texts)
    return {k: text for k, text in texts if marks.given is None and text.casefold() in AMONG_NUMBERS}


def _value_as(kind: str, text: str, forms: Forms) -> Any:
    if kind == "date":
        return dates.as_date(text, forms.day_first)
    if kind == "time":
        hours = dates.as_hours([text])
        return hours[0] if hours else None
    unit = numbers.common_unit([text])
    (digits,), _ = numbers.split_units([text.removesuffix(unit).strip() if unit else text])
    return numbers.as_number(digits, forms.decimal or ".")


def _without(column: Texts, gone: Mapping[int, str]) -> Texts:
    """Without the texts at the places of ``gone``, which are these marks of missing values."""
    if not gone:
        return column
    kept = [k for k in range(len(column.texts)) if k not in gone]
    place = np.full(len(column.texts) + 1, -1)
    place[kept] = np.arange(len(kept))
    left_out = [column.texts[k] for k in sorted(gone)]
    return replace(
        column,
        codes=place[column.codes],
        texts=[column.texts[k] for k in kept],
        rows=column.rows[kept],
        done=[*column.done, *told(left_out)],
        marks=list(dict.fromkeys([*column.marks, *gone.values()])),
        marking=[*column.marking, *numbers.digits_of(left_out)],
    )


def _boolean(column: Texts) -> Found:
    """Two spellings stay, for they may name labels and groups, but for true and false; more become true and false."""
    truth = [text.casefold() in TRUE for text in column.texts]
    spellings = ", ".join(column.texts)
    if len(column.texts) == 2 and {text.casefold() for text in column.texts} != {"true", "false"}:
        return column.found(column.spread(column.texts, "object"), "boolean")
    values = column.spread(truth, "object")
    values = values if values.isna().any() else values.astype(bool)
    return column.found(values, "boolean", *([f"read {spellings} as true and false"] if len(truth) > 2 else []))


def _number(name: str, column: Texts, forms: Forms) -> Found | None:
    digits, found = column.split
    per_cent = "%" in found
    units = {unit for number, unit in zip(digits, found, strict=True) if unit or (per_cent and number.strip("0.,+-"))}
    signs = column.decimals()
    signed = [number for number in [*digits, *column.marking] if "." in number or "," in number]
    default = "," if forms.comma_likely and not any("." in number for number in signed) else "."
    decimal = next(iter(signs)) if len(signs) == 1 else forms.decimal or default
    parsed = numbers.as_numbers(digits, decimal)
    if len(units) > 1 or any(value is None for value in parsed):
        return None
    if not units and numbers.are_codes(digits):
        return column.found(column.spread(column.texts, "object"), "category", "codes with leading zeros stay text")
    if not units and name not in forms.categories and dates._are_compact(digits):
        return None
    if gone := forms.marks(name).among(parsed, digits):
        return from_text(name, _without(column, gone), forms)
    done = ["decimal comma"] if decimal == "," and signs else []
    if len(signs) == 2 and not forms.decimal:
        done.append(f"read {signed[0]!r} as {numbers.as_number(signed[0], decimal):g} (dataset.rows.decimal tells)")
    done += [f"{unit} left out" for unit in units]
    values, kind = whole(column.spread(parsed, "float64"))
    return column.found(values, kind, *done, decimal="," if decimal == "," and signs else ".")


def _date(name: str, column: Texts, forms: Forms) -> Found | None:
    try:
        day_first = dates.order(column.texts, forms.day_first)
    except dates.Ambiguous as error:
        raise InputError(
            f"column {name!r} holds dates of which day and month cannot be told apart, as {str(error)!r}: give "
            "dataset.rows.day_first=true or false"
        ) from None
    except dates.Contradiction as error:
        given, other = ("true", "false") if forms.day_first else ("false", "true")
        raise InputError(
            f"column {name!r} must hold dates{_ORDERS[forms.day_first]}, as dataset.rows.day_first={given} says, got "
            f"{str(error)!r}: correct it, write the year first, or give {other}, or null where each column's dates tell"
        ) from None
    if (stamps := dates.as_dates(column.texts, day_first)) is not None:
        if gone := forms.marks(name).among(stamps, column.texts):
            told = forms if day_first is None else replace(forms, day_first=day_first)
            return from_text(name, _without(column, gone), told)
        done = [] if day_first is None else [f"the {'day' if day_first else 'month'} first"]
        return column.found(column.spread(stamps, "datetime64[us]"), "date", *done, day_first=day_first)
    hours = dates.as_hours(column.texts)
    return None if hours is None else column.found(column.spread(hours, "float64"), "time", "hours since midnight")


def _refuse_mixed(name: str, column: Texts, forms: Forms) -> None:
    """Raise ``InputError`` where most rows are numbers or dates, and too many different ones to be categories."""
    are_numbers = [any(numbers.as_number(number, sign) is not None for sign in ".,") for number in column.split[0]]
    for kind, flags in (("numbers", are_numbers), ("dates", [dates.is_like(text) for text in column.texts])):
        if sum(flags) <= FEW or column.rows[np.array(flags)].sum() <= column.rows.sum() / 2:
            continue
        rows = {text: n for text, n, is_one in zip(column.texts, column.rows, flags, strict=True) if not is_one}
        bounds = {text: numbers.bound(text) for text in rows if kind == "numbers"}
        ranges = [text for text in rows if bounds.get(text)]
        others = [text for text in rows if text not in ranges]
        found = [f"text among {kind} ({listed(others)})"] * bool(others)
        found += [f"ranges among numbers ({listed(ranges)})"] * bool(ranges)
        got = " and ".join(found) or f"{kind} of several kinds ({listed([column.texts[0], column.texts[-1]])})"
        lost = sum(rows[text] for text in ranges)
        ways = ["correct it"]
        if others:
            marks = [*(forms.marks(name).given or column.marks), *others]
            way = remedy(forms.missing, name, marks) if len(others) <= SHOWN else "'dataset.rows.missing_marks=[...]'"
            ways.append(f"give all marks of missing values as {way}")
        if ranges:
            ways[0] = f"write a number for each range ({bounds[ranges[0]]} for {ranges[0]!r})"
        ways.append(f"or have categories by {override('dataset.rows.categories', [name])}")
        said = f"column {name!r} must hold {kind} or categories, got {got}: {'; '.join(ways)}"
        raise InputError(said + f" (as missing, {lost} rows would lose their range)" * bool(ranges))


def alike(texts: Sequence[object]) -> list[list[object]]:
    """The values that differ in case or spaces alone, each kind in a list."""
    kinds: dict[str, list[object]] = {}
    for text in texts:
        kinds.setdefault("".join(unicodedata.normalize("NFKC", str(text)).casefold().split()), []).append(text)
    return [values for values in kinds.values() if len(values) > 1]


def whole(values: pd.Series) -> tuple[pd.Series, str]:
    """As int64 where all are whole numbers, so that 1 and 1.0 are the same."""
    if pd.api.types.is_integer_dtype(values):
        return values.astype("int64") if values.max() < 2**63 else values.astype("float64"), "integer"
    values = values.astype("float64")
    known = values.dropna()
    whole = bool((np.isfinite(known) & (known == known.round()) & (known.abs() < 2**53)).all())
    return (values.astype("int64") if whole and len(known) == len(values) else values), "integer" if whole else "number"
