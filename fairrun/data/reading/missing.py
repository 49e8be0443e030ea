"""How missing values are spelt."""

import re
from collections.abc import Collection

from fairrun.data.reading.numbers import is_plain

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


def is_missing(text: str, marks: Collection[str] | None, numbers: Collection[float] = ()) -> bool:
    """Whether ``text`` stands for a missing value.

    ``marks``: the only spellings, beside the empty one; None: the usual ones, in any case.  ``numbers``: those of the
    marks that are numbers, however they are written.
    """
    spelt = text.strip()
    if marks is not None:
        return not spelt or text in marks or spelt in marks or (bool(numbers) and _number(spelt) in numbers)
    spelt = spelt.casefold()
    return spelt in MARKS or (spelt.startswith("#") and _EXCEL.fullmatch(spelt) is not None)


def numbers_of(marks: Collection[str] | None) -> set[float]:
    """Those of the marks that are numbers."""
    found = map(_number, marks or ())
    return {number for number in found if number is not None}


def _number(text: str) -> float | None:
    return float(text) if is_plain(text) else None
