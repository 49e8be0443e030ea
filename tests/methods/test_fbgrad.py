"""FBGrad: which fairness losses are left out, and how their gradients are turned."""

from dataclasses import dataclass

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.method.steps import flatten, split, unflatten
from fairrun.methods.fbgrad import FBGrad
from fairrun.methods.mtl_fair import FairMTL
from fairrun.training.binding import bind
from fairrun.training.optim import Adam
from tests.helpers.multitask import PLAIN, assert_same, gradient_of, start_of, stepped, whole


def fbgrad(**changes):
    fields = {"optimizer": PLAIN, "lam": 1.0, "task_weight": 0.5, "fairness_loss": "mmd", "reduction": "mean"}
    return FBGrad(**fields | changes)


def mtl(**changes):
    return FairMTL(**{"optimizer": PLAIN, "fairness_loss": None, "lam": 0.0} | changes)


def mtl_fair(**changes):
    return FairMTL(**{"optimizer": PLAIN} | changes)


@dataclass(frozen=True)
class Line:
    """Two tasks with scores x_i (<u_t, a> + b_t) and losses 5 + a_0 + a_1 + e_t b_t: a is shared, b_t task t's head."""

    u: tuple = ((3.0, -1.0), (-1.0, 2.0))
    e: tuple = (2.0, 2.0)

    def losses_and_scores(self, theta, batch):
        a, u, e = theta["shared.a"], torch.tensor(self.u).double(), torch.tensor(self.e).double()
        b = torch.stack([theta["head.0.b"], theta["head.1.b"]], dim=-1)  # [R, 1, T]
        return 5 + a.sum(-1)[:, None, None] + e * b + 0 * batch.x, batch.x * ((a @ u.T).unsqueeze(1) + b)


def gradient_on_line(choice, model):
    """From a = (1, 1), b = (1, 1), on a row with x = 0 and one with x = 1 of the other group: F_t = <u_t, a> + b_t."""
    batch = Batch(torch.tensor([[[0.0], [1.0]]]).double(), torch.zeros(1, 2, 2).double(), torch.tensor([[0, 1]]), None)
    batch = batch._replace(w=torch.ones(1, 2).double(), sensitive=torch.tensor([[0, 1]]))
    theta = {"shared.a": torch.ones(1, 2).double(), "head.0.b": torch.ones(1, 1).double()}
    theta["head.1.b"] = torch.ones(1, 1).double()
    bound = bind([choice], torch.float64)
    state, logs = bound.update(model, bound.init(model, theta, batch), batch)
    return [(theta[name] - state.theta[name])[0].tolist() for name in theta], logs


def test_two_tasks_in_conflict_by_hand():
    """lam = (1, 2): g = (3, -1) and (-2, 4), <g_0, g_1> = -10, lengths^2 10 and 20.  Heads: e_t > 0, no conflict.

    p_0 = (3, -1) + 1/2 (-2, 4) = (2, 1), p_1 = (-2, 4) + (3, -1) = (1, 3), and (1, 1) of the L_t.  Heads 1 + lam_t.
    """
    grads, logs = gradient_on_line(fbgrad(lam=[1.0, 2.0], fairness_loss="demographic_parity"), Line())
    assert grads == [pytest.approx([4, 5]), pytest.approx([2]), pytest.approx([3])]
    assert logs["left_out"].item() == 0
    assert logs["loss"].item() == pytest.approx(9)
    assert logs["unfairness"].item() == pytest.approx((3 + 2) / 2)


def test_a_fairness_loss_against_its_own_tasks_loss_is_left_out():
    """e_1 = -2: on head 1 L falls as b_1 rises, F_1 rises.  lam_1 = 0: g_0 meets no other, p_1 = 0."""
    choice = fbgrad(lam=[1.0, 2.0], fairness_loss="demographic_parity")
    grads, logs = gradient_on_line(choice, Line(e=(2.0, -2.0)))
    assert grads == [pytest.approx([1 + 3, 1 - 1]), pytest.approx([2]), pytest.approx([-1])]
    assert logs["left_out"].item() == 0.5


def test_the_sum_is_the_mean_times_the_rows():
    given = {"lam": [1.0, 2.0], "fairness_loss": "demographic_parity"}
    mean, total = (gradient_on_line(fbgrad(reduction=r, **given), Line())[0] for r in ("mean", "sum"))
    assert total == [pytest.approx([2 * v for v in values]) for values in mean]


