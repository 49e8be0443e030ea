"""Which epoch of a run counts."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrun.config.check import InputError
from fairrun.results.selection import Traded, degenerate, score, select

GAP = Traded("gap", greater_is_better=False)
WORST = Traded("worst", greater_is_better=True)
NAN = float("nan")


def history(accuracy, **columns):
    """A history with these validation columns, a gap and a worst group of 0.5 unless given, and test columns."""
    epochs = len(accuracy)
    validation = {"accuracy": accuracy, "gap": [0.5] * epochs, "worst": [0.5] * epochs} | columns
    frame = pd.DataFrame({"epoch": range(1, epochs + 1), "train/loss": np.linspace(1, 0.5, epochs)})
    for split in ("val", "test"):
        for name, values in validation.items():
            frame[f"{split}/{name}"] = values if split == "val" else values[::-1]
    frame["val/accuracy/s=0"] = 0.5
    return frame


def test_the_last_epoch_counts_with_rule_last():
    assert select(history([0.9, 0.7, 0.8]), "last", GAP, None) == (2, 0.8)


def test_the_most_accurate_epoch_counts_with_rule_best():
    assert select(history([0.7, 0.9, 0.8]), "best", GAP, None) == (1, 0.9)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([], [True, True, False, True, False]),
        ([[50, 20], [50, 30]], [True, True, False, True, False]),
        ([[500, 2], [500, 3]], [True, False, False, False, False]),  # hardly any row has label 1: few are selected
        ([[60, 20, 20], [60, 20, 20]], [False, True, False, True, False]),  # three classes: chance is a third
    ],
)
def test_an_epoch_is_degenerate_at_chance_or_where_decisions_are_nearly_alike_and_labels_are_not(labels, found):
    rows = history(
        [0.8] * 5, balanced_accuracy=[0.49, 0.6, 0.6, 0.6, NAN], selection_rate=[0.5, 0.001, 0.01, 0.999, NAN]
    )
    assert degenerate(rows, labels).tolist() == found


def test_a_degenerate_epoch_counts_only_where_all_are():
    rates = {"balanced_accuracy": [0.5, 0.6, 0.6]}
    assert select(history([0.9, 0.7, 0.8], **rates), "best", GAP, None) == (2, 0.8)
    assert select(history([0.9, 0.7, 0.8], balanced_accuracy=[0.5] * 3), "best", GAP, None) == (0, 0.9)
    assert select(history([0.7, 0.8, 0.9], balanced_accuracy=[0.6, 0.6, 0.5]), "last", GAP, None) == (2, 0.9)


def test_the_first_of_equally_accurate_epochs_counts():
    assert select(history([0.7, 0.9, 0.9]), "best", GAP, None) == (1, 0.9)


def test_the_most_accurate_epoch_that_keeps_the_bound_counts():
    frame = history([0.95, 0.7, 0.8, 0.9], gap=[0.2, 0.05, 0.1, 0.11])
    assert select(frame, "best", GAP, 0.1) == (2, 0.8)


def test_an_epoch_at_the_bound_keeps_it():
    assert select(history([0.7, 0.8], gap=[0.0, 0.1]), "best", GAP, 0.1) == (1, 0.8)


def test_the_smallest_violation_counts_where_no_epoch_keeps_the_bound():
    """The gaps are over the bound of .125 by .375, .125 and .25."""
    frame = history([0.95, 0.6, 0.9], gap=[0.5, 0.25, 0.375])
    assert select(frame, "best", GAP, 0.125) == (1, -0.125)


def test_an_epoch_that_keeps_the_bound_counts_though_it_is_never_right():
    assert select(history([0.9, 0.0], gap=[0.11, 0.1]), "best", GAP, 0.1) == (1, 0.0)


def test_the_last_epoch_is_scored_by_its_violation():
    """The last gap is over the bound of .125 by .25."""
    assert select(history([0.9, 0.8], gap=[0.0, 0.375]), "last", GAP, 0.125) == (1, -0.25)


def test_a_metric_whose_greater_values_are_better_is_bounded_below():
    frame = history([0.95, 0.8, 0.7], worst=[0.5, 0.6, 0.7])
    assert select(frame, "best", WORST, 0.6) == (1, 0.8)


def test_the_smallest_shortfall_counts_where_no_epoch_reaches_the_lower_bound():
    """The worst groups are short of .75 by .25, .125 and .5."""
    frame = history([0.95, 0.8, 0.9], worst=[0.5, 0.625, 0.25])
    assert select(frame, "best", WORST, 0.75) == (1, -0.125)


def test_without_a_bound_the_metric_is_of_no_account():
    assert select(history([0.7, 0.9], gap=[0.0, 1.0]), "best", GAP, None) == (1, 0.9)


@pytest.mark.parametrize("bound", [None, 0.1])
def test_an_epoch_with_accuracy_nan_is_never_chosen(bound):
    frame = history([NAN, 0.6, NAN], gap=[0.0, 0.5, 0.0])
    assert select(frame, "best", GAP, bound)[0] == 1


def test_an_epoch_with_metric_nan_is_never_chosen_under_a_bound():
    frame = history([0.9, 0.6, 0.9], gap=[NAN, 0.5, NAN])
    assert select(frame, "best", GAP, 0.1) == (1, -0.4)


def test_a_run_of_nan_has_the_lowest_score():
    assert select(history([NAN, NAN]), "best", GAP, None)[1] == -math.inf


@pytest.mark.parametrize("rule", ["last", "best"])
def test_an_unknown_metric_is_refused_with_the_choices(rule):
    with pytest.raises(InputError, match=r"^metric.name must be one of accuracy, gap, worst, got 'unfairness'$"):
        select(history([0.5]), rule, Traded("unfairness", greater_is_better=False), None)


@pytest.mark.parametrize("rule", ["last", "best"])
@pytest.mark.parametrize("bound", [None, 0.1])
@pytest.mark.parametrize("metric", [GAP, WORST])
def test_test_rows_never_influence_the_choice(rule, bound, metric):
    rng = np.random.default_rng(0)
    frame = history(rng.random(20), gap=rng.random(20), worst=rng.random(20) / 5)
    shuffled = frame.copy()
    for column in ("test/accuracy", "test/gap", "test/worst"):
        shuffled[column] = rng.permutation(frame[column])
    assert not shuffled.equals(frame)
    without = frame[[c for c in frame if not c.startswith("test/")]]
    chosen = select(frame, rule, metric, bound)
    assert select(shuffled, rule, metric, bound) == chosen
    assert select(without, rule, metric, bound) == chosen


SHARES = st.integers(0, 64).map(lambda k: k / 64)  # whose differences are exact
EPOCHS = st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(EPOCHS, SHARES)
def test_the_chosen_epoch_is_the_one_that_a_plain_search_finds(epochs, bound):
    accuracy, gap = map(list, zip(*epochs, strict=True))
    kept = [k for k in range(len(epochs)) if gap[k] <= bound]
    expected = max(kept, key=lambda k: accuracy[k]) if kept else gap.index(min(gap))
    assert select(history(accuracy, gap=gap), "best", GAP, bound)[0] == expected


@settings(deadline=None, max_examples=60)
@given(EPOCHS, SHARES)
def test_an_epoch_that_breaks_the_bound_scores_below_any_that_keeps_it(epochs, bound):
    accuracy, gap = map(list, zip(*epochs, strict=True))
    scores = score(history(accuracy, gap=gap), GAP, bound)
    kept = np.array(gap) <= bound
    assert (scores[kept] >= 0).all()
    assert (scores[~kept] < 0).all()
