"""Which configuration to take: chosen on validation rows, valued on test rows, compared with a baseline."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fairrun.analysis.compare import Pair, differences, shared_keys
from fairrun.analysis.front import counts, is_degenerate
from fairrun.analysis.tradeoff import Tradeoff, describe
from fairrun.config.values import value
from fairrun.results.selection import degenerate

BASELINES = ("erm", "stl")  # the methods to compare with, unless the report names another; stl: of several tasks


class Estimate(NamedTuple):
    """A mean over seeds with its 95% interval; the ends are NaN without one."""

    mean: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out; False without one."""
        return self.low > 0 or self.high < 0

    @property
    def unclear(self) -> bool:
        """Whether the interval contains 0; False without one."""
        return not math.isnan(self.low) and not self.clear


class Kept(NamedTuple):
    """How many seeds of a configuration keep the bound on test rows."""

    name: str  # of the configuration, in words
    seeds: int  # that keep it
    of: int
    by_mean: bool  # whether the value of the configuration keeps it


class Comparison(NamedTuple):
    """A configuration minus another one on test rows, seed by seed."""

    name: str  # of the other configuration, in words
    seeds: int  # that both have
    differences: Mapping[str, Estimate]  # by metric: accuracy, and the fairness metric
    means: Mapping[str, tuple[float, float]]  # by metric: of the configuration, and of the other one, over these seeds
    keeps: bool  # whether the other one keeps the bound on validation rows, if there is one

    @property
    def undecided(self) -> bool:
        """Whether neither difference is clear."""
        return all(change.unclear for change in self.differences.values())


@dataclass(frozen=True)
class Recommendation:
    """The configuration to take on one data set; ``recommend`` makes it."""

    dataset: str
    metric: str  # the fairness metric
    heading: str  # the metric in words; "largest ..." if the worst seed of a configuration counts
    greater_is_better: bool
    bound: float | None
    rule: str  # why it is chosen: bound, nearest, knee, end (``recommend``)
    among: int  # the number of configurations that keep the bound, or are on the validation front
    of: int  # the number of all configurations
    method: str
    setting: Mapping[str, Any]  # its values of the keys in which configurations differ
    name: str  # method and setting in words
    seeds: int
    values: Mapping[str, Estimate]  # accuracy and metric, as val/accuracy, test/accuracy, ...
    baseline: str | None  # the method to compare with; None if it has no run, ``method`` if it is the one chosen
    comparison: Comparison | None  # None also if no run of the baseline has its seeds and keys
    kept: Kept | None  # on test rows; None without a bound
    broken: Sequence[Kept]  # other configurations that keep the bound on validation rows and not on test rows
    folder: Path  # of its first run that is not degenerate, by seed

    @property
    def undecided(self) -> bool:
        """Whether neither accuracy nor the metric differs clearly from the baseline's."""
        return self.comparison is not None and self.comparison.undecided

    @property
    def plain(self) -> str | None:
        """The baseline's configuration, where it does as well for all that is known; None where it breaks the bound."""
        other = self.comparison
        return other.name if other is not None and other.undecided and other.keeps else None


def recommend(trade: Tradeoff, bound: float | None, compared: Sequence[Pair] = ()) -> Recommendation | None:
    """Choose a configuration by its values over seeds on validation rows.

    With a bound, the rule ``bound`` takes the most accurate of the configurations whose metric is at most ``bound`` (at
    least, if greater values are better).  If there is none, ``nearest`` takes the one whose metric is nearest to it.
    Without a bound, ``knee`` takes the knee of the validation front.  If the front has none, ``end`` takes its most
    accurate configuration.

    Of equal configurations the fairer is chosen, or else the first in the table.  Degenerate configurations are never
    chosen, unless ``trade.keep_degenerate``.  ``compared`` holds pairs of methods: the first one that starts with the
    chosen method names its baseline, if that has runs; else it is ERM, or STL.

    None if there is only one configuration, or if all are degenerate or have an undefined value.
    """
    table = trade.settings.dropna(subset=["val/accuracy", f"val/{trade.metric}"])
    table = table if trade.keep_degenerate else table[~is_degenerate(table)]
    if len(trade.settings) < 2 or table.empty:
        return None
    row, rule, pool = _choice(trade, table, bound)
    baseline = _baseline(trade, row["method"], compared)
    return Recommendation(
        dataset=trade.dataset,
        metric=trade.metric,
        heading=trade.heading,
        greater_is_better=trade.greater_is_better,
        bound=bound,
        rule=rule,
        among=len(pool),
        of=len(trade.settings),
        method=row["method"],
        setting={key: row[key] for key in trade.by if key != "method" and value(row[key])},
        name=named(row, trade.by),
        seeds=int(row["seeds"]),
        values={f"{s}/{n}": _estimate(row, f"{s}/{n}") for s in ("val", "test") for n in ("accuracy", trade.metric)},
        baseline=baseline,
        comparison=None if baseline in (None, row["method"]) else _compare(trade, row, str(baseline), bound),
        kept=None if bound is None else _kept(trade, row, bound),
        broken=[] if bound is None else _broken(trade, pool.drop(index=row.name, errors="ignore"), bound),
        folder=_folder(trade, row),
    )


