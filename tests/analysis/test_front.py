"""Settings of a sweep, their means and intervals, the front and its areas."""

import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from fairrun.analysis.front import (
    Anchors,
    anchors,
    aopac,
    attainment,
    chosen,
    hypervolume,
    on_front,
    settings,
    summarise,
)
from fairrun.analysis.interval import ANY, interval
from fairrun.config.check import InputError
from tests.helpers.frames import RESULTS, frame, run

# settings


def test_the_settings_are_the_method_and_what_varies():
    rows = [run(lam, seed, epochs=10, **{"optimizer.lr": lr}) for lam in (0, 1) for lr in (0.1, 0.2) for seed in (0, 1)]
    assert settings(frame(*rows)) == ["method", "method.lam", "optimizer.lr"]


def test_the_method_tells_settings_apart_though_it_does_not_vary():
    assert settings(frame(run(1, seed=0), run(1, seed=1))) == ["method"]


def test_neither_seed_nor_folder_nor_results_tell_settings_apart():
    rows = [run(1, seed, (seed / 4, seed / 8), (seed / 2, seed / 3), **{"train/loss": seed}) for seed in range(3)]
    assert settings(frame(*rows)) == ["method"]


def test_a_key_of_steps_is_a_setting_only_where_methods_with_steps_differ_in_it():
    trees = {"method": "lightgbm", "method.estimator.n_estimators": 9}
    rows = [run(1, epochs=5, model="mlp", **{"model.depth": None}), run(np.nan, **trees)]
    assert settings(frame(*rows)) == ["method"]
    assert settings(frame(*rows, run(1, epochs=6, model="mlp", **{"model.depth": 2}))) == [
        "method",
        *("epochs", "model.depth"),
    ]


def test_the_status_does_not_tell_settings_apart():
    assert settings(frame(run(1), run(1, seed=1, status="failed"))) == ["method"]


def test_what_changes_nothing_in_the_results_does_not_tell_settings_apart():
    asked = [{"report.columns": [], "report.compare.a": np.nan}, {"report.columns": ["b"], "report.compare.a": "c"}]
    rows = [run(1, seed, resume=bool(seed), checkpoint_minutes=1 + seed, **asked[seed]) for seed in range(2)]
    assert settings(frame(*rows)) == ["method"]


def test_the_class_behind_a_setting_does_not_tell_settings_apart():
    rows = [run(1, optimizer=name, **{"method.optimizer._target_": f"fairrun.{name}"}) for name in ("Adam", "SGD")]
    assert settings(frame(*rows)) == ["method", "optimizer"]


def test_lists_tell_settings_apart():
    rows = [run(1, **{"dataset.sensitive": columns}) for columns in (["sex"], ["sex", "race"])]
    assert settings(frame(*rows)) == ["method", "dataset.sensitive"]


# summarise


def test_a_key_that_is_the_seed_is_no_setting():
    rows = [run(1, seed, **{"dataset.split.seed": seed}) for seed in range(3)]
    assert settings(frame(*rows)) == ["method"]
    assert settings(frame(*rows, run(1, 3, **{"dataset.split.seed": 0}))) == ["method", "dataset.split.seed"]


def test_a_setting_has_the_means_over_its_seeds():
    """Accuracy (.5 + .75) / 2, gap (.25 + .5) / 2 on validation rows; (.25 + .5) / 2, (0 + .25) / 2 on test rows."""
    table = summarise(frame(run(1, 0, (0.5, 0.25), (0.25, 0.0)), run(1, 1, (0.75, 0.5), (0.5, 0.25))), "gap")
    assert table[list(RESULTS)].to_numpy().tolist() == [[0.625, 0.375, 0.375, 0.125]]


