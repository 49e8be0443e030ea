"""Nash bargaining meta-learning and its one-stage forms: formulas by hand, stages, and what the authors' code does."""

import dataclasses

import numpy as np
import pytest
import torch

from fairrun.method.api import Batch
from fairrun.methods.dro import DRO
from fairrun.methods.erm import ERM
from fairrun.methods.nash_meta import NashMeta, cell_weights, goal_weights
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import SGD
from tests.helpers.networks import flat_gradient
from tests.helpers.synthetic import data

NETWORK = MLP(num_features=6, num_classes=2, width=8, depth=2, fairness_layers=0, fairness_position=None, dropout=0.0)
PLAIN = SGD(lr=0.1, momentum=0.0, weight_decay=0.0)
HEAVY = SGD(lr=0.1, momentum=0.9, weight_decay=5e-4)
METHOD = NashMeta(PLAIN, "mean", 0, None, "cross_entropy", "norm", "exact")


def method(**changes):
    return dataclasses.replace(METHOD, **changes)


def batch_of(rows, i, num_runs=1):
    i = i.expand(num_runs, -1)
    return Batch(rows.x[i], rows.y[i], i, torch.ones_like(rows.y[i]), rows.s[i], num_groups=3)


def start(choice, num_runs=1, num_val=None):
    """A bound method, its model, first state and first batch."""
    trained, held_out = data().held_out()
    val = batch_of(held_out, torch.arange(len(held_out.y))[:num_val], num_runs)
    batch = batch_of(trained, torch.arange(20), num_runs)._replace(sensitive=None, val=val)
    model, theta = Classifier(NETWORK), NETWORK.init([torch.Generator().manual_seed(r) for r in range(num_runs)])
    bound = bind([choice] * num_runs, torch.float64)
    return bound, model, bound.init(model, theta, batch), batch


def step_weights(choice):
    """The weights of the first step, by solving for them: the step is a combination of the rows' gradients."""
    bound, model, state, batch = start(choice)
    after, logs = bound.update(model, state, batch)
    moved = torch.cat([(state.theta[name] - after.theta[name]).flatten(1) for name in state.theta], 1)[0]
    grads = torch.stack([row_gradient(model, state.theta, batch, j) for j in range(20)], 1)
    w = torch.linalg.lstsq(grads, moved.unsqueeze(-1) / 0.1, driver="gelsd").solution[:, 0]
    return w, logs, after


def row_gradient(model, theta, batch, j):
    return flat_gradient(lambda at: model.losses(at, batch)[:, j].sum(), theta)[0]


# The goals


L_K = torch.tensor([[1.0, 3.0, 5.0, 1.0, 2.5, 2.5]])  # groups' means 2, 3, 2.5
PRESENT = torch.ones(1, 6, dtype=torch.bool)


@pytest.mark.parametrize(
    ("goal", "beta"),
    [
        ("mean", [1 / 6] * 6),
        ("gap", [-0.5, -0.5, 0.5, 0.5, 0, 0]),
        ("worst", [0, 0, 0.5, 0.5, 0, 0]),
    ],
)
def test_a_goal_weighs_the_cells_of_its_groups(goal, beta):
    assert goal_weights(goal, L_K, PRESENT)[0].tolist() == pytest.approx(beta)


@pytest.mark.parametrize(
    ("goal", "beta"),
    [("mean", [0.25, 0.25, 0, 0.25, 0, 0.25]), ("gap", [0, 0, 0, -1, 0, 1]), ("worst", [0, 0, 0, 0, 0, 1])],
)
def test_a_goal_leaves_out_cells_without_rows(goal, beta):
    """The mean losses of the groups are 2, 1 (of one cell) and 2.5 (of one cell)."""
    present = torch.tensor([[True, True, False, True, False, True]])
    assert goal_weights(goal, L_K, present)[0].tolist() == pytest.approx(beta)


@pytest.mark.parametrize("goal", ["gap", "worst"])
def test_a_goal_leaves_out_a_group_without_rows(goal):
    present = torch.tensor([[True, True, False, False, True, True]])
    assert goal_weights(goal, L_K, present)[0].tolist() == pytest.approx(
        [-0.5 * (goal == "gap")] * 2 + [0, 0, 0.5, 0.5]
    )


