"""The sentence at the top of a page, against numbers by hand."""

import pytest

from fairrun.report.headline import headline, title
from tests.helpers.reports import HARD, sweep, trade, write_run

NOISE = (-0.06, 0.07, -0.01)  # by seed
OFF = {"val/selection_rate": 0.0}


def of(folder, rows, **given):
    return headline(trade(folder, rows, **given))


def with_penalty(folder, lam, seeds=3):
    """ERM, and a penalty with one weight: accuracy lower by lam / 20, difference by lam / 8, with every seed."""
    runs = range(seeds)
    return [write_run(folder, "erm", 0.0, k) for k in runs] + [write_run(folder, lam=lam, seed=k) for k in runs]


@pytest.mark.parametrize(
    ("lam", "gain"),
    [
        (1.2, "halves the demographic parity difference of erm (0.303 → 0.153; by 0.150 [0.150, 0.150])"),
        (1.6, "cuts the demographic parity difference of erm to a third (0.303 → 0.103; by 0.200 [0.200, 0.200])"),
        (0.4, "lowers the demographic parity difference of erm (0.303 → 0.253; by 0.050 [0.050, 0.050])"),
    ],
)
def test_it_says_what_the_choice_gains_and_costs(tmp_path, lam, gain):
    cost = f"{lam / 20:.3f}"
    expected = f"penalty lam {lam} {gain} for {cost} [{cost}, {cost}] of accuracy."
    rows = with_penalty(tmp_path, lam)
    for row in rows[3:]:
        row["method.lam"] = lam
    rows += [write_run(tmp_path, lam=9.0, seed=k, **OFF) for k in range(3)]  # so that the weight varies
    assert of(tmp_path, rows, bound=0.27) == expected


def test_without_a_difference_from_0_nothing_is_claimed(tmp_path):
    rows = with_penalty(tmp_path, 0.1)
    for row, noise in zip(rows[3:], NOISE, strict=True):
        row[f"test/{HARD}"] += noise
        row["test/accuracy"] += noise
    said = of(tmp_path, rows, bound=0.295)
    assert said.startswith("penalty does not differ clearly from erm: demographic parity difference 0.303 → 0.291 (by ")
    assert "), accuracy by -0.005 [" in said
    for row in rows[3:]:
        row["val/accuracy"] += 0.1
    said = of(tmp_path, rows, bound=0.31)  # which erm keeps too
    assert said.startswith("penalty does not differ clearly from erm, the plain choice: demographic")


def test_a_cost_that_is_clear_without_a_gain_that_is_clear_is_no_price(tmp_path):
    rows = with_penalty(tmp_path, 0.1)
    for row, noise in zip(rows[3:], NOISE, strict=True):
        row[f"test/{HARD}"] += noise
    said = of(tmp_path, rows, bound=0.295)
    assert "does not clearly change the demographic parity difference of erm" in said
    assert said.endswith(" and costs 0.005 [0.005, 0.005] of accuracy.")


def test_a_metric_whose_greater_values_are_better_rises(tmp_path):
    rows = with_penalty(tmp_path, 1.0)
    for row in rows[3:]:
        row["val/worst_group_accuracy"] = row["test/worst_group_accuracy"] = 0.8 + row["seed"] / 500
    said = of(tmp_path, rows, metric="worst_group_accuracy", bound=0.79)
    assert said == (
        "penalty raises the worst group accuracy of erm (0.752 → 0.802; by 0.050 [0.050, 0.050]) for 0.050 "
        "[0.050, 0.050] of accuracy."
    )


def test_of_two_seeds_both_sides_are_told_and_no_difference_is_claimed(tmp_path):
    assert of(tmp_path, with_penalty(tmp_path, 1.2, seeds=2), bound=0.2) == (
        "penalty has demographic parity difference 0.152 and accuracy 0.791, erm 0.302 and 0.851 "
        "(2 seeds: too few for an interval)."
    )


def test_an_undefined_value_is_called_so(tmp_path):
    rows = with_penalty(tmp_path, 1.2)
    rows[0][f"test/{HARD}"] = float("nan")
    said = of(tmp_path, rows, bound=0.2)
    assert said.endswith("erm undefined and 0.852 (3 seeds: a value is undefined).")


def test_where_erm_itself_is_the_choice_its_values_are_told(tmp_path):
    """Accuracy .85, .852, .854 with standard error .00115: Student's interval is 4.303 of these wide to each side."""
    said = of(tmp_path, sweep(tmp_path), bound=0.4)
    assert said == (
        "erm has accuracy 0.852 [0.847, 0.857] and demographic parity difference 0.303 [0.295, 0.312] (3 seeds): "
        "the choice among 4 configurations."
    )


def test_one_run_and_degenerate_runs_have_a_headline(tmp_path):
    one = [write_run(tmp_path, "erm", 0.0)]
    assert of(tmp_path, one) == "erm has accuracy 0.850 and demographic parity difference 0.300 (1 seed)."
    rows = sweep(tmp_path / "b", **OFF)
    assert of(tmp_path, rows) == ("No configuration can be recommended: all are degenerate or have an undefined value.")


def test_the_title_names_data_sets_and_methods_and_counts_many(tmp_path):
    found = trade(tmp_path, sweep(tmp_path))
    assert title([found]) == "adult: erm and penalty"
    many = [write_run(tmp_path, f"method_{k}", 1.0) for k in range(4)]
    assert title([trade(tmp_path, many)]) == "adult: 4 methods"
