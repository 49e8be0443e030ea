"""The configuration to take: chosen on validation rows, valued on test rows."""

import numpy as np
import pytest

from fairrun.analysis.interval import interval
from fairrun.analysis.recommend import knee, recommend
from fairrun.analysis.tradeoff import tradeoff
from tests.helpers.frames import frame, run

CONSTANT = {"val/balanced_accuracy": 0.5}
SOUND = {"val/balanced_accuracy": 0.7}


def of(method, lam, val, *tests, **columns):
    """Runs of one configuration: ``val`` is (accuracy, gap) of each, ``tests`` of one seed each."""
    common = {"method": method, "dataset": "d"} | SOUND | columns
    return [run(lam, seed, val, test, **common) for seed, test in enumerate(tests)]


ERM = of("erm", np.nan, (0.90, 0.30), (0.90, 0.30), (0.88, 0.32), (0.89, 0.25))
MILD = of("penalty", 1, (0.88, 0.10), (0.88, 0.09), (0.86, 0.11), (0.85, 0.10))
STRONG = of("penalty", 2, (0.80, 0.05), (0.80, 0.08), (0.79, 0.12), (0.84, 0.16))
SWEEP = [*ERM, *MILD, *STRONG]


def trade(rows, greater_is_better=False, **options):
    return tradeoff(frame(*rows), "gap", greater_is_better=greater_is_better, **options)


def chosen(rows, bound=None, compared=(), **options):
    return recommend(trade(rows, **options), bound, compared)


@pytest.mark.parametrize(
    ("bound", "name", "rule", "among"),
    [
        (0.4, "erm", "bound", 3),
        (0.3, "erm", "bound", 3),
        (0.2, "penalty lam 1", "bound", 2),
        (0.1, "penalty lam 1", "bound", 2),
        (0.09, "penalty lam 2", "bound", 1),
        (0.04, "penalty lam 2", "nearest", 0),
        (None, "penalty lam 1", "knee", 3),
    ],
)
def test_the_most_accurate_that_keeps_the_bound_or_the_knee(bound, name, rule, among):
    found = chosen(SWEEP, bound)
    assert (found.name, found.rule, found.among, found.seeds) == (name, rule, among, 3)


def test_a_point_of_a_runs_own_curve_is_named_by_its_bound_which_is_no_key():
    points = [of("erm + frontier thresholds", np.nan, (0.9 - b, b), (0.9 - b, b)) for b in (0.05, 0.1)]
    rows = [run | {"postprocess.bound": b} for b, (run,) in zip((0.05, 0.1), points, strict=True)]
    assert chosen(rows, 0.07).name == "erm + frontier thresholds at the bound 0.05 of its curve"


def test_a_bound_from_below_where_greater_values_are_better():
    assert chosen(SWEEP, 0.1, greater_is_better=True).name == "erm"
    assert chosen([*MILD, *STRONG], 0.1, greater_is_better=True).name == "penalty lam 1"
    found = chosen([*MILD, *STRONG], 0.2, greater_is_better=True)
    assert (found.name, found.rule) == ("penalty lam 1", "nearest")


@pytest.mark.parametrize(
    ("points", "position"),
    [
        ([[1, 1], [0.8, 0.2], [0, 0]], 1),
        ([[1, 1], [0.9, 0.8], [0.5, 0.1], [0, 0]], 2),
        ([[0, 0], [0.5, 0.1], [1, 1]], 1),  # in another order
        ([[5.1, 0.01], [5.0, 0.002], [1.1, 0]], 1),  # whatever the scales
        ([[1, 1], [0.2, 0.8], [0, 0]], 0),  # on the other side of the chord: no knee
        ([[1, 1], [0.5, 0.5], [0, 0]], 0),  # on the chord
        ([[0, 0], [1, 1]], 1),
        ([[0.7, 0.2], [0.7, 0.2]], 0),
        ([[0.7, 0.2]], 0),
    ],
)
def test_the_knee_is_farthest_from_the_chord(points, position):
    assert knee(np.array(points, dtype=float)) == position


def test_a_front_without_a_knee_gives_its_most_accurate_end():
    found = chosen([*ERM, *STRONG])
    assert (found.name, found.rule, found.among) == ("erm", "end", 2)


def test_equal_accuracy_the_fairer_is_chosen():
    fairer = of("penalty", 3, (0.88, 0.04), (0.8, 0.1))
    assert chosen([*SWEEP, *fairer], 0.1).name == "penalty lam 3"


def test_a_degenerate_configuration_is_chosen_only_if_it_is_kept():
    constant = of("penalty", 3, (0.89, 0.0), (0.7, 0.0), **CONSTANT)
    assert chosen([*SWEEP, *constant], 0.1).name == "penalty lam 1"
    assert chosen([*SWEEP, *constant]).name == "penalty lam 1"
    assert chosen([*SWEEP, *constant], 0.1, keep_degenerate=True).name == "penalty lam 3"


