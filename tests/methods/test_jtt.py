"""JTT: its two stages."""

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.methods.erm import ERM
from fairrun.methods.jtt import JTT
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import Adam
from tests.helpers.synthetic import data

NETWORK = MLP(num_features=6, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0, num_classes=2)
ADAM = Adam(1e-2, 0.9, 0.999, 1e-8)


def whole(num_runs=2):
    """All training rows, and ten of weight 0 behind them."""
    rows = data().train
    x, y = (torch.cat([v, v[:10]]).expand(num_runs, *[-1] * v.dim()) for v in (rows.x, rows.y))
    i = torch.arange(160).expand(num_runs, -1)
    return Batch(x, y, i * (i < 150), (i < 150).double())


def started(method, num_runs=2):
    """The bound method, its model, and its state before the first step."""
    theta = NETWORK.init([torch.Generator().manual_seed(r) for r in range(num_runs)])
    bound, train = bind([method] * num_runs, torch.float64), whole(num_runs)
    cut = train._replace(x=train.x[:, :150], y=train.y[:, :150], i=train.i[:, :150], w=train.w[:, :150])
    return bound, Classifier(NETWORK), bound.init(Classifier(NETWORK), theta, cut)


def test_the_first_stage_is_erm():
    ours, theirs = (fit(NETWORK, [m], [0], data(), epochs=2, batch_size=32)[0] for m in (JTT(ADAM, 2, 3.0), ERM(ADAM)))
    assert all(torch.equal(ours.theta[name], theirs.theta[name]) for name in theirs.theta)


def test_the_second_stage_starts_where_each_run_started_and_draws_errors_more_often():
    bound, model, first = started(JTT(ADAM, 2, 3.0))
    state, train = first, whole()
    for epoch in range(2):
        state, weights = bound.start_epoch(model, state, train._replace(epoch=epoch))
        assert weights is None
        for _ in range(5):
            state, _ = bound.update(model, state, train)
    wrong = ((model.scores(state.theta, train) > 0.5) != train.y)[:, :150]
    assert 0 < wrong.sum() < 300
    state, weights = bound.start_epoch(model, state, train._replace(epoch=2))
    assert all(torch.equal(state.theta[name], first.theta[name]) for name in first.theta)
    assert not torch.equal(state.theta["classifier.weight"][0], state.theta["classifier.weight"][1])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(state.opt, first.opt, strict=True))
    torch.testing.assert_close(weights, torch.where(wrong, 3.0, 1.0).double())
    moved, logs = bound.update(model, state, train)
    torch.testing.assert_close(logs["drawn_errors"], wrong.double().mean(-1))
    again, same = bound.start_epoch(model, moved, train._replace(epoch=3))
    assert again is moved and torch.equal(same, weights)


def test_a_class_that_is_not_the_likeliest_is_an_error():
    class Fixed:
        def scores(self, theta, batch):
            return torch.tensor([[[0.2, 0.5, 0.3], [0.4, 0.3, 0.3], [0.1, 0.1, 0.8]]])

    batch = Batch(torch.zeros(1, 3, 1), torch.tensor([[1.0, 1.0, 2.0]]), torch.arange(3)[None], torch.ones(1, 3))
    bound = bind([JTT(ADAM, 1, 2.0)], torch.float32)
    state = bound.init(Fixed(), {"l": torch.zeros(1, 1)}, batch)
    _, weights = bound.start_epoch(Fixed(), state, batch._replace(epoch=1, num_classes=3))
    assert weights.tolist() == [[1, 2, 1]]


def test_errors_are_drawn_up_times_as_often():
    """Of a share e of errors after the first stage come e up / (1 + e (up - 1)) of the rows drawn."""
    first = fit(NETWORK, [ERM(ADAM)], [0], data(), epochs=10, batch_size=150, dtype=torch.float64)[0]
    batch = whole(1)
    p = Classifier(NETWORK).scores({name: p[None] for name, p in first.theta.items()}, batch)
    e = ((p > 0.5) != batch.y)[:, :150].double().mean().item()
    run = fit(NETWORK, [JTT(ADAM, 10, 3.0)], [0], data(), epochs=110, batch_size=150, dtype=torch.float64)[0]
    seen = run.history["train/drawn_errors"].to_numpy()
    assert not seen[:10].any()
    assert 0.1 < e < 0.5
    assert seen[10:].mean() == pytest.approx(3 * e / (1 + 2 * e), abs=0.02)


def test_no_epoch_left_for_the_second_stage_is_remarked():
    said = ["method.first_epochs=5: the second model is never trained, epochs=5"]
    assert JTT(ADAM, 5, 2.0).remarks(5) == said
    assert JTT(ADAM, 4, 2.0).remarks(5) == []


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="first_epochs must be >= 1, got 0"):
        JTT(ADAM, 0, 2.0)
    with pytest.raises(InputError, match="up must be > 0, got 0"):
        JTT(ADAM, 1, 0.0)
