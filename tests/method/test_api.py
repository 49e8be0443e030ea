"""Descent side by side, binding runs, means over rows and groups."""

import dataclasses
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrun.config.check import InputError
from fairrun.method.api import PerRun
from fairrun.method.rows import group_mask, group_mean, mean
from fairrun.method.steps import descend, gradient
from fairrun.methods.erm import ERM
from fairrun.methods.penalty import Penalty
from fairrun.training.binding import bind
from fairrun.training.optim import SGD, Adam


@dataclass(frozen=True)
class Example:
    """A method with fields of every kind."""

    optimizer: SGD
    lam: PerRun
    share: float
    kind: str = "a"
    layers: int = 1


def example(lr=0.1, lam=1.0, share=0.5, **others):
    return Example(SGD(lr, 0.9, 0.0), lam, share, **others)


def parameters(num_runs=3):
    g = torch.Generator().manual_seed(0)
    return {
        "a": torch.randn(num_runs, 2, 3, generator=g, dtype=torch.float64),
        "b": torch.randn(num_runs, 4, generator=g, dtype=torch.float64),
    }


def cubic(theta):
    """sum a^3 + sum a sum b, [R]: gradients 3 a^2 + sum b and sum a."""
    a, b = theta["a"].flatten(1), theta["b"]
    return a.pow(3).sum(-1) + a.sum(-1) * b.sum(-1)


def cubic_gradient(theta):
    a, b = theta["a"], theta["b"]
    return {
        "a": 3 * a.square() + b.sum(-1)[:, None, None],
        "b": a.sum((1, 2))[:, None].expand_as(b),
    }


def sgd(*rates):
    return bind([SGD(lr, 0.0, 0.0) for lr in rates], torch.float64)


# descend and gradient


def test_a_step_of_descent_is_a_step_along_the_gradient_by_hand():
    theta, optimizer = parameters(), sgd(0.1, 0.2, 0.3)
    after, _, _ = descend(cubic, theta, optimizer.init(theta), optimizer)
    for name, g in cubic_gradient(theta).items():
        lr = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64).view(3, *[1] * (g.dim() - 1))
        torch.testing.assert_close(after[name], theta[name] - lr * g, rtol=1e-14, atol=1e-14)


def test_descent_hands_the_state_of_the_optimizer_on():
    """Two steps of momentum .5 along a gradient of 1 with lr .1: 0 - .1 - .15 = -.25."""
    optimizer = bind([SGD(0.1, 0.5, 0.0)], torch.float64)
    theta = {"a": torch.zeros(1, 1, dtype=torch.float64)}
    state = optimizer.init(theta)
    for _ in range(2):
        theta, state, _ = descend(lambda theta: theta["a"].sum(-1), theta, state, optimizer)
    assert theta["a"].item() == pytest.approx(-0.25, rel=1e-15)


def test_descent_returns_the_loss_before_the_step_detached():
    theta, optimizer = parameters(), sgd(0.1, 0.1, 0.1)
    _, _, loss = descend(cubic, theta, optimizer.init(theta), optimizer)
    assert torch.equal(loss, cubic(theta))
    assert not loss.requires_grad


def test_descent_follows_the_first_of_several_values_and_returns_all_detached():
    theta, optimizer = parameters(), sgd(0.1, 0.1, 0.1)
    expected, _, _ = descend(cubic, theta, optimizer.init(theta), optimizer)
    after, _, values = descend(lambda t: (cubic(t), t["b"].square()), theta, optimizer.init(theta), optimizer)
    assert torch.equal(after["a"], expected["a"])
    assert torch.equal(after["b"], expected["b"])
    assert torch.equal(values[1], theta["b"].square())
    assert not any(v.requires_grad for v in values)