@pytest.mark.parametrize(
    "rows", [ERM, [*of("erm", np.nan, (0.9, 0.1), (0.9, 0.1), **CONSTANT), *of("a", 1, (0.9, np.nan), (0.9, 0.1))]]
)
def test_nothing_is_recommended_of_one_configuration_or_of_none_that_is_sound(rows):
    assert chosen(rows) is None
    assert chosen(rows, 0.1) is None


def test_the_cost_and_the_gain_are_paired_by_seed():
    """Accuracy .88 - .90, .86 - .88, .85 - .89; gap .09 - .30, .11 - .32, .10 - .25."""
    found = chosen(SWEEP, 0.1).comparison
    assert (found.name, found.seeds) == ("erm", 3)
    for name, values in (("accuracy", [-0.02, -0.02, -0.04]), ("gap", [-0.21, -0.21, -0.15])):
        assert found.differences[name] == pytest.approx((np.mean(values), *interval(np.array(values))))


def test_two_seeds_have_no_interval():
    found = chosen([row for row in SWEEP if row["seed"] < 2], 0.1)
    for estimate in (*found.comparison.differences.values(), *found.values.values()):
        assert np.isfinite(estimate.mean)
        assert np.isnan([estimate.low, estimate.high]).all()


def test_the_baseline_is_the_one_that_is_named_or_else_erm():
    other = of("reweighing", np.nan, (0.87, 0.2), (0.87, 0.2))
    assert chosen([*SWEEP, *other], 0.1).baseline == "erm"
    named = chosen([*SWEEP, *other], 0.1, [("erm", "penalty"), ("penalty", "reweighing")])
    assert (named.baseline, named.comparison.name, named.comparison.seeds) == ("reweighing", "reweighing", 1)
    assert chosen(SWEEP, 0.1, [("penalty", "reweighing")]).baseline == "erm"
    absent = chosen([*MILD, *STRONG], 0.1)
    assert (absent.baseline, absent.comparison) == (None, None)
    single_task = [row | {"method": "stl"} for row in ERM]
    assert chosen([*single_task, *MILD], 0.1).baseline == "stl"
    itself = chosen(SWEEP, 0.3)
    assert (itself.baseline, itself.comparison) == ("erm", None)


def test_a_method_of_one_width_is_compared_with_erm_of_this_width():
    rows = [row | {"method": f"{row['method']}, width 8"} for row in SWEEP]
    assert chosen([*SWEEP, *rows], 0.09).baseline == "erm"
    assert chosen(rows, 0.09).baseline == "erm, width 8"


def test_the_baselines_configuration_has_the_same_keys():
    """Of several, the most accurate on validation rows; without one, or without a shared seed, nothing is compared."""
    short, long = ([row | {"epochs": n} for row in ERM] for n in (1, 9))
    mild = [row | {"epochs": 9} for row in MILD]
    assert chosen([*short, *long, *mild], 0.1).comparison.name == "erm epochs 9"
    assert chosen([*short, *mild, *(row | {"epochs": 1} for row in STRONG)], 0.2).comparison is None
    other = [row | {"method": "other", "method.rho": rho} for rho, rows in ((1, STRONG), (2, ERM)) for row in rows]
    several = [row | {"method.lam": np.nan} for row in other]
    assert chosen([*SWEEP, *several], 0.1, [("penalty", "other")]).comparison.name == "other rho 2"
    late = [row | {"seed": row["seed"] + 7} for row in ERM]
    assert chosen([*late, *MILD], 0.1).comparison is None


def test_seeds_that_keep_the_bound_on_test_rows_are_counted():
    """lam 2 keeps .1 on validation rows, and on test rows with .08 of .08, .12, .16."""
    found = chosen(SWEEP, 0.1)
    assert found.kept == ("penalty lam 1", 2, 3, True)
    assert found.broken == [("penalty lam 2", 1, 3, False)]
    assert chosen(SWEEP, 0.09).kept == ("penalty lam 2", 1, 3, False)
    assert chosen(SWEEP, 0.04).kept == ("penalty lam 2", 0, 3, False)
    knee = chosen(SWEEP)
    assert (knee.kept, knee.broken) == (None, [])


def test_the_worst_seed_decides_where_the_report_goes_by_it():
    bad = of("penalty", 3, (0.89, 0.05), (0.89, 0.05), (0.89, 0.05))
    bad[1]["val/gap"] = 0.14  # mean .095
    assert chosen([*SWEEP, *bad], 0.1).name == "penalty lam 3"
    assert chosen([*SWEEP, *bad], 0.1, seed_summary="worst").name == "penalty lam 1"


def test_the_run_to_train_again_is_the_first_that_is_not_degenerate():
    mild = [row | (CONSTANT if row["seed"] == 0 else {}) for row in reversed(MILD)]
    assert str(chosen([*ERM, *mild], 0.1).folder) == "1/1"
    assert str(chosen(SWEEP, 0.1).folder) == "1/0"
