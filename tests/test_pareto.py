"""Settings of a sweep, their means and intervals, and the front."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from fairrun.check import InputError
from fairrun.pareto import interval, settings, summarise

RESULTS = ("val/accuracy", "val/gap", "test/accuracy", "test/gap")


def run(lam, seed=0, val=(0.5, 0.5), test=(0.5, 0.5), **columns):
    """A finished run of method penalty; ``val`` and ``test`` are (accuracy, gap)."""
    row = {"folder": f"{lam}/{seed}", "status": "finished", "method": "penalty", "method.lam": lam, "seed": seed}
    return row | dict(zip(RESULTS, (*val, *test), strict=True)) | columns


def frame(*rows):
    return pd.DataFrame(list(rows))


# settings


def test_the_settings_are_the_method_and_what_varies():
    rows = [run(lam, seed, epochs=10, **{"optimizer.lr": lr}) for lam in (0, 1) for lr in (0.1, 0.2) for seed in (0, 1)]
    assert settings(frame(*rows)) == ["method", "method.lam", "optimizer.lr"]


def test_the_method_tells_settings_apart_though_it_does_not_vary():
    assert settings(frame(run(1, seed=0), run(1, seed=1))) == ["method"]


def test_neither_seed_nor_folder_nor_results_tell_settings_apart():
    rows = [run(1, seed, (seed / 4, seed / 8), (seed / 2, seed / 3), **{"train/loss": seed}) for seed in range(3)]
    assert settings(frame(*rows)) == ["method"]


def test_the_status_does_not_tell_settings_apart():
    assert settings(frame(run(1), run(1, seed=1, status="failed"))) == ["method"]


def test_the_class_behind_a_setting_does_not_tell_settings_apart():
    rows = [run(1, optimizer=name, **{"method.optimizer._target_": f"fairrun.{name}"}) for name in ("Adam", "SGD")]
    assert settings(frame(*rows)) == ["method", "optimizer"]


def test_lists_tell_settings_apart():
    rows = [run(1, **{"dataset.sensitive": columns}) for columns in (["sex"], ["sex", "race"])]
    assert settings(frame(*rows)) == ["method", "dataset.sensitive"]


# summarise


def test_a_setting_has_the_means_over_its_seeds():
    """Accuracy (.5 + .75) / 2, gap (.25 + .5) / 2 on validation rows; (.25 + .5) / 2, (0 + .25) / 2 on test rows."""
    table = summarise(frame(run(1, 0, (0.5, 0.25), (0.25, 0.0)), run(1, 1, (0.75, 0.5), (0.5, 0.25))), "gap")
    assert table[list(RESULTS)].to_numpy().tolist() == [[0.625, 0.375, 0.375, 0.125]]


def test_a_setting_has_the_intervals_of_its_seeds():
    table = summarise(frame(run(1, 0, test=(0.25, 0.0)), run(1, 1, test=(0.5, 0.25))), "gap")
    for name, values in (("accuracy", [0.25, 0.5]), ("gap", [0.0, 0.25])):
        ends = table[[f"test/{name}.low", f"test/{name}.high"]].to_numpy()[0]
        assert tuple(ends) == interval(np.array(values))


def test_each_setting_is_a_row_in_order():
    rows = [run(lam, seed, (lam / 4, lam / 8)) for seed in (0, 1) for lam in (2, 0, 1)]
    table = summarise(frame(*rows), "gap")
    assert table["method.lam"].tolist() == [0, 1, 2]
    assert table["val/accuracy"].tolist() == [0, 0.25, 0.5]
    assert table["seeds"].tolist() == [2, 2, 2]


def test_settings_may_have_different_numbers_of_seeds():
    table = summarise(frame(run(0, 0), run(1, 0), run(1, 1), run(1, 2)), "gap")
    assert table["seeds"].tolist() == [1, 3]


def test_a_method_without_a_hyper_parameter_of_another_is_a_setting():
    rows = [run(1.0), run(2.0), run(np.nan, method="erm")]
    table = summarise(frame(*rows), "gap")
    assert table["method"].tolist() == ["erm", "penalty", "penalty"]
    assert table["method.lam"].isna().tolist() == [True, False, False]


def test_settings_that_differ_in_a_list_are_rows():
    columns = (["sex"], ["sex", "race"], ["sex"])
    rows = [run(1, seed, **{"dataset.sensitive": names}) for seed, names in enumerate(columns)]
    assert sorted(summarise(frame(*rows), "gap")["seeds"]) == [1, 2]


def test_failed_runs_are_left_out():
    good = [run(0, 0, (0.5, 0.5)), run(1, 0, (0.75, 0.25))]
    failed = [run(1, 1, (1.0, 0.0), (1.0, 0.0), status="failed"), run(2, 0, (1.0, 0.0), status="failed")]
    pd.testing.assert_frame_equal(summarise(frame(*good, *failed), "gap"), summarise(frame(*good), "gap"))


def test_a_setting_that_only_failed_runs_had_is_not_a_column():
    assert "method.lam" not in summarise(frame(run(1), run(2, status="failed")), "gap")


def test_the_columns_are_those_of_the_description():
    assert list(summarise(frame(run(0), run(1)), "gap")) == [
        "method",
        "method.lam",
        "seeds",
        "val/accuracy",
        "val/gap",
        "test/accuracy",
        "test/accuracy.low",
        "test/accuracy.high",
        "test/gap",
        "test/gap.low",
        "test/gap.high",
        "front",
    ]


# The front


def test_the_front_by_hand():
    """lam 1 is worse than lam 0 in both; lam 3 has lam 2's gap and a lower accuracy; 0 and 2 trade."""
    points = [(0.9, 0.5), (0.8, 0.6), (0.7, 0.1), (0.6, 0.1)]
    table = summarise(frame(*(run(lam, 0, point) for lam, point in enumerate(points))), "gap")
    assert table["front"].tolist() == [True, False, True, False]


