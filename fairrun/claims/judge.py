"""Tests claims on frames of runs."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from fairrun.analysis.front import counts
from fairrun.analysis.tasks import areas_of_tasks
from fairrun.analysis.tradeoff import areas, greater_is_better
from fairrun.analysis.verdict import Found, Verdict, above, all_of, always, any_of, corrected, trend, within
from fairrun.claims.spec import FRONT, OF_TASKS, Claim, Paper, Test, columns_of
from fairrun.config.check import InputError, nearest, require
from fairrun.results.selection import degenerate

Frames = Mapping[str, pd.DataFrame]  # by source


def judged(paper: Paper, frames: Frames, remedy: str = "") -> dict[str, Found]:
    """The verdict on every claim of a paper, after the correction for all of its own claims, or for all of ours.

    ``remedy``: what a claim says whose runs the frames lack, as stored ones of an earlier version may; by default it is
    an error.  Raises ``InputError``.
    """
    found = {name: _claim(name, claim, frames, remedy) for name, claim in paper.claims.items()}
    for ours in (False, True):
        family = [name for name, claim in paper.claims.items() if claim.ours is ours]
        found |= zip(family, corrected([found[name] for name in family]), strict=True)
    return found


def has(frames: Frames, source: str, names: Iterable[str]) -> bool:
    """Whether the frames have a source with all that is read of it."""
    if source not in frames:
        return False
    metrics = frames[source].get("metric.name", pd.Series(dtype=object)).unique()
    return all(column in frames[source] for name in names for column in columns_of(name, metrics))


def _claim(name: str, claim: Claim, frames: Frames, remedy: str) -> Found:
    if claim.untestable:
        return Found(name, Verdict.UNTESTED, why=claim.untestable)
    if remedy and not all(has(frames, test.source, test.names) for test in claim.tests):
        return Found(name, Verdict.UNMEASURED, why=remedy)
    if larger := [test.source for test in claim.tests if test.source not in frames]:
        return Found(name, Verdict.UNMEASURED, why=f"the runs of {larger[0]} are trained at a larger budget only")
    parts = list(_parts(name, claim, frames))
    return any_of(name, parts) if claim.combine == "any" else all_of(name, parts)


def _parts(name: str, claim: Claim, frames: Frames) -> Iterator[Found]:
    """The parts of all tests; where these are of several values or sources, a part says of which."""
    values, sources = ({getattr(test, key) for test in claim.tests} for key in ("value", "source"))
    for test in claim.tests:
        of = f" ({test.source})" if len(sources) > 1 else ""
        of += f": {test.value.partition('/')[2]}" if len(values) > 1 else ""
        for one in _expanded(test):
            for part in _tests(one, frames[test.source], name):
                yield dataclasses.replace(part, name=part.name + of)


def _expanded(test: Test) -> Iterator[Test]:
    """A test for each combination of the values in the lists of ``of`` and ``minus``."""
    for of in _combinations(test.of):
        for minus in [None] if test.minus is None else _combinations(test.minus):
            yield dataclasses.replace(test, of=of, minus=minus)


def _combinations(of: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    lists = [value if isinstance(value, list) else [value] for value in of.values()]
    for values in product(*lists):
        yield dict(zip(of, values, strict=True))


def _tests(test: Test, frame: pd.DataFrame, name: str) -> Iterator[Found]:
    """The parts of a test: one for each combination of the values of the columns in ``each``."""
    if wrong := [column for column in test.each if column not in frame]:
        raise InputError(f"{name}: each={wrong[0]} is no column of {test.source}{nearest(wrong[0], frame.columns)}")
    frame = frame.dropna(subset=test.each)  # rows without the column are of other claims
    cells = cells_of(frame, test.each)
    for cell in dict.fromkeys(cells) or [""]:
        yield _test(test, frame[cells == cell], name, cell)


def cells_of(frame: pd.DataFrame, columns: Sequence[str]) -> "pd.Series[str]":
    """The values of each row in some columns, as one text: "compas, alpha 0.1"."""
    rows = [", ".join(map(_text, columns, row)) for row in frame[columns].to_numpy()]
    return pd.Series(rows, frame.index, dtype=object)


def _test(test: Test, runs: pd.DataFrame, name: str, where: str) -> Found:
    among = " on " if "dataset" in test.each else " with "
    label = among.join(filter(None, [_said(test), where]))
    for column in (test.value, test.trend, test.pick):
        if column is not None and not column.startswith(FRONT) and column not in runs:
            raise InputError(f"{name}: {column} is no column of {test.source}{nearest(column, runs.columns)}")
    asked = [side for side in (test.of, test.minus) if side is not None]
    sides = [matching(runs, side, name) for side in asked]
    if any(own.empty for own in sides):
        return Found(label, Verdict.UNTESTED, why="there are no such runs")
    values = [_values(test, own, name) for own in sides]
    first = values[0] if len(values) == 1 else values[0].sub(test.times * values[1])  # NaN where a seed lacks a side
    if test.times != 1:
        first = first / values[1].mean()  # a ratio's effect and margin are shares, whatever the unit
    found = _judged(test, label, first.to_numpy(dtype=float), sides)
    found = dataclasses.replace(found, measured=_measured(test, first), asked=_asked(test))
    constant = [said for of, own in zip(asked, sides, strict=True) if (said := _constant(test, of, own))]
    if constant and found.verdict in (Verdict.SHOWS, Verdict.CONTRADICTED, Verdict.NOT):
        return dataclasses.replace(found, verdict=Verdict.UNDECIDED, why="; ".join(constant))
    return found


def _said(test: Test) -> str:
    """The runs of a test in words: "irw against erm", "irw against 1.1 times erm"."""
    if not test.minus:
        return described(test.of)
    times = "" if test.times == 1 else f"{test.times:g} times "
    return f"{described(test.of)} against {times}{described(test.minus)}"


def _judged(test: Test, label: str, effect: np.ndarray, sides: Sequence[pd.DataFrame]) -> Found:
    if test.within is not None:
        return within(label, effect, test.within)
    effect = effect - test.above if test.above is not None else float(test.below or 0.0) - effect
    if test.always:
        return always(label, effect)
    if test.trend is not None:
        return trend(label, effect, sides[0][test.trend].nunique(), float(test.margin or 0.0))
    return above(label, effect, float(test.margin or 0.0))


def _measured(test: Test, values: "pd.Series[float]") -> float:
    """The mean of the values; with ``always`` the one that is worst for the claim."""
    if not test.always:
        return float(values.mean())
    return float(values.max() if test.above is None else values.min())


def _asked(test: Test) -> str:
    """What a test asks of the measured value, in words."""
    low, high = ("at least", "at most") if test.always else ("above", "below")
    words = {low: test.above, high: test.below, "within": test.within}
    said = next(f"{word} {value:g}" for word, value in words.items() if value is not None)
    return said + " in every run" * test.always + ", as a share" * (test.times != 1)


def _constant(test: Test, of: Mapping[str, Any], runs: pd.DataFrame) -> str:
    """That most runs predict nearly a constant, which has no difference of groups and is not fair for it; or ""."""
    if not test.value.startswith("test/"):
        return ""
    own = picked(runs, test.pick)
    found = int(degenerate(own, counts(own, "val")).sum())
    return f"{found} of {len(own)} runs of {described(of)} are degenerate" if found > len(own) / 2 else ""


def _values(test: Test, own: pd.DataFrame, name: str) -> "pd.Series[float]":
    """The value of some runs, by seed; with ``always`` and no other side, by run.  NaN where a run did not finish."""
    finished = own["status"] == "finished"
    if test.value.startswith(FRONT):
        one = own[["method", "dataset"]].astype(str).nunique().max() == 1
        require(one, f"{name}: of", described(test.of), "the runs of one method on one data set, as each: [dataset]")
        found = _areas(own[finished], test.value.removeprefix(FRONT), name)
        return found.where(finished.groupby(own["seed"]).all()).reindex(own["seed"].unique())
    own = own.assign(**{test.value: own[test.value].where(finished)})
    if test.trend is not None:
        _refuse_several(own, {test.trend}, name, "each must name the others")
        return own.groupby("seed").apply(_correlation, test.trend, test.value, include_groups=False)
    if test.always and test.minus is None:
        return own[test.value].reset_index(drop=True)
    own = picked(own, test.pick)
    _refuse_several(own, set(), name, "pick must name a value to choose by")
    return own.set_index("seed")[test.value]


def _refuse_several(runs: pd.DataFrame, free: Collection[str], name: str, remedy: str) -> None:
    """Raise ``InputError`` where runs differ in other keys than those that are ``free``."""
    if others := [key for key in keys_of(runs) if key not in free]:
        raise InputError(f"{name}: the runs are several configurations, which differ in {', '.join(others)}: {remedy}")


def matching(runs: pd.DataFrame, of: Mapping[str, Any], name: str) -> pd.DataFrame:
    """The runs with these values.  Raises ``InputError`` for a key that no run has."""
    for key, value in of.items():
        if key not in runs:
            raise InputError(f"{name}: {key} is no column of the runs{nearest(key, runs.columns)}")
        runs = runs[_equal(runs[key], value)]
    return runs


def picked(runs: pd.DataFrame, pick: str | None) -> pd.DataFrame:
    """The runs of one configuration: the best by the value ``pick``, in the mean over seeds; all without it."""
    keys = keys_of(runs)
    if pick is None or not keys:
        return runs
    means = runs.astype(dict.fromkeys(keys, str)).groupby(keys)[pick].mean()
    greater = greater_is_better(pick.partition("/")[2], runs)
    require(greater is not None, "pick", pick, "a value of which greater or smaller ones are better")
    if means.isna().all():
        return runs.iloc[:0]
    sign = 1 if greater else -1
    best = (sign * means).idxmax()
    chosen = runs
    for key, value in zip(keys, best if isinstance(best, tuple) else (best,), strict=True):
        chosen = chosen[chosen[key].astype(str) == value]
    return chosen


def keys_of(runs: pd.DataFrame) -> list[str]:
    """The keys of the configuration that vary among runs."""
    others = ("seed", "status", "failure", "folder", "data_sha256")
    values = ("train/", "val/", "test/", "history/", "base_rates.", "measured/")
    keys = [c for c in runs if c not in others and not c.startswith(values)]
    varying = [c for c in keys if runs[c].astype(str).nunique() > 1]
    return [c for c in varying if not (runs[c].astype(str) == runs["seed"].astype(str)).all()]


def _areas(runs: pd.DataFrame, area: str, name: str) -> "pd.Series[float]":
    if area != OF_TASKS:
        runs = runs[~degenerate(runs, counts(runs, "val"))]
    if runs.empty:
        return pd.Series(dtype=float)
    if area == OF_TASKS:
        return areas_of_tasks(runs)
    metric, greater = str(runs["metric.name"].iloc[0]), bool(runs["metric.greater_is_better"].iloc[0])
    seeds = [own for _, own in runs.groupby("seed")]  # each may have its own split, and with it its own anchors
    found = pd.concat([areas(own, metric, greater_is_better=greater) for own in seeds])
    if area not in found:
        raise InputError(f"{name}: value={FRONT}{area} is none{nearest(area, found.columns)}")
    return found.set_index("seed")[area]


def _correlation(runs: pd.DataFrame, key: str, value: str) -> float:
    """Spearman's correlation of a key and a value; 0 for a value that is always the same, which has no trend."""
    ranks = runs[[key, value]].astype(float).dropna().rank()
    return 0.0 if len(ranks) > 1 and ranks[value].nunique() == 1 else float(ranks[key].corr(ranks[value]))


def _equal(column: pd.Series, value: Any) -> "pd.Series[bool]":
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number:
        return (pd.to_numeric(column, errors="coerce") - value).abs() <= 1e-9 * max(1.0, abs(value))
    return column.astype(str) == str(value)


def _text(key: str, value: object) -> str:
    """A value in words: a list without brackets, a class without its module, a number with the end of its key."""
    if isinstance(value, list | np.ndarray):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return value.rpartition(".")[2] if key.endswith("_target_") else value
    return f"{_last(key)} {value:g}" if isinstance(value, float) else f"{_last(key)} {value}"


def _last(key: str) -> str:
    """The end of a key: alpha of method.alpha."""
    return key.rpartition(".")[2]


def described(of: Mapping[str, Any]) -> str:
    """Runs in words: "irw, alpha 0.3"."""
    return ", ".join(str(v) if k == "method" else f"{_last(k)} {v}" for k, v in of.items())
