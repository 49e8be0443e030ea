"""Dates as people write them, and the numbers that they become."""

import re
from collections.abc import Sequence

import pandas as pd

_CLOCK = r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[AaPp]\.?[Mm]\.?)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(rf"\d{{4}}([-/.])\d{{1,2}}(?:\1\d{{1,2}})?{_CLOCK}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}|\d{{2}}){_CLOCK}")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]*\.?"
_WORDS = re.compile(
    rf"(?:\w{{3,9}},? )?(?:\d{{1,2}}[- ]{_MONTH}[-, ]+\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}|{_MONTH} \d{{4}}){_CLOCK}",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*([AaPp])?\.?(?:[Mm]\.?)?")
DAY = 86_400  # seconds
PARTS = ("year", "month", "day", "hour")


class Ambiguous(ValueError):
    """Dates as 01/02/2020, of which day and month cannot be told apart."""


class Contradiction(ValueError):
    """A date as 13/01/2020 that is one in the other order of day and month than is given."""


def order(texts: Sequence[str], given: bool | None = None) -> bool | None:
    """Whether the day stands before the month in dates as 01/02/2020: as is ``given``, or else as they tell.

    None where they are no such dates, or the same both ways.  Raises ``Ambiguous`` where nothing tells, and
    ``Contradiction`` for dates one of which is none in the order that is given.
    """
    last = [match for match in map(_YEAR_LAST.fullmatch, texts) if match]
    if not last or len(last) < len(texts):
        return None
    if given is not None:
        _refuse_other_order(last, given)
        return given
    first, second = (max(int(match[k]) for match in last) for k in (1, 3))
    told = True if first > 12 else False if second > 12 else (last[0][2] == "." or None)
    if told is None and any(match[1] != match[3] for match in last):
        raise Ambiguous(last[0][0])
    return told


def _refuse_other_order(last: Sequence[re.Match[str]], day_first: bool) -> None:
    """Raise ``Contradiction`` for a date of the other order, where each is one in this order or in that."""
    numbers = [sorted((int(match[1]), int(match[3]))) for match in last]
    wrong = [match[0] for match in last if int(match[3 if day_first else 1]) > 12]
    if wrong and all(1 <= low <= 12 and high <= 31 for low, high in numbers):
        raise Contradiction(wrong[0])


def as_dates(texts: Sequence[str], day_first: bool | None = None) -> list[pd.Timestamp] | None:
    """The dates that all of ``texts`` spell, without a zone (those with one in UTC); None where one is no date.

    ``day_first``: of 01/02/2020, as ``order`` tells; where the year stands first, the month is the second.
    """
    last = [match for match in map(_YEAR_LAST.fullmatch, texts) if match]
    if not texts or not (
        len(last) == len(texts) or _all(_YEAR_FIRST, texts) or _all(_WORDS, texts) or _are_compact(texts)
    ):
        return None
    if any(int(match[3 if day_first else 1]) > 12 for match in last):
        return None
    try:
        mixed = {"format": "mixed", "dayfirst": bool(last and day_first)}
        options = {"format": "%Y%m%d"} if _are_compact(texts) else mixed
        stamps = pd.to_datetime(pd.Series(texts, dtype=object), utc=True, **options)
    except (ValueError, OverflowError):  # 31 February
        return None
    return list(stamps.dt.tz_localize(None))


def as_date(text: str, day_first: bool | None) -> pd.Timestamp | None:
    """The date that a cell of a column of dates spells, 20200131 too; None where it is no date.

    ``day_first``: as the column tells; None: as the cell does.  Raises ``Ambiguous`` where it does not.
    """
    if _COMPACT.fullmatch(text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    found = as_dates([text], order([text]) if day_first is None else day_first)
    return found[0] if found else None


def stamp(text: str) -> pd.Timestamp | None:
    """The date that ``text`` spells, the year first; None for other text."""
    found = as_dates([text]) if _YEAR_FIRST.fullmatch(text) else None
    return found[0] if found else None


def is_like(text: str) -> bool:
    """Whether ``text`` is written as dates are."""
    return any(pattern.fullmatch(text) for pattern in (_YEAR_FIRST, _YEAR_LAST, _WORDS))


def as_hours(texts: Sequence[str]) -> list[float] | None:
    """The hours since midnight that all of ``texts``, times as 17:30, spell; None where one is no time."""
    matches = [_TIME.fullmatch(text) for text in texts]
    found = [_hours(match) for match in matches if match]
    return found if texts and len(found) == len(texts) else None


def _hours(match: re.Match[str]) -> float:
    hour = int(match[1]) % 12 + 12 * (match[4].lower() == "p") if match[4] else int(match[1])
    return hour + int(match[2]) / 60 + float(match[3] or 0) / 3600


def _all(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    return all(pattern.fullmatch(text) for text in texts)


def _are_compact(texts: Sequence[str]) -> bool:
    """Whether numbers are dates as 20200131; a few such numbers may be anything."""
    return len(texts) >= 10 and _all(_COMPACT, texts)


def as_numbers(values: pd.Series, form: str) -> dict[str, pd.Series]:
    """What a column of dates becomes, by a suffix of its name: ``form`` parts or days (since 1970)."""
    if form == "days":
        return {"days": (values - pd.Timestamp(0).as_unit("us")).dt.total_seconds() / DAY}
    found = {part: getattr(values.dt, part).astype("float64") for part in PARTS}
    return {part: numbers for part, numbers in found.items() if part != "hour" or numbers.fillna(0).any()}
