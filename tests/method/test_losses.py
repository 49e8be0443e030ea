"""Fairness losses against plain loops, by hand, on degenerate batches, and their gradients."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.method.losses import (
    LOSSES,
    correlation,
    demographic_parity,
    equal_opportunity,
    exclusive_negatives,
    loss_named,
    mmd,
    mmd_authors,
    negatives,
    on_subsets,
    positives,
    step_gap,
    task,
)
from fairrun.method.rows import group_mask, mean
from tests.helpers.synthetic import method

RANGES = dict.fromkeys(LOSSES, 1.0) | {"mmd": 2.0, "mmd_authors": 2.0}
every_loss = pytest.mark.parametrize("name", sorted(LOSSES))
OF_ONE_GROUP = ["demographic_parity_fairbinn_group_0", "demographic_parity_fairbinn_group_1"]


def batch_of(y, s, num_groups, w=None):
    """A batch of labels and groups, each [R, B]."""
    y, s = torch.as_tensor(y, dtype=torch.float64), torch.as_tensor(s, dtype=torch.int64)
    w = torch.ones_like(y) if w is None else torch.as_tensor(w, dtype=torch.float64)
    return Batch(torch.zeros(*y.shape, 1), y, torch.arange(y.shape[1]).expand(y.shape), w, s, num_groups=num_groups)


def random_case(num_groups, num_runs=3, num_rows=32):
    """Scores [R, B] and a batch that ends in padding; every group of every run has both classes."""
    rng = np.random.default_rng([num_groups, 0])
    s = rng.integers(0, num_groups, (num_runs, num_rows))
    y = rng.integers(0, 2, (num_runs, num_rows)).astype(float)
    s[:, : 2 * num_groups], y[:, : 2 * num_groups] = (
        np.repeat(np.arange(num_groups), 2),
        np.tile([0.0, 1.0], num_groups),
    )
    p = rng.beta(1.5 + 0.7 * s, 2)
    w = np.ones((num_runs, num_rows))
    w[:, -5:] = 0
    return torch.tensor(p), batch_of(y, s, num_groups, w)


def value_and_gradient(name, p, batch):
    p = p.clone().requires_grad_()
    value = LOSSES[name](p, batch)
    (gradient,) = torch.autograd.grad(value.sum(), p)
    return value.detach(), gradient


# Oracles: one run, the rows with a weight only


def spread_of_means(p, s):
    means = [p[s == g].mean() for g in np.unique(s)]
    return max(means) - min(means)


def mean_kernel(p, q):
    return np.mean([np.exp(-((a - b) ** 2) / 0.1**2) for a in p for b in q])


def mean_mmd(p, s):
    pairs = list(combinations([p[s == g] for g in np.unique(s)], 2))
    return np.mean([mean_kernel(a, a) + mean_kernel(b, b) - 2 * mean_kernel(a, b) for a, b in pairs])


def largest_correlation(p, s):
    return max(abs(np.corrcoef(p, s == g)[0, 1]) for g in np.unique(s))


def mean_square(p, s):
    return np.mean([(p[s == g].mean() - p.mean()) ** 2 for g in np.unique(s)])


def sigmoid(p):
    return 1 / (1 + np.exp(-p))


ORACLES = {
    "demographic_parity_pairs": lambda p, y, s: np.mean(
        [(p[s == g].mean() - p[s == h].mean()) ** 2 for g, h in combinations(np.unique(s), 2)]
    ),
    "demographic_parity_mean_square": lambda p, y, s: mean_square(p, s),
    "equal_opportunity_mean_square": lambda p, y, s: mean_square(p[y == 1], s[y == 1]),
    "false_positive_rate_mean_square": lambda p, y, s: mean_square(p[y == 0], s[y == 0]),
    "equalized_odds_mean_square": lambda p, y, s: max(mean_square(p[y == c], s[y == c]) for c in (0, 1)),
    "average_equalized_odds_mean_square": lambda p, y, s: np.mean([mean_square(p[y == c], s[y == c]) for c in (0, 1)]),
    "demographic_parity_fairbinn": lambda p, y, s: mean_square(sigmoid(p), s) / 2,
    "demographic_parity_fairbinn_group_0": lambda p, y, s: (sigmoid(p[s == 0]).mean() - sigmoid(p).mean()) ** 2 / 2,
    "demographic_parity_fairbinn_group_1": lambda p, y, s: (sigmoid(p[s == 1]).mean() - sigmoid(p).mean()) ** 2 / 2,
    "demographic_parity": lambda p, y, s: spread_of_means(p, s),
    "equal_opportunity": lambda p, y, s: spread_of_means(p[y == 1], s[y == 1]),
    "false_positive_rate": lambda p, y, s: spread_of_means(p[y == 0], s[y == 0]),
    "equalized_odds": lambda p, y, s: max(spread_of_means(p[y == c], s[y == c]) for c in (0, 1)),
    "average_equalized_odds": lambda p, y, s: np.mean([spread_of_means(p[y == c], s[y == c]) for c in (0, 1)]),
    "correlation": lambda p, y, s: largest_correlation(p, s),
    "mmd": lambda p, y, s: mean_mmd(p, s),
    "mmd_authors": lambda p, y, s: mean_mmd(p, s),
}
TOLERANCE = dict.fromkeys(ORACLES, 1e-12) | {"correlation": 1e-5}  # which has an epsilon under its roots


def oracle(name, p, batch):
    rows = [w > 0 for w in batch.w.numpy()]
    runs = [[v[r].numpy()[rows[r]] for v in (p, batch.y, batch.s)] for r in range(len(rows))]
    return [ORACLES[name](*run) for run in runs]


@every_loss
def test_a_loss_is_what_a_plain_loop_computes(name):
    p, batch = random_case(4)
    np.testing.assert_allclose(LOSSES[name](p, batch), oracle(name, p, batch), rtol=TOLERANCE[name])


def test_the_correlation_with_two_groups_is_that_of_the_score_and_the_attribute():
    p, batch = random_case(2)
    expected = [abs(np.corrcoef(p[r, :-5], batch.s[r, :-5])[0, 1]) for r in range(3)]
    np.testing.assert_allclose(correlation(p, batch), expected, rtol=1e-5)


def test_the_spread_of_mean_scores_by_hand():
    """Mean scores: group 0 (.2 + .4) / 2 = .3, group 1 .9, group 2 (.5 + .6 + .1) / 3 = .4; spread .6."""
    p = torch.tensor([[0.2, 0.9, 0.5, 0.4, 0.6, 0.1]], dtype=torch.float64)
    assert demographic_parity(p, batch_of([[0] * 6], [[0, 1, 2, 0, 2, 2]], 3)).item() == pytest.approx(0.6, abs=1e-12)


def test_groups_with_equal_means_share_the_slope_of_the_spread():
    """Four groups of two rows, means 0.7, 0.7, 0.4, 0.1: the two highest have 1/2 each, so that a row has 1/4."""
    p = torch.tensor([[0.6, 0.8, 0.7, 0.7, 0.3, 0.5, 0.1, 0.1]], dtype=torch.float64)
    value, slope = value_and_gradient("demographic_parity", p, batch_of([[0] * 8], [[0, 0, 1, 1, 2, 2, 3, 3]], 4))
    assert value.item() == pytest.approx(0.6)
    assert slope.tolist() == [[0.25, 0.25, 0.25, 0.25, 0.0, 0.0, -0.5, -0.5]]


def test_the_mmd_of_far_groups_with_equal_scores_is_2():
    """Within a group the kernel is 1, between 0 and 1 it is exp(-100): 1 + 1 - 2 exp(-100)."""
    p = torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    assert mmd(p, batch_of([[0] * 4], [[0, 0, 1, 1]], 2)).item() == pytest.approx(2, abs=1e-12)


def kernel_mmd(p, batch):
    """``mmd`` by its definition: the kernel of every two rows, [R, B, B]."""
    mask = group_mask(batch.s, batch.num_groups) * batch.w.unsqueeze(1)
    share = mask / mask.sum(-1, keepdim=True)
    between = share @ torch.exp(-((p.unsqueeze(2) - p.unsqueeze(1)) / 0.1).square()) @ share.mT
    within = between.diagonal(dim1=1, dim2=2)
    distance = within.unsqueeze(2) + within.unsqueeze(1) - 2 * between
    first, second = torch.triu_indices(batch.num_groups, batch.num_groups, 1)
    return distance[:, first, second].mean(-1)


def at_the_ends(p):
    """Half of the scores 0 and 1, as far as the kernel's series reaches."""
    return torch.where(torch.arange(p.shape[1]) % 2 == 0, p.round(), p)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_mmd_and_its_gradient_are_those_of_the_kernel(dtype, tolerance):
    p, batch = random_case(4)
    p = at_the_ends(p).requires_grad_()
    expected = kernel_mmd(p, batch)
    (slope,) = torch.autograd.grad(expected.sum(), p)
    value, gradient = value_and_gradient("mmd", p.detach().to(dtype), batch._replace(w=batch.w.to(dtype)))
    np.testing.assert_allclose(value, expected.detach(), rtol=0, atol=tolerance)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=tolerance)


