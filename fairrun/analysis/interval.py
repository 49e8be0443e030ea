"""The interval of a mean over seeds.

The rule: no interval with two values, Student's t with three or four, the studentised bootstrap from five on, cut at
the ends of the quantity's range.  The table shows how often a nominal 95% interval contained the mean, before the cut
(2,500 samples each; in brackets the median width, divided by that of Student's t):

    values  normal             exponential        Beta(0.5, 8)       log-normal
            t     studentised  t     studentised  t     studentised  t     studentised
    3       .96   -            .88   -            .83   -            .85   -
    5       .96   .96 (1.3)    .88   .93 (1.4)    .84   .92 (1.6)    .82   .89 (1.5)
    7       .95   .95 (1.2)    .89   .95 (1.4)    .86   .95 (1.6)    .83   .91 (1.5)
    9       .95   .94 (1.0)    .90   .94 (1.2)    .87   .94 (1.5)    .83   .90 (1.4)
    15      .95   .94 (1.0)    .92   .94 (1.1)    .89   .94 (1.3)    .84   .90 (1.3)

So from five values on the coverage is .92 or more, except .89 to .91 for log-normal values, whose tail is heavier.  The
points of the bootstrap are cut at ``MOST`` times Student's points.  This does not reduce the coverage, and it limits
the extreme points of a few samples of five.  With three or four values no method covers skewed values; expect .83 to
.88.  With two values Student's interval is 12.7 standard errors to each side, which says nothing.  Percentile and BCa
bootstraps are always too narrow (.74 to .91).
"""

import functools

import numpy as np

from fairrun.config.metrics import ANY

LEAST = 3  # fewest values for an interval
FEWEST = 5  # fewest values for the bootstrap
RESAMPLES = 1999
MOST = 3  # the points of the bootstrap are at most so many times Student's points
RULE = f"Student's t; from {FEWEST} seeds on the studentised bootstrap; an end without decimals is that of the range"


def interval(values: np.ndarray, bounds: tuple[float, float] = ANY) -> tuple[float, float]:
    """95% interval of the mean of ``values`` [n], within ``bounds``, the range of the quantity.

    (NaN, NaN) with fewer than ``LEAST`` values, or if a value is not finite.  The order of the values has no effect.
    """
    n = len(values)
    if n < LEAST or not np.isfinite(values).all():
        return (float("nan"), float("nan"))
    mean, error = float(values.mean()), float(values.std(ddof=1)) / n**0.5
    low, high = student(n) if n < FEWEST else _studentised(np.sort(values))
    return (max(mean - high * error, bounds[0]), min(mean - low * error, bounds[1]))


def difference(bounds: tuple[float, float]) -> tuple[float, float]:
    """The range of the difference of two values within ``bounds``."""
    return (bounds[0] - bounds[1], bounds[1] - bounds[0])


def student(n: int) -> tuple[float, float]:
    """The 2.5% and 97.5% points of t = (mean - true mean) / standard error, for normal values."""
    from scipy.special import stdtrit  # here: a table of runs starts without it

    high = float(stdtrit(n - 1, 0.975))
    return (-high, high)


@functools.cache
def _resamples(n: int) -> np.ndarray:
    """How often each of ``n`` values occurs in each resample, [resamples, n]."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)


def _studentised(values: np.ndarray) -> tuple[float, float]:
    """The 2.5% and 97.5% points of t from resamples (Efron and Tibshirani 1993, chapter 12.5).

    A resample whose values are equal, up to rounding, has an infinite t.  If a point is infinite because of many such
    resamples, Student's points are used.
    """
    n = len(values)
    counts = _resamples(n)
    centred = values - values.mean()
    means = counts @ centred / n
    squares = counts @ centred**2 - n * means**2
    equal = squares <= 1e-12 * (centred**2).sum()
    t = np.where(equal, np.copysign(np.inf, means), means / np.sqrt(np.where(equal, 1, squares) / (n - 1) / n))
    low, high = (float(point) for point in np.sort(t)[[round(share * (RESAMPLES - 1)) for share in (0.025, 0.975)]])
    ends = student(n)
    return (max(low, MOST * ends[0]), min(high, MOST * ends[1])) if np.isfinite([low, high]).all() else ends
