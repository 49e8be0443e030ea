"""The type of every column of a frame of text or of plain values."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from numbers import Real

import numpy as np
import pandas as pd

from fairrun.config.check import InputError
from fairrun.data.groups import with_columns
from fairrun.data.reading import numbers
from fairrun.data.reading.account import Column
from fairrun.data.reading.missing import numbers_of
from fairrun.data.reading.texts import Forms, Texts, from_text, text_as, texts_of, whole

NUMBERS = ("integer", "number", "boolean")  # types that a column of numbers may be given as


def typed(frame: pd.DataFrame, forms: Forms) -> tuple[pd.DataFrame, list[Column], list[str]]:
    """A frame of text or of plain values -> one of int64, float64, bool, datetime64 and text; what was done; warnings.

    A missing value is NaN, None or NaT.  The same values are typed alike, whether they were stored as text, as numbers
    or as decimals.  Raises ``InputError`` for numbers among which other text stands.
    """
    plain = {name: one for name in frame if (one := _plain_numbers(name, frame[name], forms)) is not None}
    texts = {n: texts_of(frame[n], forms.missing) for n in frame if n not in plain and _holds_text(frame[n])}
    points = any(one.points for one in plain.values())
    forms = replace(forms, decimal=forms.decimal or _decimal(texts.values(), points))
    found: dict[str, pd.Series] = {}
    columns, warnings = [], list[str]()
    for name in frame:
        if name in plain:
            values, kind, done = *whole(plain[name].values), list[str]()
        elif name in texts:
            values, kind, done = from_text(name, texts[name], forms)
        else:
            values, kind, done = _from_values(frame[name], forms)
        found[name] = values
        distinct = 0 if kind == "other" else int(values.nunique())
        columns.append(Column(name, kind, distinct, int(values.isna().sum()), done="; ".join(done)))
        if kind in ("category", "boolean") and name in texts:
            warnings += _of_doubtful(name, texts[name])
    return pd.DataFrame(found, columns=list(frame.columns)), columns, warnings


def _plain_numbers(name: str, values: pd.Series, forms: Forms) -> "numbers.Plain | None":
    """The numbers of a column of text that holds nothing but plain ones; None where it must be looked at as text."""
    if (
        numbers_of(forms.missing)
        or name in forms.categories
        or not (values.dtype == object or isinstance(values.dtype, pd.StringDtype))
    ):
        return None
    return numbers.plain(values)


def _of_doubtful(name: str, column: Texts) -> Iterator[str]:
    """What is to be said of marks of missing values that may be values."""
    for mark, rows in column.doubtful.items():
        yield (
            f"column {name!r}: {mark!r} counts as missing, in {rows} rows; if it is a value, "
            "dataset.rows.missing_marks=[] reads every text as one, and a list names the marks that are none"
        )


def read_as(values: pd.Series, kind: str, forms: Forms) -> pd.Series:
    """A column of new rows, text or plain values, as one of the type ``kind``.  Raises ``InputError`` where it is none.

    ``forms`` must say the decimal sign.
    """
    name = str(values.name)
    values = _plain(name, values)
    if _holds_text(values):
        return text_as(name, kind, texts_of(values, forms.missing), forms)
    found, own, _ = _from_values(values, forms)
    if own == "empty":
        return found.astype("datetime64[us]") if kind == "date" else found
    must = {"date": ("date",), "time": ("integer", "number"), "integer": NUMBERS, "number": NUMBERS}.get(kind)
    if must and own not in must:
        raise InputError(f"column {name!r} must be of type {kind}, as in the training rows, got {own}")
    return found


def _plain(name: str, values: pd.Series) -> pd.Series:
    """A column of any of pandas' types as numbers, text, booleans or dates.  Raises ``InputError`` for others."""
    kind = values.dtype
    if isinstance(kind, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_complex_dtype(kind) or isinstance(kind, pd.PeriodDtype) or kind.kind == "m":
        raise InputError(f"column {name!r} must hold numbers, text, booleans or dates, got {kind}")
    if isinstance(kind, pd.CategoricalDtype):
        values = values.astype(object)
    elif isinstance(kind, pd.api.extensions.ExtensionDtype):
        number = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
        plain = values.to_numpy(dtype=float, na_value=np.nan) if number else values.astype(object).to_numpy()
        values = pd.Series(plain, values.index, name=values.name)
    if values.dtype == object:
        known = values.dropna()
        if len(known) and known.map(lambda value: isinstance(value, date)).all():
            return pd.to_datetime(values)
        if len(known) and known.map(lambda value: isinstance(value, Real) and not isinstance(value, bool)).all():
            return values.where(values.notna(), np.nan).astype(float)
    return values


def _holds_text(values: pd.Series) -> bool:
    typed = values.dtype != object and not isinstance(values.dtype, pd.StringDtype)
    return not typed and bool(values.map(type).isin([str]).any())


def _decimal(columns: Collection[Texts], points: bool) -> str | None:
    """The decimal sign that the columns of numbers agree on, where at least one tells; ``points``: others have "."."""
    told = [{"."}] * points + [numbers.decimals(column.split[0]) for column in columns]
    told = [signs for signs in told if len(signs) == 1]
    return next(iter(told[0])) if told and all(signs == told[0] for signs in told) else None


def _from_values(values: pd.Series, forms: Forms) -> tuple[pd.Series, str, list[str]]:
    """A column of Parquet that holds no text, without the numbers that mark missing values."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.astype("datetime64[us]"), "date", []
    if values.dtype == object:
        known = values.dropna()
        if known.map(type).isin([bool]).all() and len(known):
            return (values if len(known) < len(values) else values.astype(bool)), "boolean", []
        return (values, "other", []) if len(known) else (pd.Series(np.nan, values.index), "empty", [])
    if pd.api.types.is_bool_dtype(values):
        return values, "boolean", []
    gone = values.isin(numbers_of(forms.missing))
    if (values.isna() | gone).all():
        return pd.Series(np.nan, values.index), "empty", []
    done = ["missing: " + ", ".join(f"{value:g}" for value in sorted(values[gone].unique())[:5])] * bool(gone.any())
    return *whole(values.mask(gone) if done else values), done


def partitioned(frame: pd.DataFrame, partition: Mapping[str, str]) -> pd.DataFrame:
    """With the columns that a Hive partition's folders name."""
    return with_columns(
        frame, {name: pd.Series(value, index=frame.index, dtype=object) for name, value in partition.items()}
    )