def test_the_gradients_of_the_mmd_by_scores_and_weights_can_be_differentiated_again():
    p, batch = random_case(2, num_runs=1, num_rows=12)
    weights = batch.w + torch.linspace(0.1, 1, 12, dtype=torch.float64)

    def loss(p, w):
        return mmd(0.4 + 0.1 * p, batch._replace(w=w))

    inputs = p.requires_grad_(), weights.requires_grad_()
    assert torch.autograd.gradcheck(loss, inputs)
    assert torch.autograd.gradgradcheck(loss, inputs)


# Six rows of MTA-F's code: values and gradients d/dz that its losses give in TensorFlow


Z = torch.tensor([[-1, 0.5, 1.2, -0.3, 2, 0.1]], dtype=torch.float64)
SIX_ROWS = batch_of([[0, 0, 1, 0, 0, 1]], [[1, 0, 1, 1, 0, 0]], 2)
FIXTURE = negatives(SIX_ROWS)


def value_and_slope(loss, batch=FIXTURE):
    z = Z.clone().requires_grad_()
    value = loss(torch.sigmoid(z), batch)
    (slope,) = torch.autograd.grad(value.sum(), z)
    return value.item(), slope[0]


@pytest.mark.parametrize("loss", [mmd, mmd_authors])
def test_the_mmd_of_the_negatives_of_six_rows_has_the_reference_value_and_gradient(loss):
    value, slope = value_and_slope(loss)
    assert value == pytest.approx(1.0332975, abs=1e-7)
    expected = [1.0597435, 0.4141706, 0, -1.7165517, -0.01370877, 0]
    np.testing.assert_allclose(4 * slope, expected, rtol=0, atol=1e-6)