def _choice(trade: Tradeoff, table: pd.DataFrame, bound: float | None) -> tuple[pd.Series, str, pd.DataFrame]:
    """The row of ``table`` to take, the rule that takes it, and the rows that keep the bound or are on the front."""
    accuracy, column = "val/accuracy", f"val/{trade.metric}"
    table = table.assign(loss=table[column] * (-1 if trade.greater_is_better else 1))
    table = table.sort_values([accuracy, "loss"], ascending=[False, True], kind="stable")
    if bound is None:
        pool = table[table["front"]]
        position = knee(pool[[accuracy, "loss"]].to_numpy(dtype=float))
        return pool.iloc[position], "knee" if position else "end", pool
    pool = table[_keeps(trade, table[column], bound)]
    if pool.empty:
        return table.sort_values("loss", kind="stable").iloc[0], "nearest", pool
    return pool.iloc[0], "bound", pool


def bound_of(trade: Tradeoff) -> float | None:
    """The ``fairness_bound`` of the runs; None if they have different ones, or if it bounds another metric."""
    runs = trade.runs
    bounds = runs["fairness_bound"].unique() if "fairness_bound" in runs else []
    same = len(bounds) == 1 and (runs["metric.name"] == trade.metric).all()
    return float(bounds[0]) if same and bounds[0] is not None and not math.isnan(bounds[0]) else None


def knee(points: np.ndarray) -> int:
    """The position of the knee of a front of ``points`` [points, 2], of what is to be large and what is to be small.

    Both axes are scaled to the range of the front.  The knee has the largest distance to the chord between the ends of
    the front, on the side of the ideal point (Das, Structural Optimization 1999).  Where no point is on that side of
    the chord, the front has no knee, and the position is that of the end with the largest first value.
    """
    ranges = np.ptp(points, axis=0)
    good, bad = ((points - points.min(axis=0)) / np.where(ranges > 0, ranges, 1)).T
    distances = np.round(good - bad, 9)  # along the diagonal; 0 on the chord
    order = np.lexsort((-good, -distances))
    return int(order[0])


def _baseline(trade: Tradeoff, method: str, compared: Sequence[Pair]) -> str | None:
    """The method to compare ``method`` with: "erm, width 8" for "penalty, width 8", which ``report.split_by`` made."""
    _, comma, values = method.partition(", ")
    methods = set(trade.settings["method"])
    wanted = [second for first, second in compared if first == method]
    wanted += [f"{name}{comma}{values}" for name in BASELINES]
    return next((name for name in wanted if name in methods), None)


def _compare(trade: Tradeoff, row: pd.Series, baseline: str, bound: float | None) -> Comparison | None:
    """The comparison with the baseline's configuration that has the same values of the keys that both methods share.

    If there are several, the most accurate one on validation rows counts.
    """
    own, others = (trade.runs[trade.runs["method"] == method] for method in (row["method"], baseline))
    table = trade.settings[trade.settings["method"] == baseline]
    for key in shared_keys(own, others, [key for key in trade.by if key != "method"]):
        table = table[table[key].map(value) == value(row[key])]
    if table.empty:
        return None
    other = table.sort_values("val/accuracy", ascending=False, kind="stable").iloc[0]
    metrics = ["accuracy", trade.metric]
    sides = trade.runs_of(row), trade.runs_of(other)
    found = pd.Series(differences(*sides, metrics))
    if not found["seeds"]:
        return None
    shared = set(sides[0]["seed"]) & set(sides[1]["seed"])
    means = {m: _means(sides, shared, f"test/{m}") for m in metrics}
    changes = {m: _estimate(found, f"test/{m}") for m in metrics}
    keeps = bound is None or bool(_keeps(trade, pd.Series([other[f"val/{trade.metric}"]]), bound).all())
    return Comparison(named(other, trade.by), int(found["seeds"]), changes, means, keeps)


def _means(sides: tuple[pd.DataFrame, pd.DataFrame], seeds: Collection[int], column: str) -> tuple[float, float]:
    first, second = (float(side.loc[side["seed"].isin(seeds), column].mean(skipna=False)) for side in sides)
    return first, second


def _keeps(trade: Tradeoff, values: pd.Series, bound: float) -> pd.Series:
    """Whether values of the metric keep the bound; the mean of equal values may be off by a rounding."""
    excess = (values.astype(float) - bound) * (-1 if trade.greater_is_better else 1)
    return excess.round(9) <= 0


def _kept(trade: Tradeoff, row: pd.Series, bound: float) -> Kept:
    column = f"test/{trade.metric}"
    runs = _keeps(trade, trade.runs_of(row)[column], bound)
    by_mean = _keeps(trade, pd.Series([row[column]]), bound)
    return Kept(named(row, trade.by), int(runs.sum()), len(runs), bool(by_mean.all()))


def _broken(trade: Tradeoff, others: pd.DataFrame, bound: float) -> list[Kept]:
    kept = [_kept(trade, other, bound) for _, other in others.iterrows()]
    return [one for one in kept if not one.by_mean]


def _folder(trade: Tradeoff, row: pd.Series) -> Path:
    runs = trade.runs_of(row).sort_values("seed")
    sound = runs[~degenerate(runs, counts(runs, "val"))]
    return Path((runs if sound.empty else sound)["folder"].iloc[0])


def named(row: pd.Series, by: list[str]) -> str:
    """A configuration in words: "penalty lam 0.3"."""
    return f"{row['method']} {describe(row, by)}".strip()


def _estimate(row: pd.Series, column: str) -> Estimate:
    return Estimate(*(float(row.get(f"{column}{end}", float("nan"))) for end in ("", ".low", ".high")))
