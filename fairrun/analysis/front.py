"""Pareto fronts of accuracy and fairness: configurations are chosen on validation rows and reported on test rows."""

from collections.abc import Sequence
from typing import NamedTuple

import moocore
import numpy as np
import pandas as pd

from fairrun.analysis.interval import interval
from fairrun.config.check import InputError
from fairrun.config.keys import ESTIMATOR, is_below, is_setting, role, switch_of
from fairrun.config.metrics import POSITIVE, bounds
from fairrun.config.values import value
from fairrun.results.records import statuses
from fairrun.results.selection import BALANCED, SELECTED, degenerate

REMOVAL = {  # columns of methods that leave out outliers -> the range of each
    "train/removed": POSITIVE,
    "train/removal_precision": (0.0, 1.0),
    "train/removal_recall": (0.0, 1.0),
}


class Anchors(NamedTuple):
    """Bounds that the labels of the test rows set; NaN if the records do not count these labels."""

    majority: float  # accuracy of always deciding for the most frequent label
    max_dp: float  # demographic parity difference of the labels, and of a perfect classifier; NaN for several classes


def settings(frame: pd.DataFrame) -> list[str]:
    """The columns in which the configurations of a sweep differ: method, and the keys that vary.

    A key of the method counts if it varies among the runs of one method, because another method may not have it.  A key
    that has a switch (``dataset.outliers.rate``), or that only methods with steps have (``epochs``), counts if it
    varies among the runs that have it.  A key that equals the seed in every run (dataset.split.seed=${seed}) does not
    count.
    """
    keys = [c for c in frame.columns if is_setting(c) and c != "method"]
    shared = [c for c in keys if not c.startswith("method.")]
    shared = [c for c in shared if switch_of(c) is None or _varies(frame[c].dropna())]
    of_steps = frame[~frame[[c for c in frame if is_below(c, ESTIMATOR)]].notna().any(axis=1)]
    shared = [c for c in shared if not role(c).steps or _varies(of_steps[c])]
    varying = [c for c in shared if _varies(frame[c]) and not (frame[c].astype(str) == frame["seed"].astype(str)).all()]
    methods = [runs for _, runs in frame.groupby("method")]
    own = [c for c in keys if c.startswith("method.") and any(_varies(runs[c]) for runs in methods)]
    return ["method", *own, *varying]


def _varies(column: pd.Series) -> bool:
    return column.astype(str).nunique(dropna=False) > 1


def finished(frame: pd.DataFrame) -> pd.DataFrame:
    """The finished runs, one for each configuration and seed; lists in configurations become text.

    Raises ``InputError`` if there is none.
    """
    runs = frame[frame["status"] == "finished"]
    if runs.empty:
        raise InputError(f"a summary needs a finished run, got {statuses(frame)}")
    by = settings(runs)
    lists = [c for c in by if runs[c].map(lambda cell: isinstance(cell, list)).any()]
    first = ~runs[[*by, "seed"]].astype(dict.fromkeys(lists, str)).duplicated()
    return runs.assign(**{c: runs[c].map(value) for c in lists})[first]


def summarise(
    frame: pd.DataFrame,
    metric: str,
    *,
    greater_is_better: bool = False,
    test_oracle: bool = False,
    columns: Sequence[str] = (),
    seed_summary: str = "mean",
    keep_degenerate: bool = False,
) -> pd.DataFrame:
    """One row for each configuration: means over seeds with 95% intervals, and whether it is on the Pareto front.

    Columns of a configuration: its keys; ``seeds``; ``over_seeds``, which is ``seed_summary``; and ``degenerate``, the
    number of its runs with a nearly constant prediction (``fairrun.results.selection``; NaN if not recorded).

    Columns of metrics: ``val/accuracy``, ``val/<metric>``, ``test/accuracy``, ``test/<metric>``, and those of
    ``columns`` and ``REMOVAL`` that the runs have.  Metrics on test and training rows have intervals, ``.low`` and
    ``.high`` (NaN with one seed).

    Boolean columns: ``front``, whether it is on the Pareto front of validation values; ``method_front``, whether it is
    on the front of its method's configurations; with ``test_oracle`` also ``test_oracle``, whether it is on the front
    of test values, to compare with papers that select on test rows.  If most of its runs are degenerate, it is on no
    front unless ``keep_degenerate``.

    Failed runs and runs that repeat a configuration and seed are left out.  Raises ``InputError`` if none is left.

    With ``seed_summary`` "worst" the metric on validation and test rows is that of the worst seed, without an interval.
    Some papers report mean accuracy and the largest difference in this way.  All other values stay means.
    """
    runs = finished(frame)
    by = settings(runs)
    rows = [
        dict(zip(by, key, strict=True))
        | {"seeds": len(group), "over_seeds": seed_summary, "degenerate": _num_degenerate(group)}
        | _metrics(group, metric, columns, greater_is_better=greater_is_better, worst=seed_summary == "worst")
        | _removal(group)
        for key, group in runs.groupby(by, dropna=False, sort=False)
    ]
    table = pd.DataFrame(rows).sort_values(by, ignore_index=True, key=_sortable)
    table[["front", "method_front"]] = False
    sound = table if keep_degenerate else table[~is_degenerate(table)]
    table.loc[sound.index, "front"] = on_front(sound, metric, greater_is_better=greater_is_better)
    for _, group in sound.groupby("method"):
        table.loc[group.index, "method_front"] = on_front(group, metric, greater_is_better=greater_is_better)
    if test_oracle:
        table["test_oracle"] = False
        front = on_front(sound, metric, greater_is_better=greater_is_better, split="test")
        table.loc[sound.index, "test_oracle"] = front
    return table


