"""ARFG, ARE, KG and DG against single-task runs: frames made by hand."""

import numpy as np
import pandas as pd
import pytest

from fairrun.analysis.relative import SPLITS, relative, tasks

GAP = "false_positive_rate_difference"
STL, MTL = ((0.1659, 0.1313), (0.12, 0.0661)), ((0.1656, 0.1299), (0.1205, 0.0738))  # Adult, Table 1 of the paper


def run(method, errors, gaps, seed=0, dataset="adult", names=("income", "capital_gain"), val_accuracy=None, **settings):
    """A row of a frame; errors and gaps of the tasks, at 0.5 and at the match-rate threshold."""
    row = {"folder": "f", "status": "finished", "method": method, "dataset": dataset, "seed": seed} | settings
    for split in SPLITS:
        row[f"{split}/accuracy"] = 1 - np.mean(errors) if val_accuracy is None else val_accuracy
        for prefix in ("", "match_rate_"):
            for name, error, gap in zip(names, errors, gaps, strict=True):
                row |= {f"{split}/{prefix}accuracy/{name}": 1 - error, f"{split}/{prefix}{GAP}/{name}": gap}
    return row | {"test/accuracy/s=0": 0.5, "test/accuracy/income/s=0": 0.5}


def measured(*rows):
    return relative(pd.DataFrame(rows))


def columns(frame, *names):
    return frame[[f"test/{name}" for name in names]].to_numpy()


def test_the_paper_s_first_table_by_hand():
    """Adult, MTL over STL: ARFG = (.1205/.1200 + .0738/.0661)/2 = (1.004167 + 1.116490)/2 = 1.060328,
    ARE = (.1656/.1659 + .1299/.1313)/2 = (.998192 + .989337)/2 = .993764,
    KG = (.0003 + .0014)/2 = .00085, DG = (.0005 + .0077)/2 = .0041.
    """
    frame = measured(run("stl", *STL), run("mtl", *MTL))
    expected = [1.060328, 0.993764, 1.060328, 0.993764, 0.00085, 0.0041]
    for split in SPLITS:
        names = [f"{split}/{name}" for name in ("arfg", "are", "match_rate_arfg", "match_rate_are", "kg", "dg")]
        np.testing.assert_allclose(frame.loc[1, names].astype(float), expected, atol=1e-6)
        np.testing.assert_allclose(frame.loc[0, names].astype(float), [1, 1, 1, 1, 0, 0], atol=1e-12)


def test_each_split_and_threshold_has_denominators_of_its_own():
    stl, mtl = run("stl", (0.2, 0.2), (0.1, 0.1)), run("mtl", (0.2, 0.2), (0.1, 0.1))
    for name in ("income", "capital_gain"):
        stl[f"val/{GAP}/{name}"] = 0.05
        stl[f"test/match_rate_accuracy/{name}"] = 0.6
    frame = measured(stl, mtl).loc[1]
    assert frame["val/arfg"] == pytest.approx(2) and frame["test/arfg"] == pytest.approx(1)
    assert frame["val/match_rate_arfg"] == pytest.approx(1)
    assert frame["test/match_rate_are"] == pytest.approx(0.5) and frame["test/are"] == pytest.approx(1)
    assert frame["test/kg"] == pytest.approx(0.2) and frame["val/kg"] == pytest.approx(0)


def test_denominators_are_means_over_the_seeds_that_both_have():
    """stl has gaps .1, .2 and .6 with seeds 0, 1 and 2; mtl has the seeds 0 and 1: .3/.15 = 2 and .15/.15 = 1."""
    rows = [run("stl", (0.2, 0.2), (gap, gap), seed) for seed, gap in enumerate((0.1, 0.2, 0.6))]
    frame = measured(*rows, run("mtl", (0.2, 0.2), (0.3, 0.3), 0), run("mtl", (0.2, 0.2), (0.15, 0.15), 1))
    np.testing.assert_allclose(frame["test/arfg"][3:], [2, 1])
    np.testing.assert_allclose(frame["test/arfg"][:3], np.array([0.1, 0.2, 0.6]) / 0.3)


def test_runs_are_measured_against_single_task_runs_of_their_own_settings():
    """Two widths: each has its own; lam is of the method."""
    rows = [run("stl", (0.2, 0.2), (0.1 * width, 0.1 * width), **{"model.width": width}) for width in (1, 2)]
    fair = {"method.lam": 0.5}
    rows += [run("mtaf", (0.2, 0.2), (0.1, 0.1), **{"model.width": width}, **fair) for width in (1, 2)]
    rows.append(run("mtaf", (0.2, 0.2), (0.1, 0.1), **{"model.width": 2, "method.lam": 1.0}))
    np.testing.assert_allclose(measured(*rows)["test/arfg"], [1, 1, 1, 0.5, 0.5])


