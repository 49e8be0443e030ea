"""What is put in the place of missing cells and of rare categories, as training rows tell."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fairrun.config.values import free
from fairrun.data.groups import with_columns

MISSING = "missing"  # the category
OTHER = "other"  # the category of pooled ones


@dataclass(frozen=True)
class Fill:
    """Values for missing cells, features that tell which cells were missing, and categories that are kept."""

    values: dict[str, float | str]  # feature -> what stands for a missing cell
    indicators: dict[str, str]  # feature "COLUMN is missing" -> the feature whose missing cells it tells
    pools: dict[str, list[Any]]  # feature of many categories -> those that are kept; others are "other"

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        train: np.ndarray,
        numeric: Sequence[str],
        categorical: Sequence[str],
        how: str,
        most: int,
    ) -> "Fill":
        """What the rows ``train`` tell.

        ``how`` impute: numbers by the median, categories by the most frequent; indicator: categories by a category
        "missing" of their own, and beside numbers stands a feature "COLUMN is missing", where training rows miss any.
        ``most``: categories of a feature that are kept.
        """
        pools = {name: _kept(frame[name].iloc[train], most) for name in categorical if frame[name].nunique() > most}
        known = {name: frame[name].iloc[train].dropna() for name in [*numeric, *categorical]}
        values: dict[str, float | str] = {n: float(known[n].median()) if len(known[n]) else 0.0 for n in numeric}
        for name in categorical:
            pooled = known[name].where(known[name].isin(pools[name]), OTHER) if name in pools else known[name]
            frequent = how != "indicator" and len(pooled)
            values[name] = pooled.value_counts(sort=False).sort_index().idxmax() if frequent else MISSING
        flags: dict[str, pd.Series] = {}
        for name in numeric if how == "indicator" else ():
            missing = frame[name].isna()
            if missing.iloc[train].any() and not any(missing.equals(other) for other in flags.values()):
                flags[name] = missing
        return cls(values, {free(f"{name} is missing", frame.columns): name for name in flags}, pools)

    def apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame without missing cells in its features, with the indicators."""
        columns: dict[str, pd.Series] = {}
        for name, value in self.values.items():
            own = frame[name]
            if name in self.pools:
                own = own.where(own.isin(self.pools[name]) | own.isna(), OTHER)
            missing = own.isna()
            if isinstance(value, str):
                columns[name] = own.astype(object).where(~missing, value) if missing.any() else own
            else:
                columns[name] = own.fillna(value)
        flags = {name: frame[of].isna().astype("float64") for name, of in self.indicators.items()}
        return with_columns(frame, columns | flags)

    def told(self, frame: pd.DataFrame, numeric: Collection[str], how: str) -> Mapping[str, str]:
        """What was done to each column of ``frame`` with missing cells, in words."""
        done = {}
        marked = set(self.indicators.values())
        for name in (name for name in self.values if frame[name].isna().any()):
            if name in numeric:
                done[name] = f"median {self.values[name]:g} for missing" + ", with an indicator" * (name in marked)
            else:
                done[name] = "missing is a category" if how == "indicator" else f"{self.values[name]!r} for missing"
        return done


def _kept(values: pd.Series, most: int) -> list[Any]:
    """The ``most`` most frequent categories."""
    counts = values.value_counts().rename_axis("value").reset_index(name="rows")
    kept = counts.sort_values(["rows", "value"], ascending=[False, True], key=_by_text)["value"].head(most)
    return list(kept)


def _by_text(values: pd.Series) -> pd.Series:
    return values if pd.api.types.is_numeric_dtype(values) else values.astype(str)