def _num_degenerate(group: pd.DataFrame) -> float:
    """The number of degenerate runs; NaN if not recorded."""
    known = any(f"val/{name}" in group for name in (BALANCED, SELECTED))
    return int(degenerate(group, counts(group, "val")).sum()) if known else float("nan")


def _metrics(
    group: pd.DataFrame, metric: str, columns: Sequence[str], *, greater_is_better: bool, worst: bool
) -> dict[str, float]:
    """Accuracy, ``metric`` and ``columns`` of a configuration; with ``worst`` the metric is that of the worst seed."""
    found: dict[str, float] = {}
    for split, names in (("val", ()), ("test", columns)):
        for name in ("accuracy", metric, *names):
            column = f"{split}/{name}"
            values = group[column].to_numpy(dtype=float)
            of_worst = worst and name == metric
            if of_worst:
                found[column] = values.min() if greater_is_better else values.max()
            else:
                found[column] = group[column].mean(skipna=False)
            if split == "test":
                ends = (float("nan"), float("nan")) if of_worst else interval(values, bounds(name))
                found[f"{column}.low"], found[f"{column}.high"] = ends
    return found


def _removal(group: pd.DataFrame) -> dict[str, float]:
    """Means with intervals of what is known of training rows that were left out."""
    found: dict[str, float] = {}
    for column in (column for column in REMOVAL if column in group):
        ends = interval(group[column].to_numpy(dtype=float), REMOVAL[column])
        found |= {column: group[column].mean(skipna=False), f"{column}.low": ends[0], f"{column}.high": ends[1]}
    return found


def is_degenerate(table: pd.DataFrame) -> pd.Series:
    """Whether more than half of the runs of each configuration in a table of ``summarise`` are degenerate."""
    return table["degenerate"] > table["seeds"] / 2


def _sortable(column: pd.Series) -> pd.Series:
    return column.astype(str) if column.dtype == object else column


def on_front(rows: pd.DataFrame, metric: str, *, greater_is_better: bool = False, split: str = "val") -> np.ndarray:
    """Whether each of ``rows`` is on the Pareto front of accuracy and ``metric`` on ``split``, bool [rows].

    A row is on the front if no other row is at least as good in both and better in one.  Equal rows are on it together.
    A row with an undefined value is not on it, and does not keep other rows off it.
    """
    points = _points(rows, metric, split)
    front = np.isfinite(points).all(axis=1)
    if front.any():
        front[front] = moocore.is_nondominated(points[front], maximise=[True, greater_is_better], keep_weakly=True)
    return front


def chosen(rows: pd.DataFrame, metric: str, *, greater_is_better: bool = False, split: str = "val") -> np.ndarray:
    """Test accuracy and test ``metric`` of the rows on the front of ``split``, [points, 2]."""
    front = on_front(rows, metric, greater_is_better=greater_is_better, split=split)
    return _points(rows, metric, "test")[front]


def columns_of(metrics: Sequence[str], runs: pd.DataFrame) -> list[str]:
    """The columns that hold accuracy and ``metrics`` on validation and test rows, those that the ``runs`` have."""
    names = [f"{split}/{name}" for split in ("val", "test") for name in dict.fromkeys(("accuracy", *metrics))]
    return [name for name in names if name in runs]


