"""Compare the configurations of one method with those of another, seed by seed."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from fairrun.analysis.interval import difference, interval
from fairrun.config.metrics import bounds

Pair = tuple[str, str]  # two methods
SIDES = ("first", "second")


def paired(runs: pd.DataFrame, by: list[str], metrics: list[str], compared: Sequence[Pair]) -> pd.DataFrame:
    """One row for each pair of configurations: the metrics of the first minus those of the second.

    Differences are on test rows, over the seeds that both have.  ``by`` are the columns in which configurations differ,
    including the method.  The columns are ``first`` and ``second``, the methods; their other keys as ``first.<column>``
    and ``second.<column>``; ``seeds``; and the mean difference of each metric, ``test/<metric>``, with ``.low`` and
    ``.high`` (95% interval).

    Two configurations are a pair if they agree in every column in which the methods have a common value.  If several
    configurations of both methods agree, because each method has its own key that varies, none of them is a pair.
    Methods without a run are left out, and so are configurations without a seed in common.
    """
    keys = [column for column in by if column != "method"]
    rows = []
    for methods in compared:
        first, second = (runs[runs["method"] == method] for method in methods)
        if first.empty or second.empty:
            continue
        for one, other in _pairs(first, second, keys):
            found = differences(one, other, metrics)
            if found["seeds"]:
                row = dict(zip(SIDES, methods, strict=True))
                for side, own in zip(SIDES, (one, other), strict=True):
                    row |= {f"{side}.{key}": own[key].iloc[0] for key in keys}
                rows.append(row | found)
    columns = [*SIDES, *(f"{side}.{key}" for side in SIDES for key in keys), "seeds"]
    return pd.DataFrame(rows, columns=[*columns, *(f"test/{m}{end}" for m in metrics for end in ("", ".low", ".high"))])


def shared_keys(first: pd.DataFrame, second: pd.DataFrame, keys: list[str]) -> list[str]:
    """The keys in which the runs of two methods have a value in common; a pair of configurations agrees in them."""
    return [key for key in keys if set(first[key].dropna()) & set(second[key].dropna())]


def differences(first: pd.DataFrame, second: pd.DataFrame, metrics: list[str]) -> dict[str, Any]:
    """The metrics of the runs of one configuration minus those of another, on test rows, over the seeds that both have.

    ``seeds``, their number, and the mean of each metric, ``test/<metric>``, with ``.low`` and ``.high`` (95% interval).
    """
    columns = [f"test/{metric}" for metric in metrics]
    one, other = (runs.set_index("seed")[columns].astype(float) for runs in (first, second))
    shared = one.index.intersection(other.index)
    found: dict[str, Any] = {"seeds": len(shared)}
    for metric, column in zip(metrics, columns, strict=True):
        values = (one.loc[shared, column] - other.loc[shared, column]).to_numpy()
        found[column] = values.mean() if len(shared) else float("nan")
        found[f"{column}.low"], found[f"{column}.high"] = interval(values, difference(bounds(metric)))
    return found


def _pairs(first: pd.DataFrame, second: pd.DataFrame, keys: list[str]) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The runs of each pair of configurations that belong together."""
    shared = shared_keys(first, second, keys)
    ones, others = _parts(first, shared), _parts(second, shared)
    for cell in [cell for cell in ones if cell in others]:
        left, right = (list(_parts(part[cell], keys).values()) for part in (ones, others))
        if min(len(left), len(right)) == 1:
            yield from ((one, other) for one in left for other in right)


def _parts(runs: pd.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], pd.DataFrame]:
    """The runs by their values in ``keys``, sorted by these."""
    if not keys:
        return {(): runs}
    return {tuple(None if pd.isna(key) else key for key in cell): own for cell, own in runs.groupby(keys, dropna=False)}
