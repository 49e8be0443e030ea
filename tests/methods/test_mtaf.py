"""MTA-F and what it is compared with: who moves by which gradient, against the formulas written out one by one."""

import dataclasses
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from fairrun.config.check import InputError
from fairrun.method import bargaining
from fairrun.method.api import Batch
from fairrun.method.losses import LOSSES, step_gap
from fairrun.method.multitask import Combine
from fairrun.method.steps import flatten, split, unflatten
from fairrun.methods.mtaf import MTAF
from fairrun.methods.mtl_fair import FairMTL
from fairrun.methods.stl import STL
from fairrun.models.functional import Classifier
from fairrun.training.binding import bind
from fairrun.training.optim import SGD, Adagrad, Adam
from tests.helpers.multitask import PLAIN, assert_same, gradient_of, network_of, start_of, stepped, whole

VARIANTS = ("algorithm1", "authors")
REDUCTION = {"algorithm1": "mean", "authors": "sum"}
F_NAMES = ("mmd", "correlation", "demographic_parity", "step_gap", "mmd_authors")
WEIGHTS = {2: [0.7, 0.3], 3: [0.5, 0.3, 0.2]}
LAMS = {2: [1.5, 0.4], 3: [1.5, 0.4, 0.9]}
RATIOS = {2: [0.6, 2.0], 3: [0.6, 2.0, 1.3]}


def mtl(variant="algorithm1", **changes):
    return mtl_fair(variant, **{"fairness_loss": None, "lam": 0.0} | changes)


def mtl_fair(variant="algorithm1", **changes):
    return FairMTL(**{"optimizer": PLAIN, "reduction": REDUCTION[variant]} | changes)


def mtaf(variant="algorithm1", **changes):
    fields = {"optimizer": PLAIN, "lam": 1.0, "r": 1.0, "task_weight": 0.5, "fairness_loss": "mmd"}
    return MTAF(**fields | {"variant": variant, "combine": "sum"} | changes)


# The formulas, of one run and with only the real rows


def fairness(name, p, s, y_t, chosen):
    """F of the scores on the rows of a set, by a batch of just these rows."""
    rows = Batch(p[None, chosen, None], y_t[None, chosen], chosen.nonzero().T, torch.ones(1, int(chosen.sum())))
    rows = rows._replace(w=rows.w.double(), sensitive=s[None, chosen], num_groups=3)
    if name == "step_gap":
        return rows, None
    return rows, LOSSES[name](p[None, chosen], rows)[0]


def parts(name, logits, batch, rates):
    """L_t as sums, F(N_t), F(E_t), |N_t| and |E_t| of every task, each [T]."""
    y, s, p = batch.y[0], batch.s[0], torch.sigmoid(logits)
    num_tasks = y.shape[-1]
    columns = []
    for t in range(num_tasks):
        negative = y[:, t] == 0
        exclusive = negative.clone()
        for k in range(num_tasks):
            if k != t:
                exclusive &= y[:, k] == 1
        values = []
        for chosen in (negative, exclusive):
            rows, value = fairness(name, p[:, t], s, y[:, t], chosen)
            values.append(step_gap(p[None, chosen, t], rows, rates[t : t + 1])[0] if value is None else value)
        loss = F.binary_cross_entropy_with_logits(logits[:, t], y[:, t], reduction="sum")
        columns.append([loss, *values, negative.sum(), exclusive.sum()])
    return [torch.stack([column[k] for column in columns]) for k in range(5)]