def test_a_goals_weights_are_the_derivative_of_the_goal():
    l_k = torch.rand(4, 6, dtype=torch.float64, requires_grad=True)
    l_s = l_k.unflatten(-1, (3, 2)).mean(-1)
    goals = {"mean": l_k.mean(-1), "gap": l_s.amax(-1) - l_s.amin(-1), "worst": l_s.amax(-1)}
    for goal, value in goals.items():
        (expected,) = torch.autograd.grad(value.sum(), l_k, retain_graph=True)
        torch.testing.assert_close(goal_weights(goal, l_k.detach(), PRESENT.expand(4, 6)), expected)


def test_players_are_the_cells_of_group_and_label():
    """Cells (0, 0), (0, 1), (1, 0), (1, 1) have 2, 1, 0 and 1 rows; the last row is padding."""
    s, y = torch.tensor([[0, 0, 0, 1, 1]]), torch.tensor([[0.0, 0.0, 1.0, 1.0, 0.0]])
    w = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0]])
    weights = cell_weights(Batch(torch.zeros(1, 5, 1), y, s, w, s))
    assert weights[0].tolist() == [[0.5, 0.5, 0, 0, 0], [0, 0, 1, 0, 0], [0] * 5, [0, 0, 0, 1, 0]]


# One step


@pytest.mark.parametrize("loss", ["cross_entropy", "cross_entropy_f1"])
@pytest.mark.parametrize("goal", ["mean", "gap", "worst"])
def test_a_one_stage_step_is_that_of_a_differentiated_virtual_step(goal, loss):
    """By hand: w = max(-d goal(theta - lr sum_j eps_j grad l_j) / d eps, 0) at eps = 0, divided by its sum."""
    choice = method(goal=goal, validation_loss=loss, normalise="sum")
    bound, model, state, batch = start(choice)
    leaves = {name: p.clone().requires_grad_() for name, p in state.theta.items()}
    eps = torch.zeros(1, 20, dtype=torch.float64, requires_grad=True)
    grads = torch.autograd.grad((eps * model.losses(leaves, batch)).sum(), list(leaves.values()), create_graph=True)
    virtual = {name: p - 0.1 * g for (name, p), g in zip(leaves.items(), grads, strict=True)}
    losses, p = model.losses_and_scores(virtual, batch.val)
    if loss == "cross_entropy_f1":
        p_label = torch.where(batch.val.y > 0, p, 1 - p)
        losses = losses + 1 / (1 + (2 * p_label / (1 + p_label)).exp())
    l_k = (cell_weights(batch.val) * losses.unsqueeze(1)).sum(-1)
    l_s = l_k.unflatten(-1, (3, 2)).mean(-1)
    value = {"mean": l_k.mean(), "gap": l_s.amax() - l_s.amin(), "worst": l_s.amax()}[goal]
    w = (-torch.autograd.grad(value, eps)[0]).clamp(min=0)[0]
    expected = flat_gradient(lambda at: (w / w.sum() * model.losses(at, batch)).sum(), state.theta)[0]
    after, _ = bound.update(model, state, batch)
    moved = torch.cat([(state.theta[name] - after.theta[name]).flatten() for name in state.theta])
    torch.testing.assert_close(moved, 0.1 * expected, rtol=1e-9, atol=1e-12)


