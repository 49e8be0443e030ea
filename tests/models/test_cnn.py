"""The convolutional network against torch.nn, alone and in a stack."""

import numpy as np
import pytest
import torch
from torch import nn

from fairrun.data.split import per_cell
from fairrun.data.table import Data, Table
from fairrun.method.api import Batch
from fairrun.methods.erm import ERM
from fairrun.methods.fairbinn_authors import FairBiNNAuthors
from fairrun.methods.group_dro import GroupDRO
from fairrun.methods.nash_meta import NashMeta
from fairrun.models.cnn import CNN
from fairrun.models.functional import Classifier
from fairrun.training.fit import fit
from fairrun.training.optim import Adam
from tests.helpers.networks import flat_gradient, generators
from tests.helpers.quick import few

ADAM = Adam(lr=1e-2, b1=0.9, b2=0.999, eps=1e-8)
TYPES = {
    "conv": {},
    "residual": {"fairness_type": "residual"},
    "linear": {"fairness_type": "linear", "depth": 3, "fairness_layers": 2},
}
EVERY_TYPE = pytest.mark.parametrize("kind", TYPES)


def cnn(**changes):
    small = {"channels": 2, "filters": 4, "depth": 2, "groups": 2, "fairness_layers": 1, "dropout": 0.0}
    return CNN(**{"num_features": 2 * 7 * 7, "num_classes": 2, "fairness_type": "conv"} | small | changes)


def rows(num_runs, num_rows=5):
    return torch.randn(num_runs, num_rows, 98, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def block(num_in, num_out, wrapped=nn.Sequential):
    inside = wrapped(nn.Conv2d(num_in, num_out, 3, padding=1), nn.GroupNorm(2, num_out))
    return [inside, nn.ReLU(), nn.AvgPool2d(2)]


def module(kind, theta, r):
    """Run ``r`` of ``cnn(**TYPES[kind])`` as a module of torch."""
    mean = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    layers = {
        "conv": [*block(4, 8), *mean, nn.Linear(8, 1)],
        "residual": [*block(4, 4, Residual), *mean, nn.Linear(4, 1)],
        "linear": [*mean, nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)],
    }
    net = nn.Sequential(nn.Unflatten(1, (2, 7, 7)), *block(2, 4), *layers[kind]).double()
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), as_torch(theta, r), strict=True):
            parameter.copy_(value)
    return net


def as_torch(theta, r):
    """Run ``r``'s parameters as modules of torch hold them."""
    return [p[r].T if p[r].ndim == 2 and name.endswith("weight") else p[r].squeeze(0) for name, p in theta.items()]


def distinct(theta):
    """Scales and shifts too differ from unit to unit."""
    g = torch.Generator().manual_seed(1)
    return {name: p + 0.3 * torch.randn(p.shape, generator=g, dtype=torch.float64) for name, p in theta.items()}


@EVERY_TYPE
def test_logits_and_gradients_are_those_of_a_torch_module_for_every_run(kind):
    network, x = cnn(**TYPES[kind]), rows(3)
    theta = {name: p.requires_grad_() for name, p in distinct(network.init(generators(3))).items()}
    logits = network.logits(theta, x)
    factor = torch.randn(logits.shape, dtype=torch.float64)
    grads = dict(zip(theta, torch.autograd.grad((factor * logits).sum(), list(theta.values())), strict=True))
    for r in range(3):
        net = module(kind, theta, r)
        expected = net(x[r])[:, 0]
        torch.testing.assert_close(logits[r], expected, rtol=1e-10, atol=1e-10)
        (factor[r] * expected).sum().backward()
        for mine, parameter in zip(as_torch(grads, r), net.parameters(), strict=True):
            torch.testing.assert_close(mine, parameter.grad, rtol=1e-10, atol=1e-10)
    assert all(grad.any() for name, grad in grads.items() if name.startswith("fairness"))


def test_several_classes_have_a_logit_each():
    network, x = cnn(num_classes=4), rows(2)
    theta = distinct(network.init(generators(2)))
    two = {name: p for name, p in theta.items() if not name.startswith("classifier")}
    logits = network.logits(theta, x)
    assert logits.shape == (2, 5, 4)
    for c in range(4):
        one = {f"classifier.{part}": theta[f"classifier.{part}"][..., c : c + 1] for part in ("weight", "bias")}
        torch.testing.assert_close(logits[..., c], cnn().logits(two | one, x))


