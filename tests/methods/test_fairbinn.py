"""FairBiNN: who moves what by which gradient, against the paper's box and the code; what its theory does bear out."""

import dataclasses

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.method.losses import LOSSES
from fairrun.method.steps import flatten, split, unflatten
from fairrun.methods.erm import ERM
from fairrun.methods.fairbinn import FairBiNN
from fairrun.methods.fairbinn_authors import FairBiNNAuthors
from fairrun.methods.penalty import Penalty
from fairrun.models.functional import Classifier
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import Adagrad, Adam, at_epoch
from tests.helpers.players import NETWORK, PLAIN, Still, start
from tests.helpers.synthetic import batch_of, data, method

ADAM = Adam(lr=1e-3, b1=0.9, b2=0.999, eps=1e-8)
SMOOTH = "demographic_parity_mean_square"


def paper(**changes):
    fields = {"optimizer": PLAIN, "fairness_optimizer": PLAIN, "eta": 1.0, "fairness_loss": SMOOTH, "follower_steps": 1}
    fields |= {"order": "accuracy_first", "minibatches": "same"}
    return FairBiNN(**fields | changes)


def authors(**changes):
    fields = {"optimizer": PLAIN, "fairness_optimizer": PLAIN, "eta": 1.0, "fairness_loss": SMOOTH}
    return FairBiNNAuthors(**fields | changes)


def step(choice, epoch=0):
    """The parameters before and after the first step, and what made them."""
    bound, model, state, batch = start(choice)
    after, logs = bound.update(model, state, batch._replace(epoch=epoch))
    return state.theta, after.theta, model, batch, logs


def error(model, theta, batch):
    """The plain mean of the loss over the rows that are no padding."""
    return model.losses(theta, batch)[batch.w > 0].mean()


def unfairness(model, theta, batch, loss=SMOOTH):
    return LOSSES[loss](model.scores(theta, batch), batch).sum()


def gradient_at(function, theta, part):
    """The gradient of ``function(theta)`` at the parameters in ``part``."""
    leaves = {name: p.clone().requires_grad_() for name, p in part.items()}
    return dict(zip(leaves, torch.autograd.grad(function({**theta, **leaves}), list(leaves.values())), strict=True))


def assert_equal(first, second):
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def assert_close(first, second):
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-10, atol=1e-12)


def moved(theta, grads, lr):
    return {name: theta[name] - lr * g for name, g in grads.items()}


# Algorithm 1


def test_the_step_of_the_accuracy_player_is_along_the_gradient_of_the_error_alone():
    theta, after, model, batch, logs = step(paper(eta=1000.0))
    theta_a = split(theta, "fairness")[1]
    assert_close(moved(theta, gradient_at(lambda t: error(model, t, batch), theta, theta_a), 0.1), after)
    assert logs["loss"].item() == pytest.approx(error(model, theta, batch).item(), rel=1e-12)


def test_the_step_of_the_fairness_player_is_along_the_gradient_of_unfairness_after_the_other():
    theta, after, model, batch, logs = step(paper(eta=7.0))
    between = {**theta, **split(after, "fairness")[1]}
    theta_f = split(theta, "fairness")[0]
    grads = gradient_at(lambda t: 7.0 * unfairness(model, t, batch), between, theta_f)
    assert_close(moved(theta, grads, 0.1), after)
    assert logs["unfairness"].item() == pytest.approx(unfairness(model, between, batch).item(), rel=1e-12)


@pytest.mark.parametrize("variant", [paper, authors])
def test_each_player_moves_its_own_parameters_bit_for_bit(variant):
    for changes, still in (({"optimizer": Still()}, 1), ({"fairness_optimizer": Still()}, 0)):
        theta, after, *_ = step(variant(**changes))
        parts, others = split(theta, "fairness"), split(after, "fairness")
        assert_equal(parts[still], others[still])
        assert all(not torch.equal(p, others[1 - still][name]) for name, p in parts[1 - still].items())


def test_eta_does_not_reach_the_accuracy_player():
    assert_equal(*(split(step(paper(eta=eta))[1], "fairness")[1] for eta in (0.0, 1000.0)))


def test_fairness_first_is_the_other_way_round():
    theta, after, model, batch, _ = step(paper(order="fairness_first"))
    theta_f, theta_a = split(theta, "fairness")
    first = moved(theta, gradient_at(lambda t: unfairness(model, t, batch), theta, theta_f), 0.1)
    assert_close(first, after)
    grads = gradient_at(lambda t: error(model, t, batch), {**theta, **first}, theta_a)
    assert_close(moved(theta, grads, 0.1), after)


def test_follower_steps_follow_each_other():
    theta, after, model, batch, _ = step(paper(follower_steps=3, optimizer=Still()))
    theta_f = split(theta, "fairness")[0]
    for _ in range(3):
        grads = gradient_at(lambda t: unfairness(model, t, batch), {**theta, **theta_f}, theta_f)
        theta_f = moved(theta_f, grads, 0.1)
    assert_close(theta_f, after)