def test_descent_leaves_the_parameters_it_got_as_they_were():
    theta, optimizer = parameters(), sgd(0.1, 0.1, 0.1)
    after, _, _ = descend(cubic, theta, optimizer.init(theta), optimizer)
    assert all(torch.equal(p, parameters()[name]) and not p.requires_grad for name, p in theta.items())
    assert not any(p.requires_grad for p in after.values())


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (lambda t: cubic(t).unsqueeze(-1), "[3, 1]"),
        (lambda t: cubic(t).unsqueeze(-1) * cubic(t), "[3, 3]"),
        (lambda t: cubic(t).sum(), "[]"),
        (lambda t: t["b"].flatten(), "[12]"),
        (lambda t: (cubic(t).unsqueeze(-1), cubic(t)), "[3, 1]"),
    ],
    ids=["[R, 1]", "[R, R]", "[]", "[R B]", "tuple"],
)
def test_descent_refuses_a_loss_that_is_not_one_value_a_run_and_names_its_shape(loss, shape):
    theta, optimizer = parameters(), sgd(0.1, 0.1, 0.1)
    with pytest.raises(ValueError, match=re.escape(f"[R] = [3], one value per run, got {shape}") + "$"):
        descend(loss, theta, optimizer.init(theta), optimizer)


def test_the_gradient_refuses_a_loss_that_is_not_one_value_a_run():
    with pytest.raises(ValueError, match=re.escape("got [3, 1]")):
        gradient(lambda t: cubic(t).unsqueeze(-1), parameters())


def test_the_gradient_is_that_by_hand():
    theta = parameters()
    for name, g in gradient(cubic, theta)[0].items():
        torch.testing.assert_close(g, cubic_gradient(theta)[name], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("run", range(3))
def test_the_gradient_of_a_run_is_of_its_own_loss_only(run):
    theta = parameters()
    alone, _ = gradient(cubic, {name: p[run : run + 1] for name, p in theta.items()})
    moved = {name: p + (torch.arange(3) != run).view(3, *[1] * (p.dim() - 1)) for name, p in theta.items()}
    for name, g in gradient(cubic, moved)[0].items():
        torch.testing.assert_close(g[run : run + 1], alone[name], rtol=1e-14, atol=1e-14)


# bind


def test_values_per_run_become_columns():
    bound = bind([example(lam=lam, share=lam / 4) for lam in (0.0, 1.0, 3.0)], torch.float64)
    assert torch.equal(bound.lam, torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64))
    assert torch.equal(bound.share, torch.tensor([[0.0], [0.25], [0.75]], dtype=torch.float64))


def test_one_run_is_a_column_of_one():
    assert bind([example(lam=2)], torch.float64).lam.tolist() == [[2.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_rounded_to_the_type_asked_for(dtype):
    assert torch.equal(bind([example(lam=0.1)], dtype).lam, torch.tensor([[0.1]], dtype=dtype))


def test_a_nested_optimizer_is_bound():
    bound = bind([example(lr=lr) for lr in (0.1, 0.2)], torch.float64)
    assert isinstance(bound.optimizer, SGD)
    assert torch.equal(bound.optimizer.lr, torch.tensor([[0.1], [0.2]], dtype=torch.float64))
    assert bound.optimizer.momentum.tolist() == [[0.9], [0.9]]


def test_fields_that_runs_share_are_kept():
    bound = bind([example(kind="b", layers=2), example(kind="b", layers=2)], torch.float64)
    assert (bound.kind, bound.layers) == ("b", 2)


@pytest.mark.parametrize(("field", "values"), [("kind", ["a", "b"]), ("layers", [1, 2])])
def test_another_field_that_differs_is_refused_by_name(field, values):
    with pytest.raises(InputError, match=re.escape(f"Example.{field}, got {values}")):
        bind([example(**{field: value}) for value in values], torch.float64)


def test_the_bound_methods_stay_as_they_were():
    methods = [example(lr=0.1, lam=1.0), example(lr=0.2, lam=2.0)]
    bind(methods, torch.float64)
    assert methods == [example(lr=0.1, lam=1.0), example(lr=0.2, lam=2.0)]
    assert not any(isinstance(value, torch.Tensor) for value in dataclasses.astuple(methods[0].optimizer))


def test_a_bound_optimizer_moves_each_run_by_its_own_rate():
    theta, optimizer = {"a": torch.zeros(2, 3, dtype=torch.float64)}, bind([Adam(0.1, 0, 0, 1e-9)] * 2, torch.float64)
    faster = bind([Adam(0.1, 0, 0, 1e-9), Adam(0.4, 0, 0, 1e-9)], torch.float64)
    grads = {"a": torch.ones(2, 3, dtype=torch.float64)}
    same, other = (o.step(theta, grads, o.init(theta))[0]["a"] for o in (optimizer, faster))
    assert torch.equal(other[0], same[0])
    torch.testing.assert_close(other[1], 4 * same[1])


# Means


def test_the_mean_of_a_batch_by_hand():
    """Real rows 1, 2 and 6 of the first run, 5 of the second: 3 and 5."""
    v = torch.tensor([[1.0, 2, 6, 9], [9, 9, 5, 9]], dtype=torch.float64)
    w = torch.tensor([[1.0, 1, 1, 0], [0, 0, 1, 0]], dtype=torch.float64)
    assert mean(v, w).tolist() == [3, 5]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-10, 10), min_size=1, max_size=10), st.lists(st.integers(-1000, 1000), max_size=10))