def _points(rows: pd.DataFrame, metric: str, split: str) -> np.ndarray:
    """Accuracy and ``metric`` of each row, [rows, 2].  A report asks for each seed: column by column is fast."""
    return np.stack([rows[f"{split}/{name}"].to_numpy(dtype=float) for name in ("accuracy", metric)], axis=1)


def counts(runs: pd.DataFrame, split: str = "test") -> list[list[int]]:
    """[rows, positive rows] of each group that has rows in ``split``, from ``base_rates.<split>``.

    With several classes: [rows, rows of class 1, 2, ...].  Empty without ``base_rates.<split>`` or if the runs' labels
    differ.
    """
    cells = [cell for cell in runs.get(f"base_rates.{split}", []) if isinstance(cell, list)]
    if not cells or any(cell != cells[0] for cell in cells):
        return []
    return [group for group in cells[0] if group[0] > 0]


def anchors(runs: pd.DataFrame) -> Anchors:
    """The anchors, from the ``counts`` of the test labels; NaN without these.

    majority = max_c P(y = c); max_dp = largest minus smallest P(y = 1 | s).
    """
    cells = counts(runs)
    if not cells:
        return Anchors(float("nan"), float("nan"))
    rows, *others = np.array(cells, dtype=float).T
    rates = [one.sum() / rows.sum() for one in others]
    max_dp = float(np.ptp(others[0] / rows)) if len(others) == 1 else float("nan")
    return Anchors(float(max(1 - sum(rates), *rates)), max_dp)


def hypervolume(points: np.ndarray, reference: tuple[float, float], *, greater_is_better: bool = False) -> float:
    """The area that ``points`` [points, 2], accuracy and metric, dominate within ``reference`` (accuracy, metric).

    0 if none is better than the reference in both; NaN without a point, or with an undefined value in either.
    """
    if len(points) == 0 or not np.isfinite(points).all() or not np.isfinite(reference).all():
        return float("nan")
    return float(moocore.hypervolume(points, ref=reference, maximise=[True, greater_is_better]))


def aopac(points: np.ndarray, anchors: Anchors) -> float:
    """Area over the parity-accuracy curve of ``points`` [points, 2], accuracy and a demographic parity difference.

    FCRL (Gupta et al., AAAI 2021): of the points with dp <= max_dp, sorted by dp, and dp_{K+1} = max_dp,

        sum_k (accuracy_k - majority) (dp_{k+1} - dp_k) / ((1 - majority) max_dp)

    1 is perfect; 0 if no point qualifies; points below the majority's accuracy count negatively.  NaN without a point,
    with an undefined value, and where max_dp is 0.
    """
    box = (1 - anchors.majority) * anchors.max_dp
    if len(points) == 0 or not np.isfinite(points).all() or not box > 0:
        return float("nan")
    accuracy, dp = points[points[:, 1] <= anchors.max_dp].T
    order = np.lexsort((accuracy, dp))
    widths = np.diff(dp[order], append=anchors.max_dp)
    return float((accuracy[order] - anchors.majority) @ widths / box)


def attainment(runs: pd.DataFrame, metric: str, *, greater_is_better: bool = False) -> pd.DataFrame:
    """The empirical attainment surfaces of one method over its seeds (Grunert da Fonseca et al., EMO 2001).

    For each seed these are the test values of the settings on its own validation front.  Columns: ``percent`` 0, 50 and
    100; ``test/accuracy`` and ``test/<metric>``, the corners of the surface that at least one seed, half of the seeds
    and every seed reach.  Seeds with an undefined value are left out; the result has no rows if no seed is left.
    """
    values = runs[["seed", *columns_of([metric], runs)]]  # a seed of few columns is cut out of the table fast
    sets = [chosen(own, metric, greater_is_better=greater_is_better) for _, own in values.groupby("seed")]
    sets = [points for points in sets if len(points) and np.isfinite(points).all()]
    names = ["test/accuracy", f"test/{metric}", "percent"]
    if not sets:
        return pd.DataFrame(columns=names, dtype=float)
    sign = np.array([-1, -1 if greater_is_better else 1])  # moocore minimises
    labels = np.repeat(np.arange(len(sets)), [len(points) for points in sets])
    surface = moocore.eaf(np.concatenate(sets) * sign, labels, percentiles=[0, 50, 100])
    return pd.DataFrame(surface * [*sign, 1], columns=names)
