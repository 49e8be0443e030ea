"""Curves by rules that do not read a row's group."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import fairrun
from fairrun.config.check import InputError
from fairrun.config.metrics import METRICS
from fairrun.data.table import Data, Table
from fairrun.results import records as results
from fairrun.runs.job import load
from fairrun.training.thresholds.frontier import BOUNDS, RATES, two_parts
from fairrun.training.thresholds.unaware import Groups, Rule, Told, fit, unaware
from tests.helpers.gaps import difference
from tests.helpers.jobs import jobs_of, train
from tests.helpers.quick import few

pytestmark = pytest.mark.filterwarnings("ignore:groups of fewer than")  # of tables that are small


def rows(num_rows=4000, num_groups=2, seed=0):
    """Features that tell the group in part, labels whose rate depends on it -> x, probability of 1, labels, groups."""
    rng = np.random.default_rng(seed)
    s = rng.integers(0, num_groups, num_rows)
    x = np.stack([rng.normal(size=num_rows), s + rng.normal(size=num_rows)], axis=1)
    p = 1 / (1 + np.exp(-(1.5 * x[:, 0] + 0.8 * x[:, 1] - 0.5)))
    return x, p, (rng.random(num_rows) < p).astype(float), s


@pytest.mark.parametrize("metric", RATES)
@pytest.mark.parametrize("num_groups", few([2, 3], [2]))
def test_rules_keep_every_bound_on_the_rows_that_fit_them_and_cost_little(metric, num_groups):
    x, p, y, s = rows(num_groups=num_groups)
    q = Groups.fit(metric, x, y, s).probabilities(x)
    assert set(q) == set(RATES[metric])
    np.testing.assert_allclose([own.sum(-1) for own in q.values()], 1)
    found = fit(metric, p, q, y, s)
    decided = [rule.decide(p, q) for rule in found]
    gaps = [difference(metric, own.astype(float), y, s) for own in decided]
    assert all(gap <= bound + 1e-9 for gap, bound in zip(gaps, BOUNDS, strict=True))
    right = [(own == y).mean() for own in decided]
    assert right[-1] >= ((p > 0.5) == y).mean()
    assert right[3] > max(y.mean(), 1 - y.mean()) + 0.05  # within .02, and far above a constant
    assert difference(metric, (p > 0.5).astype(float), y, s) > 0.1  # or the test shows nothing


@pytest.mark.slow
def test_ties_and_saturated_scores_keep_every_bound():
    x, p, y, s = rows(2000)
    for scores in (p.round(1), np.where(p > 0.5, 1.0, 1e-12), np.full(len(p), 0.3)):
        for metric in RATES:
            q = Groups.fit(metric, x.round(), y, s).probabilities(x.round())
            for bound, rule in zip(BOUNDS, fit(metric, scores, q, y, s), strict=True):
                assert difference(metric, rule.decide(scores, q).astype(float), y, s) <= bound + 1e-9


def test_features_that_tell_nothing_of_groups_leave_one_threshold():
    _, p, y, s = rows(2000)
    for metric in RATES:
        q = dict.fromkeys(RATES[metric], np.full((len(p), 2), 0.5))
        for bound, rule in zip(BOUNDS, fit(metric, p, q, y, s), strict=True):
            decided = rule.decide(p, q)
            assert difference(metric, decided.astype(float), y, s) <= bound + 1e-9
            assert set(np.diff(decided[np.argsort(p)].astype(int))) <= {0, 1}


@pytest.mark.slow
def test_a_rate_of_labels_takes_the_probability_of_the_group_given_the_label():
    """Where the label tells of the group what features do not, the rule with that probability is more accurate."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=20000)
    s = (rng.random(len(x)) < 1 / (1 + np.exp(-x))).astype(int)
    of_group = 1 / (1 + np.exp(-(1.2 * x - 0.5 + np.where(s == 1, 1.5, -1.0))))
    y = (rng.random(len(x)) < of_group).astype(float)
    given_x = 1 / (1 + np.exp(-x))
    in_groups = [1 / (1 + np.exp(-(1.2 * x - 0.5 + shift))) for shift in (-1.0, 1.5)]
    p = (1 - given_x) * in_groups[0] + given_x * in_groups[1]
    exact = np.stack([(1 - given_x) * in_groups[0], given_x * in_groups[1]], axis=1) / p[:, None]
    metric = "equal_opportunity_difference"
    right = [
        (fit(metric, p, {"true positives": q}, y, s)[3].decide(p, {"true positives": q}) == y).mean()
        for q in (exact, np.stack([1 - given_x, given_x], axis=1))
    ]
    assert right[0] > right[1] + 0.002
    features = np.stack([x, x**2, x**3], axis=1)
    fitted = Groups.fit(metric, features, y, s).probabilities(features)["true positives"]
    assert np.abs(fitted - exact).mean() < 0.02


def test_where_features_tell_the_group_the_rule_is_a_threshold_for_each():
    """Then it is as accurate as the exact thresholds of groups, but for the grid."""
    from fairrun.training.thresholds import frontier

    _, p, y, s = rows()
    q = {"selected": np.eye(2)[s]}
    metric = "demographic_parity_difference"
    rules, thresholds = fit(metric, p, q, y, s), frontier.fit(metric, p, y, s)
    for rule, own in zip(rules[3:], thresholds[3:], strict=True):
        exact = ((p > own[s]) == y).mean()
        assert exact - 0.006 <= (rule.decide(p, q) == y).mean() <= exact + 1e-9


