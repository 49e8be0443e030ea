"""A paper with its runs and verdicts, and what is said of them in words."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from fairrun.analysis.verdict import Found, Verdict
from fairrun.claims.frames import Runs
from fairrun.claims.spec import Claim, Paper
from fairrun.config.names import counted as so_many

VERDICTS = """
The *effect* is the measured value minus the claimed bound, turned so that the claim says it is above 0; of an
equivalence it is the measured value. Beside it stands its 95% interval over seeds (Student's). Of a trend the measured
value is the mean of Spearman's correlations of ranks, one a seed. Of what must hold in every run it is the value of the
run that is worst for the claim, without an interval. The smallest effect that matters to a claim is its *margin*, in
the tables of parts further down its page.

- *shows*: the interval is above 0; of a trend Page's test agrees. Of an equivalence: the interval lies within the
  margin. Of what must hold in every run: no run breaks it.
- *contradicted*: the interval is below 0, likewise. Of an equivalence: it lies outside the margin. Of what must hold in
  every run: a run breaks it.
- *does not show*: an effect as large as the margin is excluded, and nothing above applies.
- *undecided*: the interval is too wide, every seed gives the same value, most runs predict nearly a constant, or a
  correction takes the decision back.
- *cannot be tested here*: there are no such runs, or fewer than three seeds, or less than 80% of them, have a value.
- *not measured yet*: stored runs lack what the claim asks for.

A claim of several data sets, rivals, settings or protocols has a part for each, which is tested alone. The smallest
and the largest effect of its parts, and their verdicts alone, stand in its line. Most claims say that all of their
parts hold. Such a claim shows where all parts show. It is contradicted where one part is, also at its p-value times
the number of parts. It does not show where it is excluded that every part has an effect as large as its margin
(Simes). A claim of "some" or "somewhere" shows where one part does, also at its p-value times the number of parts. It
is never contradicted, for it may hold elsewhere.

Of many claims some would show by chance. So *shows* and *contradicted* stand only after Holm's correction for the
number of the paper's claims. A decision that it takes back is marked with what it was; a claim that was contradicted
then does not show, where an effect as large as the margin is excluded. Claims that we added ("ours") are corrected
apart, for their number.
""".strip()


class Told(NamedTuple):
    """A paper with its runs and verdicts, and those at the smaller budget quick, where both are stored."""

    paper: Paper
    runs: Runs
    verdicts: Mapping[str, Found]
    quick: tuple[Runs, Mapping[str, Found]] | None = None


def counted(verdicts: Mapping[str, Found]) -> str:
    """How many claims have which verdict: "7 claims: 6 shows, 1 contradicted"."""
    return f"{so_many(len(verdicts), 'claim')}: {of_verdicts(verdicts.values())}"


def of_verdicts(found: Iterable[Found]) -> str:
    """How many statements have which verdict: "2 shows, 1 contradicted"."""
    numbers = Counter(one.verdict for one in found)
    return ", ".join(f"{numbers[verdict]} {verdict}" for verdict in Verdict if numbers[verdict])


def effect(found: Found) -> str:
    """The effect with its interval and seeds; of a claim of parts the smallest and the largest, and their verdicts."""
    if not found.parts:
        return "" if math.isnan(found.effect) else f"{interval_of(found)}, {seeds_of(found)}"
    known = sorted((part for part in found.parts if not math.isnan(part.effect)), key=lambda part: part.effect)
    effects = " to ".join(dict.fromkeys(interval_of(part) for part in (*known[:1], *known[-1:])))
    ends = f"{effects}, {seeds_of(found)}; " if known else ""
    return f"{ends}parts alone: {of_verdicts(found.parts)}"


def interval_of(found: Found) -> str:
    """The effect of a statement with its interval."""
    return number(found.effect) + ("" if math.isnan(found.low) else f" [{number(found.low)}, {number(found.high)}]")


def number(value: float) -> str:
    """A value with three decimals."""
    return f"{round(value, 3) + 0.0:.3f}"  # no -0


def seeds_of(found: Found) -> str:
    """How many seeds, or runs of an invariant, a claim or its parts rest on."""
    known = [part for part in found.parts or [found] if not math.isnan(part.effect)]
    if not known:
        return ""
    least, most = min(part.seeds for part in known), max(part.seeds for part in known)
    numbers = str(least) if least == most else f"{least} to {most}"
    return f"{numbers} {'run' if math.isnan(known[0].low) else 'seed'}{'s' * (most > 1)}"


def budgets(paper: Paper, runs: Runs) -> dict[str, list[str]]:
    """The sources at each budget; measurements are the same at any, and count where there is nothing else."""
    names = [name for name in runs.frames if paper.sources[name].program is None] or list(runs.frames)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(runs.about[name]["budget"], []).append(name)
    return found


def datasets(frames: Iterable[pd.DataFrame]) -> list[str]:
    """The data sets of some frames."""
    return list(dict.fromkeys(name for frame in frames if "dataset" in frame for name in frame["dataset"].dropna()))


def verdict_of(told: Told, name: str) -> str:
    """The verdict on a claim, marked where its runs are of a smaller budget than full, or Holm's correction made it."""
    found, verdict = budgets(told.paper, told.runs), told.verdicts[name]
    smaller = (budget for budget in found if budget != "full")
    marks = [budget for budget in smaller if set(found[budget]) & sources_of(told.paper.claims[name])]
    marks += [] if verdict.alone is None else [f"{verdict.alone} before Holm's correction"]
    return f"**{verdict.verdict}**" + (f" ({'; '.join(marks)})" if marks else "")


def sources_of(claim: Claim) -> set[str]:
    """The sources that a claim's tests read."""
    return {test.source for test in claim.tests}


def changed(now: Mapping[str, Found], before: Mapping[str, Found]) -> list[str]:
    """The claims with another verdict than before, among those that were measured then."""
    known = [name for name, found in before.items() if Verdict.UNMEASURED not in (found.verdict, now[name].verdict)]
    return [name for name in known if now[name].verdict is not before[name].verdict]
