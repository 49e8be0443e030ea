"""Tests claims on frames of runs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from fairrun.analysis.tasks import areas_of_tasks
from fairrun.analysis.tradeoff import areas, greater_is_better
from fairrun.analysis.verdict import Found, Verdict, above, all_of, always, any_of, corrected, within
from fairrun.claims.spec import FRONT, Claim, Paper, Test
from fairrun.config.check import InputError, nearest

OF_TASKS = "are_arfg"
Frames = Mapping[str, pd.DataFrame]  # by source


def judged(paper: Paper, frames: Frames) -> dict[str, Found]:
    """The verdict on every claim of a paper, after the correction for all of them."""
    found = [_claim(name, claim, frames) for name, claim in paper.claims.items()]
    return dict(zip(paper.claims, corrected(found), strict=True))


def _claim(name: str, claim: Claim, frames: Frames) -> Found:
    if claim.untestable:
        return Found(name, Verdict.UNTESTED, why=claim.untestable)
    tests = [one for test in claim.tests for one in _expanded(test)]
    parts = [part for test in tests for part in _tests(test, frames[test.source], name)]
    return any_of(name, parts) if claim.combine == "any" else all_of(name, parts)


def _expanded(test: Test) -> Iterator[Test]:
    """A test for each combination of the values in the lists of ``of`` and ``minus``."""
    for of in _combinations(test.of):
        for minus in [None] if test.minus is None else _combinations(test.minus):
            yield replace(test, of=of, minus=minus)


def _combinations(of: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    lists = [value if isinstance(value, list) else [value] for value in of.values()]
    for values in product(*lists):
        yield dict(zip(of, values, strict=True))


def _tests(test: Test, frame: pd.DataFrame, name: str) -> Iterator[Found]:
    """The parts of a test: one for each combination of the values of the columns in ``each``."""
    runs = frame[frame["status"] == "finished"] if "status" in frame else frame
    if wrong := [column for column in test.each if column not in runs]:
        raise InputError(f"{name}: each={wrong[0]} is no column of {test.source}{nearest(wrong[0], runs.columns)}")
    cells = pd.Series([", ".join(map(_text, row)) for row in runs[test.each].to_numpy()], runs.index, dtype=object)
    for cell in dict.fromkeys(cells) or [""]:
        yield _test(test, runs[cells == cell], name, cell)


def _test(test: Test, runs: pd.DataFrame, name: str, where: str) -> Found:
    said = f"{described(test.of)}{f' against {described(test.minus)}' if test.minus else ''}"
    label = f"{said} on {where}" if where else said
    first = _values(test, test.of, runs, name)
    if test.minus is not None:
        second = _values(test, test.minus, runs, name)
        shared = first.index.intersection(second.index)
        first = first.loc[shared] - test.times * second.loc[shared]
    effect = first.to_numpy(dtype=float)
    if not len(effect):
        return Found(label, Verdict.UNTESTED, why="there are no such runs")
    if test.within is not None:
        return within(label, effect, test.within)
    effect = effect - test.above if test.above is not None else float(test.below or 0.0) - effect
    return always(label, effect) if test.always else above(label, effect, float(test.margin or 0.0))


def _values(test: Test, of: Mapping[str, Any], runs: pd.DataFrame, name: str) -> "pd.Series[float]":
    """The value of the runs that ``of`` names, by seed.  With ``always``, by run."""
    own = matching(runs, of, name)
    if own.empty:
        return pd.Series(dtype=float)
    if test.value.startswith(FRONT):
        return _areas(own, test.value.removeprefix(FRONT), name)
    if test.value not in own:
        raise InputError(f"{name}: value={test.value} is no column of {test.source}{nearest(test.value, own.columns)}")
    if test.trend is not None:
        return own.groupby("seed").apply(_correlation, test.trend, test.value, include_groups=False)
    if test.always:
        return own[test.value].reset_index(drop=True)
    own = picked(own, test.pick)
    found = own.set_index("seed")[test.value]
    if found.index.has_duplicates:
        raise InputError(f"{name}: {described(of)} are several configurations: pick must name a value to choose by")
    return found


def matching(runs: pd.DataFrame, of: Mapping[str, Any], name: str) -> pd.DataFrame:
    """The runs with these values.  Raises ``InputError`` for a key that no run has."""
    for key, value in of.items():
        if key not in runs:
            raise InputError(f"{name}: {key} is no column of the runs{nearest(key, runs.columns)}")
        runs = runs[_equal(runs[key], value)]
    return runs


def picked(runs: pd.DataFrame, pick: str | None) -> pd.DataFrame:
    """The runs of one configuration: the best by the value ``pick``, in the mean over seeds; all without it."""
    keys = _keys(runs)
    if pick is None or not keys:
        return runs
    means = runs.astype(dict.fromkeys(keys, str)).groupby(keys)[pick].mean()
    if means.isna().all():
        return runs.iloc[:0]
    sign = 1 if greater_is_better(pick.partition("/")[2], runs) else -1
    best = (sign * means).idxmax()
    chosen = runs
    for key, value in zip(keys, best if isinstance(best, tuple) else (best,), strict=True):
        chosen = chosen[chosen[key].astype(str) == value]
    return chosen


def _keys(runs: pd.DataFrame) -> list[str]:
    """The keys of the configuration that vary among runs."""
    others = ("seed", "status", "failure", "folder", "data_sha256", "written")
    values = ("train/", "val/", "test/", "history/", "base_rates.", "measured/")
    keys = [c for c in runs if c not in others and not c.startswith(values)]
    varying = [c for c in keys if runs[c].astype(str).nunique() > 1]
    return [c for c in varying if not (runs[c].astype(str) == runs["seed"].astype(str)).all()]


def _areas(runs: pd.DataFrame, area: str, name: str) -> "pd.Series[float]":
    if area == OF_TASKS:
        return areas_of_tasks(runs)
    metric = str(runs["metric.name"].iloc[0])
    found = areas(runs, metric, greater_is_better=bool(runs["metric.greater_is_better"].iloc[0]))
    if area not in found:
        raise InputError(f"{name}: value={FRONT}{area} is none{nearest(area, found.columns)}")
    return found.set_index("seed")[area]


def _correlation(runs: pd.DataFrame, key: str, value: str) -> float:
    """Spearman's correlation of a key and a value."""
    ranks = runs[[key, value]].astype(float).rank()
    return float(ranks[key].corr(ranks[value]))


def _equal(column: pd.Series, value: Any) -> "pd.Series[bool]":
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number:
        return (pd.to_numeric(column, errors="coerce") - value).abs() <= 1e-9 * max(1.0, abs(value))
    return column.astype(str) == str(value)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | np.ndarray) else str(value)


def described(of: Mapping[str, Any]) -> str:
    """Runs in words: "irw, alpha 0.3"."""
    return ", ".join(str(v) if k == "method" else f"{k.rpartition('.')[2]} {v}" for k, v in of.items())
