"""Roles for the columns of a table that nobody has described yet: which one is the label, which ones are sensitive."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from fairrun.config.check import InputError, nearest
from fairrun.config.values import listed, plain, spelt
from fairrun.config.ways import is_key, override

# Words in names of columns, those first that are taken first
SENSITIVE = (
    "sex gender race ethnicity ethnic age religion disability nationality citizenship caste marital veteran "
    "geschlecht alter herkunft sexe genre origine genero sexo edad raza"
).split()
LABELS = (
    "label target outcome y class income repaid default approved hired admitted recid recidivism survived passed pass "
    "risk churn response result decision"
).split()
AGES, CUTS = {"age", "alter", "edad"}, (25, 60)
MOST = 2  # columns whose intersections are proposed: with more, groups are small
FEW = 20  # distinct values; numbers of more are cut into bins
LEAST_SHARE = 0.05  # of the rows, in each bin


class Roles(NamedTuple):
    """What is predicted, for which groups."""

    label: str
    positive: Any  # None: every value is a class
    sensitive: list[Any]  # columns, or {column: age, bins: [25, 60]}
    said: tuple[str, ...] = ()  # what was proposed, in words


def roles(frame: pd.DataFrame, label: str | None, positive: Any, sensitive: Sequence[str]) -> Roles:
    """The roles that the user gives, and proposals for those that are not given.

    ``sensitive`` holds columns, numbers with their cuts as age:25:60.  Raises ``InputError`` for a column that is not
    there, and where nothing can be proposed.
    """
    said = []
    entries = [_entry(text, frame) for text in sensitive] or _sensitive(frame, label)
    columns = [entry["column"] for entry in entries]
    if not sensitive:
        said.append(f"sensitive: {', '.join(columns)} (by name; --sensitive chooses)")
    said += [
        f"bins of {entry['column']}: {', '.join(map(str, entry['bins']))} (--sensitive {entry['column']}:25:60 chooses)"
        for entry in entries
        if entry.pop("proposed", False)
    ]
    if label is None:
        label = _label(frame, columns)
        said.append(f"label: {label} (--label chooses)")
    _refuse_unknown("--label", label, frame)
    values = sorted(frame[label].dropna().unique(), key=str)
    if positive is None and len(values) > FEW and pd.api.types.is_numeric_dtype(frame[label]):
        task = label if label.isidentifier() and is_key(label) else "label"
        above = override("+dataset.tasks", {task: {"column": label, "above": _plain(frame[label].median())}})
        few = f"--label must be a column of few values, got {label!r} with {len(values)} numbers"
        raise InputError(f"{few}; for two classes by a threshold add --positive 1 {above}")
    if positive is None and len(values) == 2:
        positive = _positive(frame[label], values)
        said.append(f"class 1 of {label}: {positive!r} (--positive chooses)")
    return Roles(label, positive, [e if "bins" in e else e["column"] for e in entries], tuple(said))


def _refuse_unknown(key: str, column: str, frame: pd.DataFrame) -> None:
    if column not in frame:
        names = list(map(str, frame.columns))
        raise InputError(
            f"{key} must be a column of the table ({listed(names, 20)}), got {column!r}{nearest(column, names)}"
        )


def _entry(text: str, frame: pd.DataFrame) -> dict[str, Any]:
    """A sensitive column, with cuts where it has, or needs, some."""
    cut = re.fullmatch(r"(.+?)((?::-?\d+(?:\.\d+)?)+)", text) if text not in frame else None
    column = cut[1] if cut else text
    _refuse_unknown("--sensitive", column, frame)
    if cut:
        return {"column": column, "bins": [_number(part) for part in cut[2][1:].split(":")]}
    return _with_bins(column, frame[column].dropna())


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _with_bins(column: str, values: pd.Series) -> dict[str, Any]:
    numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if not numbers or values.nunique() <= FEW:
        return {"column": column}
    for cuts in ([*CUTS] if AGES & _words(column) else [], [_plain(values.median())]):
        shares = pd.cut(values, [-float("inf"), *cuts, float("inf")], right=False).value_counts(normalize=True)
        if cuts and shares.min() >= LEAST_SHARE:
            return {"column": column, "bins": cuts, "proposed": True}
    return {"column": column}


def _plain(value: float) -> float:
    return int(value) if value == int(value) else float(f"{value:.3g}")


def _words(column: str) -> set[str]:
    return set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", column).lower()))


def _named(frame: pd.DataFrame, words: Sequence[str]) -> list[str]:
    """The columns that have one of the words in their names, in the order of the words."""
    found = [column for word in words for column in map(str, frame.columns) if word in _words(column)]
    return list(dict.fromkeys(found))


def _sensitive(frame: pd.DataFrame, label: str | None) -> list[dict[str, Any]]:
    named = [_with_bins(column, frame[column].dropna()) for column in _named(frame, SENSITIVE) if column != label]
    found = [e for e in named if "bins" in e or 2 <= frame[e["column"]].nunique() <= FEW]
    if not found:
        raise InputError("no column has the name of a sensitive attribute: choose one by --sensitive COLUMN")
    return found[:MOST]


def _label(frame: pd.DataFrame, sensitive: Sequence[str]) -> str:
    two = [str(column) for column in frame.columns if column not in sensitive and frame[column].nunique() == 2]
    if not two:
        raise InputError("no column has two values: choose the label by --label COLUMN")
    return next((column for column in _named(frame, LABELS) if column in two), two[-1])


def _positive(values: pd.Series, known: Sequence[Any]) -> Any:
    """The value that means true, else the rarer one."""
    true = spelt(True, list(map(_whole, known)))
    return _whole(values.value_counts().idxmin()) if true is None else true


def _whole(value: Any) -> Any:
    """A plain value; a whole number without a decimal point, which a column has where cells are missing."""
    value = plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
