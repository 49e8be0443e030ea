"""Adversarial learning and LAFTR: their steps by hand, who moves whom, and what the adversary is for."""

import dataclasses

import pytest
import torch

from fairrun.method.api import Batch
from fairrun.method.rows import mean
from fairrun.method.steps import gradient, split
from fairrun.methods.adversarial import Adversarial, projection
from fairrun.methods.erm import ERM
from fairrun.methods.laftr import LAFTR
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import SGD, Adam
from tests.helpers.quick import few
from tests.helpers.synthetic import data

NETWORK = MLP(num_features=6, num_classes=2, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0)
MODEL = Classifier(NETWORK)
ADAM = Adam(lr=1e-2, b1=0.9, b2=0.999, eps=1e-8)
PLAIN = SGD(lr=1.0, momentum=0.0, weight_decay=0.0)
SLOW = SGD(lr=0.1, momentum=0.0, weight_decay=0.0)
ZHANG = Adversarial(PLAIN, PLAIN, 1.0, "demographic_parity")
MADRAS = LAFTR(PLAIN, PLAIN, 1.0, "demographic_parity", "absolute", 4, 1)


class Logits:
    """A model whose parameters are the rows' logits, which are their representations too."""

    def losses_and_scores(self, theta, batch):
        z = theta["z"]
        return torch.nn.functional.binary_cross_entropy_with_logits(z, batch.y, reduction="none"), torch.sigmoid(z)

    def losses(self, theta, batch):
        return self.losses_and_scores(theta, batch)[0]

    def scores(self, theta, batch):
        return torch.sigmoid(theta["z"])

    def representation(self, theta, batch):
        return theta["z"].unsqueeze(-1)


def rows_of(s, y, num_groups=2):
    s, y = torch.tensor([s]), torch.tensor([y], dtype=torch.float64)
    x = torch.zeros(1, s.shape[1], 1, dtype=torch.float64)
    return Batch(x, y, torch.arange(s.shape[1])[None], torch.ones_like(y), s, num_groups=num_groups)


def whole(num_groups=3):
    rows = data(num_groups).train
    batch = (rows.x, rows.y, torch.arange(len(rows.y)), torch.ones_like(rows.y), rows.s)
    return Batch(*(v.unsqueeze(0) for v in batch), num_groups=num_groups)


def start(method, seed=0, num_groups=3):
    """A bound method, the state before the first step, and the whole training set."""
    bound, generators, batch = bind([method], torch.float64), [torch.Generator().manual_seed(seed)], whole(num_groups)
    theta = NETWORK.init(generators)
    theta |= bound.draw(theta, num_groups, generators)
    return bound, bound.init(MODEL, theta, batch), batch


def later(method, steps=5):
    """As ``start``, a few steps later."""
    bound, state, batch = start(method)
    for _ in range(steps):
        state, _ = bound.update(MODEL, state, batch)
    return bound, state, batch


def trained(methods, epochs=3, rows=None):
    return fit(NETWORK, methods, [0] * len(methods), rows or data(), epochs=epochs, batch_size=32, dtype=torch.float64)


def change(method, **fields):
    return dataclasses.replace(method, **fields)


def moved(before, after):
    return {name: before[name] - after[name] for name in before}


def inner(a, b):
    return sum((a[name] * b[name]).sum() for name in a).item()


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


# adversarial


def test_a_step_of_the_predictor_by_hand():
    """y_hat = (1/2, 1/2), y = z = (0, 1), c = 1: s = 1/2, ds/dlogit = 2 * 1/4.  U = (-1, 1), b = 0: P(z = 1) = q.

    g_P = (1, -1) / 4.  dL_A/ds = 2 q and 2 (q - 1), so g_A = (q, q - 1) / 2, q = sigma(1) = .731.
    <g_P, g_A> = 1/8, <g_A, g_A> = (q^2 + (1 - q)^2) / 4;  the step is g_P - (1/8 / <g_A, g_A> + alpha) g_A.
    """
    batch = rows_of([0, 1], [0, 1])
    bound = bind([change(ZHANG, alpha=0.5)], torch.float64)
    state = bound.init(Logits(), {"z": torch.zeros(1, 2, dtype=torch.float64)}, batch)
    U = torch.tensor([[[-1.0], [1.0]]], dtype=torch.float64)
    after, _ = bound.update(Logits(), state._replace(adversary=state.adversary | {"U": U}), batch)
    q = 1 / (1 + torch.e**-1)
    factor = 0.125 / ((q**2 + (1 - q) ** 2) / 4) + 0.5
    assert (-after.theta["z"][0]).tolist() == pytest.approx([0.25 - factor * q / 2, -0.25 - factor * (q - 1) / 2])


