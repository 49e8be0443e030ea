"""Settings compared seed by seed."""

import numpy as np
import pytest

from fairrun.analysis.compare import paired
from fairrun.analysis.interval import interval
from tests.helpers.frames import frame, run

BY = ["method", "method.lam"]


def of(method, lam, accuracies, **columns):
    """Runs of one setting: test accuracy by seed."""
    return [run(lam, seed, test=(v, v / 2), method=method, **columns) for seed, v in accuracies.items()]


def test_the_difference_is_over_the_seeds_that_both_have():
    """Seeds 1, 2 and 4: .5 - .4, .5 - .6 and .5 - .5; in the gap half of that."""
    runs = frame(*of("a", 1, {0: 0.9, 1: 0.5, 2: 0.5, 4: 0.5}), *of("b", 1, {2: 0.6, 1: 0.4, 4: 0.5, 3: 0.1}))
    (row,) = paired(runs, BY, ["accuracy", "gap"], [("a", "b")]).to_dict("records")
    assert (row["first"], row["second"], row["seeds"]) == ("a", "b", 3)
    for name, values in (("accuracy", [0.1, -0.1, 0]), ("gap", [0.05, -0.05, 0])):
        assert row[f"test/{name}"] == pytest.approx(0)
        ends = row[f"test/{name}.low"], row[f"test/{name}.high"]
        assert ends == pytest.approx(interval(np.array(values)))


def test_each_setting_is_compared_with_the_same_setting_of_the_other_method():
    runs = frame(*(r for m in "ab" for lam in (1, 2, 3 + (m == "b")) for r in of(m, lam, {0: lam / 8 + (m == "a")})))
    found = paired(runs, BY, ["accuracy"], [("a", "b")])
    assert found["first.method.lam"].tolist() == found["second.method.lam"].tolist() == [1, 2]
    assert found["test/accuracy"].tolist() == [1, 1]


def test_a_method_without_the_key_is_compared_with_every_setting():
    runs = frame(*of("a", 1, {0: 0.5}), *of("a", 2, {0: 0.75}), *of("erm", np.nan, {0: 0.25}))
    found = paired(runs, BY, ["accuracy"], [("a", "erm"), ("erm", "a")])
    assert found["test/accuracy"].tolist() == [0.25, 0.5, -0.25, -0.5]
    assert found["second.method.lam"].isna().tolist() == [True, True, False, False]


def test_settings_that_nothing_says_belong_together_are_no_pairs():
    """Method a varies lam, method b eta; with one epoch each has two settings, with nine b has one."""
    rows = [r for epochs in (1, 9) for lam in (1, 2) for r in of("a", lam, {0: 0.5}, epochs=epochs)]
    rows += [r for eta in (3, 4) for r in of("b", np.nan, {0: 0.5}, epochs=1, **{"method.eta": eta})]
    rows += of("b", np.nan, {0: 0.5}, epochs=9, **{"method.eta": 3})
    found = paired(frame(*rows), [*BY, "method.eta", "epochs"], ["accuracy"], [("a", "b")])
    assert found[["first.method.lam", "first.epochs", "second.epochs"]].to_numpy().tolist() == [[1, 9, 9], [2, 9, 9]]


@pytest.mark.parametrize("pair", [("a", "c"), ("c", "a"), ("c", "d"), ("a", "late")])
def test_methods_without_runs_and_settings_without_a_shared_seed_are_left_out(pair):
    runs = frame(*of("a", 1, {0: 0.5}), *of("late", 1, {7: 0.5}))
    found = paired(runs, BY, ["accuracy"], [pair])
    assert found.empty
    assert {"first", "second.method.lam", "seeds", "test/accuracy.low"} <= set(found)


def test_an_undefined_value_makes_its_difference_undefined_and_no_other():
    runs = frame(*of("a", 1, {0: 0.5, 1: 0.5, 2: 0.5}), *of("b", 1, {0: 0.25, 1: 0.25, 2: 0.25}))
    runs.loc[0, "test/gap"] = np.nan
    row = paired(runs, BY, ["accuracy", "gap"], [("a", "b")]).iloc[0]
    assert row["test/accuracy"] == row["test/accuracy.low"] == 0.25
    assert np.isnan(row["test/gap"])


def test_a_key_in_which_the_methods_have_no_value_in_common_does_not_keep_them_apart():
    """Epochs of a first stage, swept, against the method that has none."""
    runs = frame(*of("a", 5, {0: 0.5}), *of("a", 14, {0: 0.75}), *of("b", 0, {0: 0.25}))
    found = paired(runs, BY, ["accuracy"], [("a", "b")])
    assert found["first.method.lam"].tolist() == [5, 14]
    assert found["test/accuracy"].tolist() == [0.25, 0.5]
