"""Areas over seeds, methods and their comparison."""

import numpy as np
import pandas as pd
import pytest

from fairrun.analysis.ideal import ideal_area
from fairrun.analysis.interval import interval
from fairrun.analysis.tradeoff import AREAS, areas, by_method, compare, describe, tradeoff
from tests.helpers.frames import frame, run

HARD, SOFT = "demographic_parity_difference", "soft_demographic_parity_difference"
LABELS = [[50, 30], [50, 10]]  # majority .6, difference .4


def dp_run(method, lam, seed, val, test, **columns):
    """A run with labels; ``val`` and ``test`` are (accuracy, hard difference, soft difference)."""
    values = {
        f"{split}/{name}": v
        for split, point in (("val", val), ("test", test))
        for name, v in zip((HARD, SOFT), point[1:], strict=True)
    }
    return (
        run(lam, seed, val[:2], test[:2], method=method, dataset="d", **values, **{"base_rates.test": LABELS}) | columns
    )


def test_the_areas_of_a_seed_by_hand():
    """The front by hard difference is lam 0 and 1, by soft difference lam 0 alone.  Test points (.9, .3) and (.8, .1).

    Hypervolume from (.6, 1): .3 x .7 + .2 x .2 = .25.  AOPAC: (.2 x .2 + .3 x .1) / .16; soft, (.9, .2): .3 x .2 / .16.
    """
    rows = [
        dp_run("penalty", 0, 0, (0.9, 0.3, 0.1), (0.9, 0.3, 0.2)),
        dp_run("penalty", 1, 0, (0.8, 0.1, 0.2), (0.8, 0.1, 0.0)),
        dp_run("penalty", 2, 0, (0.7, 0.2, 0.3), (1.0, 0.0, 0.0)),
    ]
    row = areas(frame(*rows), HARD).iloc[0]
    assert row[["method", "seed"]].tolist() == ["penalty", 0]
    found = row[["hypervolume", "aopac", "soft_aopac"]].tolist()
    assert found == pytest.approx([0.25, 0.07 / 0.16, 0.06 / 0.16])
    ideal = ideal_area(frame(*rows))
    assert row[["aopac_ideal", "soft_aopac_ideal"]].tolist() == pytest.approx(
        [0.07 / 0.16 / ideal, 0.06 / 0.16 / ideal]
    )


def test_the_test_oracle_has_areas_of_its_own():
    """On test rows lam 2, (1, 0), beats all: hypervolume .4 x 1, AOPAC 1."""
    rows = [
        dp_run("penalty", 0, 0, (0.9, 0.1, 0.1), (0.9, 0.3, 0.2)),
        dp_run("penalty", 2, 0, (0.7, 0.2, 0.3), (1.0, 0.0, 0.0)),
    ]
    row = areas(frame(*rows), HARD, test_oracle=True).iloc[0]
    assert row["hypervolume"] == pytest.approx(0.3 * 0.7)
    assert row["test_oracle/hypervolume"] == pytest.approx(0.4)
    assert row["test_oracle/aopac"] == row["test_oracle/soft_aopac"] == 1


def test_each_seed_chooses_its_own_front():
    """lam 0 wins with seed 0, lam 1 with seed 1; both have test points that tell them apart."""
    rows = [
        dp_run("penalty", lam, seed, (0.9, 0.1, 0.1) if lam == seed else (0.8, 0.2, 0.2), (0.7 + lam / 10, 0.5, 0.5))
        for lam in (0, 1)
        for seed in (0, 1)
    ]
    assert areas(frame(*rows), HARD)["hypervolume"].tolist() == pytest.approx([0.1 * 0.5, 0.2 * 0.5])


def test_records_without_counts_of_labels_have_no_areas():
    rows = [dp_run("penalty", 0, 0, (0.9, 0.1, 0.1), (0.9, 0.3, 0.2), **{"base_rates.test": None})]
    assert areas(frame(*rows), HARD)[list(AREAS)].isna().all(axis=None)


