"""Thresholds by OxonFair: the bound is kept on validation rows, by the metrics that fairrun has."""

import importlib.util

import numpy as np
import pytest
import torch

from fairrun.config.check import InputError
from fairrun.config.metrics import METRICS
from fairrun.data.table import Table
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data
from fairrun.runs.job import facts
from fairrun.training.evaluation import evaluate_decisions
from fairrun.training.thresholds.oxonfair import BOUNDED
from fairrun.training.thresholds.postprocess import Bound, Scores, fit_thresholds, postprocess, probabilities
from tests.helpers.jobs import job
from tests.helpers.synthetic import data

EACH = pytest.mark.parametrize("metric", BOUNDED)


def rows(seed, number=2000):
    """Rows of three groups, whose first feature is about the label, and more in some groups."""
    rng = np.random.default_rng(seed)
    s = rng.integers(0, 3, number)
    x = rng.normal(size=number) + 0.5 * s
    y = x + rng.normal(size=number) > 0.8
    return Table(torch.from_numpy(x)[:, None], torch.from_numpy(y).double(), torch.from_numpy(s))


@pytest.fixture
def split():
    """Data, and scores of it."""
    pytest.importorskip("oxonfair")
    found = data()._replace(val=rows(0), test=rows(1))
    return found, Scores(found.val.x[:, 0], found.test.x[:, 0])


@EACH
def test_a_bounded_metric_is_fairruns_own(metric):
    rng = np.random.default_rng(0)
    y, d, s = rng.integers(0, 2, 300), rng.integers(0, 2, 300), rng.integers(0, 4, 300)
    table = Table(torch.zeros(300, 0), torch.tensor(y).double(), torch.tensor(s))
    ours = evaluate_decisions(torch.tensor(d)[None].double(), table, 4, [METRICS[metric]])[metric].item()
    cells = [np.bincount(s[(y == label) & (d == decision)], minlength=4) for decision in (1, 0) for label in (1, 0)]
    tp, fp, fn, tn = cells
    assert BOUNDED[metric](tp, fp, fn, tn) == pytest.approx(ours, abs=1e-12)


@EACH
def test_the_bound_is_kept_on_validation_rows_and_a_wider_one_costs_less_accuracy(metric, split):
    found, scores = split
    greater = METRICS[metric].greater_is_better
    accuracies = []
    for value in (0.75, 0.6) if greater else (0.05, 0.3):
        metrics, rules = postprocess("oxonfair", scores, found, bound=Bound(metric, value))
        kept = metrics[f"val/{metric}"]
        assert kept >= value if greater else kept <= value
        p = probabilities(rules, scores.test, found.test.s)
        assert set(p.tolist()) <= {0.0, 1.0}
        accuracies.append(metrics["val/accuracy"])
    assert accuracies[0] <= accuracies[1] and accuracies[1] > 0.5


def test_rules_are_one_threshold_for_each_group(split):
    found, scores = split
    rules = fit_thresholds(Bound("demographic_parity_difference", 0.1), scores.val, found.val)
    assert [*rules] == ["0", "1", "2"]
    for rule in rules.values():
        (always, side, t), (never, _, _) = rule["thresholds"]
        assert (always, side, never, rule["ignored"]) == (1.0, "above", 0.0, None) and np.isfinite(float(t))


def test_what_oxonfair_cannot_do_is_refused_in_one_line(monkeypatch):
    given = ["method=erm", "postprocess=oxonfair"]
    monkeypatch.setattr("fairrun.runs.checks.alone.check_installed", lambda: None)
    with pytest.raises(InputError, match=r"^fairness_bound must be a number with postprocess=oxonfair, which bounds"):
        check(job("folder", *given).config)
    with pytest.raises(InputError, match=r"^metric\.name must be one of demographic_parity_.* got 'worst_"):
        check(job("folder", *given, "fairness_bound=0.1", "metric=worst_tenth_loss").config)
    monkeypatch.undo()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^postprocess=oxonfair needs .* pip install 'fairrun\[postprocess\]'$"):
        check(job("folder", *given, "fairness_bound=0.1").config)


def test_five_groups_are_too_many():
    known = facts(data())
    known |= {"groups": [f"g{k}" for k in range(5)]}
    known["base_rates"] = {split: [[100, 50]] * 5 for split in known["base_rates"]}
    with pytest.raises(InputError, match=r"^groups must be at most 4 with postprocess=oxonfair, .* got 5: g0, g1"):
        check_data(job("folder", "method=erm", "postprocess=oxonfair", "fairness_bound=0.1").config, known)
