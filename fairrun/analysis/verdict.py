"""What runs say about a claim: an effect over seeds with its interval, and one of five verdicts.

An effect is turned so that the claim says it is above 0.  With [low, high] its 95% interval over seeds and ``margin``
the smallest effect that would matter:

    shows             low > 0, also after Holm's correction for the claims of one paper
    contradicted      high < 0, likewise
    does not show     high < margin: an effect as large as the margin is excluded
    undecided         all else: the interval is too wide, or the correction takes the decision back
    cannot be tested  there are no such runs, or fewer than three seeds

A claim of equivalence says that an effect is within ``margin`` of 0: it shows if the whole interval is, and is
contradicted if no part of the interval is.  That a difference does not show is no equivalence.  An invariant must hold
in every run; a single exception contradicts it.

P-values are Student's, two-sided.  Decisions need both: the interval, and the corrected p-value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.special import stdtr, stdtrit

from fairrun.analysis.interval import LEAST, interval

LEVEL = 0.05
MOST_SEEDS = 1000  # that are named as enough to decide


class Verdict(StrEnum):
    """What the runs say."""

    SHOWS = "shows"
    NOT = "does not show"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    UNTESTED = "cannot be tested here"


@dataclass(frozen=True)
class Found:
    """The verdict on one statement: a part of a claim, or a whole one."""

    name: str
    verdict: Verdict
    effect: float = math.nan  # mean over seeds
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0
    p: float = math.nan
    why: str = ""
    parts: tuple["Found", ...] = ()


def above(name: str, values: np.ndarray, margin: float) -> Found:
    """The verdict on "the mean of ``values`` [seeds] is above 0", before any correction."""
    found = _measured(name, values)
    if found.verdict is Verdict.UNTESTED:
        return found
    if found.low > 0:
        return replace(found, verdict=Verdict.SHOWS)
    if found.high < 0:
        return replace(found, verdict=Verdict.CONTRADICTED)
    if found.high < margin:
        return replace(found, verdict=Verdict.NOT, why=f"an effect of {margin:g} is excluded")
    return replace(found, why=_needed(values, found, margin))


def within(name: str, values: np.ndarray, margin: float) -> Found:
    """The verdict on "the mean of ``values`` [seeds] is within ``margin`` of 0".

    ``p`` is that of two one-sided tests.
    """
    found = _measured(name, values)
    if found.verdict is Verdict.UNTESTED:
        return found
    found = replace(found, p=max(_p(values + margin) / 2, _p(values - margin) / 2))
    if -margin < found.low and found.high < margin:
        return replace(found, verdict=Verdict.SHOWS)
    if found.low > margin or found.high < -margin:
        outside = min(_p(values - math.copysign(margin, found.effect)), 1.0)
        return replace(found, verdict=Verdict.CONTRADICTED, p=outside)
    return replace(found, why=f"the interval is not within {margin:g} of 0")


def always(name: str, values: np.ndarray) -> Found:
    """The verdict on "every one of ``values`` [runs] is above 0 or equal"."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Found(name, Verdict.UNTESTED, why="no run has a value")
    least, broken = float(known.min()), int((known < 0).sum())
    verdict = Verdict.CONTRADICTED if broken else Verdict.SHOWS
    why = f"{broken} of {len(known)} runs break it" if broken else f"it holds in all {len(known)} runs"
    return Found(name, verdict, least, seeds=len(known), why=why)


def all_of(name: str, parts: Sequence[Found]) -> Found:
    """The verdict on "every part holds": its p-value is the largest (intersection-union).

    One part that is contradicted contradicts it, at a p-value times the number of parts (Bonferroni).
    """
    assert parts
    if len(parts) == 1:
        return replace(parts[0], name=name)
    if against := _certain(parts, Verdict.CONTRADICTED):
        p = min(part.p for part in against) * len(parts)
        return Found(name, Verdict.CONTRADICTED, p=p, why=_which(against, parts), parts=tuple(parts))
    for verdict in (Verdict.NOT, Verdict.UNTESTED):
        if deciding := [part for part in parts if part.verdict is verdict]:
            return Found(name, verdict, why=_which(deciding, parts), parts=tuple(parts))
    if unsure := [part for part in parts if part.verdict is not Verdict.SHOWS]:
        return Found(name, Verdict.UNDECIDED, why=_which(unsure, parts), parts=tuple(parts))
    p = _largest([part.p for part in parts])
    return Found(name, Verdict.SHOWS, p=p, why=f"all {len(parts)} show", parts=tuple(parts))


