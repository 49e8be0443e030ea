"""The frontier of thresholds, against a search through all of them."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch

import fairrun
from fairrun.config.check import InputError
from fairrun.config.metrics import METRICS
from fairrun.data.table import Data
from fairrun.results import records as results
from fairrun.runs.job import load
from fairrun.train import EXAMPLE
from fairrun.training.thresholds import frontier
from fairrun.training.thresholds.frontier import BOUNDS, CURVES, RATES, Curve, fit
from tests.helpers.command import DESCRIPTION, INLINE
from tests.helpers.gaps import difference
from tests.helpers.here import run_here
from tests.helpers.jobs import jobs_of, train
from tests.helpers.quick import few
from tests.helpers.synthetic import table

pytestmark = pytest.mark.filterwarnings("ignore:groups of fewer than")  # of tables that are small


def rows(seed, num_rows, num_groups):
    """Scores with ties, labels and groups; every group has rows of both labels."""
    rng = np.random.default_rng(seed)
    s = np.concatenate([np.repeat(np.arange(num_groups), 2), rng.integers(0, num_groups, num_rows - 2 * num_groups)])
    y = np.concatenate([np.tile([0.0, 1.0], num_groups), rng.integers(0, 2, num_rows - 2 * num_groups)])
    return rng.normal(size=num_rows).round(1), y, s


@pytest.mark.parametrize("metric", RATES)
@pytest.mark.parametrize("num_groups", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_no_thresholds_within_a_bound_are_more_accurate(metric, num_groups, seed):
    scores, y, s = rows(seed, 21, num_groups)
    curves = [Curve.of(scores[s == g], y[s == g]) for g in range(num_groups)]
    all_of_them = [
        scores > np.array(thresholds)[s] for thresholds in itertools.product(*[curve.thresholds for curve in curves])
    ]
    gaps = np.array([difference(metric, decisions, y, s) for decisions in all_of_them])
    right = np.array([(decisions == y).sum() for decisions in all_of_them])
    for bound, thresholds in zip(BOUNDS, fit(metric, scores, y, s), strict=True):
        decisions = scores > thresholds[s]
        assert difference(metric, decisions, y, s) <= bound + 1e-9
        assert (decisions == y).sum() == right[gaps <= bound + 1e-9].max()


@pytest.mark.parametrize("metric", RATES)
def test_a_wider_bound_is_never_less_accurate_on_the_rows_that_are_fitted(metric):
    scores, y, s = rows(0, 3000, 2)
    decided = [scores + y > thresholds[s] for thresholds in fit(metric, scores + y, y, s)]
    right = [(decisions == y).sum() for decisions in decided]
    # both ends of a window of two rates are among some of the values only
    assert right == sorted(right) or metric == "equalized_odds_difference"
    assert all(difference(metric, own, y, s) <= bound + 1e-9 for own, bound in zip(decided, BOUNDS, strict=True))


def test_validation_metrics_are_of_rows_that_did_not_choose_the_thresholds():
    val = table(60, seed=1)
    data = data_of(val)
    scores = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    metric = "demographic_parity_difference"
    points = frontier.frontier(metric, (scores, scores), data, [METRICS["accuracy"]])
    y, s, v = val.y.numpy(), val.s.numpy(), scores.numpy()
    parts = frontier.two_parts(y, s)
    decisions = np.zeros(60)
    for part in (0, 1):
        thresholds = fit(metric, v[parts == part], y[parts == part], s[parts == part])[3]
        decisions[parts != part] = (v > thresholds[s])[parts != part]
    assert points[3].metrics["val/accuracy"] == pytest.approx((decisions == y).mean())
    everything = fit(metric, v, y, s)[3]
    assert points[3].metrics["test/accuracy"] == pytest.approx(((v > everything[s]) == y).mean())
    assert json.loads(json.dumps(points[3].rules)) == points[3].rules


def data_of(val):
    groups = [f"group={g}" for g in range(int(val.s.max()) + 1)]
    return Data(train=val, val=val, test=val, features=[], groups=groups, sha256="", balanced=torch.arange(1))


@pytest.mark.slow
def test_a_model_decides_by_the_thresholds_of_a_bound(tmp_path, described):
    (one,) = jobs_of(tmp_path, [*described, "method=erm", "postprocess=frontier", "results.save=chosen"])
    train(tmp_path, [one])
    frame = pd.read_csv(tmp_path / "table.csv")
    record = results.read(one.folder)
    for point in record["frontier"]:
        model = fairrun.load(one.folder, bound=point["bound"])
        numbers = load(model.record["config"]).numbers["test"].numpy()
        found = model.metrics(frame.iloc[numbers])
        assert found["accuracy"] == point["metrics"]["test/accuracy"]
        assert found["demographic_parity_difference"] == point["metrics"]["test/demographic_parity_difference"]
        card, gap = model.card(), point["metrics"]["test/demographic_parity_difference"]
        assert f" thresholds on table, within the bound {point['bound']:g}\n" in card
        assert f"- Bound: demographic parity difference of at most {point['bound']:g}, on validation rows.\n" in card
        kept = "kept" if gap <= point["bound"] else "not kept"
        assert f"- On test rows it is {gap:.4f}: the bound is {kept} there.\n" in card
        assert "by the rules of postprocess=frontier, fitted" in card
        assert "- Decisions are predict's; predict_proba and a network's to_torch give the score before them." in card
        assert "- Decisions need the sensitive attribute of each row.\n" in card and "fairrun.load" not in card
        assert repr(model).startswith(
            f"<erm + frontier thresholds on table, seed 0, within the bound {point['bound']:g}, 8 features"
        )
    assert {
        point["metrics"]["test/demographic_parity_difference"] <= point["bound"] for point in record["frontier"]
    } == {
        True,
        False,
    }  # or the test shows one of the two only
    plain = fairrun.load(one.folder).card()
    assert (
        "# Model card: erm + frontier thresholds on table\n" in plain
        and "- Decisions are 1 at probabilities above 0.5.\n" in plain
    )
    assert "decides within a bound of demographic parity difference, one of 0.002, " in plain
    assert "- Decisions within a bound (fairrun.load(FOLDER, bound=...)) are predict's; predict_proba and" in plain
    with pytest.raises(InputError, match=r"bound must be one of 0\.002, 0\.005, .*, got 0\.04"):
        fairrun.load(one.folder, bound=0.04)


@pytest.mark.slow
def test_every_bound_is_a_configuration_of_the_report(tmp_path, csv):
    given = ["-m", *DESCRIPTION, "method=erm", "postprocess=null,frontier", "seed=0,1", "hydra.sweep.dir=out", INLINE]
    done = run_here(tmp_path, *given)
    assert done.returncode == 0, done.stderr
    settings = pd.read_csv(tmp_path / "out" / "table.csv")
    assert sorted(settings["postprocess.bound"].dropna()) == sorted(BOUNDS)
    assert set(settings["method"]) == {"erm", "erm + frontier thresholds"}
    assert (settings["seeds"] == 2).all()
    assert len(results.load(tmp_path / "out")) == 4


@pytest.mark.parametrize("constraint", few(CURVES, 1))
def test_a_single_run_shows_its_curve_and_how_to_load_a_bound(constraint, tmp_path, csv):
    given = [*DESCRIPTION, "method=erm", f"postprocess={constraint}", "hydra.run.dir=run"]
    done = run_here(tmp_path, *given)
    assert done.returncode == 0, done.stderr
    record = results.read(tmp_path / "run")
    gap = "demographic_parity_difference"
    for point in record["frontier"]:
        values = [point["metrics"][f"{split}/{name}"] for name in ("accuracy", gap) for split in ("val", "test")]
        cells = [f"{point['bound']:g}", *(f"{value:.4f}" for value in values)]
        assert any(line.replace("│", " ").split() == cells for line in done.stdout.splitlines()), cells
    assert EXAMPLE in BOUNDS and f"by postprocess={constraint}" in done.stdout.replace("\n", " ")
    (line,) = [line for line in done.stdout.splitlines() if "fairrun.load(" in line]
    model = eval(line, {"fairrun": fairrun})
    assert model.bound == EXAMPLE
    none = run_here(tmp_path, *given[:-1], "results.save=none", "hydra.run.dir=none")
    assert none.returncode == 0 and "fairrun.load(" not in none.stdout  # nothing is there to load


def test_another_metric_is_refused(tmp_path, described):
    (one,) = jobs_of(tmp_path, [*described, "postprocess=frontier", "metric=worst_group_accuracy"])
    (outcome,) = train(tmp_path, [one]).values()
    assert "metric.name must be one of demographic_parity_difference, " in outcome.failure
