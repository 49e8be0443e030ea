"""From the columns of a user's own table to features of numbers and of categories."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, require
from fairrun.config.values import FALSE, TRUE, free, listed
from fairrun.config.ways import override
from fairrun.data.groups import with_columns
from fairrun.data.own.rows import Prepared, refuse_infinite, without_rows
from fairrun.data.own.tells import UNIQUE, are_ids, is_called_id, is_index
from fairrun.data.reading.account import Account, Column
from fairrun.data.reading.dates import as_numbers
from fairrun.data.reading.texts import alike
from fairrun.data.roles import features

if TYPE_CHECKING:
    from fairrun.data.own.table import OwnTable


def prepared(own: "OwnTable", frame: pd.DataFrame, numbers: np.ndarray, account: Account) -> Prepared:
    """Dates and booleans as numbers, without columns that are no features and, with missing=drop, without rows.

    Raises ``InputError`` for lists and the like, for numbers that are too large, and with missing=refuse.
    """
    kept, become = _converted(own, frame, account)
    source = {feature: column for column, parts in become.items() for feature in parts.values()}
    named = own.numeric and [new for c in own.numeric for new in become.get(c, {c: c}).values()]
    numeric, categorical = features(dataclasses.replace(own, numeric=named), kept)
    kept = with_columns(kept, {name: as_text(kept[name]) for name in categorical})
    for feature in [*numeric, *categorical]:
        _refuse_other(account.column(source.get(feature, feature)), kept[feature])
    gone = _no_features(kept[[*numeric, *categorical]], own.most_categories)
    gone = {feature: why for feature, why in gone.items() if source.get(feature, feature) not in own.named}
    for feature in [*numeric, *categorical]:
        column = source.get(feature, feature)
        if why := gone.get(feature):
            part = feature.removeprefix(column).strip()
            account = account.changed(column, f"{part} {why}: left out".strip(), role=_dropped(account.column(column)))
            account = account.with_warning(f"column {feature!r} {why}: left out (dataset.keep_columns keeps it)")
        else:
            said = _near(kept[feature]) if feature in categorical else ""
            account = account.changed(column, said, _became(column, become), role=_used(account.column(column)))
    for column in own.drop_columns:
        account = account.changed(column, "dataset.drop_columns", role=_dropped(account.column(column)))
    numeric, categorical = ([c for c in columns if c not in gone] for columns in (numeric, categorical))
    require(numeric or categorical, "dataset.path", own.path, "a table with a column that can be a feature")
    rows = Prepared(kept, numeric, categorical, account, become, numbers)
    refuse_infinite(rows.frame, rows.numeric, rows.of)
    return without_rows(rows, own.missing)


def _converted(
    own: "OwnTable", frame: pd.DataFrame, account: Account
) -> tuple[pd.DataFrame, dict[str, dict[str, str]]]:
    """The frame with dates and booleans as numbers, and what each part of a column without another role has become."""
    columns: dict[str, pd.Series] = {}
    become = {}
    for column in (account.column(name) for name in frame):
        values = frame[column.name]
        if column.role != "unused":
            columns[column.name] = values
        elif column.name not in own.drop_columns:
            new = parts_of(column.name, column.type, values, own)
            taken = {*frame.columns, *columns} - {column.name}
            names = {name: free(name, taken) for name in new}
            columns |= {names[name]: numbers for name, numbers in new.items()}
            become[column.name] = names
    return pd.DataFrame(columns, index=frame.index), become


def parts_of(name: str, kind: str, values: pd.Series, own: "OwnTable") -> dict[str, pd.Series]:
    """What the column ``name``, whose type is ``kind``, becomes: mostly one part; a date has a year, a month, ..."""
    if name in (own.categorical or []):
        return {name: as_text(values)}
    if kind == "date":
        parts = {} if own.dates == "drop" else as_numbers(values, own.dates)
        return {f"{name} {part}": numbers for part, numbers in parts.items()}
    if kind == "boolean":
        wrong = [value for value in values.dropna().unique() if _truth(value) is None]
        require(not wrong, f"column {name!r}", wrong[:5], "of true and false by any of their spellings")
        return {name: values.map(_truth, na_action="ignore").astype("float64")}
    return {name: values}


def _truth(value: object) -> float | None:
    """1 for true, 0 for false, by any of their spellings; None of what is neither."""
    text = f"{value:g}" if isinstance(value, float) else str(value).strip().casefold()
    return 1.0 if text in TRUE else 0.0 if text in FALSE else None


def as_text(values: pd.Series) -> pd.Series:
    """Categories as text; whole numbers without a decimal point."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return values.astype(object).where(values.isna(), values.astype(str))
    return values.map(lambda value: f"{value:.0f}" if value == value // 1 else str(value), na_action="ignore").astype(
        object
    )


def _no_features(frame: pd.DataFrame, most: int) -> dict[str, str]:
    """Why columns are no features.  Rows that stand in the table more than once hide no id."""
    found = {str(name): why for name in frame if (why := _constant(frame[name]) or _id(frame[name], most))}
    left = frame[[name for name in frame if name not in found]]
    once = left[~left.duplicated()] if left.shape[1] else left
    if len(once) < len(left):
        more = {str(name): why for name in once if (why := _id(once[name], most)) and _names_rows(str(name), once)}
        found |= {name: f"{why}, but for copies of rows" for name, why in more.items()}
    return found


def _names_rows(name: str, frame: pd.DataFrame) -> bool:
    """Whether a column whose values are all different is an id by its name, or because the rows differ without it."""
    others = frame.drop(columns=name)
    differ = others.shape[1] > 0 and int((~others.duplicated()).sum()) >= UNIQUE * len(frame)
    return is_called_id(name) or differ


def _constant(values: pd.Series) -> str:
    """That a column has one value or none; "" where it has more."""
    distinct = values.nunique()
    if distinct == 0:
        return "has no value"
    return f"is constant ({listed([values.iloc[0]])})" if distinct == 1 and not values.isna().any() else ""


def _id(values: pd.Series, most: int) -> str:
    """That a column names the rows, and how; "" where it does not."""
    if is_index(values):
        return "numbers the rows"
    if not pd.api.types.is_numeric_dtype(values) and are_ids(values, most):
        return f"has {values.nunique()} categories in {len(values)} rows"
    return ""


def _near(values: pd.Series) -> str:
    """What is to be said of categories that differ in case or spaces alone."""
    pairs = alike(sorted(values.dropna().unique()))
    return f"differ in case or spaces alone: {', '.join(map(repr, pairs[0]))}" if pairs else ""


def _became(column: str, become: dict[str, dict[str, str]]) -> str:
    features = list(become.get(column, {column: column}).values())
    return "" if features == [column] else "as " + ", ".join(name.removeprefix(column).strip() for name in features)


def _used(column: Column) -> str:
    if column.role in ("unused", "dropped"):
        return "feature"
    return column.role if "feature" in column.role else f"{column.role}, feature"


def _dropped(column: Column) -> str:
    return "dropped" if column.role == "unused" else column.role


def _refuse_other(column: Column, values: pd.Series) -> None:
    if column.type == "other":
        raise InputError(
            f"column {column.name!r} must hold numbers, text, dates or booleans, got "
            f"{str(values.dropna().iloc[0])[:60]}: {override('dataset.drop_columns', [column.name])} leaves it out"
        )
