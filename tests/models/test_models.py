"""The networks as functions of a parameter dict."""

import dataclasses
import itertools

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.data.target import Target
from fairrun.method.api import Batch
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from tests.helpers.networks import flat_gradient, generators


def mlp(**changes):
    return MLP(
        **{"num_features": 5, "num_classes": 2, "width": 8, "depth": 3, "fairness_layers": 1}
        | {"fairness_position": None, "dropout": 0.0}
        | changes
    )


def test_logits_are_those_of_a_torch_module_for_every_run():
    network = mlp()
    theta, x = network.init(generators(3)), torch.randn(3, 7, 5, dtype=torch.float64)
    names = ["base.0", "base.1", "fairness.0", "classifier"]
    for r in range(3):
        expected = x[r]
        for name in names:
            weight, bias = theta[f"{name}.weight"][r], theta[f"{name}.bias"][r]
            expected = torch.nn.functional.linear(expected.relu() if name != "base.0" else expected, weight.T, bias[0])
        torch.testing.assert_close(network.logits(theta, x)[r], expected[:, 0])


def test_parameter_groups_are_named_base_fairness_classifier():
    assert [name for name in mlp().init(generators(1)) if name.endswith("weight")] == [
        "base.0.weight",
        "base.1.weight",
        "fairness.0.weight",
        "classifier.weight",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fairness_position": 1}, "fairness.0 base.0 base.1"),
        ({"fairness_position": 2}, "base.0 fairness.0 base.1"),
        ({"fairness_position": 3}, "base.0 base.1 fairness.0"),
        ({"fairness_position": 1, "fairness_layers": 2}, "fairness.0 fairness.1 base.0"),
        ({"fairness_position": 1, "fairness_layers": 3}, "fairness.0 fairness.1 fairness.2"),
    ],
)
def test_the_fairness_layers_begin_at_their_position_and_only_names_change(changes, expected):
    last, moved = mlp().init(generators(2)), mlp(**changes).init(generators(2))
    assert [name for name in moved if name.endswith("weight")] == [
        f"{n}.weight" for n in [*expected.split(), "classifier"]
    ]
    for ours, theirs in zip(moved.values(), last.values(), strict=True):
        assert torch.equal(ours, theirs)
    x = torch.randn(2, 7, 5, dtype=torch.float64)
    assert torch.equal(mlp(**changes).logits(moved, x), mlp().logits(last, x))


@pytest.mark.parametrize("position", [1, 2, 3, None])
def test_square_fairness_layers_have_the_counts_of_fairbinn_at_every_position(position):
    """Width 101 on 101 features: 101 * 101 + 101 = 10,302 a hidden layer and 101 + 1 of the classifier; two hidden
    layers and the classifier are 20,706.
    """
    theta = mlp(num_features=101, width=101, fairness_position=position).init(generators(1))
    fairness = sum(p.numel() for name, p in theta.items() if name.startswith("fairness"))
    assert (fairness, sum(p.numel() for p in theta.values())) == (10_302, 31_008)


def test_depth_0_is_the_linear_model():
    network = mlp(depth=0, fairness_layers=0)
    theta, x = network.init(generators(2)), torch.randn(2, 7, 5, dtype=torch.float64)
    expected = torch.einsum("rbd,rdo->rb", x, theta["classifier.weight"]) + theta["classifier.bias"][:, 0]
    torch.testing.assert_close(network.logits(theta, x), expected)


def test_initial_parameters_are_uniform_in_the_range_of_torch():
    theta = mlp(num_features=100, width=400).init(generators(1))
    for name, num_in in (("base.0", 100), ("fairness.0", 400)):
        weight = theta[f"{name}.weight"] * num_in**0.5
        assert weight.abs().max() <= 1
        assert weight.var().item() == pytest.approx(1 / 3, rel=0.02)
        assert weight.mean().abs() < 0.01


def test_a_runs_parameters_come_from_its_own_seed():
    three, last = mlp().init(generators(3)), mlp().init(generators(3)[2:])
    assert torch.equal(three["base.0.weight"][2], last["base.0.weight"][0])
    assert not torch.equal(three["base.0.weight"][0], three["base.0.weight"][1])


def test_drop_out_masks_keep_the_expected_value_and_differ_by_run_and_layer():
    masks = mlp(width=200, dropout=0.25).masks(generators(2), 64)
    assert len(masks) == 3
    for mask in masks:
        assert mask.shape == (2, 64, 200)
        assert mask.unique().tolist() == pytest.approx([0, 4 / 3])
        assert mask.mean().item() == pytest.approx(1.0, abs=0.02)
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0][0], masks[0][1])


def test_masks_drop_units():
    network = mlp(depth=1, fairness_layers=0, dropout=0.5)
    theta, x = network.init(generators(1)), torch.randn(1, 4, 5, dtype=torch.float64)
    nothing = network.logits(theta, x, (torch.zeros(1, 4, 8, dtype=torch.float64),))
    torch.testing.assert_close(nothing, theta["classifier.bias"][:, 0].expand(1, 4))


