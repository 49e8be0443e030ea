"""Group shares from randomised responses."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from omegaconf import OmegaConf

from fairrun.config.check import InputError
from fairrun.method.privacy import WorstOff, alpha, conservative, probabilities, radius, respond, shares
from fairrun.models.mlp import MLP
from fairrun.runs.checks.data import check_data
from fairrun.training.fit import fit
from fairrun.training.optim import SGD
from tests.helpers.synthetic import config, data, method

TWO = np.array([0.9053, 0.0947])
FOUR = np.array([0.385, 0.103, 0.417, 0.095])  # COMPAS, sex x race
LN3 = math.log(3)
both = pytest.mark.parametrize("p", [TWO, FOUR], ids=["two groups", "four groups"])


def rows(p, num_rows):
    """Rows whose shares are as near ``p`` as whole rows allow."""
    return np.repeat(np.arange(len(p)), np.diff(np.round(np.cumsum([0, *p]) * num_rows).astype(int)))


def estimates(draw, p, epsilon, count=2000):
    """``count`` estimates of the shares, each from rows ``draw(rng)``."""
    rng = np.random.default_rng(0)
    return np.array([shares(respond(draw(rng), len(p), epsilon, rng), len(p), epsilon) for _ in range(count)])


@pytest.mark.parametrize(("num_groups", "epsilon"), [(2, 0.01), (3, 5.0), (4, LN3), (17, 5.0)])
def test_two_groups_make_a_report_with_probabilities_whose_ratio_is_at_most_e_to_epsilon(num_groups, epsilon):
    """The ratio is reached; the row of a group is a distribution over reports."""
    tau, beta = probabilities(num_groups, epsilon)
    mechanism = np.full((num_groups, num_groups), beta) + (tau - beta) * np.eye(num_groups)  # [group, report]
    assert mechanism.sum(1) == pytest.approx(1, rel=1e-12)
    assert (mechanism[:, None] / mechanism).max() == pytest.approx(math.exp(epsilon), rel=1e-12)


def test_two_groups_at_ln_3_are_two_coins_and_four_tell_the_truth_half_of_the_time():
    assert probabilities(2, LN3) == pytest.approx((3 / 4, 1 / 4), rel=1e-12)
    assert probabilities(4, LN3) == pytest.approx((1 / 2, 1 / 6), rel=1e-12)


def test_two_attributes_asked_separately_add_up_and_asked_as_one_they_do_not():
    tau, beta = probabilities(2, LN3)
    assert math.log(tau * tau / (beta * beta)) == pytest.approx(2 * LN3, rel=1e-12)
    tau, beta = probabilities(4, LN3)
    assert math.log(tau / beta) == pytest.approx(LN3, rel=1e-12)


@pytest.mark.parametrize("num_groups", [2, 4])
def test_reports_follow_the_probabilities_whatever_the_group(num_groups):
    """Five standard errors of a frequency among 200,000 at most .0056."""
    tau, beta = probabilities(num_groups, LN3)
    for group in range(num_groups):
        reports = respond(np.full(200_000, group), num_groups, LN3, np.random.default_rng(group))
        expected = np.where(np.arange(num_groups) == group, tau, beta)
        assert np.bincount(reports, minlength=num_groups) / 200_000 == pytest.approx(expected, abs=0.0056)


def test_the_same_generator_gives_the_same_reports():
    s = rows(FOUR, 50)
    first, second = (respond(s, 4, LN3, np.random.default_rng(1)) for _ in range(2))
    assert (first == second).all()


def test_with_a_large_epsilon_the_reports_are_the_truth():
    s = rows(FOUR, 1000)
    reports = respond(s, 4, 1000.0, np.random.default_rng(0))
    assert (reports == s).all()
    assert shares(reports, 4, 1000.0) == pytest.approx(FOUR)


def test_shares_by_hand():
    """1 of 4 reports: (1/4 - 1/4) / (1/2) = 0 and 1."""
    assert shares(np.array([0, 0, 1, 0]), 2, LN3) == pytest.approx([1, 0], abs=1e-12)
    assert shares(np.array([0, 0, 0, 0]), 2, LN3) == pytest.approx([1.5, -0.5])


@both
@pytest.mark.parametrize("epsilon", [0.5, LN3, 3.0])
def test_shares_are_unbiased_and_sum_to_1(p, epsilon):
    p_hat = estimates(lambda rng: rng.choice(len(p), size=500, p=p), p, epsilon)
    assert p_hat.sum(1) == pytest.approx(1)
    error = p_hat.std(0) / len(p_hat) ** 0.5
    assert (np.abs(p_hat.mean(0) - p) < 4 * error).all()


@pytest.mark.parametrize(("num_rows", "expected"), [(32_561, 0.0265), (18_585, 0.0351), (5049, 0.0673)])
def test_the_radius_of_four_groups_by_hand(num_rows, expected):
    """3 sqrt(ln 160 / (2 N)), with delta = .05."""
    assert radius(num_rows, 4, LN3, 0.05) == pytest.approx(expected, abs=5e-5)


def test_the_radius_of_two_groups_needs_no_union():
    assert radius(5049, 2, LN3, 0.05) == pytest.approx((2 * math.log(2 / 0.05) / 5049) ** 0.5)


@both
@pytest.mark.parametrize("delta", [0.05, 0.5])
def test_all_shares_are_within_the_radius_as_often_as_it_says(p, delta):
    for draw in (lambda rng: rows(p, 400), lambda rng: rng.choice(len(p), size=400, p=p)):
        off = np.abs(estimates(draw, p, LN3) - p).max(1)
        assert np.mean(off <= radius(400, len(p), LN3, delta)) >= 1 - delta


@both
@pytest.mark.parametrize("delta", [0.05, 0.5])
def test_the_bound_is_below_the_smallest_share_as_often_as_it_says(p, delta):
    rng = np.random.default_rng(0)
    reports = [respond(rng.choice(len(p), size=20_000, p=p), len(p), LN3, rng) for _ in range(300)]
    bounds = np.array([conservative(r, len(p), LN3, delta) for r in reports])
    assert np.mean(bounds <= p.min()) >= 1 - delta
    assert (bounds > 0).all()


def test_the_bound_is_the_smallest_estimate_minus_the_radius():
    reports = respond(rows(FOUR, 5049), 4, LN3, np.random.default_rng(0))
    least = shares(reports, 4, LN3).min()
    assert alpha(reports, 4, LN3) == least
    assert conservative(reports, 4, LN3, 0.05) == pytest.approx(least - radius(5049, 4, LN3, 0.05))


def test_a_bound_that_says_nothing_is_refused_with_its_numbers():
    reports = np.repeat(np.arange(4), [5, 1, 2, 2])
    numbers = "of 10 reports at epsilon = 1.09861 the smallest share is -0.2000, to within 1.5112"
    with pytest.raises(InputError, match=f"^delta must be such that the bound is above 0; {numbers} .*, got 0.05$"):
        conservative(reports, 4, LN3, 0.05)


@pytest.mark.parametrize(
    ("reports", "num_groups", "expected"),
    [([0, 0, 0, 0], 2, 1 / 4), ([0, 1, 0, 1], 2, 1 / 2), ([0], 2, 1 / 2), ([0, 1, 2] * 7, 3, 1 / 3)],
    ids=["below 0: one row", "equal shares", "fewer rows than groups", "rounding"],
)
def test_alpha_is_at_least_one_row_and_at_most_an_equal_share(reports, num_groups, expected):
    value = alpha(np.array(reports), num_groups, LN3)
    assert value == pytest.approx(expected)
    assert value <= 1 / num_groups


REPORTS = np.array([0, 1, 1, 0])


@pytest.mark.parametrize("epsilon", [0, -1.0, 1e-300, float("nan"), float("inf"), "1", True])
def test_epsilon_is_a_number_above_0(epsilon):
    for function in (probabilities, lambda k, e: shares(REPORTS, k, e), lambda k, e: alpha(REPORTS, k, e)):
        with pytest.raises(InputError, match=r"^epsilon must be a number > 0 .*, got"):
            function(2, epsilon)


@pytest.mark.parametrize("num_groups", [1, 0, -2, 2.0, True])
def test_there_are_at_least_two_groups(num_groups):
    with pytest.raises(InputError, match=f"^num_groups must be an integer >= 2, got {num_groups}$"):
        respond(REPORTS, num_groups, LN3, np.random.default_rng(0))


@pytest.mark.parametrize("delta", [0, 1, -0.1, 1.5, float("nan"), None])
def test_delta_is_between_0_and_1(delta):
    with pytest.raises(InputError, match=rf"^delta must be in \(0, 1\), got {delta}$"):
        conservative(REPORTS, 2, LN3, delta)


@pytest.mark.parametrize("num_rows", [0, -1, 2.5])
def test_there_is_at_least_one_row(num_rows):
    with pytest.raises(InputError, match=f"^num_rows must be an integer >= 1, got {num_rows}$"):
        radius(num_rows, 2, LN3, 0.05)


@pytest.mark.parametrize("values", [[], [0, 2], [-1, 0], [0.0, 1.0], [[0, 1]]])
def test_groups_and_reports_are_integers_below_the_number_of_groups(values):
    with pytest.raises(InputError, match=r"^s must be at least one integer, all in 0..1, got"):
        respond(np.array(values), 2, LN3, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"^reports must be at least one integer, all in 0..1, got"):
        shares(np.array(values), 2, LN3)


# A method's alpha


@dataclass(frozen=True)
class Asking(WorstOff):
    """A method that only says which alpha it has, as its loss."""

    @property
    def smallest_batch(self):
        return self.batch_with_a_worst_off_row

    def update(self, model, state, batch):
        return state, {"loss": self.alpha[:, 0]}


ASKING = Asking(SGD(0.1), 0.5, "randomized_response", LN3, None)
ROWS = [385, 103, 417, 95]


def alphas(methods, seeds, rows):
    """The alpha that each run trains with."""
    runs = fit(MLP(6, 2, 4, 1, 0, None, 0.0), methods, seeds, rows, epochs=1, batch_size=64)
    return [run.history["train/loss"].iloc[0] for run in runs]


def test_a_method_that_is_given_its_alpha_keeps_it():
    given, erm = replace(ASKING, alpha_from="given"), method("erm")
    assert given.with_group_sizes(ROWS, 0) is given
    assert erm.with_group_sizes(ROWS, 0) is erm


def test_a_method_that_asks_gets_the_alpha_of_reports_and_is_otherwise_the_same():
    asked = ASKING.with_group_sizes(ROWS, 0)
    assert asked.alpha != 0.5 and replace(asked, alpha=0.5, alpha_from="randomized_response") == ASKING
    assert asked.with_group_sizes(ROWS, 1) is asked
    assert replace(ASKING, epsilon=1000.0).with_group_sizes(ROWS, 0).alpha == pytest.approx(0.095)


def test_the_alpha_of_reports_is_that_of_the_seed():
    first, again, other = (ASKING.with_group_sizes(ROWS, seed).alpha for seed in (3, 3, 4))
    assert first == again != other


def test_the_alphas_of_many_seeds_scatter_about_the_smallest_share_as_the_standard_error_says():
    """The least of estimates errs downwards, so groups of 800 rows and 200, which do not swap; 4 standard errors.

    Reports of N fixed rows have a variance of tau beta N, and tau - beta is 1/2: the error is (3 / 16 / N)^.5 / .5.
    """
    found = np.array([ASKING.with_group_sizes([800, 200], seed).alpha for seed in range(400)])
    error = (3 / 16 / 1000) ** 0.5 / 0.5
    assert found.mean() == pytest.approx(0.2, abs=4 * error / 20)
    assert found.std() == pytest.approx(error, rel=0.15)


def test_the_conservative_alpha_is_the_estimate_minus_the_radius():
    rows = [40 * n for n in ROWS]
    point, bound = (replace(ASKING, delta=delta).with_group_sizes(rows, 7).alpha for delta in (None, 0.05))
    assert bound == pytest.approx(point - radius(sum(rows), 4, LN3, 0.05))


def test_runs_are_trained_with_the_alpha_of_their_own_seed_alone_and_side_by_side():
    """The estimate is of the training rows; of 150 rows it is often below 0, hence the larger epsilon."""
    rows = data()
    asking = replace(ASKING, epsilon=3.0)
    expected = [asking.with_group_sizes(rows.train.s.bincount().tolist(), seed).alpha for seed in (0, 1, 2)]
    together = alphas([asking] * 3, [0, 1, 2], rows)
    alone = [alphas([asking], [seed], rows)[0] for seed in (0, 1, 2)]
    assert together == alone == pytest.approx(expected, rel=1e-6)
    assert len(set(expected)) > 1


def test_epsilon_may_differ_between_runs_side_by_side():
    rows = data()
    found = alphas([replace(ASKING, epsilon=epsilon) for epsilon in (1.0, 1000.0)], [0, 0], rows)
    assert found[1] == pytest.approx(rows.train.s.bincount().min().item() / 150) != found[0]


def test_irw_logs_the_alpha_of_its_seed():
    irw = method("irw", "method.alpha_from=randomized_response", "method.epsilon=4")
    rows = data()
    (run,) = fit(MLP(6, 2, 4, 1, 0, None, 0.0), [irw], [5], rows, epochs=2, batch_size=64)
    expected = irw.with_group_sizes(rows.train.s.bincount().tolist(), 5).alpha
    assert expected != irw.alpha
    assert run.history["train/alpha"].tolist() == pytest.approx([expected] * 2, rel=1e-6)


NODE = {"_target_": f"{__name__}.Asking", "alpha": 0.5, "alpha_from": "randomized_response"} | {
    "epsilon": LN3,
    "optimizer": {"_target_": "fairrun.training.optim.SGD", "lr": 0.1},
}


def checked(train, **method):
    """What is said before a training with seed 0 whose training rows have groups of so many rows."""
    rates = {split: [[n, n // 2] for n in train] for split in ("train", "val", "test", "balanced")}
    facts = {"features": 3, "groups": ["s=0", "s=1"], "base_rates": rates, "tasks": [], "classes": [], "categories": []}
    check_data(
        OmegaConf.to_container(config(), resolve=True) | {"batch_size": 19, "method": NODE | {"delta": None} | method},
        facts,
    )


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"epsilon": 0}, r"^method.epsilon must be > 0, got 0$"),
        ({"delta": 1}, r"^method.delta must be null or in \(0, 1\), got 1$"),
        ({"delta": 0.0}, r"^method.delta must be null or in \(0, 1\), got 0.0$"),
        ({"epsilon": 1e3}, r"^batch_size must be >= 20 with method.alpha=0.05, got 19$"),
        ({"delta": 0.05}, "^method.delta must be such that the bound is above 0; of 100 reports .*, got 0.05$"),
    ],
)
def test_what_reports_cannot_say_is_refused_before_training(method, message):
    with pytest.raises(InputError, match=message):
        checked([95, 5], **method)


def test_reports_that_say_enough_are_not_refused():
    checked([50, 50])
    checked([5000, 5000], delta=0.05)
    checked([95, 5], alpha_from="given")
