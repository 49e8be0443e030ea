"""The variances of resampling and of reweighting, against the enumeration of all draws."""

import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairrun.claims.programs.resampling import variances, variances_of_norms
from fairrun.config.check import InputError

SHAPES = [(2, 1, 0), (3, 2, 1), (7, 5, 2), (20, 3, 3)]


def instance(num_rows, size, seed):
    """Weights, of which one is 0, and gradients of unequal length."""
    g = torch.Generator().manual_seed(seed)
    w = torch.rand(num_rows, generator=g, dtype=torch.float64)
    w[-1] = 0
    gradients = torch.randn(num_rows, size, generator=g, dtype=torch.float64)
    return w / w.sum(), gradients * torch.rand(num_rows, 1, generator=g, dtype=torch.float64)


def enumerated(p, estimates, draws):
    """Mean and trace of the covariance of the mean of ``draws`` rows, each drawn with probabilities ``p``."""
    chances, means = [], []
    for rows in itertools.product(range(len(p)), repeat=draws):
        chances.append(p[list(rows)].prod())
        means.append(estimates[list(rows)].mean(0))
    chances, means = torch.stack(chances), torch.stack(means)
    mean = chances @ means
    return mean, (chances @ (means - mean).square()).sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_both_draws_have_the_weighted_gradient_as_their_mean_and_the_variances_of_all_cases(shape):
    w, g = instance(*shape)
    found = variances(w, g)
    uniform = torch.full_like(w, 1 / len(w))
    for variance, p, estimates in (
        (found.resampling, w, g),
        (found.reweighting, uniform, len(w) * w.unsqueeze(-1) * g),
    ):
        mean, exact = enumerated(p, estimates, 1)
        torch.testing.assert_close(mean, w @ g, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(variance, exact, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found.difference, found.reweighting - found.resampling, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("draws", [2, 3])
def test_the_mean_of_several_draws_has_a_variance_as_many_times_smaller(draws):
    w, g = instance(5, 2, 4)
    found = variances(w, g)
    torch.testing.assert_close(enumerated(w, g, draws)[1], found.resampling / draws)
    uniform = torch.full_like(w, 1 / 5)
    torch.testing.assert_close(enumerated(uniform, 5 * w.unsqueeze(-1) * g, draws)[1], found.reweighting / draws)


def test_by_hand_weights_of_one_half_and_a_quarter():
    """|g|^2 = (4, 1, 1), G = (1, .5): |G|^2 = 1.25.  2 + 1/4 + 1/4 = 2.5; 3 (1 + 1/16 + 1/16) = 3.375."""
    w = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    g = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    found = variances(w, g)
    assert [v.item() for v in found] == pytest.approx([2.5 - 1.25, 3.375 - 1.25, 0.875])


def test_resampling_has_the_higher_variance_where_a_row_of_little_weight_has_a_long_gradient():
    """.9 (1.8 - 1) .01 + .1 (.2 - 1) 10 = .0072 - .8; two gradients at right angles: |G|^2 = .81 * .01 + .01 * 10."""
    w = torch.tensor([0.9, 0.1], dtype=torch.float64)
    found = variances(w, torch.tensor([[0.1, 0.0], [0.0, 10**0.5]], dtype=torch.float64))
    assert found.difference.item() == pytest.approx(-0.7928)
    assert found.reweighting.item() < found.resampling.item()


def test_equal_weights_make_both_draws_the_same():
    _, g = instance(6, 3, 5)
    found = variances(torch.full((6,), 1 / 6, dtype=torch.float64), g)
    torch.testing.assert_close(found.resampling, found.reweighting)
    assert found.difference.item() == pytest.approx(0, abs=1e-15)


def test_gradients_of_equal_length_give_reweighting_the_higher_variance():
    w, g = instance(9, 4, 6)
    assert variances(w, g / g.norm(dim=-1, keepdim=True)).difference > 0


weights = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 100)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=100)
@given(weights, st.booleans())
def test_reweighting_has_the_higher_variance_where_weighted_squares_are_ordered_as_the_weights(rows, sort):
    w, squares = torch.tensor(rows, dtype=torch.float64).unbind(-1)
    assume(w.sum() > 1e-3)
    w = w / w.sum()
    if sort:  # most draws are not ordered: longer gradients for greater weights are
        w, squares = w.sort().values, squares.sort().values
    v = w * squares
    ordered = ((w.unsqueeze(0) - w.unsqueeze(1)) * (v.unsqueeze(0) - v.unsqueeze(1)) >= 0).all()
    difference = variances_of_norms(w, squares, torch.tensor(torch.nan)).difference
    assert not (sort and not ordered)
    assert not ordered or difference >= -1e-12 * len(rows) * squares.sum()


def test_runs_side_by_side_are_each_what_they_are_alone():
    pairs = [instance(6, 3, seed) for seed in range(4)]
    together = variances(*(torch.stack(parts) for parts in zip(*pairs, strict=True)))
    for k, (w, g) in enumerate(pairs):
        assert [v[k].item() for v in together] == [v.item() for v in variances(w, g)]


@pytest.mark.parametrize("w", [[0.5, 0.6], [1.5, -0.5], [0.0, 0.0], [float("nan"), 1.0]])
def test_weights_are_not_below_0_and_sum_to_1(w):
    with pytest.raises(InputError, match=r"^w must be >= 0, with sum 1, got"):
        variances(torch.tensor(w), torch.ones(2, 3))