def test_a_step_of_the_adversary_by_hand():
    """From U = b = 0 at y_hat = 1/2: dL_A/dz_hat_k = (1/2 - 1[z = k]) / 2 a row; with z = (0, 0, 1), its mean over
    rows is (-1/6, 1/6) for b, half of that for U, as s = 1/2; and nothing for c, as U = 0.
    """
    batch = rows_of([0, 0, 1], [0, 1, 1])
    bound = bind([ZHANG], torch.float64)
    state = bound.init(Logits(), {"z": torch.zeros(1, 3, dtype=torch.float64)}, batch)
    adversary = bound.update(Logits(), state, batch)[0].adversary
    assert adversary["b"].flatten().tolist() == pytest.approx([1 / 6, -1 / 6])
    assert adversary["U"].flatten().tolist() == pytest.approx([1 / 12, -1 / 12])
    assert adversary["c"].item() == 1


def test_without_alpha_the_step_is_orthogonal_to_the_adversarys_gradient():
    bound, state, batch = later(change(ZHANG, optimizer=PLAIN, alpha=0.0))
    g_a, _ = gradient(
        lambda theta: bound._adversary_loss(state.adversary, MODEL.scores(theta, batch), batch), state.theta
    )
    g_p, _ = gradient(lambda theta: mean(MODEL.losses(theta, batch), batch.w), state.theta)
    step = moved(state.theta, bound.update(MODEL, state, batch)[0].theta)
    assert abs(inner(g_p, g_a)) > 1e-5
    assert inner(step, g_a) == pytest.approx(0, abs=1e-14)
    assert inner(step, step) == pytest.approx(inner(step, g_p))  # the shortest change of g_p that is orthogonal


def test_alpha_adds_the_adversarys_gradient_times_itself():
    states = {}
    for alpha in (0.0, 2.0):
        bound, state, batch = later(change(ZHANG, alpha=0.0))
        bound = bind([change(ZHANG, alpha=alpha)], torch.float64)
        states[alpha] = bound.update(MODEL, state, batch)[0].theta
    g_a, _ = gradient(
        lambda theta: bound._adversary_loss(state.adversary, MODEL.scores(theta, batch), batch), state.theta
    )
    for name, difference in moved(states[2.0], states[0.0]).items():
        torch.testing.assert_close(difference, 2 * g_a[name], rtol=1e-10, atol=1e-15)


def test_every_run_is_projected_alone_and_a_gradient_of_0_projects_to_0():
    v = {"a": torch.tensor([[3.0, 4.0], [1.0, 1.0]]), "b": torch.tensor([[0.0], [2.0]])}
    g = {"a": torch.tensor([[2.0, 0.0], [0.0, 0.0]]), "b": torch.tensor([[0.0], [0.0]])}
    assert projection(v, g)["a"].tolist() == [[3.0, 0.0], [0.0, 0.0]]
    assert projection(v, g)["b"].tolist() == [[0.0], [0.0]]


def test_against_an_adversary_that_knows_nothing_the_step_is_that_of_erm():
    (bound, state, batch), (erm, erm_state, _) = start(ZHANG), start(ERM(PLAIN))
    assert_equal(bound.update(MODEL, state, batch)[0].theta, erm.update(MODEL, erm_state, batch)[0].theta)


@pytest.mark.parametrize("goal", ["demographic_parity", "equalized_odds"])
def test_neither_of_predictor_and_adversary_moves_the_other(goal):
    method = change(ZHANG, goal=goal)
    bound, state, batch = later(method)
    after, _ = bound.update(MODEL, state, batch)
    other = bind([change(method, adversary_optimizer=SLOW)], torch.float64).update(MODEL, state, batch)[0]
    assert_equal(after.theta, other.theta)
    other = bind([change(method, optimizer=SLOW, alpha=0.0)], torch.float64).update(MODEL, state, batch)[0]
    assert_equal(after.adversary, other.adversary)


