"""Bargaining and aggregation of gradients: the theory's invariants, closed forms, oracles, degenerate players."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize, nnls, root

from fairrun.method.bargaining import NEAR, TOLERANCE, cagrad, mgda, nash_bargaining, pcgrad, uniform

RULES = {
    "nash_bargaining": lambda gram: nash_bargaining(gram)[0],
    "uniform": uniform,
    "mgda": mgda,
    "pcgrad": pcgrad,
    "cagrad": lambda gram: cagrad(gram, 0.4),
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
many = settings(deadline=None, max_examples=8)


def gram_of(G):
    return G @ G.mT


def direction(weights, G):
    return (weights.unsqueeze(-1) * G).sum(-2)


def gains(weights, G):
    """u_i = g_i . d, the rate at which each loss falls."""
    return (G * direction(weights, G).unsqueeze(-2)).sum(-1)


def gradients(K, P, num_runs=1, seed=0, spread=0.0):
    """Random gradients [R, K, P] with norms over exp(``spread`` N(0, 1))."""
    g = torch.Generator().manual_seed(seed)
    G = torch.randn(num_runs, K, P, generator=g, dtype=torch.float64)
    return G * (spread * torch.randn(num_runs, K, 1, generator=g, dtype=torch.float64)).exp()


def solved(G):
    alpha, status = nash_bargaining(gram_of(G))
    assert status.solved.all()
    return alpha


def opening(*cosines):
    """Two unit gradients [R, 2, 2] with each of the cosines; the sine keeps its digits."""
    c = torch.tensor(cosines, dtype=torch.float64)
    s = ((1 - c) * (1 + c)).sqrt()
    return torch.stack([torch.stack([torch.ones_like(c), 0 * c], -1), torch.stack([c, s], -1)], -2)


@st.composite
def players(draw, most=6, spread=1.0):
    """Gradients [1, K, P] of players who can all gain: there is a direction with which each has a cosine above 0.02."""
    K, extra = draw(st.integers(1, most)), draw(st.integers(0, 3))
    G = gradients(K, max(2, K - 2 + extra), seed=draw(st.integers(0, 10**6)), spread=spread)
    G[..., 0] = G[..., 0].abs() + draw(st.sampled_from([0.03, 0.3, 3.0])) * G[..., 1:].norm(dim=-1)
    return G


# Nash bargaining: invariants


@many
@given(G=players())
def test_every_player_gains_the_inverse_of_its_weight(G):
    alpha = solved(G)
    assert (alpha > 0).all()
    torch.testing.assert_close(alpha * gains(alpha, G), torch.ones_like(alpha), rtol=0, atol=1e-9)


@many
@given(G=players())
def test_the_direction_has_the_square_length_k(G):
    d = direction(solved(G), G)
    assert d.square().sum().item() == pytest.approx(G.shape[1], rel=1e-9)


@many
@given(G=players(), seed=st.integers(0, 10**6))
def test_no_direction_of_that_length_has_a_greater_product_of_gains(G, seed):
    """Random directions near and far; one without gain for a player has no product."""
    alpha = solved(G)
    d = direction(alpha, G)
    noise = torch.randn(64, d.shape[-1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    others = d + torch.logspace(-4, 2, 64, dtype=torch.float64).unsqueeze(-1) * noise
    others = others * G.shape[1] ** 0.5 / others.norm(dim=-1, keepdim=True)
    product = (others @ G[0].mT).clamp(min=0).log().sum(-1)
    assert (product <= gains(alpha, G).log().sum() + 1e-9).all()


@many
@given(G=players(), seed=st.integers(0, 10**6))
def test_there_is_no_other_solution(G, seed):
    """F is strictly convex: its gradient M a - 1/a is monotone, so it vanishes nowhere else."""
    alpha, M = solved(G), gram_of(G)
    g = torch.Generator().manual_seed(seed)
    other = alpha * torch.randn(32, G.shape[1], generator=g, dtype=torch.float64).exp()
    slope = (M * other.unsqueeze(-2)).sum(-1) - 1 / other
    assert ((other - alpha) * slope).sum(-1).min() > 0


@many
@given(G=players(), factors=st.lists(st.floats(-12, 12), min_size=6, max_size=6))
def test_the_scale_of_a_gradient_changes_its_weight_and_not_the_direction(G, factors):
    scale = 10 ** torch.tensor(factors[: G.shape[1]], dtype=torch.float64)
    alpha, scaled = solved(G), solved(G * scale.unsqueeze(-1))
    torch.testing.assert_close(scaled * scale, alpha, rtol=1e-7, atol=0)
    d = direction(alpha, G)
    torch.testing.assert_close(direction(scaled, G * scale.unsqueeze(-1)), d, rtol=0, atol=1e-7)


@every_rule
@many
@given(G=players(), random=st.randoms(use_true_random=False))
def test_players_in_another_order_have_their_own_weights(rule, G, random):
    """PCGrad's order is cyclic, so a rotation of the players is what changes nothing there."""
    K = G.shape[1]
    order = random.sample(range(K), K)
    if rule is pcgrad:
        order = [(k + order[0]) % K for k in range(K)]
    d = direction(rule(gram_of(G)), G)
    moved = direction(rule(gram_of(G[:, order])), G[:, order])
    torch.testing.assert_close(moved, d, rtol=0, atol=1e-6 * d.norm().item())