def test_the_correlation_of_the_negatives_of_six_rows_has_the_reference_value_and_gradient():
    """But for the epsilons: there 1e-6 beside the deviations, here 1e-7 under their roots."""
    value, slope = value_and_slope(correlation)
    assert value == pytest.approx(0.8841984, abs=1e-5)
    expected = [0.01818714, 0.18438178, 0, -0.13923864, -0.03228693, 0]
    np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-5)


def test_the_false_positive_rate_of_six_rows_by_hand():
    """p = .2689, .4256 of group 1, .6225, .8808 of group 0: .7516 - .3472; slope of a row p (1 - p) / 2."""
    value, slope = value_and_slope(LOSSES["false_positive_rate"], SIX_ROWS)
    assert value == pytest.approx(0.4043788, abs=1e-7)
    np.testing.assert_allclose(slope, [-0.0983060, 0.1175019, 0, -0.1222292, 0.0524968, 0], rtol=0, atol=1e-7)


def test_the_step_gap_of_six_rows_by_hand():
    """(p - .4) / .1 = -1.3106, .2556 of group 1, 2.2246, 4.8080 of group 0; sigma .2124, .5635 and .9024, .9919."""
    threshold = torch.tensor([0.4], dtype=torch.float64)
    value, slope = value_and_slope(lambda p, batch: step_gap(p, batch, threshold))
    assert value == pytest.approx((0.9024 + 0.9919 - 0.2124 - 0.5635) / 2, abs=1e-4)
    assert (slope[[0, 3]] < 0).all()
    assert (slope[[1, 4]] > 0).all()
    assert (slope[[2, 5]] == 0).all()


