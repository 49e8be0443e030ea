"""Frames of runs as they are stored."""

import pandas as pd

from fairrun.claims.frames import ALWAYS, small, store, stored


def runs():
    """Two methods on two data sets; lam is swept, alpha goes with the method and the data set."""
    rows = [
        {
            "method": method,
            "dataset": data,
            "seed": seed,
            "status": "finished",
            "metric.name": "gap",
            "dataset.positive": positive,
            "method.lam": lam if method == "penalty" else None,
            "method.alpha": {"a": 0.1, "b": 0.2}[data],
            "base_rates.val": [[10, 4], [20, 5]],
            "base_rates.test": [[10, 4], [20, 5]],
            "base_rates.train": [[10, 4], [20, 5]],
            "test/accuracy": 0.5,
            "val/gap": 0.1,
            "val/match_rate_are": 1.0,
            "val/roc_auc": 0.7,
        }
        for data, positive in (("a", ">50K"), ("b", 1))
        for method in ("erm", "penalty")
        for lam in (1.0, 2.0)
        for seed in range(3)
    ]
    return pd.DataFrame(rows)


def test_a_stored_frame_has_what_is_asked_for_and_what_tells_settings_apart():
    assert set(small(runs(), {"test/accuracy"})) - {*ALWAYS} == {"method.lam", "base_rates.val", "test/accuracy"}
    assert {"method.alpha", "dataset.positive"} <= set(small(runs(), {"method.alpha", "dataset.positive"}))


def test_a_front_is_stored_with_all_that_it_is_made_of():
    assert {"val/gap", "test/accuracy", "base_rates.test"} <= set(small(runs(), {"front/hypervolume"}))
    assert "val/match_rate_are" in small(runs(), {"front/are_arfg"})


def test_a_stored_frame_comes_back_as_it_was(tmp_path):
    """But for a key that is a number for one data set and a text for another: Parquet has no such column."""
    store(runs(), {"dataset.positive"}, tmp_path / "x.parquet", budget="quick")
    found, about = stored(tmp_path / "x.parquet")
    assert about == {"budget": "quick"}
    assert found["base_rates.val"].tolist() == runs()["base_rates.val"].tolist()
    assert found["dataset.positive"].tolist() == runs()["dataset.positive"].map(str).tolist()
    assert found["method.lam"].equals(runs()["method.lam"])