def test_split_minibatches_give_each_player_every_other_row():
    theta, after, model, batch, _ = step(paper(minibatches="split"))
    even = batch.w * (torch.arange(batch.w.shape[1]) % 2 == 0)
    theta_f, theta_a = split(theta, "fairness")
    grads = gradient_at(lambda t: error(model, t, batch._replace(w=even)), theta, theta_a)
    assert_close(between := moved(theta, grads, 0.1), after)
    odd = batch._replace(w=batch.w - even)
    grads = gradient_at(lambda t: unfairness(model, t, odd), {**theta, **between}, theta_f)
    assert_close(moved(theta, grads, 0.1), after)


@pytest.mark.parametrize("name", ["fairbinn", "fairbinn_authors"])
def test_each_player_has_its_own_schedule(name):
    """The code's: after 50 epochs half the rate of the accuracy player, 0.9 of the fairness player's."""
    bound = bind([method(name)], torch.float64)
    before, later = (at_epoch(bound, epoch, 1.0) for epoch in (49, 100))
    assert torch.equal(before.optimizer.lr, bound.optimizer.lr)
    assert later.optimizer.lr.item() == pytest.approx(0.25 * 1e-3)
    assert later.fairness_optimizer.lr.item() == pytest.approx(0.81 * 1e-5)


def test_with_adam_eta_does_nothing_and_a_user_is_told():
    """Adam divides a gradient by its size, up to its eps: 1 and 10 train the same fairness layers."""
    first, second = (
        fit(
            NETWORK,
            [paper(fairness_optimizer=ADAM, eta=eta)],
            [0],
            data(),
            epochs=4,
            batch_size=32,
            dtype=torch.float64,
        )
        for eta in (1000.0, 10000.0)
    )
    for name, p in first[0].theta.items():
        torch.testing.assert_close(p, second[0].theta[name], rtol=0, atol=2e-4)
    assert "method.eta, if not 0, has no effect" in method("fairbinn").remarks(50)[0]
    adagrad = Adagrad(lr=0.1, initial_accumulator_value=0.0, eps=1e-8)
    assert len(paper(fairness_optimizer=adagrad).remarks(50)) == 1
    assert paper(fairness_optimizer=dataclasses.replace(adagrad, initial_accumulator_value=0.1)).remarks(50) == []
    assert method("fairbinn_sgd").remarks(50) == []


def test_without_eta_a_frozen_layer_is_left():
    theta, after, *_ = step(paper(eta=0.0))
    assert_equal(split(theta, "fairness")[0], after)


# The released code


def test_the_codes_accuracy_player_follows_both_gradients_at_two_points():
    theta, after, model, batch, _ = step(authors(eta=7.0))
    theta_f, theta_a = split(theta, "fairness")
    leak = gradient_at(lambda t: 7.0 * unfairness(model, t, batch), theta, theta)
    between = {**theta, **moved(theta, {name: leak[name] for name in theta_f}, 0.1)}
    assert_close({name: between[name] for name in theta_f}, after)
    grads = gradient_at(lambda t: error(model, t, batch), between, theta_a)
    assert_close(moved(theta, {name: g + leak[name] for name, g in grads.items()}, 0.1), after)


def test_the_code_differs_from_the_paper_by_the_leak_alone():
    """With fairness first and no eta they are the same."""
    assert_equal(step(authors(eta=0.0))[1], step(paper(eta=0.0, order="fairness_first"))[1])
    codes, papers = step(authors())[1], step(paper(order="fairness_first"))[1]
    assert_equal(split(papers, "fairness")[0], codes)
    assert not torch.equal(codes["base.0.weight"], papers["base.0.weight"])


def test_the_lagrangian_is_the_penalty_that_logs_the_mean_loss_and_without_lam_erm():
    choices = Penalty(ADAM, 3.0, SMOOTH, "mean"), Penalty(ADAM, 3.0, SMOOTH), Penalty(ADAM, 0.0, SMOOTH), ERM(ADAM)
    options = {"epochs": 2, "batch_size": 32, "dtype": torch.float64}
    ours, penalty, without, erm = (fit(NETWORK, [choice], [0], data(), **options)[0] for choice in choices)
    assert_equal(ours.theta, penalty.theta)
    assert_close(without.theta, erm.theta)
    objective = ours.history["train/loss"] + 3 * ours.history["train/unfairness"]
    assert penalty.history["train/loss"].tolist() == pytest.approx(objective.tolist(), rel=1e-12)


# What the theory bears out.  Not asserted, for it is false in general: that less unfairness means less error (Theorem
# 3.6), that one step finds the only minimum (3.7), that the game ends below the Lagrangian (3.9)