def test_a_steep_step_gap_is_the_gap_of_false_positive_rates_at_the_threshold():
    """Above .4 are one of two negatives of group 1 and both of group 0: a gap of .5, the reference value."""
    assert step_gap(torch.sigmoid(Z), FIXTURE, torch.tensor([[0.4]]), temperature=1e-3).item() == pytest.approx(0.5)


@pytest.mark.parametrize(("rows", "reference"), [([1, 4], 1.0012635), ([0, 3], 1.0860473)])
def test_the_authors_mmd_of_a_single_group_has_the_reference_value(rows, reference):
    """The reference is multiplied by the number of rows, 2."""
    w = torch.zeros(1, 6, dtype=torch.float64)
    w[:, rows] = 1
    value, slope = value_and_slope(mmd_authors, SIX_ROWS._replace(w=w))
    assert 2 * value == pytest.approx(reference, abs=1e-7)
    assert slope[rows[0]] > 0 > slope[rows[1]]  # descent spreads the scores


SMOOTH = ["demographic_parity_pairs", "demographic_parity_mean_square", "demographic_parity_fairbinn"]


@pytest.mark.parametrize("name", SMOOTH)
def test_every_one_of_nine_groups_moves_a_smooth_loss(name):
    p, batch = random_case(9)
    for g in range(9):
        moved = torch.where(batch.s == g, 0.99, p)
        assert ((LOSSES[name](moved, batch) - LOSSES[name](p, batch)).abs() > 1e-5).all()


def test_the_loss_of_fairbinns_code_hardly_hears_of_groups_but_the_first():
    """Scores of nine equal groups: .5, but for one .99."""
    s = torch.arange(9).repeat(1, 3)
    batch = batch_of(np.zeros((1, 27)), s, 9)
    half = torch.full((1, 27), 0.5, dtype=torch.float64)
    values = [
        LOSSES["demographic_parity_fairbinn_group_0"](torch.where(s == g, 0.99, half), batch).item() for g in (0, 5)
    ]
    step = sigmoid(0.99) - sigmoid(0.5)
    assert values == pytest.approx([(8 / 9 * step) ** 2 / 2, (step / 9) ** 2 / 2])


def test_the_loss_of_fairbinns_code_with_two_groups_like_those_of_adult():
    """A soft difference D makes about .0029 D^2: a share of .324 women, and a slope of .235 of the second sigmoid."""
    s = (torch.arange(1000) >= 324).long()[None]  # by the alphabet: women 0, men 1
    p = torch.where(s == 0, 0.1, 0.3).double()
    of_women, of_men = (
        LOSSES[f"demographic_parity_fairbinn_group_{g}"](p, batch_of(np.zeros((1, 1000)), s, 2)).item() for g in (0, 1)
    )
    assert of_men == pytest.approx(0.0029 * 0.2**2, rel=0.15)  # the code's
    assert of_women == pytest.approx((0.676 / 0.324) ** 2 * of_men)


# Values in general