def test_without_drop_out_no_random_number_is_drawn():
    (generator,) = generators(1)
    before = generator.get_state()
    assert mlp().masks([generator], 64) == ()
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("changes", [{}, {"depth": 0, "fairness_layers": 0}, {"width": [8, 4, 6], "dropout": 0.4}])
def test_the_representation_is_what_the_classifier_sees_and_has_a_gradient(changes):
    network = mlp(**changes)
    theta = {name: p.requires_grad_() for name, p in network.init(generators(2)).items()}
    batch = rows(2, 7, 0)
    batch = batch._replace(masks=tuple(m.double() for m in network.masks(generators(2), 7)))
    h = Classifier(network).representation(theta, batch)
    assert h.shape == (2, 7, len(theta["classifier.weight"][0]))
    logits = h @ theta["classifier.weight"] + theta["classifier.bias"]
    torch.testing.assert_close(network.logits(theta, batch.x, batch.masks), logits.squeeze(-1))
    assert h.requires_grad == (network.depth > 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width must be >= 1, or a list"),
        ({"depth": -1}, "depth must be >= 0, got -1"),
        ({"fairness_layers": 4}, "fairness_layers must be between 0 and model.depth=3, got 4"),
        (
            {"fairness_position": 4},
            "fairness_position must be null, or between 1 and 3 with model.depth=3 and model.fairness_layers=1, got 4",
        ),
        ({"fairness_position": 0}, "fairness_position must be null, or between 1 and 3 .*, got 0"),
        (
            {"fairness_position": 3, "fairness_layers": 2},
            "fairness_position must be null, or between 1 and 2 .*, got 3",
        ),
        (
            {"fairness_position": 1, "fairness_layers": 0},
            "fairness_position must be null with model.depth=3 and model.fairness_layers=0, got 1",
        ),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_sizes_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        mlp(**changes)


def rows(num_runs, num_rows, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(num_runs, num_rows, 5, generator=g, dtype=torch.float64)
    y = (torch.rand(num_runs, num_rows, generator=g) < 0.4).double()
    return Batch(x, y, torch.zeros_like(y), torch.ones_like(y))


def influence_case(**changes):
    """Two runs, 7 training rows, 6 validation rows, 3 objectives, at two different points."""
    network = mlp(**changes)
    theta, theta_val = network.init(generators(2)), network.init(generators(4)[2:])
    batch, val = rows(2, 7, 0), rows(2, 6, 1)
    if network.dropout:
        batch = batch._replace(masks=tuple(m.double() for m in network.masks(generators(2), 7)))
        val = val._replace(masks=tuple(m.double() for m in network.masks(generators(2), 6)))
    weights = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64) - 0.3
    return Classifier(network), theta, batch, theta_val, val, weights


def with_square(losses, p):
    return losses + p**2


NETWORKS = pytest.mark.parametrize(
    "changes",
    [{}, {"depth": 0, "fairness_layers": 0}, {"width": [8, 4, 6]}, {"dropout": 0.4}, {"depth": 1}],
    ids=["three layers", "linear", "widths", "dropout", "one layer"],
)


@NETWORKS
def test_influence_is_the_inner_product_of_gradients(changes):
    """Against every row's gradient, one by one."""
    model, theta, batch, theta_val, val, weights = influence_case(**changes)
    gains, losses = model.influence(theta, batch, theta_val, val, weights, with_square)

    torch.testing.assert_close(losses, with_square(*model.losses_and_scores(theta_val, val)))
    for k in range(3):
        grad_k = flat_gradient(
            lambda at: (weights[:, k] * with_square(*model.losses_and_scores(at, val))).sum(),  # noqa: B023
            theta_val,
        )
        for j in range(7):
            grad_j = flat_gradient(lambda at: model.losses(at, batch)[:, j].sum(), theta)  # noqa: B023
            torch.testing.assert_close(gains[:, k, j], (grad_k * grad_j).sum(-1), rtol=1e-10, atol=1e-12)


@NETWORKS
def test_influence_by_products_is_influence_by_forward_derivatives(changes):
    case = influence_case(**changes)
    products, _ = case[0].influence(*case[1:], with_square)
    derivatives, _ = case[0]._influence_by_jvp(*case[1:], with_square)
    torch.testing.assert_close(products, derivatives, rtol=1e-10, atol=1e-12)
    model, theta, batch, theta_val, val, weights = case
    theta, theta_val = ({name: p.float() for name, p in at.items()} for at in (theta, theta_val))
    batch, val = (
        b._replace(x=b.x.float(), y=b.y.float(), masks=tuple(m.float() for m in b.masks)) for b in (batch, val)
    )
    single, _ = model.influence(theta, batch, theta_val, val, weights.float(), with_square)
    assert single.dtype == torch.float32
    assert (single - derivatives).abs().max() < 1e-5 * derivatives.abs().max()


def test_influence_is_the_hypergradient_of_a_virtual_step():
    """d L_k(theta - lr sum_j eps_j grad l_j) / d eps_j at eps = 0 is -lr <grad L_k, grad l_j>: by double backward."""
    model, theta, batch, _, val, weights = influence_case()
    gains, _ = model.influence(theta, batch, theta, val, weights, with_square)
    lr = 0.3
    leaves = {name: p.clone().requires_grad_() for name, p in theta.items()}
    eps = torch.zeros(2, 7, dtype=torch.float64, requires_grad=True)
    grads = torch.autograd.grad((eps * model.losses(leaves, batch)).sum(), list(leaves.values()), create_graph=True)
    virtual = {name: p - lr * g for (name, p), g in zip(leaves.items(), grads, strict=True)}
    losses = with_square(*model.losses_and_scores(virtual, val))
    for k in range(3):
        (hypergradient,) = torch.autograd.grad((weights[:, k] * losses).sum(), eps, retain_graph=True)
        torch.testing.assert_close(hypergradient, -lr * gains[:, k], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "changes", [{"width": [8, 8]}, {"width": [8, 0, 8]}, {"width": 0}, {"width": [8, 8, 8, 8]}], ids=str
)
def test_widths_that_do_not_fit_the_depth_are_an_error(changes):
    with pytest.raises(InputError, match=r"width must be >= 1, or a list of model\.depth=3 such numbers"):
        mlp(**changes)


def test_the_widest_layer_is_known():
    assert mlp(width=[4, 16, 8]).widest == 16
    assert mlp(depth=0, fairness_layers=0).widest == 1


def explicit_gradients(model, theta, batch):
    """Every row's gradient at every parameter, one row and run at a time, {name: [R, B, ...]}."""
    found = {name: torch.zeros(*batch.y.shape, *p.shape[1:], dtype=torch.float64) for name, p in theta.items()}
    for r, b in itertools.product(*map(range, batch.y.shape)):
        leaves = {name: p.clone().requires_grad_() for name, p in theta.items()}
        loss = model.losses(leaves, batch)[r, b]
        for name, g in zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True):
            found[name][r, b] = g[r]
    return found