@EVERY_TYPE
def test_the_representation_is_what_the_classifier_sees(kind):
    network, x = cnn(**TYPES[kind], dropout=0.3), rows(2)
    theta = distinct(network.init(generators(2)))
    masks = tuple(mask.double() for mask in network.masks(generators(2), 5))
    logits = network.hidden(theta, x, masks) @ theta["classifier.weight"] + theta["classifier.bias"]
    torch.testing.assert_close(network.logits(theta, x, masks), logits.squeeze(-1))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch.func.jvp itself uses it
@EVERY_TYPE
def test_the_directional_derivative_is_the_gradient_along_the_direction(kind):
    network, x = cnn(**TYPES[kind]), rows(2)
    theta = distinct(network.init(generators(2)))
    direction = {name: torch.randn(p.shape, dtype=torch.float64) for name, p in theta.items()}
    logits, slope = torch.func.jvp(lambda theta: network.logits(theta, x), (theta,), (direction,))
    torch.testing.assert_close(logits, network.logits(theta, x))
    unit = torch.eye(10, dtype=torch.float64).view(2, 5, 2, 5)
    _, pull = torch.func.vjp(lambda theta: network.logits(theta, x), theta)
    for r in range(2):
        for b in range(5):
            (grads,) = pull(unit[r, b])
            along = sum((grads[name] * direction[name]).sum() for name in theta)
            torch.testing.assert_close(slope[r, b], along, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_a_gradient_of_the_gradient_is_right(kind):
    network, x = cnn(**TYPES[kind]), rows(2, num_rows=2)
    theta = distinct(network.init(generators(2)))
    names = list(theta)
    parameters = tuple(theta[name].requires_grad_() for name in names)

    def logits(*parameters):
        return network.logits(dict(zip(names, parameters, strict=True)), x).sum()

    assert torch.autograd.gradgradcheck(logits, parameters, fast_mode=True)


@pytest.mark.parametrize(
    ("fairness", "expected"), [(0, "base.0 base.1"), (1, "base.0 fairness.0"), (2, "fairness.0 fairness.1")]
)
def test_parameter_groups_are_named_base_fairness_classifier(fairness, expected):
    names = cnn(fairness_layers=fairness).init(generators(1))
    assert [n.removesuffix(".weight") for n in names if n.endswith("weight")] == [*expected.split(), "classifier"]


@pytest.mark.parametrize(
    ("kind", "fairness", "classifier"),
    [("conv", 4 * 8 * 9 + 3 * 8, 8 + 1), ("residual", 4 * 4 * 9 + 3 * 4, 4 + 1), ("linear", 2 * (4 * 4 + 4), 4 + 1)],
)
def test_fairness_layers_other_than_conv_keep_the_channels_of_the_last_block(kind, fairness, classifier):
    theta, counts = cnn(**TYPES[kind]).init(generators(1)), {"base": 0, "fairness": 0, "classifier": 0}
    for name, p in theta.items():
        counts[name.partition(".")[0]] += p.numel()
    assert counts == {"base": 2 * 4 * 9 + 3 * 4, "fairness": fairness, "classifier": classifier}


@pytest.mark.parametrize("kind", ["residual", "linear"])
def test_without_fairness_layers_the_type_is_without_effect(kind):
    theta, conv = (cnn(fairness_layers=0, fairness_type=each).init(generators(2)) for each in (kind, "conv"))
    assert list(theta) == list(conv)
    assert all(torch.equal(p, conv[name]) for name, p in theta.items())


def test_initial_parameters_are_uniform_in_the_range_of_torch():
    network = cnn(filters=64, groups=4)
    theta = network.init(generators(1))
    ours = {"base.0": 2 * 9, "fairness.0": 64 * 9, "classifier": 128}
    theirs = [nn.Conv2d(2, 64, 3), nn.Conv2d(64, 128, 3), nn.Linear(128, 1)]
    for (name, num_in), layer in zip(ours.items(), theirs, strict=True):
        assert theta[f"{name}.weight"].numel() == layer.weight.numel()
        for part in ("weight", "bias"):
            assert theta[f"{name}.{part}"].abs().max() <= num_in**-0.5
            assert getattr(layer, part).abs().max() <= num_in**-0.5 + 1e-6
        if name != "classifier":
            assert theta[f"{name}.weight"].std().item() == pytest.approx(layer.weight.std().item(), rel=0.1)
            assert torch.all(theta[f"{name}.scale"] == 1) and torch.all(theta[f"{name}.shift"] == 0)


def test_initial_linear_layers_are_uniform_in_the_range_of_torch():
    theta = cnn(filters=64, fairness_type="linear").init(generators(1))
    layer = nn.Linear(64, 64)
    for part in ("weight", "bias"):
        ours, theirs = theta[f"fairness.0.{part}"], getattr(layer, part)
        assert 0.8 / 8 < ours.abs().max() <= 1 / 8
        assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.2)