@every_rule
@many
@given(G=players())
def test_rotated_gradients_have_the_rotated_direction(rule, G):
    P = G.shape[2]
    Q = torch.linalg.qr(torch.randn(P, P, generator=torch.Generator().manual_seed(P), dtype=torch.float64)).Q
    d = direction(rule(gram_of(G)), G)
    rotated = direction(rule(gram_of(G @ Q)), G @ Q)
    torch.testing.assert_close(rotated, d @ Q, rtol=0, atol=1e-6 * d.norm().item())


@many
@given(G=players(spread=4.0))
def test_a_weight_is_at_least_that_of_k_equal_gradients(G):
    """u_i <= n_i |d| = n_i sqrt(K)."""
    alpha = solved(G)
    assert (alpha >= (1 - 1e-9) / (G.shape[1] ** 0.5 * G.norm(dim=-1))).all()


@many
@given(G=players(), seed=st.integers(0, 10**6), share=st.floats(0.01, 0.99))
def test_a_short_step_lowers_every_smooth_loss(G, seed, share):
    """L_i(x) = g_i . x + x' H_i x / 2 with |H_i| <= C = 2: lower after x = -eta d if eta < 2 / (C K alpha_i)."""
    K, P = G.shape[1:]
    alpha = solved(G)
    H = torch.randn(K, P, P, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    H = (H + H.mT) / torch.linalg.matrix_norm(H + H.mT, 2).view(-1, 1, 1) * 2
    x = -share / (K * alpha.max()) * direction(alpha, G)[0]
    assert (G[0] @ x + ((H @ x) @ x) / 2 < 0).all()


@many
@given(G=players())
def test_the_solution_is_that_of_a_root_finder(G):
    """Powell's hybrid method on a_i (M a)_i = 1, in the logarithms of the weights of unit gradients."""
    C = gram_of(torch.nn.functional.normalize(G, dim=-1))[0].numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # where it gets lost: no success
        found = root(lambda log_b: np.exp(log_b) * (C @ np.exp(log_b)) - 1, np.zeros(len(C)), tol=1e-12)
    assume(found.success)
    norms = G[0].norm(dim=-1).numpy()
    np.testing.assert_allclose(solved(G)[0].numpy() * norms, np.exp(found.x), rtol=1e-6)


def test_a_player_may_lose_by_weights_from_the_rectified_direction():
    """d = (1.5, -.5) up to a factor helps both players; g_2 . max(-d, 0) = .5 > 0 raises the loss of the second."""
    G = torch.tensor([[[1.0, -1.0], [1.0, 0.2]]], dtype=torch.float64)
    d = direction(solved(G), G)
    assert (gains(solved(G), G) > 0).all()
    assert (G * (-d).clamp(min=0).unsqueeze(-2)).sum(-1)[0, 1] > 0


# Nash bargaining: closed forms


@pytest.mark.parametrize("norm", [1e-12, 1.0, 1e12])
def test_a_single_player_has_the_inverse_of_its_norm(norm):
    alpha = solved(torch.tensor([[[0.6 * norm, 0.8 * norm]]], dtype=torch.float64))
    assert alpha.item() == pytest.approx(1 / norm, rel=1e-14)


@pytest.mark.parametrize("cosine", [1, 0.9, 0.5, 0, -0.5, -0.9, -0.99])
def test_two_players_follow_the_bisector(cosine):
    """a_i = 1 / (n_i sqrt(1 + c)), with norms 3 and .5."""
    norms = torch.tensor([3.0, 0.5], dtype=torch.float64)
    G = opening(cosine)
    alpha = solved(G * norms.view(1, 2, 1))
    torch.testing.assert_close(alpha, 1 / (norms * (1 + cosine) ** 0.5).unsqueeze(0), rtol=1e-11, atol=0)


@pytest.mark.parametrize(("gap", "accuracy"), [(1e-3, 1e-11), (1e-6, 1e-9), (1e-8, 1e-7), (1e-9, 1e-6)])
def test_two_players_nearly_opposed_still_bargain(gap, accuracy):
    """With cosine -1 + gap: 1 / sqrt(gap).  The cosine itself is rounded to 1e-16."""
    G = torch.eye(2, dtype=torch.float64) * 2 - 1
    gram = torch.where(G > 0, 1.0, -1 + torch.full_like(G, gap)).unsqueeze(0)
    alpha, status = nash_bargaining(gram)
    assert status.solved.all()
    torch.testing.assert_close(alpha, torch.full_like(alpha, gap**-0.5), rtol=accuracy, atol=0)


@pytest.mark.parametrize("K", [2, 5, 32])
def test_orthogonal_players_have_the_inverse_of_their_norms(K):
    norms = torch.logspace(-3, 3, K, dtype=torch.float64)
    alpha = solved(torch.diag(norms).unsqueeze(0))
    torch.testing.assert_close(alpha, 1 / norms.unsqueeze(0), rtol=1e-13, atol=0)


def test_equal_players_share():
    """M = 1 1': a_i K a_i = 1."""
    alpha = solved(torch.ones(1, 4, 3, dtype=torch.float64))
    torch.testing.assert_close(alpha, torch.full_like(alpha, (4 * 3) ** -0.5), rtol=1e-13, atol=0)


def test_linearly_dependent_players_bargain():
    """Four gradients in three dimensions."""
    G = gradients(4, 3, num_runs=200)
    alpha, status = nash_bargaining(gram_of(G))
    assert 100 < status.solved.sum() < 200
    residual = (alpha * gains(alpha, G) - 1).abs().amax(-1)[status.solved]
    assert residual.max() < 1e-8


@pytest.mark.parametrize("r", [2, 3, 7])
def test_r_copies_of_a_player_are_one_of_power_r(r):
    """d maximises u_1^r u_2: with orthogonal unit gradients (u_1, u_2) = (sqrt(r), 1), as r / u_1^2 = 1 / u_2^2."""
    G = opening(0)[:, [0] * r + [1]]
    alpha = solved(G)
    torch.testing.assert_close(direction(alpha, G)[0], torch.tensor([r, 1]).double().sqrt(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(alpha[:, :r], alpha[:, :1].expand(-1, r), rtol=1e-12, atol=0)


@pytest.mark.parametrize("K", [16, 32])
def test_many_players_with_conflicts(K):
    G = gradients(K, K, num_runs=50, spread=2.0)
    assert (gram_of(G) < 0).any(-1).all()
    alpha, status = nash_bargaining(gram_of(G))
    assert status.solved.all()
    assert (alpha * gains(alpha, G) - 1).abs().max() < 1e-6
    assert status.residual.max() < 1e-6


# Nash bargaining: is there a solution?


def balanced(K):
    """K unit gradients in the plane that sum to 0, [1, K, 2]."""
    angle = torch.arange(K, dtype=torch.float64) * 2 * torch.pi / K
    return torch.stack([angle.cos(), angle.sin()], -1).unsqueeze(0)


INFEASIBLE = {
    "opposed": torch.tensor([[[1.0, 2.0], [-1.0, -2.0]]], dtype=torch.float64),
    "opposed, of other lengths": torch.tensor([[[1.0, 2.0], [-3e-8, -6e-8]]], dtype=torch.float64),
    "opposed, and a third": torch.tensor([[[1.0, 2.0], [-1.0, -2.0], [2.0, -1.0]]], dtype=torch.float64),
    "a balanced triple": balanced(3),
    "a balanced triple of other lengths": balanced(3) * torch.tensor([1.0, 1e-6, 1e6]).double().view(1, 3, 1),
    "seven balanced": balanced(7),
    "0 inside a hull of full dimension": torch.cat([torch.eye(3), -torch.ones(1, 3)]).double().unsqueeze(0),
}


@pytest.mark.parametrize("case", INFEASIBLE)
def test_without_a_common_gain_there_is_no_solution_and_no_weight(case):
    for dtype in (torch.float64, torch.float32):
        alpha, status = nash_bargaining(gram_of(INFEASIBLE[case]).to(dtype))
        assert not status.solved.any()
        assert (alpha == 0).all()


@pytest.mark.parametrize("K", [2, 3, 4, 8])
def test_there_is_a_solution_where_a_linear_program_finds_a_common_gain(K):
    """max t where g_i . d / n_i >= t and |d_j| <= 1: t > 0, or 0."""
    G = gradients(K, (K + 1) // 2, num_runs=80, seed=K)
    _, status = nash_bargaining(gram_of(G))
    unit = (G / G.norm(dim=-1, keepdim=True)).numpy()
    for run, is_solved in zip(unit, status.solved.tolist(), strict=True):
        P = run.shape[1]
        constraint = np.column_stack([-run, np.ones(K)])
        best = linprog([0] * P + [-1], constraint, np.zeros(K), bounds=[(-1, 1)] * P + [(None, None)])
        assert is_solved == (-best.fun > NEAR)
    assert 0 < status.solved.sum() < 80


def test_players_nearer_to_opposed_than_the_limit_count_as_opposed():
    """The point of the hull of two unit gradients nearest to 0 is sqrt((1 + c) / 2) away."""
    limit = 2 * NEAR**2
    gram = torch.tensor([[[1, -1 + x * limit], [-1 + x * limit, 1]] for x in (2.0, 0.5)], dtype=torch.float64)
    assert nash_bargaining(gram)[1].solved.tolist() == [True, False]


def test_a_solution_has_a_small_residual_however_near_to_opposed_the_players_are():
    """One gradient next to the negative of a combination of the others."""
    for K in (2, 4, 8, 32):
        G = gradients(K, K + 3, num_runs=64, seed=K)
        G = G / G.norm(dim=-1, keepdim=True)
        mix = torch.rand(64, K, 1, generator=torch.Generator().manual_seed(K), dtype=torch.float64)
        nearness = torch.logspace(0, -7, 64, dtype=torch.float64).view(-1, 1, 1)
        G = G - (1 - nearness) * (mix * G).sum(1, keepdim=True) / mix.sum(1, keepdim=True)
        alpha, status = nash_bargaining(gram_of(G))
        assert (status.residual[status.solved] <= TOLERANCE).all()
        assert status.solved[:16].all()
        assert not status.solved[-1]
        assert ((alpha > 0).all(-1) == status.solved).all()


def test_gradients_of_wild_norms_bargain_as_unit_ones():
    G = gradients(4, 10, num_runs=40)
    scale = 10 ** (24 * torch.rand(40, 4, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 12)
    alpha, scaled = solved(G), solved(G * scale)
    torch.testing.assert_close(scaled * scale.squeeze(-1), alpha, rtol=1e-10, atol=0)


# Shapes, types, players that are left out


@every_rule
def test_weights_have_the_type_of_the_gram_matrix(rule):
    gram = gram_of(gradients(4, 10, num_runs=3))
    single = rule(gram.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), rule(gram), rtol=1e-5, atol=1e-6)


@every_rule
def test_one_run_may_come_without_the_run_axis(rule):
    gram = gram_of(gradients(4, 10, num_runs=3))
    for run, weights in zip(gram, rule(gram), strict=True):
        assert torch.equal(rule(run), weights)


def test_the_status_has_one_value_a_run():
    gram = gram_of(gradients(4, 10, num_runs=3)).float()
    for shape, status in [((3,), nash_bargaining(gram)[1]), ((), nash_bargaining(gram[0])[1])]:
        assert status.solved.shape == status.residual.shape == shape
        assert (status.solved.dtype, status.residual.dtype) == (torch.bool, torch.float64)


@every_rule
def test_a_player_without_a_gradient_is_left_out(rule):
    for absent in ([0], [3], [0, 2], [1, 2, 3]):
        G = gradients(4, 10, num_runs=3)
        G[:, absent] = 0
        present = [k for k in range(4) if k not in absent]
        weights = rule(gram_of(G))
        assert (weights[:, absent] == 0).all()
        torch.testing.assert_close(weights[:, present], rule(gram_of(G[:, present])), rtol=1e-5, atol=1e-6)


def test_bargaining_of_the_others_is_solved():
    G = gradients(4, 10)
    G[:, 1] = 0
    alpha, status = nash_bargaining(gram_of(G))
    assert status.solved.all()
    assert (alpha[:, [0, 2, 3]] > 0).all()


@every_rule
def test_without_players_there_are_no_weights(rule):
    weights = rule(torch.zeros(2, 3, 3, dtype=torch.float64))
    assert (weights == 0).all()


def test_bargaining_without_players_is_not_solved():
    _, status = nash_bargaining(torch.zeros(2, 3, 3))
    assert not status.solved.any()
    assert status.residual.isnan().all()


@every_rule
def test_a_run_that_is_not_finite_has_no_weights_and_leaves_the_others_alone(rule):
    gram = gram_of(gradients(3, 8, num_runs=8))
    expected = rule(gram)
    bad = [(place, value) for place in ((0, 0), (2, 1)) for value in (torch.nan, torch.inf, -torch.inf)]
    for run, ((i, j), value) in enumerate(bad, 1):
        gram[run, i, j] = value
    weights = rule(gram)
    assert (weights[1:7] == 0).all()
    assert torch.equal(weights[[0, 7]], expected[[0, 7]])


def test_bargaining_over_what_is_not_finite_is_not_solved():
    gram = gram_of(gradients(3, 8, num_runs=3))
    gram[1, 0, 2] = torch.nan
    assert nash_bargaining(gram)[1].solved.tolist() == [True, False, True]


@every_rule
def test_no_gradient_flows_through_the_weights(rule):
    G = gradients(3, 8).requires_grad_()
    assert not rule(gram_of(G)).requires_grad


# Runs side by side


def mixed(K):
    """Easy, conflicting, impossible, degenerate and broken runs, [30, K, K]."""
    G = torch.zeros(30, K, K + 20, dtype=torch.float64)
    for k, P in enumerate((K + 20, K, max(2, K - 1))):
        G[8 * k : 8 * k + 8, :, :P] = gradients(K, P, num_runs=8, seed=P, spread=2.0)
    G[24:] = G[:6]
    G[24, 0] = -G[24, 1]
    G[25, 0] = 0
    G[26] = 0
    G[27, 0] = G[27, 1]
    G[28, 0] = -G[28, 1] + 1e-6 * G[28, 0]
    gram = gram_of(G)
    gram[29, 0, 0] = torch.nan
    return gram


@every_rule
@pytest.mark.parametrize(
    ("K", "dtype"), [(2, torch.float64), (3, torch.float32), (11, torch.float64), (32, torch.float32)]
)
def test_a_run_has_bitwise_the_same_weights_in_any_stack(rule, K, dtype):
    gram = mixed(K).to(dtype)
    weights = rule(gram)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(K))
    assert torch.equal(rule(gram[order]), weights[order])
    for runs in [
        *([r] for r in (0, 5, 9, 14, 17, 20, *range(24, 30))),
        [3, 4],
        [24, 3, 29],
        list(range(17)),
        list(range(30)) * 9,
    ]:
        assert torch.equal(rule(gram[runs]), weights[runs])


@pytest.mark.parametrize("K", [2, 5, 31])
def test_a_run_has_bitwise_the_same_status_in_any_stack(K):
    gram = mixed(K)
    _, status = nash_bargaining(gram)
    for r in range(30):
        _, alone = nash_bargaining(gram[[r]])
        assert torch.equal(alone.solved, status.solved[[r]])
        torch.testing.assert_close(alone.residual, status.residual[[r]], rtol=0, atol=0, equal_nan=True)


def test_the_matrix_that_came_in_is_not_changed():
    gram = mixed(4)
    before = gram.clone()
    for rule in RULES.values():
        rule(gram)
    assert torch.equal(gram.nan_to_num(), before.nan_to_num())


# The mean and the point of least norm


def test_uniform_weights_are_equal():
    assert uniform(gram_of(gradients(4, 5))).tolist() == [[0.25] * 4]


@pytest.mark.parametrize(("cosine", "norm"), [(0.9, 1.0), (0.9, 2.0), (0.3, 1e6), (-0.3, 2.0), (-0.99, 1.0)])
def test_the_least_norm_of_two_by_hand(cosine, norm):
    """w_1 = (g_2 - g_1) . g_2 / |g_1 - g_2|^2, clipped to [0, 1]; norms 1 and ``norm``."""
    weights = mgda(gram_of(opening(cosine) * torch.tensor([1.0, norm]).double().view(1, 2, 1)))
    first = np.clip((norm**2 - norm * cosine) / (1 + norm**2 - 2 * norm * cosine), 0, 1)
    np.testing.assert_allclose(weights[0], [first, 1 - first], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("K", "P", "spread"),
    [(1, 3, 0.0), (2, 2, 3.0), (4, 3, 0.0), (4, 20, 3.0), (10, 4, 0.0), (32, 40, 3.0), (32, 10, 0.0)],
)
def test_the_least_norm_is_that_of_non_negative_least_squares(K, P, spread):
    """min |G' v|^2 + (sum v - 1)^2 over v >= 0 is a multiple of w.  Accuracy in units of the smallest gradient."""
    G = gradients(K, P, num_runs=10, spread=spread)
    G = G / G.norm(dim=-1).amin(-1).view(-1, 1, 1)
    weights = mgda(gram_of(G))
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(10, dtype=torch.float64), rtol=0, atol=1e-12)
    for run, d in zip(G.numpy(), direction(weights, G).numpy(), strict=True):
        v, _ = nnls(np.vstack([run.T, np.ones(K)]), np.r_[np.zeros(P), 1], maxiter=10**4)
        np.testing.assert_allclose(d, v / v.sum() @ run, rtol=0, atol=1e-6)


@many
@given(G=players(spread=2.0))
def test_every_player_gains_at_least_the_square_of_the_least_norm(G):
    weights = mgda(gram_of(G))
    least = direction(weights, G).square().sum()
    assert (gains(weights, G) >= least * (1 - 1e-6) - 1e-9).all()


@pytest.mark.parametrize("case", INFEASIBLE)
def test_the_least_norm_is_0_without_a_common_gain(case):
    G = INFEASIBLE[case]
    assert direction(mgda(gram_of(G)), G).norm() < 1e-6 * G.norm(dim=-1).min()


# Gradient surgery


def surgery(G):
    """One run, vector by vector, the others in cyclic order."""
    total = np.zeros(G.shape[1])
    for i in range(len(G)):
        p = G[i].copy()
        for j in [*range(i + 1, len(G)), *range(i)]:
            if p @ G[j] < 0:
                p -= p @ G[j] / (G[j] @ G[j]) * G[j]
        total += p
    return total


@pytest.mark.parametrize(("K", "P"), [(1, 3), (2, 2), (3, 2), (4, 3), (7, 9), (32, 12)])
def test_surgery_by_the_gram_matrix_is_surgery_by_vectors(K, P):
    G = gradients(K, P, num_runs=20, spread=1.0)
    d = direction(pcgrad(gram_of(G)), G)
    expected = np.stack([surgery(run) for run in G.numpy()])
    np.testing.assert_allclose(d, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("cosine", [0.8, 0, -0.6])
def test_surgery_on_two_by_hand(cosine):
    """Norms 1 and 2.  In conflict p_1 = g_1 - (c / 2) g_2 and p_2 = g_2 - 2 c g_1: weights 1 - 2 c and 1 - c / 2."""
    weights = pcgrad(gram_of(opening(cosine) * torch.tensor([1.0, 2.0]).double().view(1, 2, 1)))
    c = min(cosine, 0)
    np.testing.assert_allclose(weights[0], [1 - 2 * c, 1 - c / 2], rtol=0, atol=1e-12)


def test_surgery_without_conflict_is_the_sum():
    G = gradients(5, 8).abs()
    assert torch.equal(pcgrad(gram_of(G)), torch.ones(1, 5, dtype=torch.float64))


# Conflict-averse descent


@many
@given(G=players(), c=st.floats(0, 0.99))
def test_conflict_averse_descent_stays_near_the_mean_and_does_no_worse(G, c):
    weights, mean = cagrad(gram_of(G), c), G.mean(1)
    radius = c * mean.norm().item()
    assert (direction(weights, G) - mean).norm().item() <= radius * (1 + 1e-9) + 1e-12
    ours, means = gains(weights, G).min(), gains(torch.full_like(weights, 1 / G.shape[1]), G).min()
    assert ours >= means - 1e-6 * G.square().sum(-1).mean()


@pytest.mark.parametrize(("K", "P", "c"), [(2, 2, 0.4), (3, 2, 0.9), (4, 10, 0.1), (8, 5, 0.4)])
def test_conflict_averse_descent_has_no_gap_to_its_dual(K, P, c):
    """The worst gain of d is the least of g_w . g_0 + c |g_0| |g_w|: weak duality closes.  Unit: mean square norm."""
    G = gradients(K, P, num_runs=10)
    G = G / G.square().sum(-1).mean(-1).sqrt().view(-1, 1, 1)
    weights = cagrad(gram_of(G), c)
    for run, own in zip(G.numpy(), gains(weights, G).amin(-1).tolist(), strict=True):
        mean = run.mean(0)
        radius = c * np.linalg.norm(mean)

        def dual(w, run=run, mean=mean, radius=radius):
            return w @ run @ mean + radius * np.sqrt(np.sum((w @ run) ** 2) + 1e-14)

        simplex = {"type": "eq", "fun": lambda w: w.sum() - 1}
        found = minimize(dual, np.full(K, 1 / K), bounds=[(0, 1)] * K, constraints=simplex, options={"ftol": 1e-12})
        assert own == pytest.approx(found.fun, abs=2e-4)


def test_conflict_averse_descent_without_room_is_the_mean():
    gram = gram_of(gradients(4, 6, num_runs=3))
    torch.testing.assert_close(cagrad(gram, 0.0), uniform(gram), rtol=0, atol=0)


@pytest.mark.parametrize("cosine", [0.5, -0.5])
def test_conflict_averse_descent_of_two_of_equal_length_lengthens_the_mean(cosine):
    """By symmetry w = (.5, .5): g_w = g_0 and d = (1 + c) g_0; a tiny smoothing is in the way."""
    weights = cagrad(gram_of(opening(cosine)), 0.4)
    np.testing.assert_allclose(weights[0], [0.7, 0.7], rtol=1e-6)


def test_conflict_averse_descent_of_two_in_strong_conflict_by_hand():
    """g_1 = (1, 0), g_2 = (-3, 1), c = .5; w is on an edge of the interval or found on a grid of 10^5 points."""
    G = torch.tensor([[[1.0, 0.0], [-3.0, 1.0]]], dtype=torch.float64)
    w = np.linspace(0, 1, 100001)
    points = np.outer(w, [1, 0]) + np.outer(1 - w, [-3, 1])
    mean = np.array([-1, 0.5])
    value = points @ mean + 0.5 * np.linalg.norm(mean) * np.linalg.norm(points, axis=1)
    g = points[value.argmin()]
    expected = mean + 0.5 * np.linalg.norm(mean) * g / np.linalg.norm(g)
    np.testing.assert_allclose(direction(cagrad(gram_of(G), 0.5), G)[0], expected, rtol=0, atol=1e-3)


def test_every_run_may_have_its_own_room():
    gram = gram_of(gradients(4, 6, num_runs=3))
    room = [0.1, 0.4, 0.9]
    together = cagrad(gram, torch.tensor(room, dtype=torch.float64).unsqueeze(-1))
    assert torch.equal(together, torch.stack([cagrad(run, c) for run, c in zip(gram, room, strict=True)]))


@pytest.mark.parametrize("case", INFEASIBLE)
def test_conflict_averse_descent_is_finite_without_a_common_gain(case):
    assert cagrad(gram_of(INFEASIBLE[case]), 0.4).isfinite().all()
