"""What a user's own table must not hold: leaks, groups spelt in two ways, numbers that training cannot bear."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from fairrun.config.check import InputError
from fairrun.config.metrics import LEAST_ROWS
from fairrun.config.values import listed
from fairrun.config.ways import of_dataset, override
from fairrun.data.divided import Divided
from fairrun.data.own.rows import Prepared
from fairrun.data.own.tells import marks_among, separation, tells
from fairrun.data.pixels.stored import in_memory
from fairrun.data.reading.account import Account, RefusedColumns
from fairrun.data.reading.missing import remedy
from fairrun.data.reading.texts import alike
from fairrun.data.table import Data

if TYPE_CHECKING:
    from fairrun.data.own.table import OwnTable

MOST_GROUPS = 20  # numbers that are groups as they are
NEARLY = 0.95  # separation of two classes by a column alone, from which on it is named
COPIED = 0.1  # share of test rows that are copies of training rows, from which on it is said
CHANCE = 100  # times as many different rows must be possible as there are, where copies are no chance
TINY, LARGE, LARGEST = 1e-6, 1e4, 1e18  # of scaled features: to be named; the square of the largest is one in float32


class Words(NamedTuple):
    """How a message says what is wrong with groups: the key, and how to give bins and make values one."""

    key: str
    bins: Callable[[str], str]  # of a column
    merge: Callable[[str, Mapping[Any, list[Any]]], str]  # of a column, and of its values that become one


OF_KEYS = Words(
    "dataset.sensitive",
    lambda column: f"as {override('dataset.sensitive', [{'column': column, 'bins': [25, 60]}])}",
    lambda column, merges: f" {of_dataset('+dataset.merge', {column: merges})}",
)


def grouped(own: "OwnTable", frame: pd.DataFrame) -> pd.DataFrame:
    """With the sensitive columns as groups.

    Raises ``InputError`` for a column of many numbers, and for values that differ in case or spaces alone.
    """
    found = own.grouped(frame)
    check_groups(found, own.sensitive_columns, OF_KEYS)
    check_spelling(found, [label.column for label in own.labels().values()], OF_KEYS)
    return found


def check_groups(frame: pd.DataFrame, columns: Sequence[str], words: Words) -> None:
    """Raise ``InputError`` for a sensitive column of dates or of many numbers, or as ``check_spelling``."""
    for column in columns:
        values = frame[column]
        if pd.api.types.is_datetime64_any_dtype(values):
            raise InputError(f"{words.key} must hold columns of categories or numbers, got {column!r} with dates")
        if not _is_text(values) and not _is_binned(values) and values.nunique() > MOST_GROUPS:
            got = f"{column!r} with {values.nunique()}: give bins, {words.bins(column)}"
            raise InputError(f"{words.key} must hold columns of few values, got {got}")
    check_spelling(frame, columns, words)


def check_spelling(frame: pd.DataFrame, columns: Sequence[str], words: Words) -> None:
    """Raise ``InputError`` for values that differ in case or spaces alone."""
    for column in columns:
        pairs = alike(sorted(frame[column].dropna().astype(str).unique())) if _is_text(frame[column]) else []
        if pairs:
            rows = frame[column].astype(str).value_counts()
            merges = {max(pair, key=lambda value: rows[value]): pair for pair in pairs}  # as most rows spell it
            raise InputError(
                f"column {column!r} must not hold values that differ in case or spaces alone, got {listed(pairs[0])}: "
                f"make them one{words.merge(column, merges)}"
            )


def _is_binned(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.CategoricalDtype)


def _is_text(values: pd.Series) -> bool:
    return not (_is_binned(values) or pd.api.types.is_numeric_dtype(values))


def without_leaks(own: "OwnTable", rows: Prepared, groups: pd.DataFrame, divided: Divided) -> Prepared:
    """Say which features determine a column of ``groups``.

    Raises ``RefusedColumns`` for those that determine a label, unless named.
    """
    account, leaks = rows.account, {}
    sensitive = {column: pd.factorize(groups[column])[0] for column in own.sensitive_columns}
    for feature in [*rows.numeric, *rows.categorical]:
        column, values = rows.of(feature), rows.frame[feature]
        labels = divided.y.reshape(len(divided.y), -1).T
        found = next(filter(None, (tells(values[~np.isnan(y)], y[~np.isnan(y)]) for y in labels)), "")
        if found and column not in own.named:
            leaks[column] = f"{column!r} {found} the label"
            account = account.changed(column, f"{found} the label", role="refused")
        elif not found and column not in own.named:
            account = _with_near_leak(account, feature, column, values, labels)
        for name, s in sensitive.items():
            if column not in sensitive and (how := tells(values, s)):
                account = account.changed(column, f"{how} {name}")
                account = account.with_warning(f"column {feature!r} {how} the group ({name}), and is a feature")
    if leaks:
        out, keep = (override(f"dataset.{key}_columns", [*leaks]) for key in ("drop", "keep"))
        raise RefusedColumns(
            f"dataset.path={own.path}: no feature must tell the label, but {'; '.join(leaks.values())}: leave out by "
            f"{out}, or keep by {keep}",
            account,
        )
    return rows._replace(account=account)


def _with_near_leak(account: Account, feature: str, column: str, values: pd.Series, labels: np.ndarray) -> Account:
    """With what is to be said of a feature that tells a label, [T, N], of nearly every row."""
    known = [~np.isnan(y) for y in labels]
    best = max(
        separation(values[rows], y[rows]) if y[rows].max() <= 1 else 0.0 for y, rows in zip(labels, known, strict=True)
    )
    if best < NEARLY:
        return account
    out, keep = (override(f"dataset.{key}_columns", [column]) for key in ("drop", "keep"))
    share = f"column {feature!r} alone tells the label with a balanced accuracy of {(1 + best) / 2:.3f}"
    return account.with_warning(
        f"{share}: if it is not known when decisions are made, leave it out by {out}, else keep it by {keep}"
    )


def said_of_marks(own: "OwnTable", rows: Prepared) -> dict[str, str]:
    """What is to be said of values that seem to mark missing ones, by the column: a label, a group or a feature."""
    given = own.rows.forms()
    roles = dict.fromkeys([*(label.column for label in own.labels().values()), *own.sensitive_columns])
    features = [feature for feature in [*rows.numeric, *rows.categorical] if rows.of(feature) == feature]
    found = {column: marks_among(rows.frame[column], column in roles) for column in dict.fromkeys([*roles, *features])}
    known = {c.name: list(given.marks(c.name).given or c.marks) for c in rows.account.columns}
    others = [mark for marks in [*found.values(), *known.values()] for mark in marks]
    said = {}
    for column, marks in found.items():
        if marks:
            what = "they mark" if len(marks) > 1 else "it marks"
            way = remedy(given.missing, column, marks + known[column], others)
            held = _held(rows.frame[column], marks)
            said[column] = f"column {column!r} holds {held}: if {what} missing values, {way} says so"
    return said


def _held(values: pd.Series, marks: Sequence[str]) -> str:
    """In how many rows the marks stand, and which other values there are."""
    numbers = pd.api.types.is_numeric_dtype(values)
    are = np.isclose(values, np.array(marks, float)[:, None], 1e-6, 0).any(0) if numbers else values.isin(marks)
    others = values[~are].dropna()
    rest = f"{others.min():g} to {others.max():g}" if numbers else listed(sorted(others.unique(), key=str), 3)
    together = " and ".join(filter(None, [", ".join(marks[:-1]), marks[-1]]))
    return f"{together} in {int(are.sum())} rows, and otherwise {rest}"


def with_copies(rows: Prepared, account: Account, divided: Divided) -> Account:
    """With how many rows are copies of others in features, groups and labels, and a warning of many in test rows."""
    parts = [rows.frame[feature] for feature in [*rows.numeric, *rows.categorical]]
    parts += [pd.Series(divided.s), *map(pd.Series, divided.y.reshape(len(divided.y), -1).T)]
    key = np.zeros(len(divided.s), dtype=np.uint64)
    for part in parts:
        key = key * np.uint64(1_000_003) + pd.util.hash_array(part.to_numpy())
    train, test = (key[divided.rows[split]] for split in ("train", "test"))
    copied = np.isin(test, train)
    if again := len(key) - len(np.unique(key)):
        account = account.with_remark(
            f"copies of rows before them, in all features, groups and labels: {again} of {len(key)} rows; of training "
            f"rows: {copied.sum()} of {len(test)} test rows"
        )
    if math.prod(part.nunique() for part in parts) < CHANCE * len(np.unique(key)):
        return account  # so few different rows are possible that they repeat by chance
    if copied.sum() < LEAST_ROWS or copied.mean() < COPIED:
        return account
    return account.with_warning(
        f"{copied.sum()} of {len(test)} test rows are copies of training rows, in all features, groups and labels: if "
        "cases stand in the table more than once, metrics on test rows flatter: leave the copies out of the table"
    )


def with_few_rows(account: Account, divided: Divided) -> Account:
    """With what is to be said of groups that have few test rows, or none in a split."""
    counts = _counted(divided, np.ones(len(divided.s), dtype=bool))
    for g, name in enumerate(divided.groups):
        if none := [split for split in ("val", "test") if counts[split][g] == 0]:
            account = account.with_warning(
                f"group {name!r} has no row in {' and '.join(none)}, nor a metric of its own"
            )
        if 0 < (rows := counts["test"][g]) < LEAST_ROWS:
            account = account.with_warning(f"group {name!r} has {rows} test rows: its metrics are uncertain")
        elif rows and len(without := _absent(divided, g)):
            account = account.with_warning(
                f"group {name!r} has no test row with label {listed(without)}: no rate of it"
            )
    for task, y in zip(divided.tasks, divided.y.reshape(len(divided.y), -1).T, strict=False):
        labelled = _counted(divided, ~np.isnan(y))["test"]
        for g, name in enumerate(divided.groups):
            if labelled[g] < LEAST_ROWS <= counts["test"][g]:
                remark = f"group {name!r} has {labelled[g]} test rows with a label of task {task!r}: its metrics are"
                account = account.with_warning(f"{remark} uncertain")
    return account


def _counted(divided: Divided, known: np.ndarray) -> dict[str, np.ndarray]:
    """How many of the rows ``known`` [N] each group has in each split, [S]."""
    num_groups = len(divided.groups)
    return {
        name: np.bincount(divided.s[rows[known[rows]]], minlength=num_groups) for name, rows in divided.rows.items()
    }


def _absent(divided: Divided, g: int) -> np.ndarray:
    """The classes of which a group has no test row; of several tasks those of none."""
    y, test = divided.y.reshape(len(divided.y), -1), divided.rows["test"]
    known = divided.y[~np.isnan(divided.y)]
    return np.setdiff1d(known, y[test][divided.s[test] == g]).astype(int)


def refuse_large(data: Data) -> list[str]:
    """What is to be said of features whose encoded values are large.  Raises ``InputError`` where training diverges."""
    features = (in_memory(table.x) for table in (data.train, data.val, data.test))
    largest = torch.stack([x.abs().amax(0) for x in features]).amax(0).tolist()
    said = []
    check_reach(
        data.features, largest, "correct it, leave it out by dataset.drop_columns, or take another dataset.scale"
    )
    for name, value in zip(data.features, largest, strict=True):
        if 0 < value < TINY:
            said.append(f"column {name!r} stays below {value:g} as scaled: it is as good as constant")
        if value > LARGE:
            said.append(f"column {name!r} reaches {value:g} as scaled by training rows: training may diverge")
    return said


def check_reach(features: Sequence[str], largest: Sequence[float], remedy: str) -> None:
    """Raise ``InputError`` for a feature whose ``largest`` encoded value a network cannot bear, or that is NaN."""
    for name, value in zip(features, largest, strict=True):
        if not value < LARGEST:
            allowed = f"values below {LARGEST:g} as scaled by training rows"
            raise InputError(f"column {name!r} must have {allowed}, got {value:g}: {remedy}")
