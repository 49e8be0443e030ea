"""A run of a method that a library trains: its scores, metrics and history, against scikit-learn's and fairlearn's."""

import logging
import warnings
from dataclasses import dataclass

import fairlearn.metrics
import numpy as np
import pytest
import torch
from sklearn import metrics as theirs

from fairrun.estimators.scikit import Classifier, Logistic
from fairrun.method.library import Fitted, LibraryMethod, Rows, of_label_1
from fairrun.methods.estimator import Classified
from fairrun.models.mlp import MLP
from fairrun.training.evaluation import evaluate
from fairrun.training.fit import fit
from fairrun.training.library import fit_by_library
from fairrun.training.outcome import decided
from tests.helpers.synthetic import data, method

LOGISTIC = Logistic()


@dataclass(frozen=True)
class Constant:
    """Predicts ``value`` for every row whose first feature is above 0, else 1 - value."""

    value: float

    def predict(self, x):
        return np.where(x[:, 0] > 0, self.value, 1 - self.value)

    def predict_proba(self, x):
        return np.stack([1 - self.predict(x), self.predict(x)], axis=-1)


@dataclass(frozen=True)
class Given(LibraryMethod):
    """Trains a ``Constant``."""

    value: float = 0.75
    random_decisions: bool = False
    warns: bool = False

    @property
    def decides(self):
        return self.random_decisions

    def fit(self, rows, seed, threads):
        for category in (UserWarning, UserWarning, DeprecationWarning) if self.warns else ():
            warnings.warn("a step was short\nand more", category, stacklevel=1)
        return Fitted([Constant(self.value)])


def test_metrics_are_those_of_scikit_learn_and_fairlearn():
    rows = data()
    run, scores = fit_by_library(Classified(LOGISTIC), 0, rows)
    trained = LOGISTIC.make(0, 1).fit(rows.train.x.numpy(), rows.train.y.long().numpy())
    found = run.history.iloc[0]
    assert found["train/loss"] == pytest.approx(
        theirs.log_loss(rows.train.y.numpy(), trained.predict_proba(rows.train.x.numpy())[:, 1])
    )
    for split in ("val", "test"):
        x, y, s = (each.numpy() for each in getattr(rows, split))
        p, decisions = trained.predict_proba(x)[:, 1], trained.predict(x)
        assert torch.sigmoid(getattr(scores, split)).numpy() == pytest.approx(p)
        assert found[f"{split}/accuracy"] == pytest.approx(theirs.accuracy_score(y, decisions))
        assert found[f"{split}/roc_auc"] == pytest.approx(theirs.roc_auc_score(y, p))
        assert found[f"{split}/log_loss"] == pytest.approx(theirs.log_loss(y, p))
        gap = fairlearn.metrics.demographic_parity_difference(y, decisions, sensitive_features=s)
        assert found[f"{split}/demographic_parity_difference"] == pytest.approx(gap)


def test_a_history_has_the_columns_of_other_methods():
    network = MLP(
        num_features=6, num_classes=2, width=4, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0
    )
    (steps,) = fit(network, [method("erm")], [0], data(), epochs=1, batch_size=32)
    for decisions in (False, True):
        run, _ = fit_by_library(Given(LOGISTIC, random_decisions=decisions), 0, data())
        assert list(run.history) == list(steps.history) and len(run.history) == 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_probabilities_of_0_and_1_have_a_finite_loss(value):
    run, _ = fit_by_library(Given(LOGISTIC, value), 0, data())
    rows = data().val
    p = np.where(rows.x[:, 0].numpy() > 0, value, 1 - value)
    assert run.failure is None
    assert run.history["val/log_loss"].item() == pytest.approx(theirs.log_loss(rows.y.numpy(), p))


def test_random_decisions_have_expected_values_and_no_loss():
    run, scores = fit_by_library(Given(LOGISTIC, random_decisions=True), 0, data())
    found = run.history.iloc[0]
    p = torch.where(data().test.x[:, 0] > 0, 0.75, 0.25).double()
    assert torch.equal(scores.test, p)
    expected = evaluate(decided(p[None], data().test, 3))
    for name in ("accuracy", "equalized_odds_difference", "true_positive_rate/s=1"):
        assert found[f"test/{name}"] == expected[name].item()
    assert np.isnan([found[name] for name in ("train/loss", "test/log_loss", "test/log_loss/s=0")]).all()
    assert found["test/soft_demographic_parity_difference"] == pytest.approx(
        found["test/demographic_parity_difference"]
    )


def test_a_prediction_that_is_not_finite_fails_the_run_by_name():
    run, _ = fit_by_library(Given(LOGISTIC, float("nan")), 3, data())
    assert run.failure.startswith("the predictions were not finite with seed=3, Given(")


def test_a_warning_of_a_library_is_said_once_and_those_for_its_authors_are_not(caplog):
    with caplog.at_level(logging.WARNING):
        fit_by_library(Given(LOGISTIC, warns=True), 0, data())
    assert caplog.messages == ["UserWarning: a step was short"]


def test_group_labels_are_withheld():
    with pytest.raises(ValueError, match=r"^rows\.s is withheld"):
        _ = Rows(np.zeros((1, 1)), np.zeros(1)).s


@pytest.mark.parametrize("label", [0, 1])
def test_one_label_alone_is_given_to_every_row(label):
    constant = Classifier("sklearn.dummy.DummyClassifier").make(0, 1).fit(np.zeros((3, 1)), [label] * 3)
    assert of_label_1(constant, np.zeros((2, 1))).tolist() == [label, label]