def test_records_without_a_soft_difference_have_no_area_of_it():
    row = areas(
        frame(dp_run("penalty", 0, 0, (0.9, 0.1, 0.1), (0.9, 0.3, 0.2))).drop(columns=f"val/{SOFT}"), HARD
    ).iloc[0]
    assert np.isnan(row["soft_aopac"])
    assert row["aopac"] > 0


def two_methods():
    rows = [dp_run("erm", None, seed, (0.85, 0.3, 0.3), (0.8 + seed / 100, 0.3, 0.3)) for seed in range(3)]
    for lam, (accuracy, gap) in {0.5: (0.9, 0.2), 2.0: (0.8, 0.1), 1.0: (0.7, 0.15)}.items():
        rows += [dp_run("penalty", lam, seed, (accuracy, gap, gap), (accuracy, gap, gap)) for seed in range(4)]
    return frame(*rows)


def test_a_method_has_the_ends_of_its_front_and_the_means_of_its_areas():
    trade = tradeoff(two_methods(), HARD, greater_is_better=False)
    erm, penalty = (trade.methods.iloc[k] for k in (0, 1))
    assert penalty[["method", "settings", "chosen", "seeds"]].tolist() == ["penalty", 3, 2, 4]
    assert penalty[["most_accurate", "fairest"]].tolist() == ["lam 0.5", "lam 2"]
    assert erm[["method", "settings", "chosen", "seeds", "most_accurate"]].tolist() == ["erm", 1, 1, 3, ""]
    volumes = np.array([0.2, 0.21, 0.22]) * 0.7
    assert erm["hypervolume"] == pytest.approx(volumes.mean())
    assert (erm["hypervolume.low"], erm["hypervolume.high"]) == pytest.approx(interval(volumes))


def test_one_undefined_area_makes_a_methods_mean_undefined():
    runs = two_methods()
    runs.loc[0, f"test/{HARD}"] = np.nan
    methods = tradeoff(runs, HARD, greater_is_better=False).methods
    assert methods["hypervolume"].isna().tolist() == [True, False]


def test_the_reference_is_the_majority_and_the_worst_value():
    for greater_is_better, worst in ((False, 1.0), (True, 0.0)):
        trade = tradeoff(two_methods(), HARD, greater_is_better=greater_is_better)
        assert trade.hypervolume_point == (pytest.approx(0.6), worst)


def test_the_number_of_seeds_is_said():
    assert tradeoff(two_methods(), HARD, greater_is_better=False).seeds == "3 to 4 seeds"
    one = two_methods().query("seed == 0")
    assert tradeoff(one, HARD, greater_is_better=False).seeds == "1 seed"


UNKNOWN = ("aopac", "aopac_ideal", "soft_aopac_ideal")


def table_of(**methods):
    """Areas of methods, a list over seeds each."""
    rows = [
        {"method": method, "seed": seed, "hypervolume": v, "soft_aopac": -v} | dict.fromkeys(UNKNOWN, np.nan)
        for method, values in methods.items()
        for seed, v in values.items()
    ]
    return pd.DataFrame(rows)


def test_methods_are_compared_over_the_seeds_that_both_have():
    """Seeds 1, 2 and 4: .5 - .4, .5 - .6 and .5 - .5."""
    found = compare(table_of(a={0: 0.9, 1: 0.5, 2: 0.5, 4: 0.5}, b={2: 0.6, 1: 0.4, 4: 0.5, 3: 0.1}))
    row = found.iloc[0]
    assert row[["area", "first", "second", "seeds", "first_better"]].tolist() == ["hypervolume", "a", "b", 3, 1]
    assert row["difference"] == pytest.approx(0)
    assert (row["difference.low"], row["difference.high"]) == pytest.approx(interval(np.array([0.1, -0.1, 0])))