@st.composite
def cases(draw):
    """Scores [1, B] and a batch, degenerate ones too."""
    num_groups = draw(st.integers(1, 4))
    score = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 1000).map(lambda k: k / 1000))
    row = st.tuples(score, st.sampled_from([0, 1]), st.integers(0, num_groups - 1), st.sampled_from([0, 1, 1]))
    p, y, s, w = zip(*draw(st.lists(row, min_size=1, max_size=16)), strict=True)
    return torch.tensor([p], dtype=torch.float64), batch_of([y], [s], num_groups, [w])


@every_loss
@settings(deadline=None, max_examples=15)
@given(case=cases())
def test_a_loss_is_in_its_range_and_has_a_finite_gradient(name, case):
    value, gradient = value_and_gradient(name, *case)
    assert -1e-12 <= value.item() <= RANGES[name] + 1e-12
    assert gradient.isfinite().all()


@every_loss
def test_a_loss_is_0_under_parity(name):
    """Where all scores are equal, and where every group has the same rows."""
    p, batch = random_case(3)
    p[:] = 0.1
    np.testing.assert_allclose(LOSSES[name](p, batch), 0, rtol=0, atol=1e-12)
    p, y = torch.rand(2, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64), [[0, 1, 0, 1, 1, 0]] * 2
    batch = batch_of(np.tile(y, 3), torch.arange(3).repeat_interleave(6).expand(2, -1), 3)
    np.testing.assert_allclose(LOSSES[name](p.repeat(1, 3), batch), 0, rtol=0, atol=1e-12)


@every_loss
@settings(deadline=None, max_examples=10)
@given(case=cases(), random=st.randoms(use_true_random=False))
def test_a_loss_depends_neither_on_the_numbers_of_groups_nor_on_the_order_of_rows(name, case, random):
    p, batch = case
    number, order = (torch.tensor(random.sample(range(n), n)) for n in (batch.num_groups, p.shape[1]))
    s = batch.s if name in OF_ONE_GROUP else number[batch.s]
    other = batch_of(batch.y[:, order], s[:, order], batch.num_groups, batch.w[:, order])
    np.testing.assert_allclose(LOSSES[name](p[:, order], other), LOSSES[name](p, batch), rtol=1e-12, atol=1e-12)


# Rows without weight


@every_loss
def test_rows_of_weight_0_count_for_nothing(name):
    """Whatever they hold, value and gradient are the same; their own gradient is 0; the value is that without them."""
    p, batch = random_case(3)
    other, y, s = p.clone(), batch.y.clone(), batch.s.clone()
    other[:, -5:] = torch.tensor([0.0, 1.0, 0.3, 0.7, 0.5], dtype=torch.float64)
    y[:, -5:], s[:, -5:] = 1 - y[:, -5:], (s[:, -5:] + 1) % 3
    value, gradient = value_and_gradient(name, p, batch)
    other_value, other_gradient = value_and_gradient(name, other, batch._replace(y=y, sensitive=s))
    assert torch.equal(other_value, value)
    assert torch.equal(other_gradient, gradient)
    assert (gradient[:, -5:] == 0).all()
    assert (gradient[:, :-5] != 0).any(-1).all()
    dropped = batch_of(batch.y[:, :-5], batch.s[:, :-5], 3)
    torch.testing.assert_close(value, LOSSES[name](p[:, :-5], dropped), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("restrict", "label"), [(positives, 1), (negatives, 0)])
def test_a_batch_restricted_to_a_class_weighs_the_real_rows_of_that_class(restrict, label):
    _, batch = random_case(2)
    expected = torch.where(batch.y == label, batch.w, 0)
    assert torch.equal(restrict(batch).w, expected)


# Several tasks


ROWS_OF_THREE_TASKS = [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1, 1], [1, 0, 1], [1, 1, 0], [0, 1, 1]]


