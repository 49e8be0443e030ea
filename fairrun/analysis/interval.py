"""The interval of a mean over seeds.

One rule: Student's t below ten values, from ten on the studentised bootstrap.  How often a nominal 95% interval held
the mean (4,000 samples each, 1,999 resamples; in brackets the median width in standard deviations):

    values  drawn from     Student's t    studentised    BCa     percentile
    3       normal         0.95 (4.1)     0.84 (4.6)     0.74    0.75
    3       Beta(85, 15)   0.95 (4.1)     0.86 (48)      0.73    0.76
    3       exponential    0.88 (3.2)     0.82 (5.6)     0.68    0.70
    5       normal         0.95 (2.3)     0.95 (3.0)     0.85    0.85
    5       Beta(85, 15)   0.95 (2.3)     0.96 (3.1)     0.84    0.84
    5       exponential    0.88 (1.9)     0.93 (2.9)     0.79    0.78
    10      normal         0.94 (1.4)     0.94 (1.5)     0.89    0.90
    10      Beta(85, 15)   0.95 (1.4)     0.95 (1.5)     0.91    0.91
    10      exponential    0.90 (1.2)     0.94 (1.5)     0.88    0.87

Percentile and BCa are too narrow throughout.  The studentised bootstrap alone covers skewed values, but with three it
fails, and with five it is a third wider than t and at times wild; from ten on it costs 6% of width.
"""

import numpy as np
from scipy.special import stdtrit

FEWEST = 10  # values for the bootstrap
RESAMPLES = 1999
RULE = f"Student's t; from {FEWEST} seeds on the studentised bootstrap"


def interval(values: np.ndarray) -> tuple[float, float]:
    """95% interval of the mean of ``values`` [n]; (NaN, NaN) with fewer than two, or one that is not finite.

    The same values in any order give the same interval.
    """
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return (float("nan"), float("nan"))
    mean, error = float(values.mean()), float(values.std(ddof=1)) / n**0.5
    low, high = _student(n) if n < FEWEST else _studentised(np.sort(values))
    return (mean - high * error, mean - low * error)


def _student(n: int) -> tuple[float, float]:
    """The 2.5% and 97.5% points of t = (mean - true mean) / standard error, for normal values."""
    high = float(stdtrit(n - 1, 0.975))
    return (-high, high)


def _studentised(values: np.ndarray) -> tuple[float, float]:
    """The same points from resamples (Efron and Tibshirani 1993, chapter 12.5).

    A resample of equal values has an infinite t; where these are so many that a point is infinite, Student's points.
    """
    n = len(values)
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)  # [resamples, n]
    centred = values - values.mean()
    means = counts @ centred / n
    errors = np.sqrt((counts * (centred - means[:, None]) ** 2).sum(-1) / (n - 1) / n)
    drawn = counts > 0
    constant = np.where(drawn, values, -np.inf).max(-1) == np.where(drawn, values, np.inf).min(-1)
    t = np.where(constant, np.copysign(np.inf, means), means / np.where(constant, 1, errors))
    low, high = np.quantile(t, [0.025, 0.975], method="nearest")
    return (float(low), float(high)) if np.isfinite([low, high]).all() else _student(n)