def test_the_validation_loss_is_taken_where_momentum_and_weight_decay_move_the_parameters():
    """With momentum 0.9 and velocity v, zero gradient moves theta to theta - lr (0.9 v + weight_decay theta)."""
    bound, _, state, batch = start(method(optimizer=HEAVY))
    velocity = torch.randn(state.opt.velocity.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = state._replace(opt=state.opt._replace(velocity=velocity))
    seen = []

    class Spy(Classifier):
        def influence(self, theta, batch, theta_val, *rest):
            seen.append((theta, theta_val))
            return super().influence(theta, batch, theta_val, *rest)

    bound.update(Spy(NETWORK), state, batch)
    ((theta, theta_val),) = seen
    flat = [torch.cat([p.flatten(1) for p in at.values()], 1) for at in (theta, theta_val)]
    torch.testing.assert_close(flat[1], flat[0] - 0.1 * (0.9 * velocity + 5e-4 * flat[0]), rtol=1e-12, atol=1e-14)


def test_in_stage_1_every_player_gains_and_alpha_times_gain_is_one_for_all():
    _, logs, _ = step_weights(method(bargain_epochs=1))
    assert logs["aligned"].item() == logs["bargained"].item() == 1
    assert logs["infeasible"].item() == 0 and logs["smallest_gain"].item() > 0
    shares = [logs[f"alpha/s={s}/y={y}"].item() for s in range(3) for y in range(2)]
    assert sum(shares) == pytest.approx(1) and min(shares) > 0
    _, model, state, batch = start(method(bargain_epochs=1))
    players = cell_weights(batch.val)
    g, _ = model.influence(state.theta, batch, state.theta, batch.val, players, lambda losses, p: losses)
    u = g[0] @ (torch.tensor(shares, dtype=torch.float64) @ g[0])
    assert (torch.tensor(shares) * u / (shares[0] * u[0])).tolist() == pytest.approx([1] * 6, rel=1e-5)


@pytest.mark.parametrize("bargain_epochs", [0, 1])
def test_a_small_step_lowers_the_losses_as_the_players_weigh_them(bargain_epochs):
    """sum_k alpha_k L_k falls, for g . max(d, 0) >= 0 with d = sum_k alpha_k g_k; alpha > 0 for the goal mean."""
    bound, model, state, batch = start(method(optimizer=SGD(1e-4, 0.0, 0.0), bargain_epochs=bargain_epochs))
    after, logs = bound.update(model, state, batch)
    alpha = torch.stack([logs[f"alpha/s={k // 2}/y={k % 2}"] for k in range(6)], -1)
    before, now = (
        (alpha * (cell_weights(batch.val) * model.losses(at.theta, batch.val).unsqueeze(1)).sum(-1)).sum(-1)
        for at in (state, after)
    )
    assert now.item() < before.item()


def test_a_player_without_a_gradient_does_not_count_as_one_that_loses():
    bound, _, state, batch = start(method(bargain_epochs=1))
    players = cell_weights(batch.val)

    class Sure(Classifier):
        """Certain of the rows of the first cell: their gradient is exactly 0."""

        def influence(self, *arguments):
            g, losses = super().influence(*arguments)
            return g.index_fill(1, torch.tensor([0]), 0.0), losses

    _, logs = bound.update(Sure(NETWORK), state, batch)
    assert players[0, 0].any() and logs["aligned"].item() == logs["bargained"].item() == 1
    assert logs["alpha/s=0/y=0"].item() == 0 < logs["smallest_gain"].item()


def test_weights_are_not_negative_and_may_sum_to_one():
    w, _, _ = step_weights(method(normalise="sum"))
    assert w.min() > -1e-9 and (w > 1e-6).any() and (w.abs() < 1e-9).any()
    assert w.sum().item() == pytest.approx(1)


def test_weights_have_the_norm_of_equal_weights():
    by_sum, by_norm = (step_weights(method(normalise=normalise))[0] for normalise in ("sum", "norm"))
    assert by_norm.norm().item() == pytest.approx(20**-0.5)
    assert (by_norm / by_norm.sum()).tolist() == pytest.approx(by_sum.tolist(), abs=1e-7)


def test_a_step_that_helps_nobody_is_no_step():
    """Validation rows that contradict every training row: each gradient points away, and no row gets weight."""
    bound, model, state, batch = start(method())
    x = batch.x[:, :1].expand(-1, 20, -1)
    same = batch._replace(x=x, y=torch.ones_like(batch.y))
    against = batch.val._replace(x=x[:, : batch.val.y.shape[1]], y=torch.zeros_like(batch.val.y))
    after, logs = bound.update(model, state, same._replace(val=against))
    assert logs["loss"].item() == 0
    assert all(torch.equal(after.theta[name], p) for name, p in state.theta.items())


# No agreement


def opposed(choice):
    """Two players at odds: the same rows with both labels in the two cells of group 0; other cells are empty."""
    bound, model, state, batch = start(choice)
    val = batch.val._replace(x=batch.x[:, :1].expand(-1, 2, -1), y=torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    val = val._replace(i=val.i[:, :2], w=val.w[:, :2], sensitive=torch.zeros(1, 2, dtype=torch.int64))
    return bound, model, state, batch, batch._replace(val=val)


def test_without_agreement_the_goal_sets_the_direction_and_the_log_says_so():
    bound, model, state, _, conflict = opposed(method(bargain_epochs=1))
    after, logs = bound.update(model, state, conflict)
    assert (logs["infeasible"].item(), logs["bargained"].item(), logs["aligned"].item()) == (1, 0, 0)
    one_stage, *_ = opposed(method())
    expected, _ = one_stage.update(model, state, conflict)
    assert all(torch.equal(after.theta[name], p) for name, p in expected.theta.items())


def test_the_authors_take_the_direction_of_the_batch_before_under_the_goal_mean():
    bound, model, state, agreeing, conflict = opposed(method(bargain_epochs=1, variant="authors"))
    state, _ = bound.update(model, state, agreeing)
    after, logs = bound.update(model, state, conflict)
    assert logs["infeasible"].item() == 1
    w = state.d.clamp(min=0)[0]
    expected = flat_gradient(lambda at: (w / w.norm() / 20**0.5 * model.losses(at, conflict)).sum(), state.theta)[0]
    moved = torch.cat([(state.theta[name] - after.theta[name]).flatten() for name in state.theta])
    torch.testing.assert_close(moved, 0.1 * expected, rtol=1e-9, atol=1e-12)
    assert torch.equal(after.d, state.d)


def test_the_direction_of_the_batch_before_weighs_no_padding():
    bound, model, state, agreeing, conflict = opposed(method(bargain_epochs=1, variant="authors"))
    state, _ = bound.update(model, state, agreeing)
    w = conflict.w.clone()
    w[:, 15:] = 0
    thetas = []
    for x in (conflict.x, conflict.x.index_fill(1, torch.arange(15, 20), 3.0)):
        after, _ = bound.update(model, state, conflict._replace(x=x, w=w))
        thetas.append(after.theta)
    assert all(torch.equal(thetas[0][name], p) for name, p in thetas[1].items())


@pytest.mark.parametrize("goal", ["gap", "worst"])
def test_under_the_other_goals_the_authors_fall_back_on_the_goal_too(goal):
    bound, model, state, _, conflict = opposed(method(goal=goal, bargain_epochs=1, variant="authors"))
    one_stage, *_ = opposed(method(goal=goal, variant="authors"))
    after, expected = (chosen.update(model, state, conflict)[0].theta for chosen in (bound, one_stage))
    assert all(torch.equal(after[name], p) for name, p in expected.items())


def test_cells_without_rows_are_no_players():
    bound, model, state, batch = start(method(bargain_epochs=1), num_val=6)
    _, logs = bound.update(model, state, batch)
    empty = [k for k in range(6) if not cell_weights(batch.val)[0, k].any()]
    assert empty and logs["bargained"].item() == 1
    for k in range(6):
        assert (logs[f"alpha/s={k // 2}/y={k % 2}"].item() == 0) == (k in empty)


# Stages


def trained(choice, epochs=4):
    return fit(NETWORK, [choice], [0], data(), epochs=epochs, batch_size=32, dtype=torch.float64)[0]


def test_stage_1_lasts_the_epochs_that_bargain():
    history = trained(method(bargain_epochs=2)).history
    assert history["train/bargained"].tolist() == [1, 1, 0, 0]
    assert history["train/aligned"].tolist()[:2] == [1, 1]


def test_no_epoch_of_bargaining_is_the_one_stage_form():
    """As after stage 1: a run whose stage 2 has begun takes the steps of the one-stage form."""
    bound, model, state, batch = start(method(bargain_epochs=2))
    one_stage, *_ = start(method())
    late = batch._replace(epoch=2)
    after, expected = (chosen.update(model, state, late)[0].theta for chosen in (bound, one_stage))
    assert all(torch.equal(after[name], p) for name, p in expected.items())


@pytest.mark.parametrize("until", [0.01, 0.21, 1.0])
def test_stage_1_ends_after_an_epoch_in_which_the_weights_help_every_player_often_enough(until):
    history = trained(method(bargain_epochs=9, bargain_until=until), epochs=9).history
    often = history["train/aligned_rectified"].to_numpy() >= until
    ends = int(often.argmax()) + 1 if often.any() else 9
    assert history["train/bargained"].tolist() == [1.0] * ends + [0.0] * (9 - ends)
    assert (ends < 9) == (until < 1)


def test_runs_of_a_stack_end_stage_1_each_for_itself():
    choice = method(bargain_epochs=9, bargain_until=0.5)
    options = {"epochs": 6, "batch_size": 32, "dtype": torch.float64}
    together = fit(NETWORK, [choice] * 4, range(4), data(), **options)
    alone = [fit(NETWORK, [choice], [seed], data(), **options)[0] for seed in range(4)]
    for a, b in zip(together, alone, strict=True):
        assert a.history["train/bargained"].tolist() == b.history["train/bargained"].tolist()


def test_more_epochs_of_bargaining_than_epochs_is_remarked():
    assert method(bargain_epochs=5).remarks(5) == ["method.bargain_epochs=5: stage 2 never starts, epochs=5"]
    said = "method.bargain_until=0.5 has no effect: method.bargain_epochs=0, no stage 1"
    assert method(bargain_until=0.5).remarks(5) == [said]
    assert method(bargain_epochs=4).remarks(5) == [] == method(bargain_epochs=9, bargain_until=0.5).remarks(5)


def test_the_rows_that_are_validated_on_are_not_trained_on():
    """Their loss is the players'; their labels in the training table may be anything."""
    rows = data()
    y = rows.train.y.clone()
    flipped = rows._replace(train=rows.train._replace(y=y.index_copy(0, rows.balanced, 1 - y[rows.balanced])))
    options = {"epochs": 2, "batch_size": 32, "dtype": torch.float64}
    seen = []

    class Recorder(ERM):
        needs = frozenset({"val"})

        def update(self, model, state, batch):
            seen.append((batch.x[0][batch.w[0] > 0], batch.val))
            return super().update(model, state, batch)

    fit(NETWORK, [Recorder(PLAIN)], [0], flipped, **options)
    trained_on = {tuple(x) for x, _ in seen for x in x.tolist()}
    held_out = {tuple(x) for x in rows.train.x[rows.balanced].tolist()}
    assert not trained_on & held_out and len(trained_on) == len(y) - len(rows.balanced)
    val = seen[0][1]
    assert np.array_equal(val.y[0][val.w[0] > 0], flipped.train.y[rows.balanced])


# Errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"goal": "max"}, "goal must be one of mean, gap, worst, got 'max'"),
        ({"bargain_epochs": -1}, "bargain_epochs must be >= 0, got -1"),
        ({"bargain_until": 0.0}, r"bargain_until must be null or in \(0, 1\], got 0.0"),
        ({"bargain_until": 1.5}, r"bargain_until must be null or in \(0, 1\], got 1.5"),
        ({"validation_loss": "f1"}, "validation_loss must be one of cross_entropy, cross_entropy_f1, got 'f1'"),
        ({"normalise": "max"}, "normalise must be one of norm, sum, got 'max'"),
        ({"variant": "paper"}, "variant must be one of exact, authors, got 'paper'"),
    ],
)
def test_bad_values_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        method(**changes)


