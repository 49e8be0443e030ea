"""The difference between groups that a bound of a curve is on."""

import numpy as np

from fairrun.training.thresholds.frontier import RATES


def difference(metric, decisions, y, s):
    """The largest difference between groups of the rates of a metric."""
    every, ones, zeros = np.ones_like(y), y, 1 - y
    of = {"selected": every, "true positives": ones, "false positives": zeros}
    rates = [
        [(decisions * of[name])[s == g].sum() / of[name][s == g].sum() for g in np.unique(s)] for name in RATES[metric]
    ]
    return max(max(rate) - min(rate) for rate in rates)
