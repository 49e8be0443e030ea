"""Optimizers against torch.optim, their layout, and the values they refuse."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrun.config.check import InputError
from fairrun.methods.erm import ERM
from fairrun.methods.fairbinn import FairBiNN
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import SGD, Adagrad, Adam, AdamW, at_epoch, flatten, subtract
from fairrun.training.schedule import Schedule
from tests.helpers.synthetic import data

SHAPES = {"weight": (3, 2), "bias": (1, 4), "scale": (1,)}  # 11 parameters a run
STACKS = {
    "SGD": [SGD(0.05, 0.0, 0.0), SGD(0.02, 0.9, 0.0), SGD(0.03, 0.5, 0.1), SGD(0.01, 0.0, 0.3)],
    "Adam": [Adam(0.1, 0.9, 0.999, 1e-8), Adam(0.03, 0.5, 0.9, 1e-3), Adam(0.01, 0.0, 0.99, 1e-8)],
    "AdamW": [AdamW(0.1, weight_decay=0.3), AdamW(0.03, 0.5, 0.9, 1e-3), AdamW(0.01, weight_decay=0.0)],
    "Adagrad": [Adagrad(0.1, 0.0, 1e-10), Adagrad(0.5, 0.1, 1e-10), Adagrad(0.3, 0.1, 0.0), Adagrad(0.2, 0.0, 0.01)],
}
every_optimizer = pytest.mark.parametrize("name", STACKS)


def in_torch(optimizer, parameters):
    match optimizer:
        case SGD(lr, momentum, weight_decay):
            return torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)
        case AdamW(lr, b1, b2, eps, weight_decay):
            return torch.optim.AdamW(parameters, lr=lr, betas=(b1, b2), eps=eps, weight_decay=weight_decay)
        case Adam(lr, b1, b2, eps):
            return torch.optim.Adam(parameters, lr=lr, betas=(b1, b2), eps=eps)
        case Adagrad(lr, start, eps):
            return torch.optim.Adagrad(parameters, lr=lr, initial_accumulator_value=start, eps=eps)


def parameters(num_runs, seed=0):
    g = torch.Generator().manual_seed(seed)
    return {name: torch.randn(num_runs, *shape, generator=g, dtype=torch.float64) for name, shape in SHAPES.items()}


def quadratic(num_runs):
    """theta^T A theta / 2 - b^T theta, with the eigenvalues of A in [1, 5] -> A [R, 11, 11], b [R, 11]."""
    g = torch.Generator().manual_seed(1)
    q = torch.linalg.qr(torch.randn(num_runs, 11, 11, generator=g, dtype=torch.float64)).Q
    a = q @ torch.diag_embed(1 + 4 * torch.rand(num_runs, 11, generator=g, dtype=torch.float64)) @ q.mT
    return (a + a.mT) / 2, torch.randn(num_runs, 11, generator=g, dtype=torch.float64)


def gradients(theta, a, b):
    """Of the quadratic, laid out as ``theta``."""
    flat = (a @ flatten(theta).unsqueeze(-1)).squeeze(-1) - b
    return subtract({name: torch.zeros_like(p) for name, p in theta.items()}, -flat)


def trained(optimizers, num_steps=50, runs=None):
    """Parameters after descent on the quadratic, all of ``optimizers`` or the ``runs`` among them side by side."""
    runs = list(range(len(optimizers))) if runs is None else runs
    a, b = (v[runs] for v in quadratic(len(optimizers)))
    theta = {name: p[runs] for name, p in parameters(len(optimizers)).items()}
    optimizer = bind([optimizers[r] for r in runs], torch.float64)
    state = optimizer.init(theta)
    for _ in range(num_steps):
        theta, state = optimizer.step(theta, gradients(theta, a, b), state)
    return theta


@every_optimizer
def test_fifty_steps_of_several_runs_are_those_of_torch(name):
    optimizers = STACKS[name]
    ours = trained(optimizers)
    a, b = quadratic(len(optimizers))
    for r, optimizer in enumerate(optimizers):
        theta = {key: p[r].clone() for key, p in parameters(len(optimizers)).items()}
        theirs = in_torch(optimizer, list(theta.values()))
        for _ in range(50):
            grads = gradients({key: p.unsqueeze(0) for key, p in theta.items()}, a[r : r + 1], b[r : r + 1])
            for key, p in theta.items():
                p.grad = grads[key][0]
            theirs.step()
        for key, p in theta.items():
            torch.testing.assert_close(ours[key][r], p, rtol=1e-12, atol=0)


@every_optimizer
def test_fifty_steps_change_every_parameter(name):
    after = trained(STACKS[name])
    for key, p in parameters(len(STACKS[name])).items():
        assert ((after[key] - p).abs() > 1e-3).all()


@every_optimizer
@pytest.mark.parametrize("runs", [[0], [2], [2, 0, 1]])
def test_a_run_takes_bitwise_the_same_steps_in_any_stack(name, runs):
    together, apart = trained(STACKS[name]), trained(STACKS[name], runs=runs)
    for key, p in together.items():
        assert torch.equal(apart[key], p[runs])


@every_optimizer
@pytest.mark.parametrize("names", [["weight"], ["weight", "bias", "scale"]])
def test_a_step_leaves_its_arguments_as_they_were(name, names):
    optimizer = bind(STACKS[name], torch.float64)
    theta, first, second = ({key: parameters(len(STACKS[name]), seed)[key] for key in names} for seed in range(3))
    theta, state = optimizer.step(theta, first, optimizer.init(theta))
    arguments = [*theta.values(), *second.values(), *state]
    before = [v.clone() for v in arguments]
    optimizer.step(theta, second, state)
    for now, then in zip(arguments, before, strict=True):
        assert torch.equal(now, then)


def test_momentum_is_a_running_sum_of_gradients():
    """lr .1, momentum .5, gradient 1: v = 1, then 1.5; theta = 0 - .1 - .15 = -.25."""
    optimizer = bind([SGD(0.1, 0.5, 0.0)], torch.float64)
    theta, grads = {"a": torch.zeros(1, 1, dtype=torch.float64)}, {"a": torch.ones(1, 1, dtype=torch.float64)}
    state = optimizer.init(theta)
    for _ in range(2):
        theta, state = optimizer.step(theta, grads, state)
    assert theta["a"].item() == pytest.approx(-0.25, rel=1e-15)


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate():
    """Corrected m = g and sqrt(v) = |g|: the step is -lr sign(g) but for eps."""
    optimizer = bind([Adam(0.1, 0.9, 0.999, 1e-12)], torch.float64)
    theta = {"a": torch.zeros(1, 3, dtype=torch.float64)}
    grads = {"a": torch.tensor([[5.0, -0.2, 1e-3]], dtype=torch.float64)}
    theta, _ = optimizer.step(theta, grads, optimizer.init(theta))
    torch.testing.assert_close(theta["a"], torch.tensor([[-0.1, 0.1, -0.1]], dtype=torch.float64), rtol=1e-8, atol=0)


def test_parameters_lie_side_by_side_in_the_order_of_their_names():
    theta = {"b": torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), "a": torch.tensor([[5.0]])}
    assert flatten(theta).tolist() == [[1, 2, 3, 4, 5]]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 3), st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4)
)
def test_subtracting_what_was_flattened_leaves_zeros_in_the_same_layout(num_runs, shapes):
    g = torch.Generator().manual_seed(0)
    theta = {str(k): torch.randn(num_runs, *shape, generator=g) for k, shape in enumerate(shapes)}
    rest = subtract(theta, flatten(theta))
    assert list(rest) == list(theta)
    for name, p in theta.items():
        assert torch.equal(rest[name], torch.zeros_like(p))


def test_an_update_is_subtracted_from_the_parameters():
    theta, update = parameters(2), torch.randn(2, 11, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert torch.equal(flatten(subtract(theta, update)), flatten(theta) - update)


def test_the_rate_of_an_optimizer_with_a_schedule_of_its_own_is_every_runs_own():
    """After two epochs lr times decay, after four its square, run by run; the factor is for others."""
    bound = bind([SGD(0.1, decay=decay, decay_every=2) for decay in (0.5, 0.9)], torch.float64)
    rates = [at_epoch(bound, epoch, 7.0).lr.flatten().tolist() for epoch in (0, 1, 2, 3, 4)]
    once, twice = [0.05, 0.09], pytest.approx([0.025, 0.081])
    assert rates == [[0.1, 0.1], [0.1, 0.1], pytest.approx(once), pytest.approx(once), twice]


def test_the_rate_of_an_optimizer_without_one_is_multiplied_by_the_factor_of_the_epoch():
    bound = bind([FairBiNN(SGD(0.1), SGD(0.2, decay=0.9, decay_every=1))], torch.float64)
    now = at_epoch(bound, 1, 0.5)
    assert (now.optimizer.lr.item(), now.fairness_optimizer.lr.item()) == pytest.approx((0.05, 0.18))
    assert (bound.optimizer.lr.item(), bound.fairness_optimizer.lr.item()) == pytest.approx((0.1, 0.2))


def test_a_schedule_of_its_own_and_that_of_the_run_train_alike():
    options = {"epochs": 4, "batch_size": 32, "dtype": torch.float64}
    own = fit(MLP(6, 2, 4, 1, 0, None, 0.0), [ERM(SGD(0.1, decay=0.5, decay_every=2))], [0], data(), **options)[0]
    outer = fit(MLP(6, 2, 4, 1, 0, None, 0.0), [ERM(SGD(0.1))], [0], data(), schedule=Schedule(2, 0.5), **options)[0]
    none = fit(MLP(6, 2, 4, 1, 0, None, 0.0), [ERM(SGD(0.1))], [0], data(), **options)[0]
    assert own.history.equals(outer.history)
    assert not own.history.equals(none.history)
    assert own.history.iloc[:2].equals(none.history.iloc[:2])


GOOD = {
    SGD: {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    Adam: {"lr": 0.1, "b1": 0.9, "b2": 0.999, "eps": 1e-8},
    Adagrad: {"lr": 0.1, "initial_accumulator_value": 0.0, "eps": 1e-10},
}


@pytest.mark.parametrize(
    ("cls", "field", "value", "allowed"),
    [
        *((cls, "lr", value, "> 0") for cls in GOOD for value in (0, -0.1, float("nan"))),
        *((SGD, "momentum", value, "in [0, 1)") for value in (1, 1.5, -0.1)),
        (SGD, "weight_decay", -0.1, ">= 0"),
        *((Adam, field, value, "in [0, 1)") for field in ("b1", "b2") for value in (1, 1.0, -0.1)),
        *((Adam, "eps", value, "> 0") for value in (0, -1e-8)),
        (Adagrad, "initial_accumulator_value", -0.1, ">= 0"),
        (Adagrad, "eps", -1e-10, ">= 0"),
        (Adagrad, "eps", 0.0, "> 0 where initial_accumulator_value is 0"),
        (SGD, "decay", 1.5, "in (0, 1]"),
        (SGD, "decay_every", 0, "null or >= 1"),
    ],
)
def test_a_bad_value_is_refused_by_name(cls, field, value, allowed):
    with pytest.raises(InputError, match=re.escape(f"{field} must be {allowed}, got {value!r}") + "$"):
        cls(**GOOD[cls] | {field: value})


@pytest.mark.parametrize(
    ("cls", "changes"),
    [
        (SGD, {"momentum": 0, "weight_decay": 0}),
        (Adam, {"b1": 0, "b2": 0}),
        (Adagrad, {"initial_accumulator_value": 0.1, "eps": 0}),
    ],
)
def test_a_value_on_an_allowed_end_is_accepted(cls, changes):
    optimizer = cls(**GOOD[cls] | changes)
    assert {field: getattr(optimizer, field) for field in changes} == changes
