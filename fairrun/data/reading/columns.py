"""The type of every column of a frame of text or of plain values."""

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from fairrun.config.check import InputError
from fairrun.data.groups import with_columns
from fairrun.data.reading import numbers
from fairrun.data.reading.account import Account, Column, RefusedColumns
from fairrun.data.reading.dates import DAY
from fairrun.data.reading.missing import Marks, remedy
from fairrun.data.reading.parquet import decoded
from fairrun.data.reading.texts import Forms, Found, Texts, from_text, text_as, texts_of, told, whole

NUMBERS = ("integer", "number", "boolean")  # types that a column of numbers may be given as


def typed(frame: pd.DataFrame, forms: Forms) -> tuple[pd.DataFrame, list[Column], list[str]]:
    """A frame of text or of plain values -> one of int64, float64, bool, datetime64 and text; what was done; warnings.

    A missing value is NaN, None or NaT.  The same values are typed alike, whether they were stored as text, as numbers
    or as decimals.  Raises ``RefusedColumns`` for numbers among which other text stands.
    """
    plain = {name: one for name in frame if (one := _plain_numbers(name, frame[name], forms)) is not None}
    others = [name for name in frame if name not in plain]
    texts = {name: texts_of(frame[name], forms.marks(name)) for name in others if _holds_text(frame[name])}
    points = any(one.points for one in plain.values())
    forms = replace(forms, decimal=forms.decimal or _decimal(texts.values(), points))
    found: dict[str, pd.Series] = {}
    columns, warnings, wrong = [], list[str](), list[str]()
    for name in frame:
        try:
            if name in plain:
                read = Found(*whole(plain[name].values), told(plain[name].marks), plain[name].marks)
            elif name in texts:
                read = from_text(name, texts[name], forms)
            else:
                read = _from_values(frame[name], forms.marks(name))
        except InputError as error:
            wrong.append(str(error))
            read = Found(frame[name], "other", ["refused"])
        values = found[name] = read.values
        distinct = 0 if read.type == "other" else int(values.nunique())
        missing, done = int(values.isna().sum()), "; ".join(read.done)
        coded = name in texts and read.type == "category"
        width = numbers.width_of_codes(values.dropna().unique()) if coded else None
        signs = (read.decimal, read.day_first, width)
        columns.append(Column(name, read.type, distinct, missing, "unused", done, tuple(read.marks), *signs))
        if name in texts and (read.type in ("category", "boolean") or forms.marks(name).given is not None):
            warnings += _of_doubtful(name, texts[name], forms)
    if wrong:
        raise RefusedColumns("\n".join(wrong), Account(columns))
    return pd.DataFrame(found, columns=list(frame.columns)), columns, warnings


def _plain_numbers(name: str, values: pd.Series, forms: Forms) -> "numbers.Plain | None":
    """The numbers of a column of text that holds nothing but plain ones; None where it must be looked at as text."""
    marks = forms.marks(name)
    if any(map(numbers.bound, marks.given or ())):  # a range counts as missing, which is to be said
        return None
    if name in forms.categories or not (values.dtype == object or isinstance(values.dtype, pd.StringDtype)):
        return None
    return numbers.plain(values, marks.given or [], marks.numbers)


def _of_doubtful(name: str, column: Texts, forms: Forms) -> Iterator[str]:
    """What is to be said of marks of missing values that may be values."""
    for mark, rows in column.doubtful.items():
        marks = [other for other in column.marks if other not in column.doubtful]
        yield (
            f"column {name!r}: {mark!r} counts as missing, in {rows} rows; if it is a value, "
            f"{remedy(forms.missing, name, marks)} says so"
        )


def read_as(values: pd.Series, kind: str, forms: Forms) -> pd.Series:
    """A column of new rows, text or plain values, as one of the type ``kind``.  Raises ``InputError`` where it is none.

    ``forms`` must say the decimal sign, and the order of day and month where training rows told.
    """
    name = str(values.name)
    values = _plain(name, values)
    if _holds_text(values):
        read = text_as(name, kind, texts_of(values, forms.marks(name)), forms)
        return whole(read)[0] if kind == "integer" else read
    found = _from_values(values, forms.marks(name))
    if found.type == "empty":
        return found.values.astype("datetime64[us]") if kind == "date" else found.values
    if kind == "date" and found.type == "integer":  # 20200131
        spelt = found.values.map("{:.0f}".format, na_action="ignore").astype(object)
        return text_as(name, kind, texts_of(spelt, forms.marks(name)), forms)
    must = {"date": ("date",), "time": ("integer", "number"), "integer": NUMBERS, "number": NUMBERS}.get(kind)
    if must and found.type not in must:
        raise InputError(f"column {name!r} must be of type {kind}, as in the training rows, got {found.type}")
    return found.values


def with_zeros(values: pd.Series, width: int, marks: Marks) -> pd.Series:
    """A column of new rows whose numbers are the codes of ``width`` digits that training rows had: 1 as 01.

    Text stays as it is.  Raises ``InputError`` for numbers where codes had no one width (0).
    """
    values = _plain(str(values.name), values)
    found = {value: _code(str(values.name), value, width, marks) for value in values.dropna().unique()}
    return values.astype(object).map(found, na_action="ignore")


