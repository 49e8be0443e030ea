"""How missing values are spelt."""

import re
from collections.abc import Collection

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


def is_missing(text: str, marks: Collection[str] | None) -> bool:
    """Whether ``text`` stands for a missing value.

    ``marks``: the only spellings, beside the empty one; None: the usual ones, in any case.
    """
    if marks is not None:
        return not text.strip() or text in marks or text.strip() in marks
    spelt = text.strip().casefold()
    return spelt in MARKS or (spelt.startswith("#") and _EXCEL.fullmatch(spelt) is not None)
