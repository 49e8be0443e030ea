"""What a report is asked to show."""

import logging
import re
from collections.abc import Sequence

import pandas as pd

from fairrun.analysis import published
from fairrun.analysis.compare import Pair
from fairrun.config.check import MATCH_RATE, RELATIVE, InputError, one_of, require

log = logging.getLogger(__name__)

COMPARE = "report.compare."  # prefix of columns


def _recorded_over_seeds(runs: pd.DataFrame) -> str:
    """The worst if any record asks for it."""
    return "worst" if "worst" in set(runs.get("report.over_seeds", [])) else "mean"


def _recorded_points(runs: pd.DataFrame) -> pd.DataFrame | None:
    """The references that any record asks for, as far as they can be read; the others are named in a warning."""
    found = []
    for name in runs["report.reference"].dropna().unique() if "report.reference" in runs else []:
        try:
            found.append(published.read(name))
        except InputError as error:
            log.warning("%s; the report goes without it", error)
    return pd.concat(found, ignore_index=True) if found else None


def _recorded_keys(runs: pd.DataFrame) -> list[str]:
    """The keys of ``report.methods_by`` that any record asks for and has; the others are named in a warning."""
    keys = _recorded(runs, "report.methods_by")
    for key in keys:
        if key not in runs:
            log.warning("report.methods_by has %r, which is no key of the runs; the report goes without it", key)
    return [key for key in keys if key in runs]


def _recorded_columns(runs: pd.DataFrame) -> list[str]:
    """The metrics that any record asks for, as far as the runs have them; the others are named in a warning."""
    return _present(runs, _recorded(runs, "report.columns"))


def _present(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    for name in names:
        if f"test/{name}" not in runs:
            log.warning("report.columns has %r, which no run has; the report goes without it", name)
    return [name for name in names if f"test/{name}" in runs]


def _recorded(runs: pd.DataFrame, key: str) -> list[str]:
    """What any record has in its list ``key``, once each."""
    lists = [names for names in runs.get(key, []) if isinstance(names, list)]
    return list(dict.fromkeys(name for names in lists for name in names))


def _recorded_pairs(runs: pd.DataFrame) -> list[Pair]:
    """The pairs of methods that any record asks for."""
    asked = [column for column in runs if column.startswith(COMPARE)]
    return [(column.removeprefix(COMPARE), other) for column in asked for other in runs[column].dropna().unique()]


def _known_columns(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """As far as the runs have them: what is of several tasks may be asked for where there is one label."""
    known = sorted(c.removeprefix("test/") for c in runs if c.startswith("test/") and "/s=" not in c)
    for name in names:
        metric = name.partition("/")[0].removeprefix(MATCH_RATE)
        if "/s=" in name or metric not in (*known, *RELATIVE):
            one_of("columns", name, known)
    return _present(runs, names)


def _known_pairs(runs: pd.DataFrame, pairs: Sequence[Pair]) -> Sequence[Pair]:
    for method in (method for pair in pairs for method in pair):
        one_of("compare", method, sorted(runs["method"].unique()))
    return pairs


def _parsed(text: str) -> list[Pair]:
    """The pairs of methods in "a=b,c=d"; a comma before a space is part of a name: "laftr, width 8".

    Raises ``InputError``.
    """
    pairs = [tuple(pair.split("=")) for pair in re.split(r",(?! )", text) if pair]
    require(all(len(pair) == 2 and all(pair) for pair in pairs), "compare", text, "pairs as in penalty=erm,ltr=erm")
    return [(pair[0], pair[1]) for pair in pairs]
