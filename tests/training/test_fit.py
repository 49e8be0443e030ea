"""The loop: batches, random streams, evaluation, runs that fail."""

import dataclasses

import pytest
import torch

from fairrun.method.rows import parts
from fairrun.methods.erm import ERM
from fairrun.methods.penalty import Penalty
from fairrun.methods.stl import STL
from fairrun.models.mlp import MLP
from fairrun.models.shared_bottom import SharedBottom
from fairrun.training.batches import Batches
from fairrun.training.fit import fit
from fairrun.training.optim import SGD, Adam
from fairrun.training.stack import generator
from fairrun.training.tables import Tables
from tests.helpers.synthetic import data, data_of_tasks

NETWORK = MLP(num_features=6, num_classes=2, width=16, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0)
ADAM = Adam(lr=1e-2, b1=0.9, b2=0.999, eps=1e-8)


def batches(batch_size, num_runs=2, network=NETWORK):
    streams = {
        name: [generator(seed, k) for seed in range(num_runs)]
        for k, name in enumerate(("shuffle", "dropout", "method"))
    }
    return Batches(
        Tables.joined([data().train], [0] * num_runs),
        None,
        network,
        streams,
        batch_size,
        3,
        2,
        sees_s=True,
        native=False,
    )


@pytest.mark.parametrize("batch_size", [1, 16, 31, 32, 150, 1000])
def test_every_row_is_seen_once_an_epoch_in_padded_batches(batch_size):
    seen = []
    for batch in batches(batch_size).epoch(0):
        assert batch.x.shape[1] % 32 == 0
        assert batch.w.sum(-1).max() <= batch_size
        seen.append(batch.i[0][batch.w[0] == 1].clone())
    assert sorted(torch.cat(seen).tolist()) == list(range(150))


def test_a_batch_holds_its_own_rows():
    rows = data().train
    for batch in batches(32).epoch(0):
        assert torch.equal(batch.x, rows.x[batch.i])
        assert torch.equal(batch.y, rows.y[batch.i])
        assert torch.equal(batch.s, rows.s[batch.i])


def test_each_run_and_each_epoch_has_its_own_order():
    source = batches(150)
    first, second = (next(iter(source.epoch(epoch))).i.clone() for epoch in (0, 1))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], second[0])


def test_random_streams_of_a_run_and_of_neighbouring_seeds_differ():
    draws = {
        (seed, stream): torch.rand(1, generator=generator(seed, stream)).item()
        for seed in range(4)
        for stream in range(4)
    }
    assert len(set(draws.values())) == len(draws)


