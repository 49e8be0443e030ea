"""The best front that labels allow."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from fairrun.analysis.front import Anchors, anchors, aopac
from fairrun.analysis.ideal import STEP, ideal_area, ideal_front
from tests.helpers.frames import frame, run

ADULT = ((4913, 557), (10147, 3143))  # test rows and positives: female, male
CELL = st.integers(1, 50).flatmap(lambda rows: st.tuples(st.just(rows), st.integers(0, rows)))


def labels(cells):
    return frame(run(0, **{"base_rates.test": [list(cell) for cell in cells]}))


@settings(deadline=None, max_examples=15)
@given(st.lists(CELL, min_size=2, max_size=2))
def test_with_two_groups_it_is_the_closed_form(cells):
    """1 - min(P(c=0), P(c=1)) max(0, max_dp - dp): the smaller group comes as near as it must."""
    accuracy, dp = ideal_front(tuple(cells)).T
    (a, b), (p, q) = zip(*cells, strict=True)
    max_dp = abs(p / a - q / b)
    np.testing.assert_allclose(accuracy, 1 - min(a, b) / (a + b) * (max_dp - dp).clip(0), atol=1e-9)
    assert dp[-1] == pytest.approx(max_dp)
    assert np.diff(dp).max(initial=0) <= STEP + 1e-12


def test_at_parity_the_best_on_adult_is_936_of_1000():
    """1 - .3262 x .1964."""
    assert ideal_front(ADULT)[0] == pytest.approx([0.936, 0], abs=5e-4)


@settings(deadline=None, max_examples=10)
@given(st.lists(CELL, min_size=2, max_size=5))
def test_it_is_the_linear_program_of_its_docstring(cells):
    """In the wrong decisions of each group, down and up, and the smallest rate."""
    rows, positive = np.array(cells, dtype=float).T / sum(rows for rows, _ in cells)
    rates, change, ones = positive / rows, np.diag(1 / rows), np.ones((len(rows), 1))
    above, below = np.hstack([-change, change, -ones]), np.hstack([change, -change, ones])
    bounds = [(0, share) for share in (*positive, *(rows - positive), 1)]
    cost = [*np.ones(2 * len(rows)), 0]
    for accuracy, dp in ideal_front(tuple(cells)):
        found = linprog(cost, np.vstack([above, below]), np.concatenate([dp - rates, rates]), bounds=bounds)
        assert accuracy == pytest.approx(1 - found.fun, abs=1e-9)


@settings(deadline=None, max_examples=10)
@given(st.lists(CELL, min_size=2, max_size=4))
def test_the_front_rises_to_one_and_is_never_below_the_majority(cells):
    accuracy, _ = ideal_front(tuple(cells)).T
    assert (np.diff(accuracy) > -1e-9).all()
    assert accuracy[-1] == 1
    assert accuracy[0] >= anchors(labels(cells)).majority - 1e-9


def test_its_area_by_hand():
    """Groups of 100 rows with rates .5 and .53: majority .515, max_dp .03, accuracy .985, .99 and .995 at 0, .01, .02.
    Steps of .01: (.985 + .99 + .995 - 3 x .515) x .01, of (1 - .515) x .03.
    """
    cells = ((100, 50), (100, 53))
    assert ideal_area(labels(cells)) == pytest.approx((2.97 - 3 * 0.515) * 0.01 / (0.485 * 0.03))


def test_the_front_itself_has_all_of_its_area():
    found = anchors(labels(ADULT))
    assert found == pytest.approx(Anchors(0.7543, 0.1964), abs=5e-5)
    assert aopac(ideal_front(ADULT), found) == ideal_area(labels(ADULT)) < 1


def test_labels_that_are_not_counted_or_at_parity_have_no_area():
    assert np.isnan(ideal_area(frame(run(0))))
    assert np.isnan(ideal_area(labels(((10, 5), (20, 10)))))
    assert np.isnan(ideal_area(labels(((10, 5, 1), (20, 10, 3)))))  # three classes
    assert np.isnan(ideal_area(pd.DataFrame({"base_rates.test": [[[10, 5], [10, 6]], [[10, 5], [10, 7]]]})))


def test_a_group_without_rows_is_left_out():
    assert ideal_area(labels([*ADULT, (0, 0)])) == ideal_area(labels(ADULT))