def three_tasks():
    """Every kind of row that matters, the last one padding."""
    s, w = [[0, 1, 0, 1, 0, 1, 0]], [[1, 1, 1, 1, 1, 1, 0]]
    labels = torch.tensor([ROWS_OF_THREE_TASKS], dtype=torch.float64)
    return batch_of([[0] * 7], s, 2, w)._replace(y=labels)


def test_a_task_has_its_own_labels():
    assert task(three_tasks(), 1).y.tolist() == [[1, 0, 0, 1, 0, 1, 1]]


@pytest.mark.parametrize(
    ("t", "w"), [(0, [1, 0, 0, 0, 0, 0, 0]), (1, [0, 0, 0, 0, 1, 0, 0]), (2, [0, 0, 0, 0, 0, 1, 0])]
)
def test_exclusive_negatives_of_three_tasks_are_the_real_rows_of_class_1_in_both_others(t, w):
    batch = exclusive_negatives(three_tasks(), t)
    assert batch.w.tolist() == [w]
    assert torch.equal(batch.y, three_tasks().y[..., t])


def test_exclusive_negatives_of_a_single_task_are_its_negatives():
    batch = three_tasks()._replace(y=three_tasks().y[..., :1])
    assert torch.equal(exclusive_negatives(batch, 0).w, negatives(task(batch, 0)).w)


def two_subsets(batch):
    """All rows, and those of class 0 whose number is odd; w of each, [R, 2, B]."""
    return torch.stack([batch.w, batch.w * (1 - batch.y) * (batch.i % 2)], dim=1)


@every_loss
def test_a_loss_on_subsets_is_the_loss_on_each(name):
    p, batch = random_case(3)
    weights = two_subsets(batch)
    each = torch.stack([LOSSES[name](p, batch._replace(w=w)) for w in weights.unbind(1)], dim=1)
    torch.testing.assert_close(on_subsets(LOSSES[name], p, batch, weights), each, rtol=1e-12, atol=1e-15)


# Degenerate batches


P = torch.tensor([[0.1, 0.9, 0.4, 0.6, 0.3, 0.8]], dtype=torch.float64)
Y = [[0, 1, 1, 0, 1, 0]]
DEGENERATE = {
    "an absent group": (P, batch_of(Y, [[0, 0, 0, 2, 2, 2]], 3)),
    "one group": (P, batch_of(Y, [[1] * 6], 3)),
    "no positives": (P, batch_of([[0] * 6], [[0, 1, 2] * 2], 3)),
    "no negatives": (P, batch_of([[1] * 6], [[0, 1, 2] * 2], 3)),
    "no real row": (P, batch_of(Y, [[0, 1, 2] * 2], 3, [[0] * 6])),
    "equal scores": (torch.full_like(P, 0.3), batch_of(Y, [[0, 1, 2] * 2], 3)),
    "scores of 0 and 1": (P.round(), batch_of(Y, [[0, 1, 2] * 2], 3)),
    "one real row": (P, batch_of(Y, [[0, 1, 2] * 2], 3, [[0, 0, 1, 0, 0, 0]])),
}


@every_loss
def test_value_and_gradient_are_finite_on_degenerate_batches(name):
    for case, batch in DEGENERATE.items():
        value, gradient = value_and_gradient(name, *batch)
        assert value.isfinite().all(), case
        assert gradient.isfinite().all(), case


@every_loss
def test_value_and_gradient_are_0_with_fewer_than_two_groups(name):
    for case in ["no real row"] if name == "mmd_authors" else ["one group", "no real row", "one real row"]:
        value, gradient = value_and_gradient(name, *DEGENERATE[case])
        assert (value == 0).all(), case
        assert (gradient == 0).all(), case


def test_the_authors_mmd_of_one_real_row_is_1_without_a_gradient():
    value, gradient = value_and_gradient("mmd_authors", *DEGENERATE["one real row"])
    assert value.item() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(gradient, 0, rtol=0, atol=1e-12)