def objectives(choice, logits, batch, rates):
    """What head t minimises, and what of task t the shared parameters minimise, [T] each, by the docstrings."""
    num_tasks = batch.y.shape[-1]
    if isinstance(choice, STL) or (isinstance(choice, FairMTL) and choice.fairness_loss is None):
        L = parts("mmd", logits, batch, rates)[0] / (1 if choice.reduction == "sum" else batch.y.shape[1])
        L = L if isinstance(choice, STL) else numbers(choice.task_weight, num_tasks) * L
        return L, L
    L, F_N, F_E, size_N, size_E = parts(choice.fairness_loss, logits, batch, rates)
    w, lam = numbers(choice.task_weight, num_tasks), numbers(choice.lam, num_tasks)
    variant = choice.variant if isinstance(choice, MTAF) else VARIANTS[choice.reduction == "sum"]
    if variant == "authors":
        F_N, F_E, lam = size_N * F_N, size_E * F_E, w * lam
    else:
        L = L / batch.y.shape[1]
    if isinstance(choice, FairMTL):
        return w * L + lam * F_N, w * L + lam * F_N
    r = numbers(choice.r, num_tasks)
    return w * L + lam * r * F_E, w * L + lam * (F_N - (r if variant == "authors" else 1) * F_E)


def numbers(value, num_tasks):
    return torch.tensor(value if isinstance(value, list) else [value] * num_tasks, dtype=torch.float64)


def real_rows(batch, r=0):
    """The real rows of run ``r`` as a batch of their own."""
    real = batch.w[r] > 0
    x, y, i, w, s = (v[r : r + 1, real] for v in (batch.x, batch.y, batch.i, batch.w, batch.s))
    return Batch(x, y, i, w, s, num_groups=batch.num_groups)


def plain_gradients(choice, theta, batch, rates):
    """A backward pass for every head on its own objective, and one for all else on the sum of the tasks'."""
    num_tasks = batch.y.shape[-1]
    leaves = {name: p.clone().requires_grad_() for name, p in theta.items()}
    logits = network_of(num_tasks).logits(leaves, batch.x)[0]
    heads, shared = objectives(choice, logits, batch, rates)
    _, common = split(leaves, "head.")
    grads = dict(zip(common, torch.autograd.grad(shared.sum(), [*common.values()], retain_graph=True), strict=True))
    for t in range(num_tasks):
        own, _ = split(leaves, f"head.{t}.")
        grads |= dict(zip(own, torch.autograd.grad(heads[t], [*own.values()], retain_graph=True), strict=True))
    return {name: grads[name] for name in theta}


def assert_gradients_are_plain(choices, batch):
    """Of a stack: every run's, from its own rows."""
    _, _, state = start_of(choices, batch)
    ours, _ = stepped(choices, batch)
    rates = batch.y[0].mean(0)
    for r, choice in enumerate(choices):
        theta = {name: p[r : r + 1] for name, p in state.theta.items()}
        plain = plain_gradients(choice, theta, real_rows(batch, r), rates)
        assert all(value.abs().max() > 0 for value in plain.values())
        assert_same({name: g[r : r + 1] for name, g in ours.items()}, plain)


def labelled(batch, y):
    """The batch with other labels of all tasks, from numbers [T, 3] for rows 0, 1, 2, 3, ... in turn."""
    y = torch.tensor(y, dtype=torch.float64).T
    return batch._replace(y=y[batch.i % len(y)])


