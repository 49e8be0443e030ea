"""The type of a column of text: numbers, booleans, dates, times, or categories."""

import functools
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from fairrun.config.check import InputError
from fairrun.config.values import FALSE, TRUE, listed
from fairrun.data.reading import dates, numbers
from fairrun.data.reading.missing import AMONG_NUMBERS, WORDS, is_missing, numbers_of

DECIMAL_COMMA = "decimal comma"  # in what was done to a column
FEW = 20  # distinct numbers beside other text that may be categories, as 0, 1, 2 and 3+


@dataclass(frozen=True)
class Forms:
    """How the user says that values are written; None: it is found."""

    decimal: str | None = None  # "." or ","
    day_first: bool | None = None  # of dates as 01/02/2020
    missing: Collection[str] | None = None  # the only marks of missing values beside the empty cell
    categories: Collection[str] = ()  # columns whose text stays text
    mixed: Collection[str] = ()  # columns that may hold text among numbers
    comma_likely: bool = False  # where nothing else tells what 1,234 is


@dataclass(frozen=True)
class Texts:
    """The distinct texts of a column."""

    codes: np.ndarray  # [N] number of each row's text, -1: missing
    texts: list[str]  # without spaces at their ends
    rows: np.ndarray  # of each text, how many rows
    done: list[str]
    doubtful: Mapping[str, int] = field(default_factory=dict)  # marks that may be values: how many rows

    @functools.cached_property
    def split(self) -> tuple[list[str], list[str]]:
        """The digits of each text, if it is a number, and its unit."""
        return numbers.split_units(self.texts)

    def spread(self, values: Sequence[object], dtype: str) -> pd.Series:
        """A value for each text -> one for each row."""
        with_missing = pd.Series([*values, np.nan if dtype != "datetime64[us]" else pd.NaT], dtype=dtype)
        return with_missing.iloc[self.codes].reset_index(drop=True)


def texts_of(values: pd.Series, marks: Collection[str] | None) -> Texts:
    """The distinct texts of a column; ``marks`` as in ``is_missing``."""
    codes, unique = pd.factorize(values, use_na_sentinel=True)
    spelt = [str(value) for value in unique]
    as_is = set(spelt)
    stripped = [text.strip() for text in spelt]
    as_numbers = numbers_of(marks)
    missing = [is_missing(text, marks, as_numbers) for text in spelt]
    texts = sorted({text for text, gone in zip(stripped, missing, strict=True) if not gone})
    place = {text: k for k, text in enumerate(texts)}
    number = np.array([-1 if gone else place[t] for t, gone in zip(stripped, missing, strict=True)] + [-1])
    codes = number[codes]
    done = []
    if gone := sorted({text for text, is_gone in zip(stripped, missing, strict=True) if is_gone and text}):
        done.append("missing: " + ", ".join(map(repr, gone[:5])))
    differ = {s for s, t, gone in zip(spelt, stripped, missing, strict=True) if s != t and not gone and t in as_is}
    if differ:
        done.append("spaces at the ends left out")
    rows = np.bincount(codes[codes >= 0], minlength=len(texts))
    return Texts(codes, texts, rows, done, _doubtful(values, gone, texts) if marks is None else {})


def _doubtful(values: pd.Series, gone: Collection[str], texts: Sequence[str]) -> dict[str, int]:
    """The marks that may be values, with their rows: words as "none", and NA among codes of two letters as NO."""
    codes = bool(texts) and all(len(text) == 2 and text.isalpha() and text.isupper() for text in texts)
    found = [mark for mark in gone if mark.casefold() in WORDS or (codes and mark == "NA")]
    return {mark: int((values == mark).sum()) for mark in found}


def from_text(name: str, column: Texts, forms: Forms) -> tuple[pd.Series, str, list[str]]:
    """The column's values, their type and what was done.  Raises ``InputError`` for text among numbers."""
    if not column.texts:
        return column.spread([], "float64"), "empty", column.done
    if name in forms.categories:
        return column.spread(column.texts, "object"), "category", column.done
    words = {text.casefold() for text in column.texts}
    if words <= TRUE | FALSE and words & TRUE and words & FALSE and not words <= {"0", "1"}:
        return _boolean(column)
    if (unit := numbers.common_unit(column.texts)) and len(column.texts) > FEW:
        bare = [text.removesuffix(unit).strip() for text in column.texts]
        return from_text(name, replace(column, texts=bare, done=[*column.done, f"{unit} left out"]), forms)
    usual = {k for k, text in enumerate(column.texts) if forms.missing is None and text.casefold() in AMONG_NUMBERS}
    kept = _without(column, usual) if usual else column
    for try_as in (_number, _date):
        if kept.texts and (result := try_as(name, kept, forms)):
            return result
    if name not in forms.mixed:
        _refuse_mixed(name, kept)
    return column.spread(column.texts, "object"), "category", [*column.done, *_near(column.texts)]


