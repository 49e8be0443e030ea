"""The interval of a mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st
from scipy import stats

from fairrun.analysis.interval import FEWEST, MOST, difference, interval


def coverage(draw, mean, count):
    """How often the interval of ``count`` values holds the mean; ``draw`` gives a matrix of values from a shape."""
    ends = np.array([interval(values) for values in draw(size=(1000, count))])
    return np.mean((ends[:, 0] <= mean) & (ends[:, 1] >= mean))


@pytest.mark.parametrize(
    "values", [[], [0.5], [0.5, 0.6], [0.5, 0.6, np.nan], [0.5, 0.6, np.inf], [*range(FEWEST), np.nan]]
)
def test_there_is_no_interval_with_fewer_than_three_values_or_an_undefined_one(values):
    assert np.isnan(interval(np.array(values, dtype=float))).all()


@pytest.mark.parametrize("count", [3, FEWEST])
def test_the_interval_of_equal_values_is_the_value(count):
    assert interval(np.full(count, 0.25)) == (0.25, 0.25)


def test_the_interval_of_three_values_by_hand():
    """0, 1, 2: mean 1, deviation 1, standard error 1 / sqrt 3 = .57735; t of 2 degrees at 97.5% is 4.30265: 1 -+
    2.48414.
    """
    assert interval(np.array([0.0, 1.0, 2.0])) == pytest.approx((1 - 2.48414, 1 + 2.48414), abs=1e-5)


@pytest.mark.parametrize("count", [3, FEWEST])
def test_the_interval_covers_the_mean_of_normal_values_as_often_as_it_says(count):
    assert coverage(np.random.default_rng(0).normal, 0, count) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("draw", "mean", "student"), [("exponential", 1, 0.88), ("beta", 0.5 / 8.5, 0.85), ("lognormal", np.e**0.5, 0.82)]
)
def test_the_interval_covers_the_mean_of_skewed_values_more_often_than_students(draw, mean, student):
    """Of seven values; ``student``: how often Student's t does."""
    options = {"a": 0.5, "b": 8} if draw == "beta" else {}
    rng = np.random.default_rng(0)
    covered = coverage(lambda size: getattr(rng, draw)(**options, size=size), mean, 7)
    assert covered > student + 0.04
    assert covered > 0.93 or draw == "lognormal"


def test_the_interval_stays_within_the_range_of_the_quantity():
    values = np.array([0.0, 0.01, 0.2])
    assert interval(values)[0] < 0
    assert interval(values, (0.0, 1.0)) == (0, interval(values)[1])
    assert interval(1 - values, (0.0, 1.0)) == (pytest.approx(1 - interval(values)[1]), 1)
    assert difference((0.0, 1.0)) == (-1, 1) and difference((0.0, np.inf)) == (-np.inf, np.inf)


def test_the_points_of_the_bootstrap_are_not_wild():
    """Four values near each other and one far away: the studentised points are many times Student's."""
    values = np.array([0.0, 0.001, 0.002, 0.003, 1.0])
    error = values.std(ddof=1) / 5**0.5
    assert interval(values)[1] == pytest.approx(values.mean() + MOST * stats.t.ppf(0.975, 4) * error)


def test_the_interval_leans_to_the_side_of_the_long_tail():
    values = np.random.default_rng(0).exponential(size=40)
    low, high = interval(values)
    assert high - values.mean() > values.mean() - low


@options(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=4 * FEWEST), st.randoms(use_true_random=False))
def test_the_interval_holds_the_mean_and_does_not_depend_on_order(values, random):
    low, high = interval(np.array(values))
    assert low - 1e-9 <= np.mean(values) <= high + 1e-9
    assert interval(np.array(random.sample(values, len(values)))) == pytest.approx((low, high), abs=1e-9)


def test_where_most_values_are_equal_the_interval_is_that_of_student():
    """With 9 of 10 values equal, one resample in three has no deviation: its t is infinite."""
    values = np.array([0.5] * 9 + [0.6])
    expected = stats.t.interval(0.95, 9, values.mean(), values.std(ddof=1) / 10**0.5)
    assert interval(values) == pytest.approx(expected)


def test_the_interval_of_many_normal_values_is_that_of_the_normal_approximation():
    """Mean -+ 1.96 standard errors, to a fifth of a standard error."""
    values = np.random.default_rng(0).normal(size=400)
    error = values.std() / 20
    np.testing.assert_allclose(interval(values), values.mean() + np.array([-1.96, 1.96]) * error, atol=error / 5)