def _code(name: str, value: object, width: int, marks: Marks) -> object:
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    number = float(value)
    if number in marks.numbers:
        return marks.numbers[number]
    if not width:
        raise InputError(
            f"column {name!r} must hold text, as in the training rows, whose codes have leading zeros, got the number "
            f"{number:g}, which may have lost some: read the column as text, as by pandas.read_csv(..., "
            f"dtype={{{name!r}: str}})"
        )
    return f"{number:0{width}.0f}" if number >= 0 and number.is_integer() else value


def _plain(name: str, values: pd.Series) -> pd.Series:
    """A column of any of pandas' types as numbers, text, booleans or dates.  Raises ``InputError`` for others."""
    kind = values.dtype
    if isinstance(kind, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC").dt.tz_localize(None)
    if kind.kind == "m":
        return values.dt.total_seconds() / DAY
    if pd.api.types.is_complex_dtype(kind) or isinstance(kind, pd.PeriodDtype):
        raise InputError(f"column {name!r} must hold numbers, text, booleans or dates, got {kind}")
    if isinstance(kind, pd.CategoricalDtype):
        values = values.astype(object)
    elif isinstance(kind, pd.api.extensions.ExtensionDtype):
        number = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
        stored = kind.numpy_dtype if pd.api.types.is_float_dtype(kind) else float
        plain = values.to_numpy(dtype=stored, na_value=np.nan) if number else values.astype(object).to_numpy()
        values = pd.Series(plain, values.index, plain.dtype, values.name)
    return _of_objects(values) if values.dtype == object else values


def _of_objects(values: pd.Series) -> pd.Series:
    """Python's own dates, times, bytes, numbers and decimals as columns of Parquet are read; other objects stay.

    A missing value is None or NaN: pandas' own is no number.
    """
    are = functools.partial(holds, values)
    if are(date):
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    if are(time):
        return values.map(str, na_action="ignore")
    if are(bytes):
        return pd.Series(decoded(list(values.where(values.notna(), None))), values.index, dtype=object)
    if are(Real, Decimal):
        return values.where(values.notna(), np.nan).astype(float)
    return values.where(values.notna(), None)


def holds(values: pd.Series, *kinds: type) -> bool:
    """Whether a column of objects has values, and all are of one of these types; true and false are no numbers."""
    known = values.dropna()
    return len(known) > 0 and all(isinstance(value, kinds) and not isinstance(value, bool) for value in known)


def _holds_text(values: pd.Series) -> bool:
    typed = values.dtype != object and not isinstance(values.dtype, pd.StringDtype)
    return not typed and bool(values.map(type).isin([str]).any())


def _decimal(columns: Collection[Texts], points: bool) -> str | None:
    """The decimal sign that the columns of numbers agree on, where at least one tells; ``points``: others have "."."""
    told = [{"."}] * points + [column.decimals() for column in columns]
    told = [signs for signs in told if len(signs) == 1]
    return next(iter(told[0])) if told and all(signs == told[0] for signs in told) else None


def _from_values(values: pd.Series, marks: Marks) -> Found:
    """A column of Parquet that holds no text, without the numbers and dates that mark missing values."""
    if pd.api.types.is_datetime64_any_dtype(values):
        stamps = values.astype("datetime64[us]")
        gone = stamps.isin(list(marks.dates))
        dates = {str(date.date()): marks.dates[date] for date in sorted(stamps[gone].unique())}
        done = ["missing: " + ", ".join(list(dates)[:5])] * bool(dates)
        return Found(stamps.mask(gone), "date", done, list(dates.values()))
    if values.dtype == object:
        known = values.dropna()
        if known.map(type).isin([bool]).all() and len(known):
            return Found(values if len(known) < len(values) else values.astype(bool), "boolean")
        return Found(values, "other") if len(known) else Found(pd.Series(np.nan, values.index), "empty")
    if pd.api.types.is_bool_dtype(values):
        return Found(values, "boolean")
    named = _as_stored(marks, values.dtype)
    gone = np.isin(values.to_numpy(), list(named))
    found = {f"{value:g}": named[value] for value in np.unique(values.to_numpy()[gone])}
    done = ["missing: " + ", ".join(list(found)[:5])] * bool(found)
    if (values.isna() | gone).all():
        return Found(pd.Series(np.nan, values.index), "empty", done, list(found.values()))
    return Found(*whole(values.mask(gone) if found else values), done, list(found.values()))


def _as_stored(marks: Marks, kind: np.dtype) -> dict[float, str]:
    """The marks that are numbers, as a column of this type has them: -99.9 is another number in float32."""
    if not pd.api.types.is_float_dtype(kind):
        return marks.numbers
    with np.errstate(over="ignore"):
        found = {kind.type(number): mark for number, mark in marks.numbers.items()}
    return {number: mark for number, mark in found.items() if np.isfinite(number)}


def partitioned(frame: pd.DataFrame, partition: Mapping[str, str]) -> pd.DataFrame:
    """With the columns that a Hive partition's folders name."""
    return with_columns(
        frame, {name: pd.Series(value, index=frame.index, dtype=object) for name, value in partition.items()}
    )