def test_the_authors_mmd_is_the_mmd_where_groups_can_be_compared():
    p, batch = random_case(2)
    batch = batch._replace(num_groups=3)  # an absent one
    assert torch.equal(mmd_authors(p, batch), mmd(p, batch))


def test_the_step_gap_and_its_gradient_are_0_without_groups_to_compare():
    for case in ("one group", "no real row", "one real row", "equal scores"):
        p, batch = DEGENERATE[case]
        p = p.clone().requires_grad_()
        value = step_gap(p, batch, torch.tensor([0.4], dtype=torch.float64))
        (gradient,) = torch.autograd.grad(value.sum(), p)
        assert value.item() == 0, case
        assert gradient.isfinite().all(), case
        assert case == "equal scores" or (gradient == 0).all(), case


@every_loss
def test_an_absent_group_is_left_out(name):
    p, batch = DEGENERATE["an absent group"]
    if name == "demographic_parity_fairbinn_group_1":  # the one that is absent
        assert (LOSSES[name](p, batch) == 0).all()
        return
    without = batch._replace(sensitive=batch.s // 2, num_groups=2)
    torch.testing.assert_close(LOSSES[name](p, batch), LOSSES[name](p, without), rtol=1e-12, atol=0)


def test_equal_opportunity_is_0_without_positives():
    value, gradient = value_and_gradient("equal_opportunity", *DEGENERATE["no positives"])
    assert value.item() == 0
    assert (gradient == 0).all()


def test_equalized_odds_without_positives_is_the_spread_of_false_positive_rates():
    p, batch = DEGENERATE["no positives"]
    assert LOSSES["equalized_odds"](p, batch).item() == LOSSES["false_positive_rate"](p, batch).item() > 0.1


def test_a_group_without_positives_is_left_out_of_equal_opportunity():
    """Positive rows: group 0 has .4, group 1 .9 and .5; group 2 has none.  .7 - .4 = .3."""
    p = torch.tensor([[0.4, 0.9, 0.5, 0.0, 1.0]], dtype=torch.float64)
    value = equal_opportunity(p, batch_of([[1, 1, 1, 0, 0]], [[0, 1, 1, 2, 2]], 3))
    assert value.item() == pytest.approx(0.3, abs=1e-12)


def test_a_batch_without_the_sensitive_attribute_is_refused():
    p, batch = random_case(2)
    for loss in LOSSES.values():
        with pytest.raises(ValueError, match=r"batch\.s is withheld"):
            loss(p, batch._replace(sensitive=None))


# Every group counts


def four_groups():
    """Three rows a group; mean scores .2, .4, .6, .8."""
    offsets = torch.tensor([-0.03, 0.01, 0.02], dtype=torch.float64)
    p = (torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64).unsqueeze(1) + offsets).view(1, 12)
    return p, batch_of([[0, 1, 1] * 4], torch.arange(4).repeat_interleave(3).unsqueeze(0), 4)


def test_the_gradient_of_the_mmd_reaches_every_one_of_four_groups():
    p, batch = four_groups()
    _, gradient = value_and_gradient("mmd", p, batch)
    assert all(gradient[batch.s == g].abs().max() > 1e-3 for g in range(4))


def test_demographic_parity_follows_the_groups_of_extreme_rates():
    p, batch = four_groups()
    for group, change in enumerate((-0.05, 0, 0, 0.05)):
        difference = demographic_parity(p + 0.05 * (batch.s == group).double(), batch) - demographic_parity(p, batch)
        assert difference.item() == pytest.approx(change, abs=1e-12)


def test_any_of_four_groups_can_be_the_one_most_correlated_with_the_score():
    """Scores of one group are near 1, the others' near 0: the correlation is near 1."""
    _, batch = four_groups()
    noise = 0.01 * torch.arange(12, dtype=torch.float64).unsqueeze(0) / 12
    assert all(correlation(noise + 0.9 * (batch.s == g), batch).item() > 0.99 for g in range(4))


# Gradients and runs


