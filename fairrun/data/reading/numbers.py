"""Numbers as people write them: decimal commas, thousands, currencies, per cent."""

import re
from collections.abc import Sequence

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
