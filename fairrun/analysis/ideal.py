"""The ideal front: the best accuracy that the labels allow at each demographic parity difference."""

import functools

import numpy as np
import pandas as pd

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
    against their label: 0 instead of 1 if delta_c is positive, 1 instead of 0 if negative.  Each rate moves to the
    nearest end of one window [l, l + dp], so a group pays P(c) times the way there.  The sum is convex and piecewise
    linear in l, with corners where an end of the window meets a rate: the least is at one of them.
    """
    if not cells:
        return np.empty((0, 2))
    rows, positive = np.array(cells, dtype=float).T / sum(rows for rows, _ in cells)
    rates = positive / rows
    max_dp = float(np.ptp(rates))
    points = []
    for dp in np.arange(0, max_dp, STEP):
        low = np.concatenate([rates, rates - dp])[:, None]  # [2 groups, 1]
        way = np.maximum(0, np.maximum(low - rates, rates - low - dp))
        points.append((1 - (way @ rows).min(), dp))
    return np.array([*points, (1, max_dp)])