# DRO


def test_dro_of_all_rows_is_erm():
    first, second = (trained(choice).theta for choice in (DRO(PLAIN, 1.0, "mean"), ERM(PLAIN)))
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-12, atol=1e-12)


def test_dro_weighs_the_largest_losses():
    """4 of 10: the mean over the 4, or by their code each 1/sqrt(10)."""

    class Losses:
        def losses(self, theta, batch):
            return theta["l"]

    theta = {"l": torch.tensor([[1.0, 9, 2, 8, 3, 7, 4, 6, 5, 0, 99]], dtype=torch.float64)}
    w = torch.ones(1, 11, dtype=torch.float64)
    w[:, 10] = 0  # padding, whatever its loss
    batch = Batch(torch.zeros(1, 11, 1), w, w, w)
    for variant, share in (("mean", 0.25), ("zeng", 10**-0.5)):
        bound = bind([DRO(PLAIN, 0.4, variant)], torch.float64)
        state, logs = bound.update(Losses(), bound.init(Losses(), theta, batch), batch)
        weights = ((theta["l"] - state.theta["l"]) / 0.1)[0].tolist()
        assert weights == pytest.approx([share * (loss in (9, 8, 7, 6)) for loss in theta["l"][0].tolist()])
        assert logs["loss"].item() == pytest.approx(share * 30)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1])
def test_dro_refuses_a_fraction_that_is_none(fraction):
    with pytest.raises(ValueError, match=r"fraction must be in \(0, 1\]"):
        DRO(PLAIN, fraction, "mean")
