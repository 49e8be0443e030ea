"""What runs say about a claim: an effect over seeds with its interval, and one of six verdicts.

An effect is turned so that the claim says it is above 0.  With [low, high] its 95% interval over seeds and ``margin``
the smallest effect that would matter:

    shows             low > 0, also after Holm's correction for the claims of its family
    contradicted      high < 0, likewise
    does not show     high < margin: an effect as large as the margin is excluded
    undecided         all else: the interval is too wide, or the correction takes the decision back
    cannot be tested  there are no such runs, fewer than three seeds, or too many that have no value
    not measured yet  stored results are of an earlier version, which did not ask for it

A family are the claims of one paper, or those that we added to it.

A claim of equivalence says that an effect is within ``margin`` of 0: it shows if the whole interval is, and is
contradicted if no part of the interval is.  That a difference does not show is no equivalence.  An invariant must hold
in every run; a single exception contradicts it.  A trend is a rank correlation in each seed.

Intervals and p-values are Student's, two-sided; of equivalence those of two one-sided tests; of trends those of Page's
test.  A claim of several parts shows where all of them do, at the largest p-value (intersection-union); one part
contradicts it at its p-value times the number of parts (Bonferroni).  It does not show where the parts together exclude
that all of them have effects that would matter (Simes, Biometrika 1986, for parts share runs).  A claim of "some" or
"somewhere" shows where one part does; it is never contradicted, for it may hold where it was not tested.  Where every
seed gives the same number, seeds say nothing of chance, and a difference is undecided.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.special import ndtr, stdtr

from fairrun.analysis.interval import LEAST, student
from fairrun.config.names import counted

LEVEL = 0.05
MOST_SEEDS = 1000  # that are named as enough to decide
SHARE = 0.8  # of the seeds that must have a value


class Verdict(StrEnum):
    """What the runs say."""

    SHOWS = "shows"
    NOT = "does not show"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    UNTESTED = "cannot be tested here"
    UNMEASURED = "not measured yet"


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
    margin: float = math.nan  # the smallest effect that would matter; of an equivalence the largest that would not
    excluded: float = math.nan  # one-sided p-value of an effect as large as the margin
    needed: int = 0  # at least so many seeds decide, if mean and spread stay; 0: not known
    measured: float = math.nan  # the mean before it is turned
    asked: str = ""  # of it, in words: "above 0.5"
    why: str = ""
    alone: Verdict | None = None  # before Holm's correction, where it took the verdict back
    parts: tuple["Found", ...] = ()


def above(name: str, values: np.ndarray, margin: float) -> Found:
    """The verdict on "the mean of ``values`` [seeds] is above 0", before any correction."""
    found = replace(_measured(name, values), margin=margin)
    if found.verdict is Verdict.UNTESTED:
        return found
    known = values[~np.isnan(values)]
    if np.ptp(known) == 0:
        return replace(found, p=1.0, why="every seed gives the same value, which says nothing of chance")
    found = replace(found, excluded=_tail(known - margin))
    if found.low > 0:
        return replace(found, verdict=Verdict.SHOWS)
    if found.high < 0:
        return replace(found, verdict=Verdict.CONTRADICTED)
    if found.high < margin:
        return replace(found, verdict=Verdict.NOT, why=_and(f"an effect of {margin:g} is excluded", found))
    needed = _needed(known, found, margin)
    return replace(found, needed=needed, why=_and(_seeds(needed), found))


def within(name: str, values: np.ndarray, margin: float) -> Found:
    """The verdict on "the mean of ``values`` [seeds] is within ``margin`` of 0".

    ``p`` is that of two one-sided tests.
    """
    found = replace(_measured(name, values), margin=margin)
    if found.verdict is Verdict.UNTESTED:
        return found
    known = values[~np.isnan(values)]
    found = replace(found, p=max(_tail(-known - margin), _tail(known - margin)))
    if -margin < found.low and found.high < margin:
        return replace(found, verdict=Verdict.SHOWS)
    if found.low > margin or found.high < -margin:
        outside = _p(known - math.copysign(margin, found.effect))
        return replace(found, verdict=Verdict.CONTRADICTED, p=outside)
    return replace(found, why=_and(f"the interval is not within {margin:g} of 0", found))


def trend(name: str, correlations: np.ndarray, settings: int, margin: float) -> Found:
    """The verdict on "the mean of ``correlations`` [seeds] of ranks, of so many ``settings`` each, is above 0".

    Page's test (JASA 1963): with no trend, a correlation has mean 0 and variance 1 / (settings - 1).
    """
    found = replace(_measured(name, correlations), margin=margin)
    if found.verdict is Verdict.UNTESTED:
        return found
    p = float(2 * ndtr(-abs(found.effect) * math.sqrt(found.seeds * (settings - 1))))
    known = correlations[~np.isnan(correlations)]
    found = replace(found, p=p, excluded=_tail(known - margin))
    if p <= LEVEL and found.low > 0:
        return replace(found, verdict=Verdict.SHOWS)
    if p <= LEVEL and found.high < 0:
        return replace(found, verdict=Verdict.CONTRADICTED)
    if found.high < margin:
        return replace(found, verdict=Verdict.NOT, why=_and(f"a correlation of {margin:g} is excluded", found))
    chance = f"{found.seeds} seeds of {settings} settings may agree by chance"
    return replace(found, why=_and(chance if p > LEVEL else "the interval contains 0", found))


def always(name: str, values: np.ndarray) -> Found:
    """The verdict on "every one of ``values`` [runs] is at least 0"; a run without a value leaves it undecided."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Found(name, Verdict.UNTESTED, why="no run has a value")
    least, broken, missing = float(known.min()), int((known < 0).sum()), len(values) - len(known)
    verdict = Verdict.CONTRADICTED if broken else Verdict.UNDECIDED if missing else Verdict.SHOWS
    all_runs = f"all {len(known)} runs" if len(known) > 1 else "the only run"
    why = f"{broken} of {counted(len(known), 'run')} break it" if broken else f"it holds in {all_runs}"
    why += f"; {counted(missing, 'run')} without a value" if missing else ""
    return Found(name, verdict, least, seeds=len(known), why=why)


