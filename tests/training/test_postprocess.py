"""Thresholds for each group: what they equalise, against fairlearn, and on the way to records and reports."""

import math

import numpy as np
import pytest
import torch
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator

from fairrun.analysis.front import settings
from fairrun.config.metrics import GROUP_METRICS, METRICS
from fairrun.data.table import Table
from fairrun.results import records as results
from fairrun.training.evaluation import evaluate
from fairrun.training.outcome import decided, outcome
from fairrun.training.thresholds.postprocess import fit_rules, probabilities
from tests.helpers.jobs import job, jobs_of, planned, train

GROUPS = pytest.mark.parametrize("num_groups", [2, 3, 5])


def scored(num_groups, num_rows=3000, seed=0):
    """Rows of groups with shares, rates of positives and scores that differ; scores are about the label."""
    rng = np.random.default_rng(seed)
    s = rng.choice(num_groups, num_rows, p=np.arange(1, num_groups + 1) / np.arange(1, num_groups + 1).sum())
    y = rng.random(num_rows) < 0.2 + 0.5 * s / (num_groups - 1)
    scores = rng.normal(size=num_rows) + 1.5 * y + 0.5 * s
    return torch.from_numpy(scores), Table(torch.zeros(num_rows, 1), torch.from_numpy(y * 1.0), torch.from_numpy(s))


def post_processed(constraint, scores, table, num_groups):
    p = probabilities(fit_rules(constraint, scores, table), scores, table.s)
    return {name: value.item() for name, value in evaluate(decided(p[None], table, num_groups)).items()}


@GROUPS
def test_demographic_parity_holds_among_the_rows_that_it_was_fitted_on(num_groups):
    scores, table = scored(num_groups)
    before = evaluate(outcome(scores[None], table, num_groups))
    after = post_processed("demographic_parity", scores, table, num_groups)
    assert before["demographic_parity_difference"] > 0.2
    assert after["demographic_parity_difference"] == pytest.approx(0, abs=1e-9)
    rates = [after[f"selection_rate/s={g}"] for g in range(num_groups)]
    assert rates == pytest.approx([after["selection_rate"]] * num_groups)
    assert 0.05 < after["selection_rate"] < 0.95


@GROUPS
def test_equalized_odds_hold_among_the_rows_that_they_were_fitted_on(num_groups):
    after = post_processed("equalized_odds", *scored(num_groups), num_groups)
    assert after["equalized_odds_difference"] == pytest.approx(0, abs=1e-9)
    assert after["true_positive_rate/s=0"] > after["false_positive_rate/s=0"] + 0.1


@GROUPS
def test_parity_holds_for_other_rows_of_the_same_distribution_up_to_their_number(num_groups):
    scores, table = scored(num_groups)
    others, other_table = scored(num_groups, num_rows=20000, seed=1)
    p = probabilities(fit_rules("demographic_parity", scores, table), others, other_table.s)
    after = evaluate(decided(p[None], other_table, num_groups))
    assert 0 < after["demographic_parity_difference"].item() < 0.1


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
def test_probabilities_are_those_that_fairlearn_draws_decisions_by(constraint):
    """It decides 1 where the probability is at least a uniform number of the given generator."""
    scores, table = scored(3)
    p = probabilities(fit_rules(constraint, scores, table), scores, table.s).numpy()
    rows, y, s = scores.numpy()[:, None], table.y.numpy(), table.s.numpy()

    class Scores(BaseEstimator):
        def fit(self, X, y):
            return self

        def predict(self, X):
            return X[:, 0]

        def __sklearn_is_fitted__(self):
            return True

    theirs = ThresholdOptimizer(estimator=Scores(), constraints=constraint, prefit=True, predict_method="predict")
    theirs.fit(rows, y, sensitive_features=s)
    drawn = theirs.predict(rows, sensitive_features=s, random_state=np.random.RandomState(0))
    assert drawn.tolist() == (p >= np.random.RandomState(0).rand(len(p))).astype(int).tolist()
    assert ((p > 0) & (p < 1)).any()