@pytest.mark.parametrize("num_tasks", [2, 3])
@pytest.mark.parametrize("name", F_NAMES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("make", [mtl_fair, mtaf])
def test_gradients_are_those_of_a_pass_for_every_head_and_one_for_the_shared_layers(make, variant, name, num_tasks):
    fields = {"fairness_loss": name, "task_weight": WEIGHTS[num_tasks], "lam": LAMS[num_tasks]}
    fields |= {"r": RATIOS[num_tasks]} if make is mtaf else {}
    assert_gradients_are_plain([make(variant, **fields)], whole(num_tasks))


@pytest.mark.parametrize("num_tasks", [2, 3])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_without_a_fairness_loss_are_those_of_each_tasks_loss(reduction, num_tasks):
    assert_gradients_are_plain([mtl(reduction=reduction, task_weight=WEIGHTS[num_tasks])], whole(num_tasks))
    assert_gradients_are_plain([STL(PLAIN, reduction)], whole(num_tasks))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_list_a_task_and_a_number_for_all_train_in_one_stack(variant):
    choices = [
        mtaf(variant, lam=[1, 0.3], r=0.5, task_weight=[0.9, 0.1]),
        mtaf(variant, lam=2.0, r=[0.2, 3.0]),
        mtaf(variant, lam=[0.0, 0.7], r=[1.0, 1.0], task_weight=[0.2, 0.8]),
    ]
    assert bind(choices, torch.float64).lam.tolist() == [[1, 0.3], [2, 2], [0, 0.7]]
    assert_gradients_are_plain(choices, whole(2, 3))


@pytest.mark.parametrize("num_tasks", [2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_without_weight_of_fairness_mtl_fair_and_mtaf_are_mtl(variant, num_tasks):
    batch, weight = whole(num_tasks), {"task_weight": WEIGHTS[num_tasks]}
    expected, _ = stepped([mtl(variant, **weight)], batch)
    assert_same(stepped([mtl_fair(variant, lam=0.0, **weight)], batch)[0], expected)
    assert_same(stepped([mtaf(variant, lam=0.0, r=2.0, **weight)], batch)[0], expected)


@pytest.mark.parametrize("labels", [[[0, 1, 1], [1, 0, 1]], [[0, 1, 1], [1, 0, 1], [1, 1, 0]]])
@pytest.mark.parametrize("variant", VARIANTS)
def test_where_all_negatives_are_exclusive_the_heads_have_all_of_the_fairness_loss(variant, labels):
    """Every row has label 0 in one task at most: E_t = N_t."""
    batch = labelled(whole(len(labels)), labels)
    heads, shared = gradient_of(mtaf(variant), batch)
    assert_same(heads, gradient_of(mtl_fair(variant), batch)[0])
    assert_same(shared, gradient_of(mtl(variant), batch)[1])


@pytest.mark.parametrize("labels", [[[0, 1, 1]] * 2, [[0, 1, 1]] * 3, [[0, 0, 1], [0, 0, 1], [0, 1, 1]]])
@pytest.mark.parametrize("variant", VARIANTS)
def test_where_no_negative_is_exclusive_the_shared_layers_have_all_of_the_fairness_loss(variant, labels):
    """No row has label 0 in just one task: E_t is empty.  The last labels: where it is so of one task, all are."""
    batch = labelled(whole(len(labels)), labels)
    grads, logs = stepped([mtaf(variant, r=2.0)], batch)
    heads, shared = split(grads, "head.")
    assert_same(heads, gradient_of(mtl(variant), batch)[0])
    assert_same(shared, gradient_of(mtl_fair(variant), batch)[1])
    assert [logs[f"empty/t={t}"].item() for t in range(len(labels))] == [1.0] * len(labels)


def test_without_r_the_authors_variant_is_mtl_fair_on_the_shared_layers_and_mtl_on_the_heads():
    heads, shared = gradient_of(mtaf("authors", r=0.0), whole(3))
    assert_same(heads, gradient_of(mtl("authors"), whole(3))[0])
    assert_same(shared, gradient_of(mtl_fair("authors"), whole(3))[1])


def test_r_is_of_the_heads_alone_in_the_box_and_of_the_shared_layers_too_in_the_code():
    for variant, same in (("algorithm1", True), ("authors", False)):
        (heads, shared), (other_heads, other_shared) = (gradient_of(mtaf(variant, r=r), whole(2)) for r in (1.0, 2.0))
        assert not torch.equal(flatten(heads), flatten(other_heads))
        assert torch.equal(flatten(shared), flatten(other_shared)) is same


@pytest.mark.parametrize("name", F_NAMES)
def test_the_logged_parts_are_those_of_all_negatives_and_of_the_exclusive_ones(name):
    """F^head + F^shared = F(N_t): the two objectives share out a task's unfairness."""
    batch = whole(3)
    _, logs = stepped([mtaf(fairness_loss=name)], batch)
    _, model, state = start_of([mtaf()], batch)
    rows = real_rows(batch)
    _, F_N, F_E, _, size_E = parts(name, model.network.logits(state.theta, rows.x)[0], rows, batch.y[0].mean(0))
    assert logs["unfairness"].item() == pytest.approx(F_N.mean().item())
    assert logs["unfairness_head"].item() == pytest.approx(F_E.mean().item())
    assert [logs[f"empty/t={t}"].item() for t in range(3)] == (size_E == 0).double().tolist()


def test_the_shared_part_of_a_tasks_unfairness_may_be_negative_and_is_not_cut_off():
    """Where the groups differ more on E_t than on N_t its gradient is there all the same."""
    batch = whole(2)
    _, model, state = start_of([mtaf()], batch)
    rows = real_rows(batch)
    logits = model.network.logits(state.theta, rows.x)[0]
    _, F_N, F_E, *_ = parts("demographic_parity", logits, rows, rates=None)
    negative = F_N < F_E
    assert negative.any()
    lam = negative.double().tolist()
    free, full = (flatten(gradient_of(m, batch)[1]) for m in (mtl(), mtaf(fairness_loss="demographic_parity", lam=lam)))
    assert (full - free).abs().max() > 1e-3


@dataclasses.dataclass(frozen=True)
class Line:
    """Scores and losses of two tasks that are linear: p_it = 1/2 + x_i (u_t a + b_t), l_it = 1 + a + y_it b_t.

    a is shared, with u = (1, 2), b_t is the head of task t.
    """

    def losses(self, theta, batch):
        return self.losses_and_scores(theta, batch)[0]

    def losses_and_scores(self, theta, batch):
        a = theta["shared.a"].unsqueeze(-1)
        b = torch.stack([theta["head.0.b"], theta["head.1.b"]], dim=-1)  # [R, 1, T]
        losses = 1 + a + batch.y * b
        return losses, 0.5 + batch.x * (a * torch.tensor([1.0, 2.0]).double() + b)


def four_rows():
    """Groups 0 and 1; labels (0, 0), (0, 1), (1, 0), (0, 0); x = 0, .4, .2, .1."""
    x, s = torch.tensor([[0.0, 0.4, 0.2, 0.1]]).double().unsqueeze(-1), torch.tensor([[0, 1, 1, 0]])
    y = torch.tensor([[[0, 0], [0, 1], [1, 0], [0, 0]]]).double()
    return Batch(x, y, torch.arange(4)[None], torch.ones(1, 4).double(), s)


def line_gradient(choice):
    theta = {name: torch.tensor([[1.0]]).double() for name in ("shared.a", "head.0.b", "head.1.b")}
    bound = bind([choice], torch.float64)
    state, _ = bound.update(Line(), bound.init(Line(), theta, four_rows()), four_rows())
    return [(theta[name] - state.theta[name]).item() for name in theta]


def test_a_step_by_hand():
    """E_1 = row 1 and E_2 = row 2 have one group: F(E_t) = 0.  N_1 = rows 0, 1, 3: F = (.4 - (0 + .1) / 2) (a + b_1).

    N_2 = rows 0, 2, 3: F = (.2 - .05) (2 a + b_2).  dL_t/da = 1, dL_t/db_t = 1/4.  w = 1/2, lam = 2:
    a: 1/2 2 + 2 (.35 + .15 2) = 2.3; heads 1/8 as nothing is left for them, and 1/8 + 2 .35, 1/8 + 2 .15 in mtl_fair.
    In the code's scale, three rows in each N_t: a: 1/2 8 + 1/2 2 3 (.35 + .3) = 5.95; heads 1/2.
    """
    given = {"fairness_loss": "demographic_parity", "lam": 2.0}
    assert line_gradient(mtaf(**given)) == pytest.approx([2.3, 0.125, 0.125])
    assert line_gradient(mtl_fair(**given)) == pytest.approx([2.3, 0.825, 0.425])
    assert line_gradient(mtaf("authors", **given)) == pytest.approx([5.95, 0.5, 0.5])
    assert line_gradient(mtl_fair("authors", **given)) == pytest.approx([5.95, 0.5 + 1.05, 0.5 + 0.45])
    assert line_gradient(mtl()) == pytest.approx([1.0, 0.125, 0.125])


# Combining the tasks' gradients


RULES = {
    "pcgrad": bargaining.pcgrad,
    "mgda": bargaining.mgda,
    "cagrad": lambda gram: bargaining.cagrad(gram, 0.5),
    "nash": lambda gram: bargaining.nash_bargaining(gram)[0],
}


@pytest.mark.parametrize("make", [mtl, mtl_fair, mtaf])
@pytest.mark.parametrize("combine", RULES)
def test_combine_weighs_the_tasks_gradients_of_the_shared_layers_and_leaves_heads_alone(combine, make):
    """Each task's gradient is that of a run in which the others weigh nothing."""
    batch = whole(3)
    heads, shared = gradient_of(make(combine=combine), batch)
    alone = []
    for t in range(3):
        only = [0.5 * (k == t) for k in range(3)]
        lam = {} if make is mtl else {"lam": [1.0 * (k == t) for k in range(3)]}
        alone.append(flatten(gradient_of(make(task_weight=only, **lam), batch)[1]))
    g = torch.stack(alone, dim=1)
    a = RULES[combine](g @ g.mT)
    assert_same(shared, unflatten((a.unsqueeze(-1) * g).sum(1), shared), tolerance=1e-8)
    assert_same(heads, gradient_of(make(), batch)[0])


def test_every_rule_of_combine_is_tested():
    assert {"sum", *RULES} == set(get_args(Combine))


# Single tasks


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9, 0.01), Adam(1e-2, 0.9, 0.999, 1e-8), Adagrad(0.02, 0.1, 0.0)])
@pytest.mark.parametrize("num_tasks", [2, 3])
def test_stl_is_a_training_of_each_task_alone(num_tasks, optimizer):
    batch = whole(num_tasks)
    bound, model, state = start_of([STL(optimizer, "sum")], batch)
    single = bind([mtl(optimizer=optimizer, reduction="sum", task_weight=1.0)], torch.float64)
    lone = Classifier(network_of(1))
    alone = [single.init(lone, of_one(state.theta, t), one_task(batch, t)) for t in range(num_tasks)]
    for step in range(5):
        rows = batch._replace(w=(batch.w * ((batch.i + step) % 3 > 0)))
        state, _ = bound.update(model, state, rows)
        alone = [single.update(lone, each, one_task(rows, t))[0] for t, each in enumerate(alone)]
    for t in range(num_tasks):
        for name, value in of_one(state.theta, t).items():
            torch.testing.assert_close(value, alone[t].theta[name], rtol=1e-13, atol=1e-15)  # but for the last digit