@EVERY_TYPE
def test_every_parameter_has_the_run_axis_and_comes_from_the_runs_own_seed(kind):
    network = cnn(**TYPES[kind])
    three, last = network.init(generators(3)), network.init(generators(3)[2:])
    for name, p in three.items():
        assert p.shape[0] == 3
        assert torch.equal(p[2], last[name][0])
    assert not torch.equal(three["base.0.weight"][0], three["base.0.weight"][1])


def test_drop_out_is_before_the_classifier_and_of_each_runs_own_generator():
    network = cnn(dropout=0.25, filters=100, groups=1)
    (mask,) = network.masks(generators(2), 64)
    assert mask.shape == (2, 64, 200)
    assert mask.unique().tolist() == pytest.approx([0, 4 / 3])
    assert mask.mean().item() == pytest.approx(1.0, abs=0.02)
    assert torch.equal(network.masks(generators(2)[1:], 64)[0][0], mask[1])
    assert not torch.equal(mask[0], mask[1])
    theta = network.init(generators(2))
    nothing = network.logits(theta, rows(2), (torch.zeros(2, 5, 200, dtype=torch.float64),))
    torch.testing.assert_close(nothing, theta["classifier.bias"][:, 0].expand(2, 5))
    assert cnn().masks(generators(2), 64) == ()


