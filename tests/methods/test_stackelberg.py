"""The Stackelberg game: against a quadratic game that has a known equilibrium, and against finite differences."""

import dataclasses

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.method.losses import LOSSES
from fairrun.method.steps import flatten, split, unflatten
from fairrun.methods.stackelberg import Stackelberg, conjugate_gradient
from fairrun.training.binding import bind
from tests.helpers.players import PLAIN, Still, start
from tests.helpers.quick import few

GAME = Stackelberg(
    optimizer=PLAIN,
    eta=3.0,
    proximal=1.0,
    follower_lr=0.45,
    follower_steps=4,
    fairness_loss="demographic_parity_pairs",
    derivative="unrolled",
    cg_steps=20,
)


class Quadratic:
    """Leader (a - 1)^2 + (f - 2)^2; follower (f - C a)^2, as the squared gap of the scores f - C a and 0."""

    C = 0.5

    def losses_and_scores(self, theta, batch):
        a, f = theta["base"], theta["fairness"]  # [R, 1]
        return ((a - 1) ** 2 + (f - 2) ** 2).expand_as(batch.y), torch.where(batch.s == 1, f - self.C * a, 0.0)


ETAS = (0.0, 0.5, 3.0, 1000.0)
FIRST = -1.0  # of f


def response():
    """f*(a) = slope a + offset, of each of ETAS: the minimum of eta (f - C a)^2 + 1/2 (f - FIRST)^2."""
    return [(2 * eta * Quadratic.C / (2 * eta + 1), FIRST / (2 * eta + 1)) for eta in ETAS]


def play(game, steps=80, **changes):
    """The final (a, f) of each of ETAS, side by side."""
    bound = bind([dataclasses.replace(game, eta=eta, **changes) for eta in ETAS], torch.float64)
    ones = torch.ones(len(ETAS), 4, dtype=torch.float64)
    batch = Batch(ones.unsqueeze(-1), ones, torch.arange(4).expand(len(ETAS), -1), ones, (ones.cumsum(-1) > 2).long())
    theta = {"base": torch.zeros(len(ETAS), 1, dtype=torch.float64), "fairness": FIRST * ones[:, :1]}
    state = bound.init(Quadratic(), theta, batch)
    for _ in range(steps):
        state, _ = bound.update(Quadratic(), state, batch)
    return list(zip(state.theta["base"][:, 0].tolist(), state.theta["fairness"][:, 0].tolist(), strict=True))


@pytest.mark.parametrize("derivative", few(["unrolled", "implicit"], ["implicit"]))
def test_a_quadratic_game_ends_in_its_stackelberg_equilibrium(derivative):
    """min over a of (a - 1)^2 + (slope a + offset - 2)^2."""
    found = play(GAME, derivative=derivative, follower_steps=25)
    for (a, f), (slope, offset) in zip(found, response(), strict=True):
        best = (1 + slope * (2 - offset)) / (1 + slope**2)
        assert (a, f) == pytest.approx((best, slope * best + offset), abs=1e-6)


def test_a_leader_that_foresees_nothing_ends_in_the_nash_equilibrium():
    for (a, f), (slope, offset) in zip(play(GAME, derivative="none"), response(), strict=True):
        assert (a, f) == pytest.approx((1, slope + offset), abs=1e-6)


def total_derivative(method, at):
    """The leader's first step by SGD, as its gradient, and L after the follower's answer to leaders near theta_a."""
    bound, model, state, batch = start(dataclasses.replace(method, **at))
    state = bound.init(model, {name: 3 * p for name, p in state.theta.items()}, batch)  # of more unequal groups
    after, _ = bound.update(model, state, batch)
    theta_f, theta_a = split(state.theta, "fairness")
    step = (flatten(theta_a) - flatten(split(after.theta, "fairness")[1]))[0] / 0.1

    def phi(a, f):
        theta = {**unflatten(a[None], theta_a), **unflatten(f[None], theta_f)}
        gap = LOSSES[method.fairness_loss](model.scores(theta, batch), batch)
        weights = method.eta + method.proximal
        return (method.eta * gap + method.proximal / 2 * (f - state.start[0]).square().sum()).sum() / weights

    def answered(a):
        f = flatten(theta_f)[0]
        for _ in range(bound.follower_steps):
            f = f - method.follower_lr * torch.autograd.functional.jacobian(lambda f: phi(a, f), f)
        theta = {**unflatten(a[None], theta_a), **unflatten(f[None], theta_f)}
        return model.losses(theta, batch)[batch.w > 0].mean(), f, after.theta

    return step, flatten(theta_a)[0], answered


@pytest.mark.parametrize(("derivative", "steps"), few([("unrolled", 2), ("implicit", 150)], 1))
def test_the_leaders_step_is_along_the_derivative_of_its_loss_after_the_answer(derivative, steps):
    """By central differences in three random directions."""
    game = dataclasses.replace(GAME, eta=50.0, proximal=20.0, follower_lr=0.5)
    at = {"derivative": derivative, "follower_steps": steps, "cg_steps": 100}
    step, a, answered = total_derivative(game, at)
    _, f, after = answered(a)
    torch.testing.assert_close(f, flatten(split(after, "fairness")[0])[0], rtol=1e-9, atol=1e-11)
    plain, *_ = total_derivative(game, at | {"derivative": "none"})
    assert (step - plain).norm() > 1e-3 * step.norm()  # what is foreseen matters
    for seed in range(3):
        u = torch.randn(a.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        h = 1e-5
        difference = (answered(a + h * u)[0] - answered(a - h * u)[0]).item() / (2 * h)
        assert (step @ u).item() == pytest.approx(difference, rel=1e-5, abs=1e-8)


def test_a_strong_proximal_term_keeps_the_follower_at_its_start():
    bound, model, state, batch = start(dataclasses.replace(GAME, optimizer=Still(), proximal=1e9, follower_steps=50))
    after, _ = bound.update(model, state, batch)
    torch.testing.assert_close(flatten(split(after.theta, "fairness")[0]), state.start, rtol=0, atol=1e-6)


def test_conjugate_gradient_solves_each_runs_system():
    g = torch.Generator().manual_seed(0)
    half = torch.randn(3, 6, 6, generator=g, dtype=torch.float64)
    matrix, b = half @ half.mT + torch.eye(6, dtype=torch.float64), torch.randn(3, 6, generator=g, dtype=torch.float64)
    b[1] = 0
    x = conjugate_gradient(lambda v: (matrix @ v.unsqueeze(-1)).squeeze(-1), b, 6)
    torch.testing.assert_close(x, torch.linalg.solve(matrix, b), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(x[1], torch.zeros(6, dtype=torch.float64), rtol=0, atol=0)


def test_conjugate_gradient_stops_where_nothing_curves_upwards():
    diagonal = torch.tensor([[2.0, 1.0], [-1.0, -2.0]], dtype=torch.float64)
    x = conjugate_gradient(lambda v: diagonal * v, torch.ones(2, 2, dtype=torch.float64), 5)
    torch.testing.assert_close(x, torch.tensor([[0.5, 1.0], [0.0, 0.0]], dtype=torch.float64))


@pytest.mark.parametrize(
    "change",
    [
        {"eta": -1.0},
        {"proximal": 0.0},
        {"follower_lr": 0.0},
        {"follower_steps": 0},
        {"fairness_loss": "accuracy"},
        {"derivative": "total"},
        {"cg_steps": 0},
    ],
)
def test_a_value_that_cannot_be_is_named(change):
    with pytest.raises(InputError, match=next(iter(change))):
        dataclasses.replace(GAME, **change)