def one_task(batch, t):
    return batch._replace(y=batch.y[..., t : t + 1])


def of_one(theta, t):
    """The network of task ``t`` as that of a data set with no other."""
    bottom = f"own.{t}.shared." if t else "shared."
    names = {name: name.replace(f"own.{t}.", "").replace(f"head.{t}.", "head.0.") for name in theta}
    return {names[n]: p for n, p in theta.items() if n.startswith((bottom, f"head.{t}."))}


def test_stl_starts_every_task_from_the_shared_layers_of_the_same_seed():
    _, _, state = start_of([STL(PLAIN, "mean")], whole(3))
    _, _, other = start_of([mtl()], whole(3))
    for name, value in split(other.theta, "shared.")[0].items():
        assert torch.equal(state.theta[name], value)
        assert all(torch.equal(state.theta[f"own.{t}.{name}"], value) for t in (1, 2))


# Bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mtaf(lam=[1.0, -0.5]), r"lam must be >= 0, every number of the list, got \[1.0, -0.5\]"),
        (lambda: mtaf(r=-1.0), "r must be >= 0, got -1.0"),
        (lambda: mtl(task_weight=-1.0), "task_weight must be >= 0, got -1.0"),
        (lambda: mtl_fair(fairness_loss="fpr"), "fairness_loss must be null or one of mmd, mmd_authors, correlation"),
        (lambda: mtaf("code"), "variant must be one of algorithm1, authors, got 'code'"),
        (lambda: mtaf(combine="pc"), "combine must be one of sum, pcgrad, mgda, cagrad, nash, got 'pc'"),
        (lambda: STL(PLAIN, "max"), "reduction must be one of mean, sum, got 'max'"),
    ],
)
def test_bad_values_are_refused_by_name(make, message):
    with pytest.raises(InputError, match=message):
        make()