def fairness_of(model, theta, batch):
    """Unfairness as a function of the flat fairness layers, [P_f] -> []."""
    theta_f = split(theta, "fairness")[0]
    return lambda f: unfairness(model, {**theta, **unflatten(f[None], theta_f)}, batch)


def test_a_small_step_of_the_follower_lowers_unfairness_as_the_descent_lemma_says():
    """phi(new) <= phi(old) - lr (1 - lr L / 2) |grad|^2, L the largest curvature on the way."""
    for seed in range(3):
        theta, _, model, batch, _ = step(paper())
        theta = NETWORK.init([torch.Generator().manual_seed(seed)])
        phi, f = fairness_of(model, theta, batch), flatten(split(theta, "fairness")[0])[0]
        g = torch.autograd.functional.jacobian(phi, f)
        lr = 0.5
        way = [f - lr * t * g for t in torch.linspace(0, 1, 9)]
        curvature = max(
            torch.linalg.eigvalsh(torch.autograd.functional.hessian(phi, at)).abs().max().item() for at in way
        )
        assert lr < 2 / curvature
        assert phi(way[-1]) <= phi(f) - lr * (1 - lr * curvature / 2) * g.square().sum() + 1e-15
        assert phi(way[-1]) < phi(f)


def test_scores_are_lipschitz_in_a_fairness_layer():
    """|p - p'| <= 1/4 prod_later |W_k|_2 (|h|_2 |W - W'|_2 + |b - b'|_2); the paper's Lemma 3.5 has no |W_k|."""
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        theta = {name: 3 * p for name, p in NETWORK.init([g]).items()}
        rows = data().train
        batch = batch_of(rows, torch.arange(50)[None])
        h = batch.x
        for k in range(2):
            h = (h @ theta[f"base.{k}.weight"] + theta[f"base.{k}.bias"]).relu()
        noise = {
            name: 10 ** (-seed % 3) * torch.randn(p.shape, generator=g, dtype=p.dtype) for name, p in theta.items()
        }
        other = {**theta, **{name: theta[name] + noise[name] for name in split(theta, "fairness")[0]}}
        model = Classifier(NETWORK)
        difference = (model.scores(theta, batch) - model.scores(other, batch)).abs()
        weight, bias = (torch.linalg.matrix_norm(noise[f"fairness.0.{part}"], 2) for part in ("weight", "bias"))
        bound = torch.linalg.matrix_norm(theta["classifier.weight"], 2) / 4 * (h.norm(dim=-1) * weight + bias)
        assert (difference <= bound + 1e-12).all()
        assert difference.max() > 0


@pytest.mark.parametrize("name", ["demographic_parity", "equal_opportunity", "equalized_odds"])
def test_a_spread_of_groups_is_lipschitz_in_the_scores_with_constant_2(name):
    rows = data().train
    batch = batch_of(rows, torch.arange(len(rows.y))[None])
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        p, q = (torch.rand(batch.y.shape, generator=g, dtype=torch.float64) for _ in range(2))
        q = p + (q - p) * 10.0 ** -(seed % 4)
        assert (LOSSES[name](p, batch) - LOSSES[name](q, batch)).abs() <= 2 * (p - q).abs().max() + 1e-15


def test_a_small_step_of_the_follower_costs_the_error_no_more_than_its_length_times_a_lipschitz_constant():
    """|grad_f L| on the way bounds what the error can rise by."""
    theta, after, model, batch, _ = step(paper(optimizer=Still(), eta=50.0))
    f, to = (flatten(split(t, "fairness")[0])[0] for t in (theta, after))
    theta_f = split(theta, "fairness")[0]

    def error_at(f):
        return error(model, {**theta, **unflatten(f[None], theta_f)}, batch)

    way = [f + t * (to - f) for t in torch.linspace(0, 1, 33)]
    steepest = max(torch.autograd.functional.jacobian(error_at, at).norm() for at in way)
    assert (error_at(to) - error_at(f)).abs() <= steepest * (to - f).norm() * (1 + 1e-3)


# Bad input


@pytest.mark.parametrize(
    "change",
    [
        {"eta": -1.0},
        {"follower_steps": 0},
        {"order": "both"},
        {"minibatches": "two"},
        {"fairness_loss": "accuracy"},
    ],
)
def test_a_value_that_cannot_be_is_named(change):
    (key,) = change
    with pytest.raises(InputError, match=key):
        paper(**change)
    if hasattr(authors(), key):
        with pytest.raises(InputError, match=key):
            authors(**change)


def test_the_default_values_are_those_of_the_papers_table():
    for name in ("fairbinn", "fairbinn_authors"):
        chosen = method(name)
        assert (chosen.eta, chosen.optimizer.lr, chosen.fairness_optimizer.lr) == (100, 1e-3, 1e-5)
        players = chosen.optimizer, chosen.fairness_optimizer
        assert [(player.decay, player.decay_every) for player in players] == [(0.5, 50), (0.9, 50)]
