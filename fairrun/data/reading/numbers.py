"""Numbers as people write them: decimal commas, thousands, currencies, per cent."""

import math
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

CURRENCY = (
    r"US\$|A\$|C\$|R\$|NZ\$|HK\$|S\$|kr\.?|z\u0142|K\u010d|Ft|lei|Rs\.?|[\$\u00a2-\u00a5\u20a0-\u20cf]|"
    r"USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|BRL|MXN|ZAR|KRW|TRY|SGD|HKD|Euro|euros?"
)
_UNIT = re.compile(rf"(?P<front>{CURRENCY})?\s*(?P<number>.*?)\s*(?P<back>{CURRENCY}|%|\u2030)?", re.DOTALL)
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019_](?=\d{3}(?!\d))")  # between thousands
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_POINT = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}")
_COMMA = re.compile(rf"[+-]?(?:\d+,?\d*|,\d+){_EXPONENT}")
_POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")
_COMMA_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?")
_PLAIN_LINES = re.compile(r"(?:[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\n)+")
_SUFFIX = re.compile(r"[+-]?\d[\d.,]*\s*([^\W\d_]{1,12}\.?)")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_CODE = re.compile(r"0\d+")
_LESS = r"(?:more|over|older|above|up|plus|less|fewer|under|younger|below)"
_FROM = rf"(?:[<>~]=?|[\u2264\u2265]|{_LESS}(?: than| to)?|at (?:least|most))"
_AMOUNT = rf"(?:{CURRENCY})?\s*([+-]?\d[\d.,]*)\s*(?:{CURRENCY}|%|[^\W\d_]{{1,12}})?"
_RANGES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_FROM}\s*{_AMOUNT}",
        rf"{_AMOUNT}\s*\+(?:\s*[^\W\d_]{{1,12}})?",
        rf"{_AMOUNT}\s+(?:or|and|&)\s+{_LESS}",
        rf"{_AMOUNT}\s*(?:-|\u2013|\u2014|to|bis|\.\.+)\s*{_AMOUNT}",
    )
]  # >= 75, 75+, 75 or older, 10-19

_OF_RANGES = {*re.findall(r"[a-z]+", f"{_LESS} than to at least most or and bis")}  # the words of ranges without units
_AT_MOST = re.compile(r"[<\u2264]|less|fewer|under|younger|below|up to|at most", re.IGNORECASE)  # such ranges
_BELOW = re.compile(
    r"<(?!=)|less|fewer|under|younger|below", re.IGNORECASE
)  # at their start: without the number itself

_ONE = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"  # for Arrow, whose expressions are faster, and alike


class Plain(NamedTuple):
    """A column of text that is plain numbers and empty cells alone."""

    values: pd.Series  # float64, NaN of an empty cell and of a mark
    points: bool  # whether some, or marks, have a decimal point, which cannot be one of thousands
    marks: list[str]  # of missing values, that were found


def plain(values: pd.Series, marks: Collection[str] = (), amounts: Collection[float] = ()) -> Plain | None:
    """The numbers of a column of text, at once; None where any may be meant in another way.

    That is: other text, 1.234 alone, codes with leading zeros, dates as 20200131, and a column without a number.  The
    ``marks`` of missing values count as they are written; None where another cell is one of their ``amounts``, and
    where they alone tell of a decimal comma.
    """
    try:
        cells = pa.array(values, pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # other values than text
        return None
    are_marks = pc.is_in(cells, value_set=pa.array(marks, pa.large_string()))
    found = sorted(pc.unique(cells.filter(are_marks)).to_pylist())
    cells = pc.if_else(pc.or_(pc.equal(cells, ""), are_marks), None, cells)
    if cells.null_count == len(cells) or not _all(cells, f"^{_ONE}$") or _any(cells, "^-?0[0-9]"):
        return None
    points = _any(cells, r"\.")
    if points and _all(cells, r"^(-?[0-9]+([eE][+-]?[0-9]+)?|-?[1-9][0-9]{0,2}\.[0-9]{3})$"):  # or thousands
        return None
    if not points and _all(cells, "^(19|20)[0-9]{6}$"):
        return None
    signs = set() if points else decimals(digits_of(found))
    if "," in signs:
        return None
    try:
        read = pd.Series(pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False), values.index)
    except pa.ArrowInvalid:  # a number beyond float64
        return None
    return None if amounts and read.isin(list(amounts)).any() else Plain(read, points or signs == {"."}, found)


def amount_of(text: str) -> float | None:
    """The number that ``text`` is, with a decimal point and nothing else; None for other text, and for a code."""
    text = text.strip().replace("\u2212", "-")
    return float(text) if re.fullmatch(_ONE, text) and not is_code(text) else None


def amounts(text: str) -> set[float]:
    """The numbers that ``text`` may spell: none of other text and of a code, two of 1,234."""
    digits = split_unit(text)[0]
    found = set() if is_code(digits) else {as_number(digits, sign) for sign in ".,"}
    return {number for number in found if number is not None}


def digits_of(texts: Collection[str]) -> list[str]:
    """The digits of those texts that are numbers."""
    return [split_unit(text)[0] for text in texts if amounts(text)]