def test_full_batch_descent_is_the_same_as_with_a_torch_module():
    """50 steps of SGD on the whole training set, in float64, against torch.nn and torch.optim from the same
    parameters.
    """
    rows = data()
    method = ERM(SGD(lr=0.1, momentum=0.9, weight_decay=1e-3))
    run = fit(NETWORK, [method], [5], rows, epochs=50, batch_size=150, dtype=torch.float64)[0]
    twin = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)).double()
    theta = NETWORK.init([generator(5, 0)])
    for layer, name in ((twin[0], "base.0"), (twin[2], "classifier")):
        layer.weight.data = theta[f"{name}.weight"][0].T.clone()
        layer.bias.data = theta[f"{name}.bias"][0, 0].clone()
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    for _ in range(50):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(twin(rows.train.x)[:, 0], rows.train.y).backward()
        optimizer.step()
    torch.testing.assert_close(run.theta["base.0.weight"], twin[0].weight.T, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(run.theta["classifier.weight"], twin[2].weight.T, rtol=1e-10, atol=1e-12)


def test_a_runs_parameters_are_its_own_numbers_and_no_part_of_its_stacks():
    for run in fit(NETWORK, [ERM(ADAM)] * 3, [0, 1, 2], data(), epochs=1, batch_size=32):
        for parameters in (run.theta, run.chosen):
            assert all(p.untyped_storage().nbytes() == p.nbytes for p in parameters.values())


def test_drop_out_is_for_training_only_and_comes_from_the_run_itself():
    network = dataclasses.replace(NETWORK, dropout=0.5)
    first, again, other = fit(network, [ERM(ADAM)] * 3, [0, 0, 1], data(), epochs=1, batch_size=32)
    without = fit(NETWORK, [ERM(ADAM)], [0], data(), epochs=1, batch_size=32)[0]
    assert first.history.equals(again.history)
    assert not first.history.equals(other.history)
    assert not torch.equal(first.theta["base.0.weight"], without.theta["base.0.weight"])


def test_a_run_whose_loss_is_not_finite_is_marked_and_the_others_go_on():
    methods = [ERM(SGD(lr=lr, momentum=0.0, weight_decay=0.0)) for lr in (0.1, 1e30, 0.1)]
    network = dataclasses.replace(NETWORK, depth=2)
    good, bad, same = fit(network, methods, [0, 1, 2], data(), epochs=3, batch_size=32)
    assert bad.failure.startswith("the loss was not finite at step ")
    assert "seed=1" in bad.failure
    assert "lr=1e+30" in bad.failure
    assert good.failure is None
    assert same.failure is None
    for r, run in enumerate((good, bad)):
        alone = fit(network, methods[r : r + 1], [r], data(), epochs=3, batch_size=32)[0]
        assert run.history.equals(alone.history)
        assert run.failure == alone.failure


def test_a_run_that_its_last_step_broke_is_marked_too():
    """One step an epoch and one epoch: the loss is taken before the step that breaks the parameters."""
    method = ERM(SGD(lr=1e38, momentum=0.0, weight_decay=0.0))
    (run,) = fit(dataclasses.replace(NETWORK, depth=2), [method], [0], data(), epochs=1, batch_size=150)
    assert "not finite at step 0" in run.failure
    assert run.history[["test/accuracy", "test/roc_auc", "test/demographic_parity_difference"]].isna().all(axis=None)


def test_an_epoch_starts_with_all_rows_and_no_copy_of_their_features():
    seen = []

    class Watching(ERM):
        def start_epoch(self, model, state, train):
            seen.append(train)
            return state, None

    rows = data()
    fit(NETWORK, [Watching(ADAM)] * 2, [0, 1], rows, epochs=2, batch_size=32, dtype=torch.float64)
    assert [train.epoch for train in seen] == [0, 1]
    assert seen[1].x.data_ptr() == rows.train.x.data_ptr() and seen[1].sensitive is None
    assert seen[1].w.shape == (2, 160) and (seen[1].w.sum(-1) == 150).all()
    x = torch.cat([part.x for part in parts(seen[1], 64)], dim=1)
    assert torch.equal(x[:, :150], rows.train.x.expand(2, -1, -1))
    assert x.shape[1] == 160 and not x[:, 150:].any()


def test_training_stops_when_no_run_is_left():
    method = ERM(SGD(lr=1e30, momentum=0.0, weight_decay=0.0))
    (run,) = fit(dataclasses.replace(NETWORK, depth=2), [method], [0], data(), epochs=50, batch_size=32)
    assert len(run.history) < 50


@pytest.mark.parametrize("batch_size", [7, 16, 48, 100])
def test_any_batch_size_rounds_alike_alone_and_in_a_stack(batch_size):
    together = fit(NETWORK, [ERM(ADAM)] * 3, [0, 1, 2], data(), epochs=3, batch_size=batch_size)
    for seed, run in enumerate(together):
        assert fit(NETWORK, [ERM(ADAM)], [seed], data(), epochs=3, batch_size=batch_size)[0].history.equals(run.history)


def test_flushing_of_denormals_ends_with_training():
    fit(NETWORK, [ERM(ADAM)], [0], data(), epochs=1, batch_size=32)
    assert (torch.tensor(1e-30) * 1e-10).item() > 0


def test_progress_hears_of_every_epoch():
    heard = []
    fit(
        NETWORK,
        [ERM(ADAM)],
        [0],
        data(),
        epochs=3,
        batch_size=32,
        progress=lambda epoch, record, alive: heard.append((epoch, float(record["train/loss"][alive].mean()))),
    )
    assert [epoch for epoch, _ in heard] == [1, 2, 3]
    assert all(loss > 0 for _, loss in heard)


def test_runs_that_differ_in_more_than_floats_are_refused():
    methods = [Penalty(ADAM, 1.0, name) for name in ("demographic_parity", "mmd")]
    with pytest.raises(ValueError, match=r"Penalty\.fairness_loss"):
        fit(NETWORK, methods, [0, 1], data(), epochs=1, batch_size=32)


def test_the_match_rate_is_the_share_of_label_1_in_training_to_the_last_digit():
    """192 of 640 is 0.3, so of 200 rows the threshold is the 140th score; 0.3 as float32 is more, and would take the
    139th.
    """
    rows = data_of_tasks(2, num_groups=2)
    table = rows.train.rows(torch.arange(640) % 150)
    table = table._replace(y=(torch.arange(640) < 192).double().unsqueeze(-1).expand(-1, 2))
    few = rows.test.rows(torch.arange(200) % 83)._replace(x=torch.arange(200.0).unsqueeze(-1).expand(-1, 6).double())
    rows = rows._replace(train=table, val=few, test=few)
    found = SharedBottom(6, [], 2, shared=[4], head=[], embedding_dim=None)
    history = fit(found, [STL(SGD(1e-9, 0.0, 0.0), "mean")], [0], rows, epochs=1, batch_size=640)[0].history
    wanted = fit(found, [STL(SGD(1e-9, 0.0, 0.0), "mean")], [0], rows, epochs=1, batch_size=640, dtype=torch.float64)
    name = "test/match_rate_accuracy"
    assert history[name].iloc[0] == wanted[0].history[name].iloc[0]