def test_a_setting_has_the_intervals_of_its_seeds():
    """Within [0, 1] for accuracy; nothing is known of the range of gap."""
    rows = [run(1, seed, test=point) for seed, point in enumerate([(0.25, 0.0), (0.5, 0.25), (0.75, 0.125)])]
    table = summarise(frame(*rows), "gap")
    for name, values, bounds in (("accuracy", [0.25, 0.5, 0.75], (0.0, 1.0)), ("gap", [0.0, 0.25, 0.125], ANY)):
        ends = table[[f"test/{name}.low", f"test/{name}.high"]].to_numpy()[0]
        assert tuple(ends) == interval(np.array(values), bounds)


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
        "over_seeds",
        "degenerate",
        "val/accuracy",
        "val/gap",
        "test/accuracy",
        "test/accuracy.low",
        "test/accuracy.high",
        "test/gap",
        "test/gap.low",
        "test/gap.high",
        "front",
        "method_front",
    ]


# Over seeds: the worst instead of the mean


def test_the_worst_seed_stands_for_a_setting_in_the_metric_and_the_mean_in_accuracy():
    """Accuracy (.25 + .5 + .375) / 3 on test rows; gap: the largest, .5 on validation and .25 on test rows."""
    rows = [
        run(1, 0, (0.5, 0.25), (0.25, 0.0), **{"test/x": 1.0}),
        run(1, 1, (0.75, 0.5), (0.5, 0.25), **{"test/x": 2}),
        run(1, 2, (0.625, 0.25), (0.375, 0.125), **{"test/x": 1.5}),
    ]
    row = summarise(frame(*rows), "gap", seed_summary="worst", columns=["x"]).iloc[0]
    assert row[list(RESULTS)].tolist() == [0.625, 0.5, 0.375, 0.25]
    assert row[["test/gap.low", "test/gap.high"]].isna().all()
    assert (row["test/accuracy.low"], row["test/accuracy.high"]) == interval(np.array([0.25, 0.5, 0.375]), (0.0, 1.0))
    assert row["test/x"] == 1.5
    assert (row["over_seeds"], row["seeds"]) == ("worst", 3)


def test_the_worst_of_a_metric_whose_greater_values_are_better_is_the_smallest():
    rows = [run(1, seed, (0.5, gap), (0.5, gap / 2)) for seed, gap in enumerate((0.5, 0.25))]
    row = summarise(frame(*rows), "gap", seed_summary="worst", greater_is_better=True).iloc[0]
    assert row[["val/gap", "test/gap"]].tolist() == [0.25, 0.125]


def test_the_front_is_chosen_on_the_worst_seeds_if_they_stand_for_the_settings():
    """lam 0 has mean gap .3 and worst .6, lam 1 has .4 twice; lam 1 is the more accurate."""
    rows = [run(0, 0, (0.6, 0.0)), run(0, 1, (0.6, 0.6)), run(1, 0, (0.7, 0.4)), run(1, 1, (0.7, 0.4))]
    assert summarise(frame(*rows), "gap")["front"].tolist() == [True, True]
    assert summarise(frame(*rows), "gap", seed_summary="worst")["front"].tolist() == [False, True]


def test_one_undefined_value_makes_the_worst_undefined():
    rows = [run(0, 0, test=(0.5, np.nan)), run(0, 1)]
    assert np.isnan(summarise(frame(*rows), "gap", seed_summary="worst").iloc[0]["test/gap"])


# Degenerate predictions


def test_runs_that_decide_nearly_alike_on_all_validation_rows_are_counted():
    rates = {0: (0.0, 0.995, 0.5), 1: (0.01, 0.99, 0.5)}
    rows = [
        run(lam, k, **{"val/selection_rate": r, "test/selection_rate": 0})
        for lam in rates
        for k, r in enumerate(rates[lam])
    ]
    assert summarise(frame(*rows), "gap")["degenerate"].tolist() == [2, 0]


def test_records_without_a_selection_rate_do_not_tell_of_degenerate_ones():
    assert summarise(frame(run(0)), "gap")["degenerate"].isna().all()


