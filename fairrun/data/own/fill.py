"""What is put in the place of missing cells and of rare categories, as training rows tell."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from fairrun.config.values import free
from fairrun.data.groups import with_columns

MISSING = "missing"  # the category


class Filled(NamedTuple):
    """A frame without missing values in its features, and what was done to which column."""

    frame: pd.DataFrame
    numeric: list[str]
    done: dict[str, str]


def filled(frame: pd.DataFrame, train: np.ndarray, numeric: list[str], categorical: list[str], how: str) -> Filled:
    """Fill missing values by what the rows ``train`` have.

    ``how`` impute: numbers by the median, categories by the most frequent; indicator: categories by a category
    "missing" of their own, and beside numbers stands a feature "COLUMN is missing", where training rows miss any.
    """
    columns: dict[str, pd.Series] = {}
    indicators: dict[str, pd.Series] = {}
    done = {}
    for name in [c for c in [*numeric, *categorical] if frame[c].isna().any()]:
        values, missing = frame[name], frame[name].isna()
        known = values.iloc[train].dropna()
        if name in numeric:
            median = float(known.median()) if len(known) else 0.0
            columns[name] = values.fillna(median)
            done[name] = f"median {median:g} for missing"
            same = [other for other, flags in indicators.items() if flags.equals(missing.astype("float64"))]
            if how == "indicator" and missing.iloc[train].any() and not same:
                indicators[name] = missing.astype("float64")
                done[name] += ", with an indicator"
        else:
            frequent = known.value_counts(sort=False).sort_index().idxmax() if len(known) else MISSING
            fill = MISSING if how == "indicator" else frequent
            columns[name] = values.astype(object).where(~missing, fill)
            done[name] = "missing is a category" if how == "indicator" else f"{fill!r} for missing"
    added = {free(f"{name} is missing", frame.columns): flags for name, flags in indicators.items()}
    frame = with_columns(frame, columns | added)
    return Filled(frame, [*numeric, *added], done)


def pooled(values: pd.Series, train: np.ndarray, most: int) -> pd.Series:
    """The ``most`` categories that are most frequent in the rows ``train``; the others are "other"."""
    counts = values.iloc[train].value_counts().rename_axis("value").reset_index(name="rows")
    kept = counts.sort_values(["rows", "value"], ascending=[False, True], key=_by_text)["value"].head(most)
    return values.where(values.isin(kept) | values.isna(), "other")


def _by_text(values: pd.Series) -> pd.Series:
    return values if pd.api.types.is_numeric_dtype(values) else values.astype(str)