def test_data_sets_do_not_mix(caplog):
    rows = [run("stl", *STL), run("mtl", *MTL), run("mtl", *MTL, dataset="german", names=("bad_loan", "amount"))]
    frame = measured(*rows)
    assert frame["test/arfg"].notna().tolist() == [True, True, False]
    assert tasks(frame) == ["income", "capital_gain", "bad_loan", "amount"]
    assert len(caplog.messages) == 1 and caplog.messages[0].startswith("german: mtl: no finished single-task runs")


def test_of_several_settings_of_stl_the_most_accurate_on_validation_rows_counts():
    rows = [run("stl", (0.2, 0.2), (0.1, 0.1), **{"method.lr": 0.1}), run("mtl", (0.2, 0.2), (0.1, 0.1))]
    rows.append(run("stl", (0.2, 0.2), (0.05, 0.05), val_accuracy=0.9, **{"method.lr": 0.2}))
    np.testing.assert_allclose(measured(*rows)["test/arfg"], [2, 2, 1])


def test_without_single_task_runs_a_warning_says_what_to_add(caplog):
    rows = [run(method, *MTL, seed, **{"model.width": 8 + seed}) for method in ("mtl", "mtaf") for seed in (0, 1)]
    frame = measured(*rows)
    assert frame[[f"{split}/{name}" for split in SPLITS for name in ("arfg", "are", "kg", "dg")]].isna().all(axis=None)
    assert len(caplog.messages) == 1
    assert "adult: mtl, mtaf: no finished single-task runs of that configuration and seeds" in caplog.text
    assert "train them too: method=stl,mtl,mtaf model.width=8,9 seed=0,1" in caplog.text


def test_single_task_runs_of_other_seeds_are_none(caplog):
    frame = measured(run("stl", *STL, seed=7), run("mtl", *MTL, seed=0))
    assert np.isnan(frame["test/arfg"][1]) and frame["test/arfg"][0] == 1
    assert "seed=0" in caplog.text


@pytest.mark.parametrize(("gap", "known", "said"), [(0.0005, False, "0.0005"), (0.008, True, "0.0080")])
def test_a_denominator_near_zero_is_named(caplog, gap, known, said):
    frame = measured(run("stl", (0.2, 0.2), (0.1, gap)), run("mtl", (0.2, 0.2), (0.1, 0.004)))
    assert frame["test/arfg"].notna().all() == known
    assert frame["test/are"].tolist() == [1, 1]
    assert frame["test/dg"][1] == pytest.approx((0.004 - gap) / 2)
    assert len(caplog.messages) == 1
    assert "adult: the single-task false positive rate difference of task capital_gain is" in caplog.text
    assert f"{said} (test rows, match-rate threshold)" in caplog.text


def test_a_denominator_of_ordinary_size_is_not_named(caplog):
    measured(run("stl", (0.2, 0.2), (0.1, 0.011)), run("mtl", *MTL))
    assert not caplog.messages


def test_a_single_task_error_of_zero_leaves_are_unknown(caplog):
    frame = measured(run("stl", (0.0, 0.2), (0.1, 0.1)), run("mtl", (0.1, 0.2), (0.1, 0.1)))
    assert frame["test/are"].isna().all() and frame["test/arfg"].tolist() == [1, 1]
    assert "adult: the single-task error of task income is 0" in caplog.text


def test_runs_of_one_label_stay_as_they_are():
    frame = pd.DataFrame([{"folder": "f", "method": "erm", "dataset": "adult", "seed": 0, "test/accuracy": 0.8}])
    assert relative(frame) is frame
    single = {name: v for name, v in run("erm", *STL).items() if "income" not in name and "gain" not in name}
    mixed = measured(run("stl", *STL), run("mtl", *MTL), single)
    assert mixed["test/arfg"].isna().tolist() == [False, False, True]


def test_runs_of_other_tasks_of_the_data_set_are_apart():
    """Two tasks and three: each against its own, although dataset and seed are the same."""
    names = ("income", "capital_gain", "hours")
    rows = [run(method, *figures) for method, figures in (("stl", STL), ("mtl", MTL))]
    rows += [run(method, (0.2,) * 3, (gap,) * 3, names=names) for method, gap in (("stl", 0.1), ("mtl", 0.2))]
    np.testing.assert_allclose(measured(*rows)["test/arfg"], [1, 1.060328, 1, 2], atol=1e-6)
