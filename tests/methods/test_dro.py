"""DRO: the worst weights against linear and quadratic programmes, their duals, and what must hold of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize, minimize_scalar

from fairrun.config.check import InputError
from fairrun.methods.dro import DRO, DivergenceDRO, chi2_weights, cvar_weights
from fairrun.methods.erm import ERM
from fairrun.models.mlp import MLP
from fairrun.training.fit import fit
from fairrun.training.optim import SGD
from tests.helpers.synthetic import data

WEIGHTS = {"cvar": cvar_weights, "chi2": chi2_weights}
ALPHAS = [0.05, 0.2, 0.3, 0.5, 0.77, 0.999, 1.0]
NETWORK = MLP(num_features=6, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0, num_classes=2)
PLAIN = SGD(0.1, 0.0, 0.0)
both = pytest.mark.parametrize("name", WEIGHTS)
values = st.lists(st.floats(0, 5) | st.sampled_from([0.0, 0.7, 1.3]), min_size=1, max_size=24)


def weights(name, losses, alpha, padding=0):
    """q of one run as an array, with rows of weight 0 and large losses behind."""
    rows = torch.tensor([[*losses, *[9.0] * padding]], dtype=torch.float64)
    w = torch.tensor([[1.0] * len(losses) + [0.0] * padding], dtype=torch.float64)
    return WEIGHTS[name](rows, torch.tensor([[alpha]], dtype=torch.float64), w)[0].numpy()


def drawn(num_rows, seed):
    return np.random.default_rng(seed).exponential(size=num_rows)


def dual(name, losses, alpha):
    """The least upper bound that the dual gives: of cvar eta + E[l - eta]_+ / alpha, of chi2 eta + C |[l - eta]_+|."""
    factor = (1 + (1 / alpha - 1) ** 2) ** 0.5

    def bound(eta):
        rest = np.maximum(losses - eta, 0)
        return eta + (rest.mean() / alpha if name == "cvar" else factor * (rest**2).mean() ** 0.5)

    if name == "cvar":
        return min(map(bound, losses))
    below = losses.min() - 1e4 * (1 + np.ptp(losses))
    ends = [(below, losses.max()), (losses.min() - 10, losses.max())]
    return min(bound(losses.max()), *(minimize_scalar(bound, bounds=e, options={"xatol": 1e-10}).fun for e in ends))


@pytest.mark.parametrize(("name", "alpha"), [(name, alpha) for name in WEIGHTS for alpha in ALPHAS[:-1]])
def test_weights_are_allowed_and_attain_what_the_dual_bounds(name, alpha):
    for seed, num_rows in enumerate([1, 2, 7, 64] * 5):
        share = max(alpha, 1 / num_rows) if name == "cvar" else alpha
        losses = drawn(num_rows, seed)
        q = weights(name, losses, share)
        assert q.min() >= 0 and q.sum() == pytest.approx(1)
        if name == "cvar":
            assert q.max() <= 1 / (share * num_rows) + 1e-12
        else:
            assert ((num_rows * q - 1) ** 2).mean() / 2 <= (1 / share - 1) ** 2 / 2 + 1e-9
        assert q @ losses == pytest.approx(dual(name, losses, share), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.13, 0.2, 0.5, 0.9, 1.0])
def test_cvar_is_the_solution_of_the_linear_programme(alpha):
    losses = drawn(13, 0)
    found = linprog(-losses, A_eq=np.ones((1, 13)), b_eq=[1], bounds=(0, 1 / (alpha * 13)))
    np.testing.assert_allclose(weights("cvar", losses, alpha), found.x, atol=1e-9)


@pytest.mark.parametrize("alpha", [0.2, 0.3, 0.5, 0.7, 0.9])
def test_chi2_is_the_solution_of_the_quadratic_programme(alpha):
    losses, m = drawn(9, 1), 9
    ball = {"type": "ineq", "fun": lambda q: (1 / alpha - 1) ** 2 - ((m * q - 1) ** 2).mean()}
    simplex = {"type": "eq", "fun": lambda q: q.sum() - 1}
    found = minimize(
        lambda q: -q @ losses,
        np.full(m, 1 / m),
        bounds=[(0, 1)] * m,
        constraints=[ball, simplex],
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    q = weights("chi2", losses, alpha)
    assert q @ losses >= -found.fun - 1e-6
    np.testing.assert_allclose(q, found.x, atol=1e-4)


def test_cvar_puts_what_is_left_on_the_next_row():
    """0.5 of 5 rows: 2.5 rows at 1 / 2.5 = 0.4, so 0.4, 0.4, 0.2."""
    assert weights("cvar", [1.0, 5.0, 2.0, 4.0, 3.0], 0.5).tolist() == pytest.approx([0, 0.4, 0, 0.4, 0.2])


def test_chi2_takes_its_closed_form():
    """l = (0, 1), alpha = 2/3: C^2 = 5/4, k = 2, sqrt(v / (k C^2 / m - 1)) = (1/2) / (1/2) = 1, q = (1 -+ 1/2) / 2."""
    assert weights("chi2", [0.0, 1.0], 2 / 3).tolist() == pytest.approx([0.25, 0.75])


@both
@pytest.mark.parametrize("alpha", ALPHAS)
def test_equal_losses_weigh_the_same(name, alpha):
    assert weights(name, [0.3] * 7, alpha).tolist() == pytest.approx([1 / 7] * 7)
    q = weights(name, [0.3, 2.0, 1.0, 2.0, 1.0, 2.0, 0.1], alpha, padding=2)
    assert q[1] == q[3] == q[5] and q[2] == q[4]


def test_chi2_weighs_only_ties_that_are_many_enough():
    """alpha = 1/2, C^2 = 2: of 4 rows two share the largest loss, and 1/2 <= C^2 / 4."""
    assert weights("chi2", [1.0, 3.0, 3.0, 2.0], 0.5).tolist() == pytest.approx([0, 0.5, 0.5, 0])


@both
def test_alpha_1_weighs_rows_alike(name):
    for seed in range(10):
        np.testing.assert_allclose(weights(name, drawn(11, seed), 1.0, padding=5)[:11], 1 / 11, rtol=1e-12)


@both
@given(losses=values, alpha=st.floats(0.05, 1), padding=st.integers(0, 3), data=st.data())
def test_padding_order_scale_and_a_constant_change_nothing(name, losses, alpha, padding, data):
    losses = np.array(losses)
    q = weights(name, losses, alpha)
    order = np.array(data.draw(st.permutations(range(len(losses)))))
    assert q.sum() == pytest.approx(1) and q.min() >= 0
    worst = q @ losses
    padded = weights(name, losses, alpha, padding)
    assert padded[: len(losses)] == pytest.approx(q, abs=1e-12) and not padded[len(losses) :].any()
    assert weights(name, losses[order], alpha) @ losses[order] == pytest.approx(worst, abs=1e-9)
    for scaled in (7 * losses, losses + 2):
        assert weights(name, scaled, alpha) @ losses == pytest.approx(worst, abs=1e-6)
    assert worst >= losses.mean() - 1e-12


@both
def test_no_group_of_the_share_alpha_has_a_larger_loss(name):
    losses = drawn(40, 3)
    for share in (0.1, 0.25, 0.5):
        worst = weights(name, losses, share) @ losses
        groups = np.random.default_rng(0).permuted(np.tile(losses, (200, 1)), axis=1)[:, : int(40 * share)]
        assert worst >= max(groups.mean(1).max(), np.sort(losses)[-int(40 * share) :].mean()) - 1e-12


def test_a_small_ball_of_chi2_is_the_mean_and_a_multiple_of_the_deviation():
    """While no weight is 0 the largest weighted loss is mean + sqrt(2 rho) std (Duchi and Namkoong 2019)."""
    losses = drawn(30, 4)
    for alpha in (0.6, 0.7, 0.95, 0.99):
        q = weights("chi2", losses, alpha)
        assert q.min() > 0
        assert q @ losses == pytest.approx(losses.mean() + (1 / alpha - 1) * losses.std())


@both
def test_weights_of_float32_are_those_of_float64(name):
    losses = torch.tensor(drawn(64, 5)).unsqueeze(0)
    alpha, w = torch.tensor([[0.3]]), torch.ones(1, 64)
    assert WEIGHTS[name](losses.float(), alpha, w).dtype == torch.float32
    torch.testing.assert_close(
        WEIGHTS[name](losses.float(), alpha, w).double(), WEIGHTS[name](losses, alpha.double(), w.double())
    )


@both
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_makes_the_weighted_loss_so(name, bad):
    losses = np.array([1.0, bad, 2.0])
    assert not np.isfinite(weights(name, losses, 0.5) @ losses)


def test_a_batch_without_a_whole_row_of_the_share_has_its_weight_on_the_worst():
    assert weights("cvar", [1.0, 3.0, 2.0], 0.1).tolist() == weights("chi2", [1.0, 3.0, 2.0], 0.1).tolist() == [0, 1, 0]


@both
def test_alpha_1_is_erm(name):
    methods = [DivergenceDRO(PLAIN, 1.0, name), ERM(PLAIN)]
    ours, theirs = (
        fit(NETWORK, [m], [0], data(), epochs=3, batch_size=32, dtype=torch.float64)[0].theta for m in methods
    )
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-11, atol=1e-12)


def test_cvar_of_a_whole_number_of_rows_is_the_top_k():
    rows = data()._replace(train=data().train._replace(**{k: v[:128] for k, v in data().train._asdict().items()}))
    methods = [DivergenceDRO(PLAIN, 0.25, "cvar"), DRO(PLAIN, 0.25, "mean")]
    ours, theirs = (fit(NETWORK, [m], [0], rows, epochs=3, batch_size=32, dtype=torch.float64)[0] for m in methods)
    for name in theirs.theta:
        torch.testing.assert_close(ours.theta[name], theirs.theta[name], rtol=1e-11, atol=1e-12)


def test_what_cannot_be_is_refused():
    for alpha in (0.0, -0.1, 1.1):
        with pytest.raises(InputError, match=r"alpha must be in \(0, 1\], got"):
            DivergenceDRO(PLAIN, alpha, "cvar")
    with pytest.raises(InputError, match="divergence must be one of cvar, chi2, got 'kl'"):
        DivergenceDRO(PLAIN, 0.5, "kl")


def test_the_smallest_batch_has_a_row_of_the_share():
    sizes = {
        alpha: DivergenceDRO(PLAIN, alpha, "cvar").smallest_batch[0] for alpha in (1.0, 0.5, 0.3, 0.1, 1 / 49, 0.03)
    }
    assert list(sizes.values()) == [1, 2, 4, 10, 49, 34]


def test_a_batch_for_chi2_is_so_large_that_more_than_one_row_has_weight():
    for alpha in (1.0, 0.5, 0.3, 0.1):
        least, because = DivergenceDRO(PLAIN, alpha, "chi2").smallest_batch
        assert because == f"alpha={alpha:g}"
        losses = torch.rand(1, least, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        q = chi2_weights(losses, torch.tensor([[alpha]], dtype=torch.float64), torch.ones_like(losses))
        assert (q > 0).sum() > 1 or least == 1
    assert DivergenceDRO(PLAIN, 0.1, "chi2").smallest_batch[0] == 83
