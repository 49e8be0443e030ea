"""The ideal front: the best accuracy that the labels allow at each demographic parity difference."""

import functools

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from fairrun.analysis.front import anchors, aopac, counts

STEP = 0.01  # between the differences of the front


def ideal_area(runs: pd.DataFrame) -> float:
    """The AOPAC of the ideal front of the runs' test labels, in [0, 1]; NaN where the records do not count labels of
    two classes, and where the labels are at parity.
    """
    labels = anchors(runs)
    if np.isnan(labels.max_dp):
        return float("nan")
    return aopac(ideal_front(tuple(map(tuple, counts(runs)))), labels)


@functools.cache
def ideal_front(cells: tuple[tuple[int, int], ...]) -> np.ndarray:
    """From (rows, positive rows) of each group: accuracy and difference, 0, .01, ..., max_dp -> [points, 2].

    FCRL (Gupta et al., AAAI 2021): among all classifiers, also those that see the label, for each difference dp

        max 1 - sum_c |delta_c|  over  -P(Y=0, c) <= delta_c <= P(Y=1, c)  with  |rate_i - rate_j| <= dp  for all i, j,

    where delta_c is the share of rows, of group c, that are decided against their label, from 1 to 0 if positive, and
    rate_c = (P(Y=1, c) - delta_c) / P(c).  A linear program in delta = down - up and the smallest rate.
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