def test_the_mean_of_a_batch_ignores_padding(real, padding):
    v = torch.tensor([real + padding], dtype=torch.float64)
    w = torch.tensor([[1.0] * len(real) + [0.0] * len(padding)], dtype=torch.float64)
    assert mean(v, w).item() == pytest.approx(np.mean(real), abs=1e-12)


def test_a_group_mask_has_a_row_a_group():
    mask = group_mask(torch.tensor([[0, 2, 2], [1, 1, 0]]), 3)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [
        [[True, False, False], [False, False, False], [False, True, True]],
        [[False, False, True], [True, True, False], [False, False, False]],
    ]


def test_the_means_of_groups_by_hand():
    """Group 0 has 1 and 3, group 1 has 4; the row of weight 0 counts for neither."""
    v, g = torch.tensor([[1.0, 3, 4, 100]], dtype=torch.float64), torch.tensor([[0, 0, 1, 1]])
    w = torch.tensor([[1.0, 1, 1, 0]], dtype=torch.float64)
    assert group_mean(v, g, 2, w).tolist() == [[2, 4]]


def test_the_means_of_groups_weigh_rows():
    """(.5 x 1 + 1.5 x 3) / 2 = 2.5; (.25 x 4) / .25 = 4."""
    v, g = torch.tensor([[1.0, 3, 4]], dtype=torch.float64), torch.tensor([[0, 0, 1]])
    w = torch.tensor([[0.5, 1.5, 0.25]], dtype=torch.float64)
    assert group_mean(v, g, 2, w).tolist() == [[2.5, 4]]


@pytest.mark.parametrize("w", [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
def test_the_mean_of_an_empty_group_is_0_with_a_finite_gradient(w):
    """Group 2 has no row, or only one of weight 0."""
    v = torch.tensor([[1.0, 3, 4]], dtype=torch.float64, requires_grad=True)
    g = torch.tensor([[0, 1, 2 if w[2] == 0 else 1]])
    means = group_mean(v, g, 3, torch.tensor([w], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(means.sum(), v)
    assert means[0, 2] == 0
    assert gradient.isfinite().all()


def test_the_means_of_groups_are_each_runs_own():
    g = torch.Generator().manual_seed(0)
    v, w = torch.rand(3, 16, generator=g, dtype=torch.float64), torch.ones(3, 16, dtype=torch.float64)
    s = torch.randint(0, 3, (3, 16), generator=g)
    expected = [[v[r][s[r] == k].mean().item() for k in range(3)] for r in range(3)]
    np.testing.assert_allclose(group_mean(v, s, 3, w), expected, rtol=1e-12)


def test_runs_of_different_classes_are_refused():
    rate = {"lr": 0.1}
    adam, sgd = Adam(**rate, b1=0.9, b2=0.999, eps=1e-8), SGD(**rate, momentum=0.9, weight_decay=0.0)
    with pytest.raises(InputError, match="of one class, got SGD, Adam"):
        bind([ERM(sgd), ERM(adam)], torch.float64)
    with pytest.raises(InputError, match="of one class, got ERM, Penalty"):
        bind([ERM(sgd), Penalty(sgd, 1.0, "mmd")], torch.float64)