def test_settings_with_equal_means_are_both_on_the_front():
    table = summarise(frame(run(0, 0, (0.9, 0.1)), run(1, 0, (0.9, 0.1))), "gap")
    assert table["front"].tolist() == [True, True]


def test_the_front_is_chosen_on_validation_rows_only():
    """On validation rows lam 0 is better in both, on test rows lam 1 is."""
    table = summarise(frame(run(0, 0, (0.9, 0.1), (0.6, 0.4)), run(1, 0, (0.8, 0.2), (0.95, 0.0))), "gap")
    assert table["front"].tolist() == [True, False]


def test_the_front_is_chosen_on_means_not_on_single_runs():
    """lam 0 has the best single run (.9, 0), but means (.5, .4); lam 1 has (.6, .3) twice."""
    rows = [run(0, 0, (0.9, 0.0)), run(0, 1, (0.1, 0.8)), run(1, 0, (0.6, 0.3)), run(1, 1, (0.6, 0.3))]
    assert summarise(frame(*rows), "gap")["front"].tolist() == [False, True]


def test_a_metric_whose_greater_values_are_better_is_maximised():
    rows = [run(0, 0, (0.9, 0.5)), run(1, 0, (0.8, 0.4)), run(2, 0, (0.7, 0.6))]
    table = summarise(frame(*rows), "gap", greater_is_better=True)
    assert table["front"].tolist() == [True, False, True]


SIXTEENTHS = st.integers(0, 16).map(lambda k: k / 16)  # whose means over two seeds are exact
POINTS = st.lists(st.tuples(*[SIXTEENTHS] * 4, *[SIXTEENTHS] * 4), min_size=1, max_size=8)


def rows_of(points):
    """Two seeds a setting."""
    return [
        run(lam, seed, point[4 * seed : 4 * seed + 2], point[4 * seed + 2 : 4 * seed + 4])
        for lam, point in enumerate(points)
        for seed in (0, 1)
    ]


@options(deadline=None, max_examples=25)
@given(POINTS, st.booleans())
def test_a_setting_is_on_the_front_unless_another_dominates_it(points, greater_is_better):
    table = summarise(frame(*rows_of(points)), "gap", greater_is_better=greater_is_better)
    sign = 1 if greater_is_better else -1
    means = [((p[0] + p[4]) / 2, sign * (p[1] + p[5]) / 2) for p in points]
    expected = [not any(a >= p[0] and b >= p[1] and (a, b) != p for a, b in means) for p in means]
    assert table["front"].tolist() == expected