def test_pairing_by_seed_takes_out_what_the_seeds_share():
    """Seeds differ by .3, methods by .01 with every seed: the interval of the difference is a point."""
    found = compare(table_of(a={0: 0.25, 1: 0.5, 2: 0.75}, b={0: 0.125, 1: 0.375, 2: 0.625})).iloc[0]
    assert found[["difference", "difference.low", "difference.high"]].tolist() == [0.125] * 3
    assert found["first_better"] == 3


def test_every_pair_of_methods_and_every_known_area_is_compared():
    found = compare(table_of(a={0: 0.1}, b={0: 0.2}, c={0: 0.3}))
    assert found["area"].unique().tolist() == ["hypervolume", "soft_aopac"]
    pairs = found[found["area"] == "hypervolume"][["first", "second"]].to_numpy().tolist()
    assert pairs == [["a", "b"], ["a", "c"], ["b", "c"]]


def test_methods_without_a_seed_in_common_are_not_compared():
    assert compare(table_of(a={0: 0.1}, b={1: 0.2})).empty


def test_the_ends_of_a_front_without_a_known_value_are_empty():
    runs = frame(run(0, val=(0.5, np.nan)), run(1, val=(0.5, np.nan)))
    trade = tradeoff(runs.assign(dataset="d"), "gap", greater_is_better=False)
    row = by_method(trade.settings, areas(trade.runs, "gap"), trade.by).iloc[0]
    assert row[["chosen", "most_accurate", "fairest"]].tolist() == [0, "", ""]


def test_a_setting_in_words_names_the_keys_that_it_has():
    row = pd.Series({"method": "penalty", "method.lam": 0.5, "epochs": 10.0, "method.eta": np.nan, "note": None})
    assert describe(row, list(row.index)) == "lam 0.5, epochs 10"


# Hard and soft side by side


def test_a_parity_difference_has_the_other_one_beside_it_with_a_front_of_its_own():
    """By the hard difference lam 0 beats lam 1, by the soft one both are on the front."""
    rows = [
        dp_run("penalty", 0, 0, (0.9, 0.1, 0.3), (0.9, 0.1, 0.3)),
        dp_run("penalty", 1, 0, (0.8, 0.2, 0.1), (0.8, 0.2, 0.1)),
    ]
    for metric, other, fronts in ((HARD, SOFT, (1, 2)), (SOFT, HARD, (2, 1))):
        trade = tradeoff(frame(*rows), metric, greater_is_better=False)
        assert [panel.metric for panel in trade.panels] == [metric, other]
        assert tuple(panel.settings["front"].sum() for panel in trade.panels) == fronts
        assert trade.panels[1].seed_summary == trade.seed_summary


def test_other_metrics_and_records_without_the_other_difference_have_one_panel():
    row = dp_run("penalty", 0, 0, (0.9, 0.1, 0.3), (0.9, 0.1, 0.3))
    assert len(tradeoff(frame(row), "gap", greater_is_better=False).panels) == 1
    alone = frame(row).drop(columns=f"val/{SOFT}")
    assert len(tradeoff(alone, HARD, greater_is_better=False).panels) == 1


def test_decisions_without_scores_have_one_panel():
    """Their hard and their soft difference are the same."""
    rows = [dp_run("erm", 0, seed, (0.9, 0.1, 0.1), (0.8, 0.2, 0.2)) for seed in range(2)]
    assert len(tradeoff(frame(*rows), HARD, greater_is_better=False).panels) == 1


def test_only_a_parity_difference_has_the_anchors_of_the_labels():
    row = dp_run("penalty", 0, 0, (0.9, 0.1, 0.3), (0.9, 0.1, 0.3))
    assert tradeoff(frame(row), SOFT, greater_is_better=False).anchored
    assert not tradeoff(frame(row), "gap", greater_is_better=False).anchored
    row["base_rates.test"] = None
    assert not tradeoff(frame(row), SOFT, greater_is_better=False).anchored