def is_code(digits: str) -> bool:
    """Whether digits have leading zeros, as 01234."""
    return _CODE.fullmatch(digits.lstrip("+-")) is not None


def width_of_codes(texts: Collection[str]) -> int | None:
    """How many digits codes have of which some have leading zeros, as 01234; None where none has.

    0 where they have not all as many, or other text stands among them.
    """
    if not any(map(is_code, texts)):
        return None
    widths = {len(text) if text.isdecimal() else 0 for text in texts}
    return widths.pop() if len(widths) == 1 else 0


def _all(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern)).as_py())


def _any(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, pattern)).as_py())


def split_units(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of each text the number's digits, and its unit; fast where all are plain numbers with a decimal point."""
    if _PLAIN_LINES.fullmatch("".join(f"{text}\n" for text in texts)):
        return list(texts), [""] * len(texts)
    pairs = [split_unit(text) for text in texts]
    return [digits for digits, _ in pairs], [unit for _, unit in pairs]


def as_numbers(digits: Sequence[str], decimal: str) -> list[float | None]:
    """The number that each of ``digits`` spells; None for what is no number."""
    if decimal == "." and _PLAIN_LINES.fullmatch("".join(f"{number}\n" for number in digits)):
        return list(map(float, digits))
    return [as_number(number, decimal) for number in digits]


def split_unit(text: str) -> tuple[str, str]:
    """The number's digits with their sign, and its unit: a currency, % or ""."""
    text = text.strip().replace("\u2212", "-")
    negative = text.startswith("(") and text.endswith(")")
    text = text[1:-1].strip() if negative else text
    sign, text = (text[0], text[1:].strip()) if text[:1] in "+-" and text[1:2] not in "0123456789.,i" else ("", text)
    match = _UNIT.fullmatch(text)
    assert match is not None  # every part may be empty
    number, unit = match["number"], match["front"] or match["back"] or ""
    if unit and number[-1:] == "-":
        number = "-" + number[:-1]
    return ("-" if negative else sign) + _SPACES.sub("", number), unit


def bound(text: str) -> str | None:
    """The first number of a range, as 75 of 75+, >= 75, 75 or older and 75-79; None for other text."""
    match = _range(text)
    return match[1] if match else None


def _range(text: str) -> re.Match[str] | None:
    """The match of a range, whose groups are its numbers."""
    return next((match for match in (pattern.fullmatch(text) for pattern in _RANGES) if match), None)


def span(text: str) -> tuple[float, float] | None:
    """The least and the largest number that a number or a range may be: 75 to infinity of 75+.

    None of other text, of numbers with units and of those that may be two numbers, as 1.500.
    """
    words = set(re.findall(r"[^\W\d_]+", text.lower()))
    if not words <= _OF_RANGES or "%" in text or any(len(amounts(n)) > 1 for n in re.findall(r"[\d.,]*\d", text)):
        return None
    if (number := amount_of(text)) is not None:
        return number, number
    match = _range(text.strip())
    ends = [amount_of(digits) for digits in match.groups()] if match and "~" not in text else []
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends) or known != sorted(known):
        return None
    if len(known) == 2:
        return known[0], known[1]
    if not _AT_MOST.search(text):
        return known[0], math.inf
    return -math.inf, math.nextafter(known[0], -math.inf) if _BELOW.match(text.strip()) else known[0]


def common_unit(texts: Sequence[str]) -> str:
    """The letters behind all numbers, as in 40 h and 170cm; "" where there are none, or not the same."""
    match = _SUFFIX.fullmatch(texts[0])
    unit = match[1] if match else ""
    return unit if unit and all((m := _SUFFIX.fullmatch(text)) and m[1] == unit for text in texts) else ""


def as_number(digits: str, decimal: str) -> float | None:
    """The number that ``digits`` spell with this decimal sign, "." or ","; None for what is no number."""
    plain, grouped = (_POINT, _POINT_THOUSANDS) if decimal == "." else (_COMMA, _COMMA_THOUSANDS)
    if not (plain.fullmatch(digits) or grouped.fullmatch(digits)):
        return float(digits) if _INFINITE.fullmatch(digits) else None
    thousands = "," if decimal == "." else "."
    return float(digits.replace(thousands, "").replace(",", "."))


def decimals(digits: Sequence[str]) -> set[str]:
    """The decimal signs that could be meant, where at least one of the numbers has a sign; empty where none has."""
    signed = [number for number in digits if "." in number or "," in number]
    if not signed:
        return set()
    plain = _PLAIN_LINES.fullmatch("".join(f"{number}\n" for number in digits)) is not None
    fits = {".": plain or all(as_number(number, ".") is not None for number in digits)}
    fits[","] = all(as_number(number, ",") is not None for number in digits)
    return {sign for sign, all_fit in fits.items() if all_fit}


def are_codes(digits: Sequence[str]) -> bool:
    """Whether whole numbers are codes, some with leading zeros, as 01234."""
    return all(number.isdecimal() for number in digits) and any(_CODE.fullmatch(number) for number in digits)
