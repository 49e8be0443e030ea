"""From the bytes of a text file to a frame of text: encoding, separator, header."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from fairrun.config.check import InputError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "spaces"}
MARKS = {  # byte order marks; those of UTF-32 first, for they begin like those of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_COMMENTS = re.compile(r"\A(\s*# .*\r?\n)+")
SAMPLE = 100_000  # characters that the separator is looked for in


class Text(NamedTuple):
    """A frame of text, as it stands in the file, and what was found."""

    frame: pd.DataFrame
    separator: str
    remarks: list[str]


def read_text(content: bytes, name: str, separator: str | None = None, encoding: str | None = None) -> Text:
    """The table in the text file ``name``; None: the separator, the encoding is found.

    Raises ``InputError`` for an empty file, for a header with a name twice and for a row with more or fewer fields.
    """
    text, found = decoded(content, name, encoding)
    first = re.match(r'"?sep=(.)"?\r?\n', text)  # Excel's own first line
    separator = separator or (first[1] if first else None)
    text = text[first.end() :] if first else text
    text = _COMMENTS.sub("", text)
    if not text.strip():
        raise InputError(f"dataset.path must be a table with a header, got {name!r}, which is empty")
    separator = separator or found_separator(text)
    guess = " (a guess; dataset.rows.encoding tells)" if not encoding and found in ("cp1252", "latin-1") else ""
    remarks = [f"{name}: encoding {found}{guess}, separator {SEPARATORS.get(separator, repr(separator))}"]
    return Text(_table(text, separator, name), separator, remarks)


def decoded(content: bytes, name: str, encoding: str | None) -> tuple[str, str]:
    """The text, and its encoding: the one given, or by its byte order mark, or UTF-8, or else a guess."""
    for tried in [encoding] if encoding else _encodings(content):
        try:
            return content.decode(tried).removeprefix("\ufeff"), tried
        except LookupError:
            raise InputError(f"dataset.rows.encoding must be a name that Python knows, got {tried!r}") from None
        except UnicodeError as error:
            reason = str(error)
    raise InputError(
        f"dataset.rows.encoding must be the encoding of {name!r}, got {encoding or 'none that fits'}: {reason}; "
        "give null to have it found, or for example cp1252, latin-1 or utf-16"
    )


def _encodings(content: bytes) -> list[str]:
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return [encoding]
    start = content[:1000]
    if start[1::2].count(0) > len(start) / 4:  # Latin letters in UTF-16 have a zero for every other byte
        return ["utf-16-le"]
    if start[::2].count(0) > len(start) / 4:
        return ["utf-16-be"]
    return ["utf-8", "cp1252", "latin-1"]


def found_separator(text: str) -> str:
    """The separator that divides most rows into as many fields as the header; of those the one with most fields."""
    sample = text[:SAMPLE] if len(text) <= SAMPLE else text[: text.rfind("\n", 0, SAMPLE) + 1] or text[:SAMPLE]
    best, found = (0.0, 1), ","
    for separator in SEPARATORS:
        lengths = [len(row) for row in _rows(sample, separator) if row][:500]
        if not lengths or lengths[0] < 2:
            continue
        alike = Counter(lengths[1:] or lengths)[lengths[0]] / len(lengths[1:] or lengths)
        if separator == " " and best[1] > 1:  # text in other columns has spaces
            continue
        if (round(alike, 1), lengths[0]) > best:
            best, found = (round(alike, 1), lengths[0]), separator
    return found


def _rows(text: str, separator: str) -> list[list[str]]:
    if separator == " ":
        text = re.sub(r"[ \t]+", " ", re.sub(r"(?m)^[ \t]+|[ \t]+$", "", text))
    try:
        return list(csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, quotechar=_quote(text)))
    except csv.Error:  # a field that is too large: an open quotation mark
        return []


def _table(text: str, separator: str, name: str) -> pd.DataFrame:
    options: dict[str, Any] = {"header": None, "dtype": str, "keep_default_na": False, "skipinitialspace": True}
    options["quotechar"] = _quote(text)
    try:
        frame = pd.read_csv(io.BytesIO(text.encode()), sep=r"\s+" if separator == " " else separator, **options)
    except (ValueError, TypeError) as error:  # pandas' errors are of ValueError
        if _refuse_lengths(text, separator, name):
            return _table(re.sub(r"\r?\n", f"{separator}\n", text.lstrip(), count=1), separator, name)
        raise InputError(f"dataset.path={name!r} cannot be read as a table: {str(error).strip()}") from None
    if (frame.iloc[:, -1] == "").any():  # a row that is too short is read as one whose last fields are empty
        _refuse_lengths(text, separator, name)
    header = [str(cell).strip() for cell in frame.iloc[0]]
    rows = frame.iloc[1:].reset_index(drop=True)
    return _named(rows, header, name)


def _named(rows: pd.DataFrame, header: Sequence[str], name: str) -> pd.DataFrame:
    """With the header's names; a column without a name or any value is no column."""
    kept = [k for k, cell in enumerate(header) if cell or (rows[k] != "").any()]
    names = [header[k] or f"Unnamed: {k}" for k in kept]
    refuse_repeated(names, name)
    if not len(rows):
        raise InputError(f"dataset.path must be a table with rows below its header, got {name!r} with none")
    return rows[kept].set_axis(names, axis=1)


def refuse_repeated(names: Sequence[str], file: str) -> None:
    """Raise ``InputError`` where two columns have one name."""
    repeated = [name for name, number in Counter(names).items() if number > 1]
    if repeated:
        shown = ", ".join(map(repr, repeated[:5]))
        raise InputError(f"dataset.path={file!r}: every column must have a name of its own, got {shown} twice or more")


def _refuse_lengths(text: str, separator: str, name: str) -> bool:
    """Whether every row has a separator more than the header, at its end.

    Raises ``InputError`` where a row has more or fewer fields in another way.
    """
    rows = [(k, row) for k, row in enumerate(_rows(text, separator), 1) if row]
    wanted = len(rows[0][1]) if rows else 0
    wrong = [(k, len(row)) for k, row in rows if len(row) != wanted]
    at_end = len(rows) > 1 and all(len(row) == wanted + 1 and not row[-1] for _, row in rows[1:])
    if wrong and not at_end:
        row, fields = wrong[0]
        spelt = SEPARATORS.get(separator, repr(separator))
        raise InputError(
            f"dataset.path={name!r}: every row must have {wanted} fields as the header, got {fields} in row {row} "
            f"({len(wrong)} such rows; separator {spelt}): quote fields that hold the separator, or give "
            "dataset.rows.separator"
        )
    return at_end


def _quote(text: str) -> str:
    """The mark around fields: that of the first name, if there is one."""
    return "'" if text.lstrip().startswith("'") else '"'