class Opaque(MLP):
    """A network that says nothing of its layers."""

    def tangents(self, theta, x, masks=()):
        return None


KINDS = {
    "binary": mlp(),
    "linear": mlp(depth=0, fairness_layers=0),
    "dropping": mlp(dropout=0.4),
    "three classes": mlp(num_classes=3),
    "three classes, linear": mlp(num_classes=3, depth=0, fairness_layers=0),
    "any": Opaque(**dataclasses.asdict(mlp())),
}


@pytest.mark.parametrize("layers", ["last", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_rows_combine_and_multiply_as_explicit_ones(kind, layers):
    network = KINDS[kind]
    model, theta = Classifier(network, Target(num_classes=network.num_classes)), network.init(generators(2))
    g = torch.Generator().manual_seed(7)
    x = torch.randn(2, 9, 5, generator=g, dtype=torch.float64)
    y = torch.randint(0, 3 if "classes" in kind else 2, (2, 9), generator=g).double()
    batch = Batch(x, y, None, torch.ones(2, 9), masks=tuple(m.double() for m in network.masks(generators(2), 9)))
    w, rows = torch.rand(2, 9, generator=g, dtype=torch.float64), model.row_gradients(theta, batch, layers)
    exact = explicit_gradients(model, theta, batch)
    exact = {name: p for name, p in exact.items() if layers == "all" or name.startswith("classifier")}
    torch.testing.assert_close(rows.losses, model.losses(theta, batch))
    combined = rows.combined(w)
    for name, p in exact.items():
        torch.testing.assert_close(combined[name], torch.einsum("rb,rb...->r...", w, p), rtol=1e-9, atol=1e-12)
    flat = torch.cat([p.flatten(2) for p in exact.values()], dim=2)  # [R, B, P]
    torch.testing.assert_close(rows.gram(), flat @ flat.mT, rtol=1e-9, atol=1e-12)
    along = torch.einsum("rbp,rp->rb", flat, torch.einsum("rb,rbp->rp", w, flat))
    torch.testing.assert_close(rows.along(combined), along, rtol=1e-9, atol=1e-12)


def test_losses_of_several_classes_are_the_softmax_cross_entropy():
    network = mlp(num_classes=4)
    theta, x = network.init(generators(2)), torch.randn(2, 6, 5, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 3, 0]).expand(2, -1)
    logits = network.logits(theta, x)
    batch = Batch(x, y.double(), None, torch.ones(2, 6))
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(2, 6)
    model = Classifier(network, Target(num_classes=4))
    torch.testing.assert_close(model.losses(theta, batch), expected)
    torch.testing.assert_close(model.scores(theta, batch), logits.softmax(-1))