def test_a_configuration_most_of_whose_runs_are_degenerate_is_on_no_front_unless_asked():
    """Setting 1 is the fairest and nearly constant with two seeds of three; setting 2 with one."""
    points = {0: (0.9, 0.3), 1: (0.7, 0.0), 2: (0.8, 0.1)}
    constant = {(1, 0), (1, 1), (2, 0)}
    rows = [
        run(lam, seed, point, point, **{"val/balanced_accuracy": 0.51 if (lam, seed) in constant else 0.52})
        for lam, point in points.items()
        for seed in range(3)
    ]
    table = summarise(frame(*rows), "gap", test_oracle=True)
    assert table["degenerate"].tolist() == [0, 2, 1]
    for front in ("front", "method_front", "test_oracle"):
        assert table[front].tolist() == [True, False, True]
        assert summarise(frame(*rows), "gap", test_oracle=True, keep_degenerate=True)[front].all()


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


@options(deadline=None, max_examples=15)
@given(POINTS, st.booleans())
def test_a_setting_is_on_the_front_unless_another_dominates_it(points, greater_is_better):
    table = summarise(frame(*rows_of(points)), "gap", greater_is_better=greater_is_better)
    sign = 1 if greater_is_better else -1
    means = [((p[0] + p[4]) / 2, sign * (p[1] + p[5]) / 2) for p in points]
    expected = [not any(a >= p[0] and b >= p[1] and (a, b) != p for a, b in means) for p in means]
    assert table["front"].tolist() == expected