@pytest.mark.slow
def test_more_alpha_leaves_less_of_the_groups_in_the_scores():
    methods = [Adversarial(ADAM, ADAM, alpha, "demographic_parity") for alpha in (0.0, 0.3, 3.0)]
    runs = trained(methods, epochs=40)
    gaps = [run.history["test/soft_demographic_parity_difference"].iloc[-10:].mean() for run in runs]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.75 * gaps[0]


@pytest.mark.parametrize(("goal", "is_met"), [("demographic_parity", False), ("equalized_odds", True)])
def test_where_the_goal_is_met_the_best_adversary_has_no_gradient(goal, is_met):
    """Scores that depend on the group as the labels do, and given the label not at all."""
    y = torch.tensor([1] * 4 + [0] * 16 + [1] * 16 + [0] * 4)
    batch = rows_of([0] * 20 + [1] * 20, y.tolist())
    theta = {"z": batch.y + torch.tensor([-1.0, 1.0]).repeat(20)}
    bound = bind([change(ZHANG, goal=goal)], torch.float64)
    adversary = bound.init(Logits(), theta, batch).adversary
    best = {name: p.clone().requires_grad_() for name, p in adversary.items() if name != "c"}

    def guess(theta):
        return bound._adversary_loss(best | {"c": adversary["c"]}, Logits().scores(theta, batch), batch)

    search = torch.optim.LBFGS(best.values(), max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure():
        search.zero_grad()
        loss = guess(theta).sum()
        loss.backward()
        return loss

    search.step(closure)
    assert (gradient(guess, theta)[0]["z"].abs().max() < 1e-5) == is_met


# LAFTR


def test_without_gamma_laftr_is_erm_bit_for_bit():
    """So the adversary is drawn after the network, and moves nothing."""
    ours, theirs = trained([change(MADRAS, optimizer=ADAM, gamma=0.0)]), trained([ERM(ADAM)])
    assert_equal(ours[0].theta, theirs[0].theta)


@pytest.mark.parametrize(("goal", "expected"), [("demographic_parity", 2.0), ("equalized_odds", 4.0)])
def test_an_adversary_that_knows_nothing_has_the_error_of_chance(goal, expected):
    """S - 1 of 3 groups, and that of both labels; whatever their sizes."""
    bound, state, batch = start(change(MADRAS, goal=goal))
    assert bound.update(MODEL, state, batch)[1]["adversary_error"].item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", ["absolute", "cross_entropy"])
def test_the_adversarys_error_by_hand(loss):
    """Z = 1 and 3; one hidden unit 2 Z - 1, so 1 and 5; guesses (0, log 3) and (0, 5 log 3): h_1 = 3/4 and 243/244.

    s = (0, 0, 1) with Z = (1, 3, 3): group 0 has the mean of two errors, group 1 one.
    """
    batch = rows_of([0, 0, 1], [0, 0, 0])
    bound = bind([change(MADRAS, adversary_width=1, adversary_loss=loss)], torch.float64)
    adversary = {
        "adversary.hidden.weight": torch.tensor([[[2.0]]], dtype=torch.float64),
        "adversary.hidden.bias": torch.tensor([[[-1.0]]], dtype=torch.float64),
        "adversary.guess.weight": torch.tensor([[[0.0, 3.0]]], dtype=torch.float64).log().nan_to_num(neginf=0.0),
    }
    state = bound.init(Logits(), adversary | {"z": torch.tensor([[1.0, 3.0, 3.0]], dtype=torch.float64)}, batch)
    h = torch.tensor([1 / 4, 1 / 244, 243 / 244], dtype=torch.float64)  # of each row's own group
    errors = 1 - h if loss == "absolute" else -h.log()
    expected = (errors[0] + errors[1]) / 2 + errors[2]
    assert bound.update(Logits(), state, batch)[1]["adversary_error"].item() == pytest.approx(expected.item())


def test_encoder_and_classifier_take_one_step_on_loss_minus_gamma_times_error():
    bound, state, batch = later(change(MADRAS, gamma=0.7))
    after, _ = bound.update(MODEL, state, batch)

    def objective(theta):
        error = bound._error(state.adversary, MODEL.representation(theta, batch), batch)
        return mean(MODEL.losses(theta, batch), batch.w) - 0.7 * error

    for name, step in moved(state.theta, after.theta).items():
        torch.testing.assert_close(step, gradient(objective, state.theta)[0][name], rtol=1e-10, atol=1e-15)


def test_the_adversary_takes_its_steps_on_what_the_encoder_has_become():
    method = change(MADRAS, adversary_steps=2)
    bound, state, batch = later(method)
    after, _ = bound.update(MODEL, state, batch)
    z, adversary = MODEL.representation(after.theta, batch), state.adversary
    for _ in range(2):
        g, _ = gradient(lambda a: bound._error(a, z, batch), adversary)
        adversary = {name: adversary[name] - g[name] for name in adversary}
    for name, value in adversary.items():
        torch.testing.assert_close(after.adversary[name], value, rtol=1e-10, atol=1e-15)


def test_neither_of_encoder_and_adversary_moves_the_other():
    bound, state, batch = later(MADRAS)
    after, _ = bound.update(MODEL, state, batch)
    for fields in ({"adversary_optimizer": SLOW}, {"adversary_steps": 3}):
        other = bind([change(MADRAS, **fields)], torch.float64).update(MODEL, state, batch)[0]
        assert_equal(after.theta, other.theta)
    assert not any(name.startswith("adversary.") for name in after.theta)


def test_the_adversary_is_drawn_by_each_runs_own_seed():
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    theta = {"classifier.weight": torch.zeros(2, 8, 1)}
    both = MADRAS.draw(theta, 3, generators)
    alone = MADRAS.draw({"classifier.weight": torch.zeros(1, 8, 1)}, 3, [torch.Generator().manual_seed(6)])
    for name, p in both.items():
        assert name.startswith("adversary.") and p.dtype == torch.float64
        assert torch.equal(p[1], alone[name][0])
    assert not torch.equal(both["adversary.hidden.weight"][0], both["adversary.hidden.weight"][1])


def test_a_linear_model_has_no_representation_to_change():
    linear = MLP(
        num_features=6, num_classes=2, width=8, depth=0, fairness_layers=0, fairness_position=None, dropout=0.0
    )
    methods = [change(MADRAS, optimizer=ADAM, gamma=gamma) for gamma in (0.0, 5.0)]
    first, second = fit(linear, methods, [0, 0], data(), epochs=2, batch_size=32, dtype=torch.float64)
    assert_equal(first.theta, second.theta)


@pytest.mark.parametrize("loss", few(["absolute", "cross_entropy"], 1))
def test_more_gamma_leaves_less_of_the_groups_in_the_scores(loss):
    methods = [LAFTR(ADAM, ADAM, gamma, "demographic_parity", loss, 8, 2) for gamma in (0.0, 0.3, 1.0)]
    runs = trained(methods, epochs=40)
    gaps = [run.history["test/soft_demographic_parity_difference"].iloc[-10:].mean() for run in runs]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.75 * gaps[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: change(ZHANG, alpha=-1.0), "alpha must be >= 0, got -1.0"),
        (lambda: change(ZHANG, goal="parity"), "goal must be one of demographic_parity, equalized_odds, got 'parity'"),
        (lambda: change(MADRAS, gamma=-1.0), "gamma must be >= 0, got -1.0"),
        (lambda: change(MADRAS, goal="parity"), "goal must be one of demographic_parity, equalized_odds, got 'parity'"),
        (lambda: change(MADRAS, adversary_loss="l2"), "adversary_loss must be one of absolute, cross_entropy"),
        (lambda: change(MADRAS, adversary_width=0), "adversary_width must be >= 1, got 0"),
        (lambda: change(MADRAS, adversary_steps=0), "adversary_steps must be >= 1, got 0"),
    ],
)
def test_bad_values_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parameters_are_split_by_the_start_of_their_names():
    theta = {"adversary.a": torch.ones(1), "base.adversary.b": torch.zeros(1), "c": torch.zeros(1)}
    inside, outside = split(theta, "adversary.")
    assert (list(inside), list(outside)) == (["adversary.a"], ["base.adversary.b", "c"])
