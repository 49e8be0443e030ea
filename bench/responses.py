"""Alpha from randomised responses of four groups, epsilon = ln 3: how far from the smallest share it comes out."""

import math
from collections.abc import Iterator

import numpy as np

from bench.measuring import Value, told
from fairrun.config.check import InputError
from fairrun.method.privacy import alpha, conservative, respond

EPSILON, DELTA = math.log(3), 0.05


def alphas(name: str, s: np.ndarray, draws: int) -> Iterator[Value]:
    """Rows and smallest share of the groups ``s``, mean and spread of alpha, and how often a bound is refused."""
    groups = int(s.max()) + 1
    reports = [respond(s, groups, EPSILON, np.random.default_rng(seed)) for seed in range(draws)]
    found = np.array([alpha(report, groups, EPSILON) for report in reports])
    columns = {
        "rows": str(len(s)),
        "smallest share": f"{np.bincount(s).min() / len(s):.3f}",
        "mean alpha": f"{found.mean():.3f}",
        "standard deviation": f"{found.std(ddof=1):.3f}",
        f"`delta={DELTA}` refused": f"{100 * np.mean([_refused(report, groups) for report in reports]):.0f}%",
    }
    for column, value in columns.items():
        yield told(
            Value("responses", {"training rows of": name}, column, value, "", "", "draws of everybody's answer", draws)
        )


def _refused(reports: np.ndarray, groups: int) -> bool:
    try:
        conservative(reports, groups, EPSILON, DELTA)
    except InputError:
        return True
    return False