def test_a_rule_with_both_rates_decides_as_its_formula_says():
    rule = Rule(0.1, {"true positives": [0.0, 0.3], "false positives": [-0.2, 0.0]})
    p, probabilities = np.array([0.5, 0.6]), np.array([[0.5, 0.5], [0.9, 0.1]])
    q = dict.fromkeys(("true positives", "false positives"), probabilities)
    margins = [2 * 0.5 - 1 - 0.1 - 0.5 * 0.15 + 0.5 * 0.1, 2 * 0.6 - 1 - 0.1 - 0.6 * 0.03 + 0.4 * 0.18]
    assert rule.decide(p, q).tolist() == [margin > 0 for margin in margins] == [False, True]


def test_validation_metrics_are_of_rows_that_did_not_fit_the_rule():
    x, p, y, s = rows(400)
    split = Table(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(s))
    names = ["a", "b"]
    data = Data(train=split, val=split, test=split, features=[], groups=names, sha256="", balanced=torch.arange(1))
    logits = torch.from_numpy(p).logit()
    metric = "demographic_parity_difference"
    points = unaware(metric, (logits, logits), data, [*METRICS.values()], Told.of(metric, data))
    gaps = [point.metrics[f"test/{metric}"] for point in points]  # here test rows are those that fitted the rules
    assert all(gap <= bound + 1e-6 for gap, bound in zip(gaps, BOUNDS, strict=True))
    q, parts = Groups.fit(metric, x, y, s).probabilities(x)["selected"], two_parts(y, s)
    decided = np.zeros(len(y))
    for part in (0, 1):
        own = parts == part
        rule = fit(metric, p[own], {"selected": q[own]}, y[own], s[own])[4]
        decided[~own] = rule.decide(p[~own], {"selected": q[~own]})
    assert points[4].metrics[f"val/{metric}"] == pytest.approx(difference(metric, decided, y, s))
    assert points[4].metrics["val/accuracy"] == pytest.approx((decided == y).mean())
    for point in points:
        assert json.loads(json.dumps(point.rules)) == point.rules


@pytest.mark.slow
def test_a_model_decides_new_rows_without_their_group(tmp_path, described):
    (one,) = jobs_of(tmp_path, [*described, "method=erm", "postprocess=frontier_unaware", "results.save=chosen"])
    train(tmp_path, [one])
    record = results.read(one.folder)
    frame = pd.read_csv(tmp_path / "table.csv")
    for point in record["frontier"]:
        model = fairrun.load(one.folder, bound=point["bound"])
        test = frame.iloc[load(model.record["config"]).numbers["test"].numpy()]
        decided = model.predict(test.drop(columns=["group", "hired"]))
        assert (decided == test["hired"]).mean() == pytest.approx(point["metrics"]["test/accuracy"])
        own = model.metrics(test)
        assert own["accuracy"] == pytest.approx(point["metrics"]["test/accuracy"])
        card = model.card()
        assert f" thresholds on table, within the bound {point['bound']:g}\n" in card
        assert "- Decisions take a row's group from its other features.\n" in card
    assert "take a row's group from its other features" in fairrun.load(one.folder).card()
    assert fairrun.load(one.folder).predict(test).shape == (len(test),)


def test_a_groups_model_is_the_same_after_json():
    x, _, y, s = rows(300, num_groups=3)
    groups = Groups.fit("equalized_odds_difference", x, y, s)
    again = Groups.of(json.loads(json.dumps(groups.plain)))
    for rate, q in groups.probabilities(x).items():
        assert np.array_equal(again.probabilities(x)[rate], q)


def test_the_group_among_the_features_is_refused(tmp_path, described):
    from fairrun.runs.checks.alone import check

    (one,) = jobs_of(tmp_path, [*described, "postprocess=frontier_unaware", "dataset.include_sensitive=true"])
    with pytest.raises(InputError, match=r"dataset\.include_sensitive must be false with postprocess=frontier_unaware"):
        check(one.config)


def test_a_postprocessing_that_fails_costs_its_own_run_alone(tmp_path, described, monkeypatch):
    from fairrun.runs import worker

    def broken(*_):
        raise ArithmeticError("no rule")

    monkeypatch.setattr(worker, "unaware", broken)
    jobs = jobs_of(tmp_path, [*described, "method=erm"], [*described, "method=erm", "postprocess=frontier_unaware"])
    good, bad = train(tmp_path, jobs).values()
    assert good.status == "finished"
    assert bad.status == "failed" and "postprocess=frontier_unaware failed: ArithmeticError: no rule" in bad.failure
    assert len(results.read_history(jobs[1].folder, bad.record)) == 2


def test_decisions_of_a_reduction_have_no_such_curve(tmp_path, described):
    from fairrun.runs.checks.alone import check

    forest = ["estimator@method.estimator=random_forest", "method.estimator.n_estimators=5"]
    words = [*described, "method=exponentiated_gradient", *forest, "postprocess=frontier_unaware"]
    (one,) = jobs_of(tmp_path, words)
    with pytest.raises(InputError, match="postprocess must be null or another with ExponentiatedGradient, which gives"):
        check(one.config)
