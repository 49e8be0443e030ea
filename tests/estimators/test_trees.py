"""LightGBM: the same numbers with any number of threads, and its absence."""

import importlib.util

import numpy as np
import pytest

from fairrun.config.build import build
from fairrun.config.check import InputError
from fairrun.estimators.trees import LightGBM

NODE = {"_target_": "fairrun.estimators.trees.LightGBM"}


def rows(count=400):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 5))
    return x, (x[:, 0] * x[:, 1] + rng.normal(size=count) > 0).astype(int)


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^method\.estimator\._target_ needs .* pip install 'fairrun\[trees\]'$"):
        build(NODE, "method.estimator")


def test_fields_are_parameters_of_the_same_name():
    lightgbm = pytest.importorskip("lightgbm")
    assert {name: lightgbm.LGBMClassifier().get_params()[name] for name in LightGBM.__dataclass_fields__} == vars(
        LightGBM()
    )
    made = LightGBM(n_estimators=3, subsample=0.5).make(4, 2).get_params()
    expected = {"n_estimators": 3, "subsample": 0.5, "subsample_freq": 1, "random_state": 4, "n_jobs": 2}
    assert expected.items() <= made.items()


def test_numbers_do_not_depend_on_threads_and_seeds_count_only_where_something_is_drawn():
    pytest.importorskip("lightgbm")
    x, y = rows()

    def p(seed=0, threads=1, **fields):
        return LightGBM(n_estimators=10, **fields).make(seed, threads).fit(x, y).predict_proba(x)[:, 1]

    assert (p() == p(threads=2)).all() and (p() == p(seed=1)).all() and not LightGBM().random
    drawn = LightGBM(subsample=0.5)
    assert (p(subsample=0.5) != p(seed=1, subsample=0.5)).any() and drawn.random