@every_loss
def test_the_gradient_is_that_of_finite_differences(name):
    p, batch = random_case(3, num_runs=2, num_rows=20)
    assert torch.autograd.gradcheck(lambda p: LOSSES[name](p, batch), p.requires_grad_())


@every_loss
def test_a_run_has_bitwise_the_same_loss_and_gradient_in_any_stack(name):
    p, batch = random_case(3)
    p, batch = p.float(), batch._replace(y=batch.y.float(), w=batch.w.float())
    value, gradient = value_and_gradient(name, p, batch)
    assert value.shape == (3,) and value.dtype == torch.float32
    for runs in ([0], [1], [2], [2, 0, 1]):
        others = Batch(*(v[runs].clone() for v in batch[:5]), num_groups=3)
        other_value, other_gradient = value_and_gradient(name, p[runs].clone(), others)
        assert torch.equal(other_value, value[runs])
        assert torch.equal(other_gradient, gradient[runs])


@pytest.mark.parametrize(("num_groups", "num_rows"), [(2, 96), (3, 32), (4, 96)])
def test_a_run_has_bitwise_the_same_mmd_of_subsets_in_any_stack_in_float32(num_groups, num_rows):
    p, batch = random_case(num_groups, num_runs=7, num_rows=num_rows)
    p, weights = p.float(), two_subsets(batch).float()

    def both(runs):
        q = p[runs].clone().requires_grad_()
        value = on_subsets(mmd, q, batch._replace(sensitive=batch.s[runs].clone()), weights[runs].clone())
        return value.detach(), torch.autograd.grad(value.sum(), q)[0]

    value, gradient = both(list(range(7)))
    for runs in ([0], [5], [3, 1], [4, 2, 6]):
        other_value, other_gradient = both(runs)
        assert torch.equal(other_value, value[runs])
        assert torch.equal(other_gradient, gradient[runs])


def test_the_mmd_of_equal_groups_is_not_negative_in_float32():
    p, batch = random_case(2, num_rows=64)
    p[:, 32:], batch.s[:, :32], batch.s[:, 32:] = p[:, :32].clone(), 0, 1
    value = mmd(p.float(), batch._replace(w=torch.ones(3, 64)))
    assert (value >= 0).all()
    assert (value < 1e-12).all()


@pytest.mark.parametrize("name", ["correlation", "mmd", "mmd_authors", "demographic_parity"])
def test_a_set_of_any_size_with_one_group_has_a_finite_gradient_in_float32(name):
    """1/n, summed n times, may be more than 1."""
    for size in range(1, 200):
        w = torch.zeros(1, 224)
        w[:, :size] = 1
        batch = batch_of(torch.zeros(1, 224), torch.zeros(1, 224), 2, w)
        batch = batch._replace(y=batch.y.float(), w=w)
        p = torch.linspace(0.1, 0.9, 224).unsqueeze(0).requires_grad_()
        value = LOSSES[name](p, batch)
        assert torch.isfinite(torch.autograd.grad(value.sum(), p)[0]).all(), size


def test_a_loss_of_ones_own_is_named_by_its_path():
    assert loss_named("fairrun.method.rows.mean") is mean
    assert loss_named("mmd") is LOSSES["mmd"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", "must be one of .*, or the path of a function in fairrun, .*, got 'none'"),
        ("foo.bar", "must be one of .*, or the path of a function in fairrun, .*, got 'foo.bar'"),
        ("fairrun.method.losses.foo", "must be a class or function that can be imported, .* has no attribute 'foo'"),
        (
            "fairrun.method.losses.KERNEL_WIDTH",
            "must be defined in fairrun, .*, got 'fairrun.method.losses.KERNEL_WIDTH'",
        ),
    ],
)
def test_a_loss_that_cannot_be_called_is_refused(name, said):
    with pytest.raises(InputError, match=f"fairness_loss {said}"):
        method("penalty", f"method.fairness_loss={name}")