def text_as(name: str, kind: str, column: Texts, forms: Forms) -> pd.Series:
    """The values of new text, of a column whose type is ``kind``.  Raises ``InputError`` for text that is no such."""
    if kind not in ("integer", "number", "date", "time"):
        return column.spread(column.texts, "object")
    usual = {k for k, text in enumerate(column.texts) if forms.missing is None and text.casefold() in AMONG_NUMBERS}
    column = _without(column, usual) if usual else column
    values = [_value_as(kind, text, forms) for text in column.texts]
    wrong = [text for text, value in zip(column.texts, values, strict=True) if value is None]
    if wrong:
        what = {"date": "dates", "time": "times"}.get(kind, "numbers")
        raise InputError(f"column {name!r} must hold {what}, as in the training rows, got {listed(wrong, 5)}")
    return column.spread(values, "datetime64[us]" if kind == "date" else "float64")


def _value_as(kind: str, text: str, forms: Forms) -> Any:
    if kind == "date":
        stamps = dates.as_dates([text], forms.day_first)
        return stamps[0] if stamps else None
    if kind == "time":
        hours = dates.as_hours([text])
        return hours[0] if hours else None
    unit = numbers.common_unit([text])
    (digits,), _ = numbers.split_units([text.removesuffix(unit).strip() if unit else text])
    return numbers.as_number(digits, forms.decimal or ".")


def _without(column: Texts, gone: set[int]) -> Texts:
    kept = [k for k in range(len(column.texts)) if k not in gone]
    place = np.full(len(column.texts) + 1, -1)
    place[kept] = np.arange(len(kept))
    marks = "missing: " + ", ".join(repr(column.texts[k]) for k in sorted(gone))
    return Texts(place[column.codes], [column.texts[k] for k in kept], column.rows[kept], [*column.done, marks])


def _boolean(column: Texts) -> tuple[pd.Series, str, list[str]]:
    """Two spellings stay, for they may name labels and groups, but for true and false; more become true and false."""
    truth = [text.casefold() in TRUE for text in column.texts]
    spellings = ", ".join(column.texts)
    if len(column.texts) == 2 and {text.casefold() for text in column.texts} != {"true", "false"}:
        return column.spread(column.texts, "object"), "boolean", column.done
    values = column.spread(truth, "object")
    values = values if values.isna().any() else values.astype(bool)
    return values, "boolean", [*column.done, *([f"read {spellings} as true and false"] if len(truth) > 2 else [])]


def _number(name: str, column: Texts, forms: Forms) -> tuple[pd.Series, str, list[str]] | None:
    digits, found = column.split
    per_cent = "%" in found
    units = {unit for number, unit in zip(digits, found, strict=True) if unit or (per_cent and number.strip("0.,+-"))}
    signs = numbers.decimals(digits)
    default = "," if forms.comma_likely and not any("." in number for number in digits) else "."
    decimal = next(iter(signs)) if len(signs) == 1 else forms.decimal or default
    parsed = numbers.as_numbers(digits, decimal)
    if len(units) > 1 or any(value is None for value in parsed):
        return None
    if not units and numbers.are_codes(digits):
        return column.spread(column.texts, "object"), "category", [*column.done, "codes with leading zeros stay text"]
    if not units and name not in forms.categories and dates._are_compact(digits):
        return None
    done = list(column.done)
    if decimal == "," and signs:
        done.append(DECIMAL_COMMA)
    if len(signs) == 2 and not forms.decimal:
        sample = next(number for number in digits if "." in number or "," in number)
        done.append(f"read {sample!r} as {numbers.as_number(sample, decimal):g} (dataset.rows.decimal tells)")
    done += [f"{unit} left out" for unit in units]
    return *whole(column.spread(parsed, "float64")), done


def _date(name: str, column: Texts, forms: Forms) -> tuple[pd.Series, str, list[str]] | None:
    try:
        stamps = dates.as_dates(column.texts, forms.day_first)
    except dates.Ambiguous as error:
        raise InputError(
            f"column {name!r} holds dates of which day and month cannot be told apart, as {str(error)!r}: give "
            "dataset.rows.day_first=true or false"
        ) from None
    if stamps is not None:
        return column.spread(stamps, "datetime64[us]"), "date", column.done
    hours = dates.as_hours(column.texts)
    return None if hours is None else (column.spread(hours, "float64"), "time", [*column.done, "hours since midnight"])


def _refuse_mixed(name: str, column: Texts) -> None:
    """Raise ``InputError`` where most rows are numbers or dates, and too many different ones to be categories."""
    are_numbers = [any(numbers.as_number(number, sign) is not None for sign in ".,") for number in column.split[0]]
    for kind, flags in (("numbers", are_numbers), ("dates", [dates.is_like(text) for text in column.texts])):
        if sum(flags) <= FEW or column.rows[np.array(flags)].sum() <= column.rows.sum() / 2:
            continue
        others = [text for text, is_one in zip(column.texts, flags, strict=True) if not is_one]
        shown = listed(others or [column.texts[0], column.texts[-1]])
        what = f"text among {kind} ({shown})" if others else f"{kind} of several kinds ({shown})"
        raise InputError(
            f"column {name!r} must hold {kind} or categories, got {what}: correct it; give all marks of missing values "
            f"as 'dataset.rows.missing_marks=[...]'; or have categories by 'dataset.rows.categories=[{name}]'"
        )


def _near(texts: Sequence[str]) -> list[str]:
    """What is to be said of categories that differ in case or spaces alone."""
    pairs = alike(texts)
    return [f"differ in case or spaces alone: {', '.join(map(repr, pairs[0]))}"] if pairs else []


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
