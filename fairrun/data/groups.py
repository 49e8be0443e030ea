"""The sensitive attribute: its columns, binned numbers, merged levels, and the resulting groups."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, is_number, require
from fairrun.config.values import listed, spelt
from fairrun.data.reading.numbers import span

Merge = Mapping[str, Mapping[str, list[Any]]]  # column -> new level -> the levels that become it
_WHOLE = re.compile(r"(?<==)(-?\d+)\.0(?=, |$)")  # a whole number with a decimal point in a group's name
_ZEROS = re.compile(r"(?<==)0+(?=\d+(?:, |$))")  # at the front of a code in a group's name


class Sensitive(NamedTuple):
    """One column of the sensitive attribute."""

    column: str
    bins: list[float] | None = None  # cuts of numbers; a bin includes its lower cut
    merge: Mapping[str, list[Any]] | None = None


def with_columns(frame: pd.DataFrame, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """A copy with these columns, of any name; ``DataFrame.assign`` does not accept the name "self"."""
    copy = frame.copy()
    for name, values in columns.items():
        copy[name] = values
    return copy


def parse_sensitive(entries: Sequence[Any]) -> list[Sensitive]:
    """The columns of ``dataset.sensitive``: names, or {column: age, bins: [25, 60]}.  Raises ``InputError``."""
    found = []
    for entry in entries:
        node = {"column": entry} if isinstance(entry, str) else entry
        allowed = "a column, {column: C, bins: [NUMBER, ...]} or {column: C, merge: {NEW: [OLD, ...]}}, each"
        known = isinstance(node, Mapping) and set(node) <= set(Sensitive._fields)
        require(known and isinstance(node.get("column"), str), "sensitive", entry, allowed)
        bins = node.get("bins")
        rising = isinstance(bins, list) and bins and all(map(is_number, bins)) and bins == sorted(set(bins))
        require(bins is None or rising, "sensitive.bins", bins, "rising numbers: [25, 60]")
        found.append(Sensitive(**node))
    return found


def merged(frame: pd.DataFrame, merge: Merge, key: str = "dataset.merge", *, known: bool = True) -> pd.DataFrame:
    """Merge levels of columns; other levels become text.  null is a missing value.

    Raises ``InputError`` for a column that is not there and, where the levels must be ``known``, for such a level.
    """
    columns = {}
    for column, levels in merge.items():
        require(column in frame, key, column, f"a column of the data ({listed(list(frame.columns), 20)})")
        values = frame[column]
        found = list(values.dropna().unique())
        new = values.astype(object).where(values.isna(), values.astype(str))
        for level, olds in levels.items():
            require(isinstance(olds, list) and olds, f"{key}.{column}.{level}", olds, "a list of values of that column")
            for old in olds:
                value = spelt(old, found) if old is not None else None
                sound = value is not None or old is None or not known
                require(
                    sound,
                    f"{key}.{column}.{level}",
                    old,
                    f"a value of that column ({listed(sorted(found, key=str), 10)})",
                )
                new = new.mask(values.isna() if old is None else values == value, str(level))
        columns[column] = new
    return with_columns(frame, columns)


def binned(values: pd.Series, cuts: Sequence[float], *, known: bool = True) -> pd.Series:
    """The bin that each number, or range as 75+, is in, by its name, in order.

    Raises ``InputError`` for other text, for a range that a cut parts and, where the bins must be ``known``, for a bin
    without rows.
    """
    name = str(values.name)
    least, largest = _ends(values)
    between = [f"{low:g} to under {high:g}" for low, high in pairwise(cuts)]
    names = [f"under {cuts[0]:g}", *between, f"{cuts[-1]:g} and over"]
    codes = np.searchsorted(cuts, least, side="right")
    if (parted := codes != np.searchsorted(cuts, largest, side="right")).any():
        got = f"{listed(sorted(values[parted].unique()), 3)}, which a cut parts: take other bins"
        raise InputError(f"dataset.sensitive: every range of {name!r} must be within one bin, got {got}")
    for k, bin_name in enumerate(names):
        if known and not (codes == k).any():
            raise InputError(
                f"dataset.sensitive: every bin of {name!r} must have rows, got none {bin_name} "
                f"(it has {least.min():g} to {largest.max():g})"
            )
    return pd.Series(pd.Categorical.from_codes(codes, names, ordered=True), index=values.index)


def _ends(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest number that each value may be, [N] each; of numbers they are the same."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return values.to_numpy(), values.to_numpy()
    spans = {value: span(str(value)) for value in values.unique()}
    if wrong := [value for value, found in spans.items() if found is None]:
        got = f"{str(values.name)!r} with {listed(sorted(wrong, key=str), 3)}"
        raise InputError(
            f"dataset.sensitive must be a column of numbers, or of ranges as 75+, where bins are given, got {got}"
        )
    ends = np.array([spans[value] for value in values], dtype=np.float64).reshape(-1, 2)
    return ends[:, 0], ends[:, 1]


def numbered(
    frame: pd.DataFrame, sensitive: Sequence[str], key: str = "dataset.sensitive"
) -> tuple[np.ndarray, list[str]]:
    """The group number of every row, [N], and the names of the groups, in the order of the columns' values.

    Raises ``InputError``, which names ``key``, for a column of one value.
    """
    columns = list(sensitive)
    for column in columns:
        if frame[column].nunique() < 2:
            raise InputError(f"{key} must hold columns with two values or more, got {column} with one")
    keys = frame[columns].drop_duplicates().sort_values(columns)
    s = pd.MultiIndex.from_frame(keys).get_indexer(pd.MultiIndex.from_frame(frame[columns]))
    return s.astype(np.int64), group_names(keys)


def group_names(frame: pd.DataFrame) -> list[str]:
    """The group of every row, by its name: "sex=Female, race=Black"."""
    columns = [str(column) for column in frame]
    return [", ".join(f"{c}={v}" for c, v in zip(columns, row, strict=True)) for row in frame.itertuples(index=False)]


def numbered_again(frame: pd.DataFrame, groups: Sequence[str]) -> np.ndarray:
    """The group number of new rows, [N]; the numbers 1 and 1.0 are one group.

    Raises ``InputError`` for a group that no training row has.
    """
    number = {_WHOLE.sub(r"\1", name): k for k, name in enumerate(groups)} | {name: k for k, name in enumerate(groups)}
    found = [name if name in number else _WHOLE.sub(r"\1", name) for name in group_names(frame)]
    wrong = sorted(set(found) - set(number))
    if wrong:
        has = f"the groups of the training rows ({listed(list(groups), 10)})"
        lost = {_ZEROS.sub("", name) for name in groups} & {*wrong}
        hint = "; leading zeros are lost where codes are read as numbers: read the column as text" if lost else ""
        raise InputError(f"the rows must be of {has}, got {listed(wrong, 5)}{hint}")
    return np.array([number[name] for name in found], dtype=np.int64)