def any_of(name: str, parts: Sequence[Found]) -> Found:
    """The verdict on "at least one part holds": its p-value is the smallest times the number of parts (Bonferroni)."""
    if len(parts) == 1:
        return replace(parts[0], name=name)
    tested = [part for part in parts if part.verdict is not Verdict.UNTESTED]
    if not tested:
        return Found(name, Verdict.UNTESTED, why=parts[0].why, parts=tuple(parts))
    if shown := _certain(tested, Verdict.SHOWS):
        p = min(part.p for part in shown) * len(tested)
        return Found(name, Verdict.SHOWS, p=p, why=_which(shown, tested), parts=tuple(parts))
    verdicts = {part.verdict for part in tested}
    if verdicts == {Verdict.CONTRADICTED}:
        p = _largest([part.p for part in tested])
        return Found(name, Verdict.CONTRADICTED, p=p, why="all are contradicted", parts=tuple(parts))
    if verdicts <= {Verdict.CONTRADICTED, Verdict.NOT}:
        return Found(name, Verdict.NOT, why="none shows", parts=tuple(parts))
    open_ = [part for part in tested if part.verdict in (Verdict.UNDECIDED, Verdict.SHOWS)]
    return Found(name, Verdict.UNDECIDED, why=_which(open_, tested), parts=tuple(parts))


def _certain(parts: Sequence[Found], verdict: Verdict) -> list[Found]:
    """The parts with a verdict that so many parts do not take back; invariants have no p-value."""
    return [part for part in parts if part.verdict is verdict and not part.p * len(parts) > LEVEL]


def corrected(claims: Sequence[Found]) -> list[Found]:
    """The claims of one paper after Holm's step-down correction: decisions that it takes back are undecided.

    Counted are the claims with a p-value that show or are contradicted.  Invariants have none.
    """
    counted = [k for k, found in enumerate(claims) if not math.isnan(found.p)]
    order = sorted(counted, key=lambda k: claims[k].p)
    result, stopped = list(claims), False
    for rank, k in enumerate(order):
        found, adjusted = claims[k], min(1.0, claims[k].p * (len(order) - rank))
        stopped = stopped or adjusted > LEVEL
        if found.verdict in (Verdict.SHOWS, Verdict.CONTRADICTED) and stopped:
            taken = f"it {found.verdict} alone" if found.verdict is Verdict.SHOWS else "it is contradicted alone"
            why = f"{taken} (p = {found.p:.3f}), but not after Holm's correction for {len(order)} claims"
            result[k] = replace(found, verdict=Verdict.UNDECIDED, why=why)
    return result


def _measured(name: str, values: np.ndarray) -> Found:
    values = values[~np.isnan(values)]
    if len(values) < LEAST:
        return Found(name, Verdict.UNTESTED, seeds=len(values), why=f"{len(values)} seeds: at least {LEAST} are needed")
    low, high = interval(values)
    return Found(name, Verdict.UNDECIDED, float(values.mean()), low, high, len(values), _p(values))


def _p(values: np.ndarray) -> float:
    """Student's two-sided p-value of a mean of 0; values that are all the same are certain."""
    values = values[~np.isnan(values)]
    error = values.std(ddof=1) / math.sqrt(len(values))
    if error <= 1e-12 * max(1.0, abs(values.mean())):
        return 0.0 if values.mean() else 1.0
    return float(2 * stdtr(len(values) - 1, -abs(values.mean()) / error))


def _needed(values: np.ndarray, found: Found, margin: float) -> str:
    """How many seeds would decide, if mean and spread stay: for the claim, or against an effect of the margin."""
    spread = float(np.nanstd(values, ddof=1))
    distance = max(found.effect, margin - found.effect)
    for n in range(found.seeds + 1, MOST_SEEDS + 1):
        if stdtrit(n - 1, 1 - LEVEL / 2) * spread / math.sqrt(n) < distance:
            return f"about {n} seeds would decide"
    return f"more than {MOST_SEEDS} seeds would be needed to decide"


def _which(parts: Sequence[Found], among: Sequence[Found]) -> str:
    names = ", ".join(part.name for part in parts[:4]) + f" and {len(parts) - 4} more" * (len(parts) > 4)
    return f"{len(parts)} of {len(among)}: {names}"


def _largest(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return max(known, default=math.nan)
