"""Measurements, and that the claims on them turn where what is measured turns."""

import dataclasses

import pandas as pd
import pytest
import torch

from fairrun.analysis.verdict import Verdict
from fairrun.claims import spec
from fairrun.claims.judge import judged
from fairrun.claims.programs import labels, lipschitz, steps, stuck, variances
from fairrun.data.table import Data, Table
from fairrun.method.api import Batch
from fairrun.methods.irw_global import IRWGlobal, State
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.optim import SGD


def verdict(paper, claim, frame):
    """The verdict on a claim that is tested on one source."""
    read = spec.read(paper)
    own = read.claims[claim]
    alone = dataclasses.replace(read, claims={claim: own})
    finished = frame.assign(status="finished")
    return judged(alone, {test.source: finished for test in own.tests})[claim].verdict


def test_rows_without_a_gradient_get_no_weight_unless_losses_weigh(monkeypatch):
    assert verdict("irw", "no_gradient_no_weight", stuck.measured()) is Verdict.SHOWS
    monkeypatch.setitem(stuck.RULES, "gradients", stuck.RULES["losses"])
    turned = stuck.measured()
    assert verdict("irw", "no_gradient_no_weight", turned) is Verdict.CONTRADICTED
    assert verdict("irw", "gradients_small_steps", turned) is Verdict.CONTRADICTED


def test_stuck_rows_have_a_loss_and_no_gradient():
    rows = stuck.rows_of(0.15)
    losses, g = stuck.losses_and_gradients(rows, torch.ones(stuck.SEEDS, 2, dtype=stuck.DTYPE))
    assert rows.stuck.sum() == 60
    assert (losses[:, rows.stuck] == stuck.STUCK_LOSS).all() and not g[:, rows.stuck].any()
    assert g[:, ~rows.stuck].any()


@pytest.fixture(scope="module")
def few_steps():
    """A student's frame of few points, and the same with directions turned round."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "SEEDS", 3)
        patch.setattr(steps, "POINTS", 3)
        patch.setattr(steps, "LRS", (0.001, 10.0))
        right, weights = steps.measured(), steps.weights
        patch.setattr(steps, "weights", lambda g: {rule: -w for rule, w in weights(g).items()})
        return right, steps.measured()


@pytest.mark.parametrize("claim", ["small_steps_pareto", "small_steps_goal"])
def test_small_steps_lower_losses_unless_they_go_the_other_way(claim, few_steps):
    right, turned = few_steps
    assert verdict("nash", claim, right) is Verdict.SHOWS
    assert verdict("nash", claim, turned) is Verdict.CONTRADICTED


def test_wrong_labels_are_in_the_validation_batch_alone_and_a_larger_share_has_those_of_a_smaller():
    table = Table(torch.zeros(20, 1), torch.zeros(20), torch.zeros(20, dtype=torch.int64))
    data = Data(table, table, table, ["x"], ["g"], "", torch.arange(4, 12))
    few, more = (labels.with_wrong_labels(data, share, 0).train.y.bool() for share in (0.25, 0.5))
    assert (few.sum(), more.sum()) == (2, 4) and (few & more).sum() == 2
    assert not more[:4].any() and not more[12:].any() and not data.train.y.any()


def test_equal_weights_make_both_draws_vary_the_same_and_unequal_ones_more_where_they_weigh(
    monkeypatch,
):
    monkeypatch.setattr(variances, "DRAWS", 1000)
    model, generator = Classifier(MLP(3, 2, 4, 1, 1, None, 0.0)), torch.Generator().manual_seed(0)
    theta = model.network.init([generator])
    x = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    train = Table(x, (x[:, 0] > 0).double(), torch.zeros(30, dtype=torch.int64))
    method = bind([IRWGlobal(optimizer=SGD(lr=0.1, momentum=0.0), alpha=0.5)], torch.float64)
    equal, steep = (torch.arange(30, dtype=torch.float64).unsqueeze(0) ** power for power in (0, 4))
    found = []
    for w in (equal / equal.sum(), steep / steep.sum()):
        state = State(theta, method.optimizer.init(theta), w)
        found.append(variances.of_gradients(model, state, train, w).item())
        assert variances.of_steps(model, method, state, train, w).item() == pytest.approx(found[-1], abs=0.2)
    assert found[0] == pytest.approx(0, abs=1e-9) and found[1] > 0.3


def test_the_spread_of_groups_moves_by_its_bound_at_most_and_by_half_of_it_at_worst_it_does_not():
    frame = lipschitz.measured()
    assert verdict("fairbinn", "lipschitz_scores", frame) is Verdict.SHOWS
    halved = frame.assign(**{"measured/ratio": 2 * frame["measured/ratio"]})
    assert verdict("fairbinn", "lipschitz_scores", halved) is Verdict.CONTRADICTED


def test_a_move_by_hand_of_a_spread():
    """Group means .5 and .2; then .6 and .1: the spread grows by .2, which is all of 2 x .1."""
    s = torch.tensor([[0, 0, 1, 1]])
    p, q = torch.tensor([[[0.5, 0.5, 0.2, 0.2]], [[0.6, 0.6, 0.1, 0.1]]], dtype=torch.float64)
    batch = Batch(p.unsqueeze(-1), torch.ones_like(p), s, torch.ones_like(p), sensitive=s)
    assert lipschitz.moved("demographic_parity", batch, p, q).item() == pytest.approx(1)


def test_programs_have_a_seed_and_measured_columns():
    """What trends and claims read; the others take longer."""
    for frame in (stuck.measured(), lipschitz.measured()):
        assert isinstance(frame, pd.DataFrame) and "seed" in frame
        assert [column for column in frame if column.startswith("measured/")]