def all_of(name: str, parts: Sequence[Found]) -> Found:
    """The verdict on "every part holds": its p-value is the largest (intersection-union).

    One part that is contradicted contradicts it, at a p-value times the number of parts (Bonferroni).
    """
    assert parts
    if len(parts) == 1:
        return parts[0]
    if against := _certain(parts, Verdict.CONTRADICTED):
        p, excluded = _least(against, len(parts)), min(part.excluded for part in against) * len(parts)
        why = _deciding(against, parts)
        return Found(name, Verdict.CONTRADICTED, p=p, excluded=excluded, why=why, parts=tuple(parts))
    p = _largest(parts)
    against = [part for part in parts if part.verdict in (Verdict.NOT, Verdict.CONTRADICTED)]
    if against and _simes([part.excluded for part in parts]) <= LEVEL / 2:
        return Found(name, Verdict.NOT, p=p, why=_which(against, parts), parts=tuple(parts))
    if untested := [part for part in parts if part.verdict is Verdict.UNTESTED]:
        return Found(name, Verdict.UNTESTED, p=p, why=_which(untested, parts), parts=tuple(parts))
    if against:
        why = f"{_which(against, parts)} would be against it alone, but not among so many parts"
        return Found(name, Verdict.UNDECIDED, p=p, why=why, parts=tuple(parts))
    if unsure := [part for part in parts if part.verdict is not Verdict.SHOWS]:
        return _unsure(name, unsure, parts, p)
    return Found(name, Verdict.SHOWS, p=p, why=f"all {len(parts)} show", parts=tuple(parts))


def any_of(name: str, parts: Sequence[Found]) -> Found:
    """The verdict on "at least one part holds": its p-value is the smallest times the number of parts (Bonferroni).

    Where all parts are contradicted it does not show, for it may hold where it was not tested.
    """
    assert parts
    if len(parts) == 1 and parts[0].verdict is not Verdict.CONTRADICTED:
        return parts[0]
    p = _least([part for part in parts if not math.isnan(part.p)], len(parts))
    if shown := _certain(parts, Verdict.SHOWS):
        p = _least(shown, len(parts))
        return Found(name, Verdict.SHOWS, p=p, why=_deciding(shown, parts), parts=tuple(parts))
    verdicts = {part.verdict for part in parts}
    if verdicts == {Verdict.UNTESTED}:
        return Found(name, Verdict.UNTESTED, why=parts[0].why, parts=tuple(parts))
    if verdicts == {Verdict.CONTRADICTED}:
        why = f"contradicted where it was tested: {_which(parts, parts)}"
        return Found(name, Verdict.NOT, p=p, why=why, parts=tuple(parts))
    if verdicts <= {Verdict.CONTRADICTED, Verdict.NOT}:
        return Found(name, Verdict.NOT, p=p, why="none shows", parts=tuple(parts))
    unsure = [part for part in parts if part.verdict not in (Verdict.CONTRADICTED, Verdict.NOT)]
    return _unsure(name, unsure, parts, p)


def _unsure(name: str, unsure: Sequence[Found], parts: Sequence[Found], p: float) -> Found:
    """Undecided, for the parts that are unsure; it names the seeds of the one that needs most."""
    needed = max(part.needed for part in unsure)
    why = f"{_which(unsure, parts)}" + (f"; {_seeds(needed)}" if needed else "")
    return Found(name, Verdict.UNDECIDED, p=p, needed=needed, why=why, parts=tuple(parts))


