"""Which columns of a table are features, as its schema says, and whether the keys that name columns go together."""

from typing import TYPE_CHECKING

import pandas as pd

from fairrun.config.check import InputError, require
from fairrun.config.values import listed, spelt
from fairrun.data.columns import refuse_unknown_columns
from fairrun.data.labels import parse_labels

if TYPE_CHECKING:
    from fairrun.data.dataset import Dataset


def features(schema: "Dataset", frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The columns of numbers and those of categories that are features.

    Raises ``InputError`` for a key that names another column than the frame has, or one that has another role.
    """
    _refuse_unknown(schema, frame)
    _refuse_unknown_values(schema, frame)
    _refuse_two_roles(schema, frame)
    taken = _no_features(schema, frame)
    numbers = [column for column in frame.columns if pd.api.types.is_numeric_dtype(frame[column])]
    for column in schema.numeric or []:
        if column not in numbers:
            raise InputError(f"dataset.numeric must hold columns of numbers, got {column!r} of {frame[column].dtype}")
    chosen = schema.categorical or []
    numeric = [c for c in numbers if c not in chosen] if schema.numeric is None else schema.numeric
    numeric = [column for column in numeric if column not in taken]
    rest = [column for column in frame.columns if column not in numeric]
    categorical = [c for c in (rest if schema.categorical is None else schema.categorical) if c not in taken]
    if schema.include_sensitive:
        given = {*numeric, *categorical}
        categorical += [c for c in schema.sensitive_columns if not given & {c, *schema.proxies.get(c, [])}]
    require(numeric or categorical, "dataset.numeric and dataset.categorical", [], "at least one feature")
    return numeric, categorical


def _refuse_unknown(schema: "Dataset", frame: pd.DataFrame) -> None:
    """Raise ``InputError`` for a label, a sensitive column or a feature that the frame does not have."""
    refuse_unknown_columns(frame, "label", [schema.label])
    for label in parse_labels(schema.tasks).values():
        refuse_unknown_columns(frame, label.key.removeprefix("dataset."), [label.column])
    refuse_unknown_columns(frame, "sensitive", schema.sensitive_columns)
    refuse_unknown_columns(frame, "numeric", schema.numeric or [])
    refuse_unknown_columns(frame, "categorical", schema.categorical or [])


def _refuse_unknown_values(schema: "Dataset", frame: pd.DataFrame) -> None:
    """Raise ``InputError`` for a key that says something of a column, or of a value, that the frame does not have."""
    refuse_unknown_columns(frame, "binarize", list(schema.binarize))
    for column, value in schema.binarize.items():
        values = sorted(frame[column].dropna().unique(), key=str)
        known = spelt(value, values) is not None
        require(known, f"dataset.binarize.{column}", value, f"a value of that column ({listed(values, 10)})")
    for column, others in schema.proxies.items():
        refuse_unknown_columns(frame, "proxies", [column, *others])
    for column, dropped in schema.drop_categories.items():
        refuse_unknown_columns(frame, "drop_categories", [column])
        there = frame[column].unique()
        allowed = f"values of that column ({listed(sorted(there, key=str), 10)})"
        for value in (value for value in dropped if spelt(value, there) is None):
            raise InputError(f"dataset.drop_categories.{column} must hold {allowed}, got {value!r}")


def _refuse_two_roles(schema: "Dataset", frame: pd.DataFrame) -> None:
    """Raise ``InputError`` for a column that is a feature twice, or also the label or the split."""
    both = set(schema.numeric or []) & set(schema.categorical or [])
    require(not both, "dataset.categorical", sorted(both), "columns that are not in dataset.numeric too")
    labels = _tasks_by_column(schema)
    for column in labels.keys() & set(schema.sensitive_columns if schema.tasks else []):
        raise InputError(f"dataset.sensitive must hold no label, got {column!r}{labels[column]}")
    taken = _labels_and_split(schema, frame)
    for key, columns in (("numeric", schema.numeric), ("categorical", schema.categorical)):
        for column in sorted(taken & set(columns or [])):
            of_task = labels.get(column, "")
            raise InputError(f"dataset.{key} must hold no label and no split, got {column!r}{of_task}")


def _no_features(schema: "Dataset", frame: pd.DataFrame) -> set[str]:
    """The columns that have another role."""
    taken = _labels_and_split(schema, frame)
    if schema.include_sensitive:
        return taken
    return taken | {column for s in schema.sensitive_columns for column in (s, *schema.proxies.get(s, []))}


def _labels_and_split(schema: "Dataset", frame: pd.DataFrame) -> set[str]:
    """The columns of all labels, and that of the official split."""
    official = [schema.split.column] if schema.is_official(frame) else []
    return {schema.label, *_tasks_by_column(schema), *official}


def _tasks_by_column(schema: "Dataset") -> dict[str, str]:
    """The columns of the labels, each with the task that it has, for messages."""
    return {label.column: f" (task {name})" if name else "" for name, label in schema.labels().items()}