def test_width_counts_the_units_of_the_first_block():
    assert cnn().widest == 4 * 7 * 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_features": 104}, "channels must be such that the data's 104 features are channels x size x size, got 2"),
        ({"num_features": 49}, "channels must be such that the data's 49 features .*, got 2"),
        ({"depth": 3}, "depth must be at most 2 for images of 7 x 7, which each block halves, got 3"),
        ({"depth": 0}, "depth must be >= 1, got 0"),
        ({"channels": 0}, "channels must be >= 1, got 0"),
        ({"groups": 0}, "groups must be >= 1, got 0"),
        ({"filters": 3}, "filters must be a multiple of model.groups=2, and >= 1, got 3"),
        ({"filters": 0}, "filters must be a multiple of model.groups=2, and >= 1, got 0"),
        ({"fairness_layers": 3}, "fairness_layers must be between 0 and model.depth=2, got 3"),
        ({"fairness_type": "mlp"}, "fairness_type must be one of conv, residual, linear, got 'mlp'"),
        (
            {"fairness_type": "residual", "fairness_layers": 2},
            "fairness_layers must be between 0 and 1: model.fairness_type=residual takes a block before them, got 2",
        ),
        ({"fairness_type": "linear", "depth": 4}, "depth must be at most 3 for images of 7 x 7, .*, got 4"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_sizes_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        cnn(**changes)


def test_the_other_sizes_are_checked_before_the_data_is_known():
    assert cnn(num_features=0, channels=3, depth=5, filters=6, fairness_layers=5).depth == 5
    with pytest.raises(ValueError, match="depth must be >= 1"):
        cnn(num_features=0, depth=0)


# Training


def images(num_rows, seed):
    """Noise with a bright square where the label is 1; in group 1 less bright."""
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(num_rows, 2, 7, 7, generator=g, dtype=torch.float64)
    y, s = (torch.randint(2, (num_rows,), generator=g) for _ in range(2))
    x[:, :, 2:5, 2:5] += (y * (1 - 0.5 * s))[:, None, None, None]
    return Table(x.flatten(1), y.double(), s)


def data():
    train, val, test = (images(n, seed) for seed, n in enumerate((150, 61, 83)))
    balanced = torch.tensor(per_cell((2 * train.s + train.y.long()).numpy(), 2, np.random.default_rng(0)))
    return Data(train, val, test, [f"x{k}" for k in range(98)], ["s=0", "s=1"], "synthetic", balanced)


def train(methods, seeds, dtype=torch.float64, network=None, epochs=3):
    return fit(network or cnn(dropout=0.3), methods, seeds, data(), epochs=epochs, batch_size=32, dtype=dtype)


METHODS = {
    "erm": lambda k: ERM(optimizer=Adam(1e-2 * (1 - 0.05 * k), 0.9, 0.999, 1e-8)),
    "group_dro": lambda k: GroupDRO(optimizer=ADAM, eta_q=0.1 * (1 + k), group_by="sy"),
    "nash": lambda k: NashMeta(ADAM, "mean", 2, None, "cross_entropy_f1", "norm", "exact"),
}


WIDER = {"filters": 16, "groups": 4, "fairness_layers": 0}


@pytest.mark.parametrize(
    ("name", "changes"),
    few([*((name, {"dropout": 0.3}) for name in METHODS), ("erm", WIDER)], [("erm", {"dropout": 0.3})]),
)
def test_runs_are_bit_for_bit_the_same_in_any_stack_in_float32(name, changes):
    check_any_stack([METHODS[name](k) for k in range(5)], cnn(**changes))


@EVERY_TYPE
def test_runs_with_a_player_of_each_type_are_the_same_in_any_stack_in_float32(kind):
    loss = "demographic_parity_mean_square"
    methods = [FairBiNNAuthors(ADAM, ADAM, 1.0 + k, loss) for k in range(5)]
    check_any_stack(methods, cnn(**TYPES[kind], dropout=0.3))


def check_any_stack(methods, network):
    seeds = [4, 3, 2, 1, 0]
    stacked = train(methods, seeds, torch.float32, network)
    for order in ([0], [4, 2, 0]):
        others = train([methods[r] for r in order], [seeds[r] for r in order], torch.float32, network)
        for ours, r in zip(others, order, strict=True):
            assert all(torch.equal(p, stacked[r].theta[name]) for name, p in ours.theta.items())
            assert ours.history.equals(stacked[r].history)


@pytest.mark.parametrize("name", few(METHODS, ["erm"]))
def test_a_run_in_a_stack_is_the_run_alone_in_float64(name):
    methods, seeds = [METHODS[name](k) for k in range(4)], [7, 0, 3, 3]
    for ours, method, seed in zip(train(methods, seeds), methods, seeds, strict=True):
        (alone,) = train([method], [seed])
        for parameter, p in ours.theta.items():
            torch.testing.assert_close(p, alone.theta[parameter], rtol=1e-12, atol=1e-12)


def test_it_learns():
    (run,) = train([METHODS["erm"](0)], [0], network=cnn(), epochs=15)
    assert run.failure is None
    assert run.history["test/accuracy"].iloc[-1] > 0.95


def test_influence_is_the_inner_product_of_gradients():
    """Of a network that is more than linear layers: by a derivative forward along a gradient."""
    network = cnn()
    model, theta, theta_val = Classifier(network), network.init(generators(2)), network.init(generators(4)[2:])
    y = torch.tensor([[0.0, 1, 1, 0, 1]] * 2, dtype=torch.float64)
    batch = Batch(rows(2), y, torch.zeros_like(y), torch.ones_like(y))
    val = batch._replace(x=batch.x.flip(1), y=1 - y)
    weights = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gains, losses = model.influence(theta, batch, theta_val, val, weights, lambda losses, p: losses * p)
    assert gains.shape == (2, 3, 5) and losses.shape == (2, 5)

    def objective(at, k):
        losses, p = model.losses_and_scores(at, val)
        return (weights[:, k] * losses * p).sum()

    for k in range(3):
        grad_k = flat_gradient(lambda at: objective(at, k), theta_val)  # noqa: B023
        for j in range(5):
            grad_j = flat_gradient(lambda at: model.losses(at, batch)[:, j].sum(), theta)  # noqa: B023
            torch.testing.assert_close(gains[:, k, j], (grad_k * grad_j).sum(-1), rtol=1e-9, atol=1e-12)