def _simes(values: Sequence[float]) -> float:
    """One p-value of several: the smallest of the k-th smallest times their number over k; NaN counts as 1."""
    ordered = sorted(1.0 if math.isnan(value) else value for value in values)
    return min(value * len(ordered) / k for k, value in enumerate(ordered, 1))


def _certain(parts: Sequence[Found], verdict: Verdict) -> list[Found]:
    """The parts with a verdict that so many parts do not take back; invariants have no p-value."""
    return [part for part in parts if part.verdict is verdict and not part.p * len(parts) > LEVEL]


def corrected(claims: Sequence[Found]) -> list[Found]:
    """The claims of one family after Holm's step-down correction: decisions that it takes back are undecided.

    A claim that is no longer contradicted does not show, where an effect that would matter is excluded.

    Every claim with a p-value counts, whatever its verdict.  Invariants have none.
    """
    order = sorted((k for k, found in enumerate(claims) if not math.isnan(found.p)), key=lambda k: claims[k].p)
    result, stopped = list(claims), False
    for rank, k in enumerate(order):
        found, adjusted = claims[k], min(1.0, claims[k].p * (len(order) - rank))
        stopped = stopped or adjusted > LEVEL
        if found.verdict in (Verdict.SHOWS, Verdict.CONTRADICTED) and stopped:
            taken = f"it {found.verdict} alone" if found.verdict is Verdict.SHOWS else "it is contradicted alone"
            why = f"{taken} (p = {found.p:.3f}), but not after Holm's correction for {len(order)} claims"
            excluded = found.verdict is Verdict.CONTRADICTED and found.excluded <= LEVEL / 2
            verdict = Verdict.NOT if excluded else Verdict.UNDECIDED
            result[k] = replace(found, verdict=verdict, alone=found.verdict, why=why)
    return result


def _measured(name: str, values: np.ndarray) -> Found:
    known = values[~np.isnan(values)]
    if len(known) < max(LEAST, SHARE * len(values)):
        needed = f"{LEAST} are needed" if len(known) < LEAST else f"{SHARE:.0%} are needed"
        why = f"{len(known)} of {len(values)} seeds have a value: at least {needed}"
        return Found(name, Verdict.UNTESTED, seeds=len(known), why=why)
    if not np.isfinite(known).all():
        return Found(name, Verdict.UNTESTED, seeds=len(known), why="a value is not finite")
    mean, error = float(known.mean()), float(known.std(ddof=1)) / math.sqrt(len(known))
    width = student(len(known))[1] * error
    missing = f"{len(known)} of {len(values)} seeds have a value" if len(known) < len(values) else ""
    return Found(name, Verdict.UNDECIDED, mean, mean - width, mean + width, len(known), _p(known), why=missing)


def _and(why: str, found: Found) -> str:
    return f"{why}; {found.why}" if found.why else why


def _p(values: np.ndarray) -> float:
    """Student's two-sided p-value of a mean of 0."""
    return min(1.0, 2 * min(_tail(values), _tail(-values)))


def _tail(values: np.ndarray) -> float:
    """Student's one-sided p-value of a mean of 0 or more, against one below 0."""
    error = values.std(ddof=1) / math.sqrt(len(values))
    if error == 0:
        return float(values.mean() >= 0)
    return float(stdtr(len(values) - 1, values.mean() / error))


def _needed(values: np.ndarray, found: Found, margin: float) -> int:
    """How many seeds would decide, if mean and spread stay: for the claim, or against an effect of the margin.

    By Student's interval and without corrections, so that it is a least number; above ``MOST_SEEDS`` it is not sought.
    """
    spread = float(values.std(ddof=1))
    distance = max(found.effect, margin - found.effect)
    for n in range(found.seeds + 1, MOST_SEEDS + 1):
        if student(n)[1] * spread / math.sqrt(n) < distance:
            return n
    return MOST_SEEDS + 1


def _seeds(needed: int) -> str:
    most = needed > MOST_SEEDS
    return f"{'more than' if most else 'at least'} {MOST_SEEDS if most else needed} seeds are needed to decide"


def _deciding(parts: Sequence[Found], among: Sequence[Found]) -> str:
    """The parts that decide alone and among all; invariants have no p-values."""
    return _which(parts, among, "" if math.isnan(_largest(parts)) else f" also at p-values times {len(among)}")


def _which(parts: Sequence[Found], among: Sequence[Found], how: str = "") -> str:
    names = ", ".join(part.name for part in parts[:4]) + f" and {len(parts) - 4} more" * (len(parts) > 4)
    return f"{len(parts)} of {len(among)}{how}: {names}"


def _least(parts: Sequence[Found], number: int) -> float:
    """The smallest p-value times ``number``; NaN where an invariant decides."""
    values = [part.p for part in parts]
    return math.nan if not values or any(map(math.isnan, values)) else min(1.0, min(values) * number)


def _largest(parts: Sequence[Found]) -> float:
    return max((part.p for part in parts if not math.isnan(part.p)), default=math.nan)
