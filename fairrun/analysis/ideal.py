"""The ideal front: the best accuracy that the labels allow at each demographic parity difference."""

import functools

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from fairrun.analysis.front import anchors, aopac, counts

STEP = 0.01  # step between the differences of neighbouring points


def ideal_area(runs: pd.DataFrame) -> float:
    """The AOPAC of the ideal front for the runs' test labels, in [0, 1].

    NaN if the records do not count labels of two classes, or if the labels are at parity.
    """
    labels = anchors(runs)
    if np.isnan(labels.max_dp):
        return float("nan")
    return aopac(ideal_front(tuple(map(tuple, counts(runs)))), labels)


@functools.cache
def ideal_front(cells: tuple[tuple[int, int], ...]) -> np.ndarray:
    """The points [points, 2] of accuracy and difference, at the differences 0, .01, ..., max_dp.

    ``cells`` holds (rows, positive rows) of each group.  As FCRL (Gupta et al., AAAI 2021), over all classifiers, also
    those that see the label, for each difference dp:

        max 1 - sum_c |delta_c|  over  -P(Y=0, c) <= delta_c <= P(Y=1, c)  with  |rate_i - rate_j| <= dp  for all i, j,

    Here rate_c = (P(Y=1, c) - delta_c) / P(c).  delta_c is the share of all rows that are in group c and decided
    against their label: 0 instead of 1 if delta_c is positive, 1 instead of 0 if negative.  This is a linear program in
    delta = down - up and the smallest rate.
    """
    if not cells:
        return np.empty((0, 2))
    rows, positive = np.array(cells, dtype=float).T / sum(rows for rows, _ in cells)
    rates = positive / rows
    change = np.diag(1 / rows)
    ones = np.ones((len(rows), 1))
    above, below = np.hstack([-change, change, -ones]), np.hstack([change, -change, ones])
    bounds = [(0, share) for share in (*positive, *(rows - positive), 1)]
    cost = [*np.ones(2 * len(rows)), 0]
    max_dp = float(np.ptp(rates))
    points = []
    for dp in np.arange(0, max_dp, STEP):
        found = linprog(cost, np.vstack([above, below]), np.concatenate([dp - rates, rates]), bounds=bounds)
        points.append((1 - found.fun, dp))
    return np.array([*points, (1, max_dp)])