@options(deadline=None, max_examples=15)
@given(POINTS, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_the_order_of_runs(points, random):
    rows = rows_of(points)
    before = summarise(frame(*rows), "gap")
    after = summarise(frame(*random.sample(rows, len(rows))), "gap")
    columns = [c for c in before if not c.endswith((".low", ".high"))]
    pd.testing.assert_frame_equal(after[columns], before[columns])


@options(deadline=None, max_examples=15)
@given(POINTS, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_test_rows(points, random):
    rows = rows_of(points)
    values = [(row["test/accuracy"], row["test/gap"]) for row in rows]
    other = [
        row | {"test/accuracy": a, "test/gap": b}
        for row, (a, b) in zip(rows, random.sample(values, len(values)), strict=True)
    ]
    assert summarise(frame(*other), "gap")["front"].tolist() == summarise(frame(*rows), "gap")["front"].tolist()


def test_null_is_a_setting_of_its_own():
    assert settings(frame(run(1, fairness_bound=None), run(1, fairness_bound=0.1))) == ["method", "fairness_bound"]


def test_a_setting_whose_metric_is_not_defined_is_not_on_the_front_and_takes_nobody_off_it():
    rows = [run(0, val=(0.9, np.nan)), run(1, val=(0.8, 0.1)), run(2, val=(0.7, 0.2))]
    assert summarise(frame(*rows), "gap")["front"].tolist() == [False, True, False]


def test_one_undefined_value_makes_the_mean_and_the_interval_undefined():
    row = summarise(frame(run(0, 0, test=(0.5, np.nan)), run(0, 1), run(0, 2)), "gap").iloc[0]
    assert np.isnan([row["test/gap"], row["test/gap.low"], row["test/gap.high"]]).all()


def test_a_sweep_without_a_finished_run_is_refused():
    with pytest.raises(InputError, match="a summary needs a finished run, got 2 refused, 1 failed"):
        summarise(frame(*(run(k, status=status) for k, status in enumerate(["refused", "failed", "refused"]))), "gap")


def test_runs_that_repeat_a_setting_and_seed_count_once():
    row = summarise(frame(run(1, 0), run(1, 0, folder="again"), run(1, 1)), "gap").iloc[0]
    assert row["seeds"] == 2


@pytest.mark.parametrize("key", ["tracker.mode", "device", "num_threads", "dataset.path"])
def test_a_key_without_effect_on_results_does_not_tell_settings_apart(key):
    assert settings(frame(run(1, 0, **{key: 1}), run(1, 1, **{key: 2}))) == ["method"]


def test_a_key_that_all_methods_have_tells_methods_apart_and_one_of_a_method_does_not():
    rows = [run(1, epochs=3), run(1, epochs=1, method="erm") | {"method.lam": None}]
    assert settings(frame(*rows)) == ["method", "epochs"]


def test_neither_the_reason_of_a_failure_nor_the_labels_tell_settings_apart():
    rows = [run(1, seed, failure=None, **{"base_rates.test": [[10, seed]]}) for seed in (0, 1)]
    assert settings(frame(*rows)) == ["method"]


def test_runs_that_cannot_be_read_are_left_out():
    corrupt = {"folder": "x", "status": "corrupt", "failure": "record.json ends early"}
    table = summarise(frame(run(1, 0), corrupt, run(1, 1)), "gap")
    assert table["seeds"].tolist() == [2]


def test_the_front_of_a_method_is_chosen_among_its_own_settings():
    """penalty 0 beats penalty 1 and erm; erm is alone in its method."""
    rows = [run(0, val=(0.9, 0.1)), run(1, val=(0.8, 0.2)), run(None, val=(0.7, 0.3), method="erm")]
    table = summarise(frame(*rows), "gap")
    assert table["method"].tolist() == ["erm", "penalty", "penalty"]
    assert table["front"].tolist() == [False, True, False]
    assert table["method_front"].tolist() == [True, True, False]


def test_the_test_oracle_is_chosen_on_test_rows_and_only_if_asked_for():
    rows = [run(0, val=(0.9, 0.1), test=(0.6, 0.4)), run(1, val=(0.8, 0.2), test=(0.95, 0.0))]
    table = summarise(frame(*rows), "gap", test_oracle=True)
    assert table["front"].tolist() == [True, False]
    assert table["test_oracle"].tolist() == [False, True]
    assert "test_oracle" not in summarise(frame(*rows), "gap")


def test_a_front_of_nothing_known_is_empty():
    rows = frame(run(0, val=(np.nan, 0.1)), run(1, val=(0.5, np.nan)))
    assert on_front(rows, "gap").tolist() == [False, False]
    assert chosen(rows, "gap").shape == (0, 2)


# anchors


def test_the_anchors_by_hand():
    """Groups of 60 rows with 30 positive and 40 with 5: 35 of 100 are positive, so the majority is right for 65; the
    rates are .5 and .125.
    """
    assert anchors(frame(run(0, **{"base_rates.test": [[60, 30], [40, 5]]}))) == pytest.approx((0.65, 0.375))


def test_a_group_without_a_row_does_not_count_for_the_anchors():
    assert anchors(frame(run(0, **{"base_rates.test": [[0, 0], [10, 6], [10, 9]]}))) == pytest.approx((0.75, 0.3))


def test_of_several_classes_the_majority_is_the_most_frequent_and_there_is_no_difference_of_labels():
    """20, 50 and 30 of 100 rows are of class 0, 1 and 2."""
    found = anchors(frame(run(0, **{"base_rates.test": [[60, 40, 10], [40, 10, 20]]})))
    assert found.majority == pytest.approx(0.5) and np.isnan(found.max_dp)


@pytest.mark.parametrize("cells", [[None, None], [[[10, 5], [10, 6]], [[10, 5], [10, 7]]]], ids=["absent", "different"])
def test_without_one_count_of_labels_there_are_no_anchors(cells):
    assert np.isnan(anchors(frame(*(run(0, k, **{"base_rates.test": cell}) for k, cell in enumerate(cells))))).all()


def test_records_that_do_not_count_labels_have_no_anchors():
    assert np.isnan(anchors(frame(run(0)))).all()


# hypervolume


def test_the_hypervolume_by_hand():
    """From (.5, 1): (.7, .2) covers .2 x .8 = .16; (.9, .6) adds .2 x .4 = .08; (.6, .3) lies inside."""
    points = np.array([[0.7, 0.2], [0.9, 0.6], [0.6, 0.3]])
    assert hypervolume(points, (0.5, 1.0)) == pytest.approx(0.24)


def test_the_hypervolume_of_a_metric_whose_greater_values_are_better_by_hand():
    """From (.5, 0): (.7, .6) covers .2 x .6 = .12; (.9, .1) adds .2 x .1 = .02."""
    assert hypervolume(np.array([[0.7, 0.6], [0.9, 0.1]]), (0.5, 0.0), greater_is_better=True) == pytest.approx(0.14)


def test_points_that_are_not_better_than_the_reference_have_no_volume():
    assert hypervolume(np.array([[0.4, 0.1], [0.5, 0.1], [0.9, 1.0]]), (0.5, 1.0)) == 0


VALUES = st.floats(0, 1, allow_subnormal=False)
CLOUD = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12)


@options(deadline=None, max_examples=20)
@given(CLOUD, st.tuples(VALUES, VALUES), st.booleans())
def test_a_further_point_does_not_take_volume_away(points, further, greater_is_better):
    reference = (0.25, 0.0 if greater_is_better else 1.0)
    before = hypervolume(np.array(points), reference, greater_is_better=greater_is_better)
    after = hypervolume(np.array([*points, further]), reference, greater_is_better=greater_is_better)
    assert after >= before - 1e-12


@options(deadline=None, max_examples=20)
@given(CLOUD, st.integers(0, 11), VALUES)
def test_a_better_point_does_not_take_volume_away(points, k, gain):
    better = np.array(points)
    k %= len(points)
    better[k] += [gain * (1 - better[k, 0]), -gain * better[k, 1]]
    assert hypervolume(better, (0.0, 1.0)) >= hypervolume(np.array(points), (0.0, 1.0)) - 1e-12


@pytest.mark.parametrize("points", [[], [[0.5, np.nan]], [[0.5, 0.5], [np.nan, 0.5]]])
def test_areas_of_nothing_known_are_undefined(points):
    points = np.array(points).reshape(-1, 2)
    assert np.isnan(hypervolume(points, (0.5, 1.0)))
    assert np.isnan(aopac(points, Anchors(0.5, 0.5)))


def test_areas_without_anchors_are_undefined():
    assert np.isnan(hypervolume(np.array([[0.9, 0.1]]), (np.nan, 1.0)))
    assert np.isnan(aopac(np.array([[0.9, 0.1]]), Anchors(np.nan, np.nan)))


# aopac


def test_the_area_over_the_parity_accuracy_curve_by_hand():
    """majority .6, max_dp .4: points (.8, .1), (.9, .3); (.95, .5) is beyond max_dp.  Steps (.8 - .6)(.3 - .1) +
    (.9 - .6)(.4 - .3) = .04 + .03 = .07, of (1 - .6) .4 = .16.
    """
    points = np.array([[0.9, 0.3], [0.95, 0.5], [0.8, 0.1]])
    assert aopac(points, Anchors(0.6, 0.4)) == pytest.approx(0.07 / 0.16)


def test_a_perfect_and_fair_point_has_the_whole_area():
    assert aopac(np.array([[1.0, 0.0]]), Anchors(0.7, 0.2)) == 1


def test_a_point_at_the_labels_difference_has_no_width():
    assert aopac(np.array([[1.0, 0.25]]), Anchors(0.5, 0.25)) == 0


def test_without_a_point_within_the_labels_difference_the_area_is_zero():
    assert aopac(np.array([[0.9, 0.3], [0.95, 0.5]]), Anchors(0.6, 0.2)) == 0


def test_points_below_the_majority_count_negatively():
    """(.4 - .6)(.2 - .1) of .4 x .2."""
    assert aopac(np.array([[0.4, 0.1]]), Anchors(0.6, 0.2)) == pytest.approx(-0.02 / 0.08)


def test_of_equally_fair_points_the_more_accurate_counts():
    """(.8 - .6)(.2 - .1) of .4 x .2."""
    for points in ([[0.7, 0.1], [0.8, 0.1]], [[0.8, 0.1], [0.7, 0.1]]):
        assert aopac(np.array(points), Anchors(0.6, 0.2)) == pytest.approx(0.02 / 0.08)


def test_labels_at_parity_leave_the_area_undefined():
    assert np.isnan(aopac(np.array([[0.9, 0.0]]), Anchors(0.6, 0.0)))


@options(deadline=None, max_examples=20)
@given(CLOUD)
def test_the_area_of_a_front_is_a_share_of_hypervolume(points):
    """For points that trade and beat the majority, AOPAC is the volume within (majority, max_dp) over the box."""
    front = moocore.filter_dominated(np.array(points) * [0.5, 1] + [0.5, 0], maximise=[True, False])
    expected = hypervolume(front, (0.5, 0.5)) / 0.25
    assert aopac(front, Anchors(0.5, 0.5)) == pytest.approx(expected, abs=1e-12)


# attainment


def surfaces(runs, **options):
    table = attainment(frame(*runs), "gap", **options)
    names = ["test/accuracy", "test/gap"]
    return {percent: sorted(map(tuple, own[names].to_numpy())) for percent, own in table.groupby("percent")}


def test_the_attainment_surfaces_by_hand():
    """Three seeds with one setting each, at (.6, .1), (.7, .2), (.8, .3).  One seed or more reaches each of the points;
    two or more only (.6, .2) and (.7, .3); all three only (.6, .3).
    """
    points = [(0.6, 0.1), (0.7, 0.2), (0.8, 0.3)]
    found = surfaces([run(0, seed, point, point) for seed, point in enumerate(points)])
    assert found == {0: points, 50: [(0.6, 0.2), (0.7, 0.3)], 100: [(0.6, 0.3)]}


def test_the_attainment_surfaces_of_a_metric_whose_greater_values_are_better():
    """Seeds at (.6, .9) and (.8, .5): both reach (.6, .5)."""
    runs = [run(0, seed, point, point) for seed, point in enumerate([(0.6, 0.9), (0.8, 0.5)])]
    assert surfaces(runs, greater_is_better=True)[100] == [(0.6, 0.5)]


def test_the_attainment_surfaces_of_one_seed_are_its_own_validation_front_on_test_rows():
    """lam 1 is beaten on validation rows, though it is best on test rows."""
    runs = [run(0, 0, (0.9, 0.2), (0.8, 0.3)), run(1, 0, (0.8, 0.3), (0.9, 0.1)), run(2, 0, (0.7, 0.1), (0.7, 0.2))]
    assert surfaces(runs) == {percent: [(0.7, 0.2), (0.8, 0.3)] for percent in (0, 50, 100)}


def test_a_seed_with_an_undefined_value_is_left_out_of_the_surfaces():
    runs = [run(0, 0, (0.9, 0.2), (0.8, 0.3)), run(0, 1, (0.9, 0.2), (0.8, np.nan)), run(0, 2, (np.nan, 0.2))]
    assert surfaces(runs)[100] == [(0.8, 0.3)]
    assert attainment(frame(*runs[1:]), "gap").empty


def test_a_key_beside_a_switch_is_a_setting_where_it_varies_among_the_runs_that_have_it():
    rows = []
    for kind, rate in ((None, None), ("features", 0.1), ("features", 0.2)):
        more = {} if kind is None else {"dataset.outliers.rate": rate, "dataset.outliers.scale": 4.0}
        rows.append(run(1, 0) | {"dataset.outliers.kind": kind} | more)
    assert settings(pd.DataFrame(rows)) == ["method", "dataset.outliers.kind", "dataset.outliers.rate"]