def test_without_conflicts_it_is_mtl_fair():
    given, model = {"lam": [1.0, 2.0], "fairness_loss": "demographic_parity"}, Line(u=((3.0, 1.0), (1.0, 2.0)))
    ours, theirs = (gradient_on_line(make(**given), model)[0] for make in (fbgrad, mtl_fair))
    assert ours == [pytest.approx(values) for values in theirs]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_without_weight_of_fairness_it_is_mtl(reduction):
    adam, batch, final = Adam(1e-2, 0.9, 0.999, 1e-8), whole(3), []
    given = {"optimizer": adam, "reduction": reduction, "task_weight": [0.5, 0.3, 0.2]}
    for choice in (fbgrad(lam=0.0, **given), mtl(**given)):
        bound, model, state = start_of([choice], batch)
        for step in range(5):
            state, _ = bound.update(model, state, batch._replace(w=batch.w * ((batch.i + step) % 3 > 0)))
        final.append(state.theta)
    assert_same(*final, tolerance=1e-12)


@pytest.mark.parametrize("name", ["mmd", "correlation", "demographic_parity", "step_gap"])
@pytest.mark.parametrize(("num_tasks", "seed"), [(2, 5), (3, 5), (3, 21)])
def test_a_step_is_its_box_written_out(num_tasks, seed, name):
    """Three groups, padding, a real network.  Gradients of single losses from mtl_fair with all other weights at 0."""
    batch, lam = whole(num_tasks), [1.5, 0.4, 2.0][:num_tasks]
    none, choice = [0.0] * num_tasks, fbgrad(fairness_loss=name, lam=lam)
    heads, shared, fair = [], 0, []
    for t in range(num_tasks):
        only = [float(k == t) for k in range(num_tasks)]
        L_head, L_shared = gradient_of(mtl_fair(fairness_loss=name, task_weight=only, lam=none), batch, seed)
        F_head, F_shared = gradient_of(mtl_fair(fairness_loss=name, task_weight=none, lam=only), batch, seed)
        kept = lam[t] if (flatten(L_head) * flatten(F_head)).sum() >= 0 else 0.0  # other heads' gradients are 0
        heads.append(0.5 * flatten(L_head) + kept * flatten(F_head))
        shared = shared + 0.5 * flatten(L_shared)
        fair.append(kept * flatten(F_shared))
    for t in range(num_tasks):
        p = fair[t]
        for k in [*range(t + 1, num_tasks), *range(t)]:
            if (inner := (p * fair[k]).sum()) < 0:
                p = p - inner / fair[k].square().sum() * fair[k]
        shared = shared + p
    ours_heads, ours_shared = gradient_of(choice, batch, seed)
    assert_same(ours_heads, unflatten(sum(heads), ours_heads))
    assert_same(ours_shared, unflatten(shared, ours_shared))


@pytest.mark.parametrize(("seed", "left_out"), [(5, 2 / 3), (21, 0)])
def test_conflicts_of_both_kinds_are_met_in_the_box_written_out(seed, left_out):
    """Some fairness losses are left out, others turned: with seed 21 task 1's by both others, so that order counts."""
    given = {"fairness_loss": "demographic_parity", "lam": [1.5, 0.4, 2.0]}
    ours, logs = stepped([fbgrad(**given)], whole(3), seed)
    assert logs["left_out"].item() == pytest.approx(left_out)
    assert not torch.allclose(flatten(ours), flatten(stepped([mtl_fair(**given)], whole(3), seed)[0]), atol=1e-3)


def test_every_run_of_a_stack_meets_its_own_conflicts():
    choices = [fbgrad(fairness_loss="correlation"), fbgrad(fairness_loss="correlation", lam=[3.0, 0.1])]
    together, _ = stepped(choices, whole(2, 2))
    alone, _ = stepped(choices[:1], whole(2))
    assert_same({name: g[:1] for name, g in together.items()}, alone)
    assert split(together, "head.")[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lam": [1.0, -1.0]}, r"lam must be >= 0, every number of the list, got \[1.0, -1.0\]"),
        ({"fairness_loss": "fpr"}, "fairness_loss must be one of mmd, mmd_authors, correlation"),
        ({"reduction": "max"}, "reduction must be one of mean, sum, got 'max'"),
    ],
)
def test_bad_values_are_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        fbgrad(**changes)