def test_decisions_without_chance_have_the_metrics_of_thresholded_scores():
    scores, table = scored(3)
    p = (scores > 0).double()
    expected = evaluate(outcome(scores[None], table, 3))
    of_probabilities = [
        m.name.removeprefix("group_") for m in (*METRICS.values(), *GROUP_METRICS) if m.of_probabilities
    ]
    soft = ("soft_demographic_parity_difference", *of_probabilities)
    for name, value in evaluate(decided(p[None], table, 3)).items():
        if not name.startswith(soft):
            assert value.item() == pytest.approx(expected[name].item()), name


def test_rates_of_decisions_at_random_are_expected_values():
    """Two rows of each group; group 0 is decided 1 with probabilities 1/2 and 1, group 1 with 0 and 1/4."""
    table = Table(torch.zeros(4, 1), torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([0, 0, 1, 1]))
    p = torch.tensor([[0.5, 1.0, 0.0, 0.25]], dtype=torch.float64)
    values = {name: value.item() for name, value in evaluate(decided(p, table, 2)).items()}
    assert values["accuracy"] == pytest.approx((0.5 + 1 + 1 + 0.25) / 4)
    assert values["demographic_parity_difference"] == pytest.approx(0.75 - 0.125)
    assert values["soft_demographic_parity_difference"] == values["demographic_parity_difference"]
    assert values["equal_opportunity_difference"] == pytest.approx(0.75)


def test_jobs_that_differ_in_post_processing_share_a_stack():
    base = ["method=penalty", "dataset=german"]
    assert len(planned([job("a", *base), job("b", *base, "postprocess=equalized_odds")], None, 1)) == 1


def test_a_record_holds_the_metrics_of_post_processed_decisions(tmp_path, described):
    """Of this run among others that are not; its training stays what it was."""
    commands = [
        [*described, "postprocess=null"],
        [*described, "postprocess=demographic_parity"],
        [*described, "seed=1"],
    ]
    plain, fair, _ = jobs = jobs_of(tmp_path, *commands)
    assert {outcome.status for outcome in train(tmp_path, jobs).values()} == {"finished"}
    before, after = (results.read(one.folder) for one in (plain, fair))
    assert after["side_by_side"] == 3
    assert after["key"] != before["key"]
    assert after["metrics"]["val/demographic_parity_difference"] == pytest.approx(0, abs=1e-9)
    assert before["metrics"]["val/demographic_parity_difference"] > 0.05
    assert after["metrics"]["test/accuracy"] != before["metrics"]["test/accuracy"]
    assert after["metrics"]["train/loss"] == before["metrics"]["train/loss"]
    assert after["metrics"]["test/log_loss"] is None
    assert after["metrics"]["test/roc_auc"] is None
    assert after["metrics"]["test/expected_calibration_error/s=0"] is None
    assert after["score"] == after["metrics"]["val/accuracy"]
    assert before["metrics"].keys() == after["metrics"].keys()
    assert (plain.folder / results.HISTORY).read_bytes() == (fair.folder / results.HISTORY).read_bytes()
    alone = job(tmp_path / "alone", *commands[1])
    train(tmp_path, [alone])
    assert results.read(alone.folder)["metrics"] == after["metrics"]


def test_post_processed_runs_are_a_method_of_their_own(tmp_path, described):
    commands = [[*described, "method=erm", f"postprocess={name}"] for name in ("null", "demographic_parity")]
    train(tmp_path, jobs_of(tmp_path, *commands))
    frame = results.load(tmp_path)
    assert frame["method"].tolist() == ["erm", "erm + demographic_parity thresholds"]
    assert settings(frame) == ["method"]


def test_a_run_that_broke_is_not_post_processed(tmp_path, described):
    broken = job(tmp_path / "a", *described, "postprocess=demographic_parity", "method.optimizer.lr=1e38")
    (outcome,) = train(tmp_path, [broken]).values()
    assert outcome.status == "failed"
    assert "the loss was not finite" in outcome.failure
    assert math.isnan(results.load(tmp_path)["test/accuracy"][0])
