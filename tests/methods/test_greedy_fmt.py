"""Greedy-FMT: which loss a task learns from, and how the tasks' weights move."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.method.steps import split
from fairrun.methods.greedy_fmt import GreedyFMT
from fairrun.methods.mtl_fair import FairMTL
from fairrun.training.binding import bind
from fairrun.training.optim import SGD, Adam
from tests.helpers.multitask import PLAIN, assert_same, start_of, stepped, whole
from tests.helpers.players import Still


def greedy(**changes):
    fields = {"optimizer": PLAIN, "fairness": "false_positive_rate", "reduction": "mean", "omega_lr": 0.01}
    return GreedyFMT(**fields | changes)


@dataclass(frozen=True)
class Given:
    """Losses of four rows in two tasks, linear in the parameters: l_it = x_it + u_it a + h_t b_t."""

    u: tuple = ((7.0, 1.0), (2.0, 3.0), (9.0, 5.0), (7.0, 7.0))
    h: tuple = (3.0, 2.0)

    def losses(self, theta, batch):
        u, h = (torch.tensor(v, dtype=torch.float64) for v in (self.u, self.h))
        b = torch.stack([theta["head.0.b"], theta["head.1.b"]], dim=-1)  # [R, 1, T]
        return batch.x + u * theta["shared.a"].unsqueeze(-1) + h * b


def rows(first, second):
    """Labels 0, 0, 1, 1 in both tasks, groups 0, 1, 0, 1, and these losses of each task at a = b = 0."""
    x = torch.tensor([first, second], dtype=torch.float64).T[None]
    y = torch.tensor([[[0, 0], [0, 0], [1, 1], [1, 1]]], dtype=torch.float64)
    return Batch(x, y, torch.arange(4)[None], torch.ones(1, 4).double(), torch.tensor([[0, 1, 0, 1]]))


FIRST = rows((1, 3, 1.5, 0.5), (1.5, 0.5, 4, 2))


def start(choice):
    bound = bind([choice], torch.float64)
    theta = {name: torch.zeros(1, 1).double() for name in ("shared.a", "head.0.b", "head.1.b")}
    return bound, bound.init(Given(), theta, FIRST)


def test_a_step_by_hand():
    """Task 0: L = 1.5 < F = max(1, 3), row 1's: gradients 2 and 3.  Task 1: L = 2 > F = max(1.5, .5): means, 4 and 2.

    omega = (1/2, 1/2): a moves by 1/2 (2 + 4), the heads by 3/2 and 1.  G = (1, 2) has mean 1.5, rho = (1, 1): signs
    (-1, 1), slopes (-2, 4), omega = (.5 + .02, .5 - .04) / .98.
    """
    bound, state = start(greedy())
    state, logs = bound.update(Given(), state, FIRST)
    assert [-state.theta[name].item() for name in ("shared.a", "head.0.b", "head.1.b")] == pytest.approx([3, 1.5, 1])
    assert state.omega[0].tolist() == pytest.approx([0.52 / 0.98, 0.46 / 0.98])
    assert state.start[0].tolist() == [3, 2]
    assert {name: log.item() for name, log in logs.items()} == pytest.approx(
        {"loss": 1.75, "unfairness": 2.25, "fairness_first": 0.5, "omega/t=0": 0.5, "omega/t=1": 0.5}
    )


def test_a_task_that_has_come_further_gets_less_weight():
    """A second step where nothing has moved: task 0's loss is half of its first, rho = (.5, 1) / .75 = (2/3, 4/3).

    omega = (26, 23) / 49: G = (52, 92) / 49 with mean 72 / 49 against (48, 96) / 49: signs (1, -1), their mean with rho
    -1/3; slopes 2 (1 + 1/3) and 4 (-1 + 1/3).
    """
    bound, state = start(greedy(optimizer=Still()))
    for batch in (FIRST, rows((0.5, 1.5, 0.75, 0.25), (1.5, 0.5, 4, 2))):
        state, _ = bound.update(Given(), state, batch)
    assert state.start[0].tolist() == [3, 2]
    assert state.omega[0].tolist() == pytest.approx([26 / 49 - 0.08 / 3, 23 / 49 + 0.08 / 3])


def test_equalized_odds_adds_the_worst_group_of_class_1():
    """Task 0: F = 3 + 1.5 of rows 1 and 2, gradient 2 + 9; task 1: F = 1.5 + 4 of rows 0 and 2, 1 + 5.  Heads: h."""
    bound, state = start(greedy(fairness="equalized_odds"))
    state, _ = bound.update(Given(), state, FIRST)
    assert state.start[0].tolist() == [4.5, 5.5]
    assert [-state.theta[name].item() for name in ("shared.a", "head.0.b", "head.1.b")] == pytest.approx([8.5, 3, 2])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("fairness", ["false_positive_rate", "equalized_odds"])
@pytest.mark.parametrize("num_tasks", [2, 3])
def test_a_step_is_along_the_larger_losses_written_out(num_tasks, fairness, reduction):
    """Three groups, padding, a real network; equal weights of the tasks."""
    batch, choice = whole(num_tasks), greedy(fairness=fairness, reduction=reduction)
    ours, logs = stepped([choice], batch)
    _, model, state = start_of([choice], batch)
    theta = {name: p.clone().requires_grad_() for name, p in state.theta.items()}
    real, s = batch.w[0] > 0, batch.s[0]
    logits = model.network.logits(theta, batch.x)[0]
    larger, fair = [], 0
    for t in range(num_tasks):
        y = batch.y[0, :, t]
        losses = F.binary_cross_entropy_with_logits(logits[:, t], y, reduction="none")
        worst = [max(losses[real & (y == label) & (s == g)].mean() for g in range(3)) for label in (0, 1)]
        unfairness = worst[0] + (worst[1] if fairness == "equalized_odds" else 0)
        larger.append(max(losses[real].mean(), unfairness))
        fair += (larger[-1] == unfairness).item() / num_tasks
    objective = sum(larger) / num_tasks * (real.sum() if reduction == "sum" else 1)
    expected = dict(zip(theta, torch.autograd.grad(objective, [*theta.values()]), strict=True))
    assert_same(ours, expected)
    assert logs["fairness_first"].item() == pytest.approx(fair)


def test_with_equalized_odds_fairness_is_always_chosen():
    batch = whole(3)
    for k in range(6):
        _, logs = stepped([greedy(fairness="equalized_odds")], batch._replace(w=batch.w * (batch.i % 6 == k)))
        assert logs["fairness_first"].item() == 1


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_where_fairness_never_is_the_larger_loss_and_weights_stay_it_is_mtl(reduction):
    """No row has label 0: F = 0."""
    adam, batch = Adam(1e-2, 0.9, 0.999, 1e-8), whole(3)
    batch = batch._replace(y=torch.ones_like(batch.y))
    choices = [greedy(optimizer=adam, reduction=reduction, omega_lr=0.0), FairMTL(adam, 0.0, 1 / 3, None, reduction)]
    final = []
    for choice in choices:
        bound, model, state = start_of([choice], batch)
        for step in range(5):
            state, _ = bound.update(model, state, batch._replace(w=batch.w * ((batch.i + step) % 3 > 0)))
        final.append(state.theta)
    assert_same(*final, tolerance=1e-12)


@pytest.mark.parametrize("omega_lr", [0.0, 0.01, 1e3])
def test_weights_are_positive_and_sum_to_1_whatever_their_step(omega_lr):
    bound, model, state = start_of([greedy(optimizer=SGD(0.1, 0.0, 0.0), omega_lr=omega_lr)], whole(3))
    for _ in range(10):
        state, _ = bound.update(model, state, whole(3))
        assert (state.omega > 0).all()
        assert state.omega.sum().item() == pytest.approx(1)
    assert (state.omega == 1 / 3).all() == (omega_lr == 0)


def test_every_run_of_a_stack_has_weights_of_its_own():
    together, _ = stepped([greedy(), greedy(omega_lr=0.5)], whole(2, 2))
    alone, _ = stepped([greedy()], whole(2))
    assert_same({name: g[:1] for name, g in together.items()}, alone)
    assert split(together, "head.")[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fairness": "fpr"}, "fairness must be one of equalized_odds, false_positive_rate, got 'fpr'"),
        ({"reduction": "max"}, "reduction must be one of mean, sum, got 'max'"),
        ({"omega_lr": -1.0}, "omega_lr must be >= 0, got -1.0"),
    ],
)
def test_bad_values_are_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        greedy(**changes)
