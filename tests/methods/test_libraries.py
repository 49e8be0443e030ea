"""What every method must do that a library trains; methods are found in conf/method, estimators in conf/estimator."""

import dataclasses

import numpy as np
import pytest
import torch

from fairrun.about import files
from fairrun.config.check import InputError
from fairrun.estimators.scikit import Classifier, Logistic
from fairrun.methods.estimator import Classified, independent
from fairrun.methods.reductions import CONSTRAINTS, ExponentiatedGradient, GridSearch
from fairrun.training.library import fit_by_library
from tests.helpers.quick import few
from tests.helpers.synthetic import OF_LIBRARIES, data, method

LOGISTIC = Logistic()
FILES = [name for name in files.choices("estimator") if name != "classifier"]
EACH = pytest.mark.parametrize("name", OF_LIBRARIES)


def of(name, estimator="logistic", *overrides):
    small = {"lightgbm": ["method.estimator.min_child_samples=5"], "mlp": ["method.estimator.batch_size=32"]}
    small |= {"random_forest": ["method.estimator.n_estimators=20"]}
    few = {"exponentiated_gradient": ["method.max_iter=8"], "grid_search": ["method.grid_size=5"]}
    return method(
        name, f"estimator@method.estimator={estimator}", *small.get(estimator, []), *few.get(name, []), *overrides
    )


def changed(rows, **splits):
    """The data with other values of tables: train={"s": ...}."""
    return rows._replace(**{split: getattr(rows, split)._replace(**new) for split, new in splits.items()})


@EACH
@pytest.mark.parametrize("estimator", few(FILES, 1))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_method_learns_with_every_estimator(name, estimator):
    if estimator == "lightgbm":
        pytest.importorskip("lightgbm")
    run, _ = fit_by_library(of(name, estimator), 0, data())
    assert run.failure is None and list(run.history["epoch"]) == [1]
    assert run.history["test/accuracy"].item() > (0.75 if name == "estimator" else 0.6)


@pytest.mark.slow
@EACH
def test_the_same_seed_gives_the_same_run(name):
    first, second = (fit_by_library(of(name, "random_forest"), 3, data())[0].history for _ in range(2))
    other = fit_by_library(of(name, "random_forest"), 4, data())[0].history
    assert first.equals(second) and not first.equals(other)


@EACH
def test_the_sensitive_attribute_is_unseen_where_it_is_not_needed(name):
    ours, theirs = (
        fit_by_library(of(name), 0, rows)[0].history
        for rows in (data(), changed(data(), train={"s": data().train.s.flip(0)}))
    )
    assert ours.equals(theirs) == ("s" not in of(name).needs)


@EACH
def test_renaming_groups_changes_nothing(name):
    rename = torch.tensor([2, 0, 1])
    renamed = changed(data(), **{split: {"s": rename[getattr(data(), split).s]} for split in ("train", "val", "test")})
    ours, theirs = (fit_by_library(of(name), 0, rows)[0].history.iloc[0] for rows in (data(), renamed))
    for column in ("test/accuracy", "test/demographic_parity_difference", "test/worst_group_accuracy"):
        assert ours[column] == pytest.approx(theirs[column], abs=0.02), column


@EACH
def test_the_yaml_lists_every_field(name):
    fields = {field.name: field.default for field in dataclasses.fields(type(method(name)))}
    assert {key.partition(".")[0] for key in files.composed("method", name)} - {"_target_"} == fields.keys()
    for field, default in fields.items():
        if default is not dataclasses.MISSING:
            assert getattr(method(name), field) == default


def test_reweighing_makes_group_and_label_independent():
    s, y = data().train.s.numpy(), data().train.y.long().numpy()
    w = independent(s, y)
    assert w.mean() == pytest.approx(1)
    rates = [np.average(y[s == g], weights=w[s == g]) for g in range(3)]
    assert rates == pytest.approx([y.mean()] * 3)


def test_reweighing_lowers_the_demographic_parity_difference():
    plain, weighed = (
        fit_by_library(Classified(LOGISTIC, weights), 0, data())[0].history["test/demographic_parity_difference"].item()
        for weights in ("none", "reweighing")
    )
    assert weighed < plain - 0.05


@pytest.mark.parametrize("constraint", few(CONSTRAINTS, 3))
def test_a_constraint_is_kept_on_training_rows_up_to_its_slack(constraint):
    """fairlearn bounds the distance of a group's rate from that of all rows; the gap of two groups is at most twice it.

    A classifier of few rows cannot keep every bound, so that of eps=0.02 is given 0.05.
    """
    metric = {
        "DemographicParity": "demographic_parity_difference",
        "EqualizedOdds": "equalized_odds_difference",
        "TruePositiveRateParity": "equal_opportunity_difference",
        "FalsePositiveRateParity": "false_positive_rate_difference",
        "ErrorRateParity": "accuracy_difference",
    }[CONSTRAINTS[constraint]]
    rows = data()._replace(val=data().train)
    exact = ExponentiatedGradient(LOGISTIC, constraint, eps=0.02)
    gap = fit_by_library(exact, 0, rows)[0].history[f"val/{metric}"].item()
    free = fit_by_library(Classified(LOGISTIC), 0, rows)[0].history[f"val/{metric}"].item()
    assert gap <= 2 * 0.05 < free + 0.05


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pandas, for fairlearn
def test_random_decisions_are_those_of_fairlearn_in_expectation():
    from fairlearn.reductions import DemographicParity
    from fairlearn.reductions import ExponentiatedGradient as Theirs

    rows = data()
    _, scores = fit_by_library(ExponentiatedGradient(LOGISTIC, "demographic_parity", eps=0.05), 0, rows)
    theirs = Theirs(LOGISTIC.make(0, 1), DemographicParity(difference_bound=0.05), eps=0.05)
    theirs.fit(rows.train.x.numpy(), rows.train.y.numpy(), sensitive_features=rows.train.s.numpy())
    p = theirs._pmf_predict(rows.test.x.numpy())[:, 1]
    assert scores.test.numpy() == pytest.approx(p, abs=1e-12)


@pytest.mark.slow
def test_a_grid_search_gives_up_accuracy_where_the_constraint_weighs_more():
    rows = data()._replace(val=data().train)
    free, fair = (
        fit_by_library(GridSearch(LOGISTIC, "demographic_parity", weight, grid_size=30), 0, rows)[0].history.iloc[0]
        for weight in (0.0, 1.0)
    )
    assert fair["val/demographic_parity_difference"] < free["val/demographic_parity_difference"]
    assert fair["val/accuracy"] < free["val/accuracy"]


def test_a_group_without_rows_of_a_label_is_no_obstacle():
    rows = data()
    y = torch.where(rows.train.s == 0, torch.zeros_like(rows.train.y), rows.train.y)
    run, _ = fit_by_library(ExponentiatedGradient(LOGISTIC, "equalized_odds"), 0, changed(rows, train={"y": y}))
    assert run.failure is None and np.isfinite(run.history["test/accuracy"].item())


def test_an_estimator_without_row_weights_is_refused_where_they_are_needed():
    neighbours = Classifier("sklearn.neighbors.KNeighborsClassifier")
    with pytest.raises(InputError, match=r"^estimator must take row weights \(sample_weight\), got Classifier"):
        GridSearch(neighbours, "demographic_parity")
    with pytest.raises(InputError, match=r"^weights must be none: Classifier"):
        Classified(neighbours, "reweighing")
    assert Classified(neighbours).needs == frozenset()