@options(deadline=None, max_examples=25)
@given(POINTS, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_the_order_of_runs(points, random):
    rows = rows_of(points)
    before = summarise(frame(*rows), "gap")
    after = summarise(frame(*random.sample(rows, len(rows))), "gap")
    columns = [c for c in before if not c.endswith((".low", ".high"))]
    pd.testing.assert_frame_equal(after[columns], before[columns])


@options(deadline=None, max_examples=25)
@given(POINTS, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_test_rows(points, random):
    rows = rows_of(points)
    values = [(row["test/accuracy"], row["test/gap"]) for row in rows]
    other = [
        row | {"test/accuracy": a, "test/gap": b}
        for row, (a, b) in zip(rows, random.sample(values, len(values)), strict=True)
    ]
    assert summarise(frame(*other), "gap")["front"].tolist() == summarise(frame(*rows), "gap")["front"].tolist()


# interval


@pytest.mark.parametrize("values", [[], [0.5]])
def test_there_is_no_interval_with_fewer_than_two_values(values):
    assert np.isnan(interval(np.array(values))).all()


@pytest.mark.parametrize("count", [2, 5])
def test_the_interval_of_equal_values_is_the_value(count):
    assert interval(np.full(count, 0.1)) == (0.1, 0.1)


def test_the_interval_of_three_values_by_hand():
    """0, 1, 2: mean 1, deviation 1, standard error 1 / sqrt 3 = .57735; t of 2 degrees at 97.5% is 4.30265: 1 -+
    2.48414.
    """
    assert interval(np.array([0.0, 1.0, 2.0])) == pytest.approx((1 - 2.48414, 1 + 2.48414), abs=1e-5)


@pytest.mark.parametrize("count", [3, 5])
def test_the_interval_covers_the_mean_as_often_as_it_says(count):
    rng = np.random.default_rng(0)
    ends = np.array([interval(rng.normal(size=count)) for _ in range(2000)])
    assert np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0)) == pytest.approx(0.95, abs=0.015)


def test_the_interval_is_the_same_every_time():
    values = np.random.default_rng(0).normal(size=7)
    assert interval(values) == interval(values)


def test_the_interval_of_many_normal_values_is_that_of_the_normal_approximation():
    """Mean -+ 1.96 standard errors, to a tenth of a standard error."""
    values = np.random.default_rng(0).normal(size=400)
    error = values.std() / 20
    np.testing.assert_allclose(interval(values), values.mean() + np.array([-1.96, 1.96]) * error, atol=error / 10)


def test_null_is_a_setting_of_its_own():
    assert settings(frame(run(1, fairness_bound=None), run(1, fairness_bound=0.1))) == ["method", "fairness_bound"]


def test_a_setting_whose_metric_is_not_defined_is_not_on_the_front_and_takes_nobody_off_it():
    rows = [run(0, val=(0.9, np.nan)), run(1, val=(0.8, 0.1)), run(2, val=(0.7, 0.2))]
    assert summarise(frame(*rows), "gap")["front"].tolist() == [False, True, False]


def test_one_undefined_value_makes_the_mean_and_the_interval_undefined():
    row = summarise(frame(run(0, 0, test=(0.5, np.nan)), run(0, 1), run(0, 2)), "gap").iloc[0]
    assert np.isnan([row["test/gap"], row["test/gap.low"], row["test/gap.high"]]).all()


def test_a_sweep_without_a_finished_run_is_refused():
    with pytest.raises(InputError, match="a summary needs a finished run, got 2 failed ones"):
        summarise(frame(run(0, status="failed"), run(1, status="failed")), "gap")


def test_runs_that_repeat_a_setting_and_seed_count_once():
    row = summarise(frame(run(1, 0), run(1, 0, folder="again"), run(1, 1)), "gap").iloc[0]
    assert row["seeds"] == 2


@pytest.mark.parametrize("key", ["tracker.mode", "device", "num_threads", "dataset.path"])
def test_a_key_without_effect_on_results_does_not_tell_settings_apart(key):
    assert settings(frame(run(1, 0, **{key: 1}), run(1, 1, **{key: 2}))) == ["method"]


def test_a_key_that_all_methods_have_tells_methods_apart_and_one_of_a_method_does_not():
    rows = [run(1, epochs=3), run(1, epochs=1, method="erm") | {"method.lam": None}]
    assert settings(frame(*rows)) == ["method", "epochs"]
