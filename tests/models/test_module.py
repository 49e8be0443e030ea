"""Any module of torch as a network."""

import copy

import pytest
import torch
from torch import nn

from fairrun.config.build import build
from fairrun.config.check import InputError
from fairrun.config.recipe import Recipe
from fairrun.models.functional import Classifier
from fairrun.models.of_torch.batch_norm import group_normalised
from fairrun.training.fit import fit
from tests.helpers import modules
from tests.helpers.modules import module
from tests.helpers.networks import flat_gradient, generators
from tests.helpers.synthetic import batch_of, data, method

PLAIN = {"fairness": None, "classifier": None}
HERE = __name__


def rows(num_runs, num_rows=32, num_features=6):
    g = torch.Generator().manual_seed(0)
    return torch.randn(num_runs, num_rows, num_features, generator=g, dtype=torch.float64)


def as_torch(net, network, theta, r):
    """``net`` with the parameters of run ``r``."""
    own = copy.deepcopy(net).double()
    for name, inner in network._layout.names.items():
        p = theta[name][r]
        p = p.mT if name == "classifier.weight" else p.squeeze(0) if name == "classifier.bias" else p
        own.get_parameter(inner).data.copy_(p)
    return own


@pytest.mark.parametrize("groups", [PLAIN, modules.GROUPS])
def test_logits_and_gradients_are_those_of_the_module_for_every_run(groups):
    network, x = module(groups=groups, hidden=13), rows(3)
    theta = network.init(generators(3))
    factor = torch.randn(3, 32, dtype=torch.float64)
    ours = flat_gradient(lambda theta: (factor * network.logits(theta, x)).sum(), theta)
    for r in range(3):
        net = as_torch(modules.Net(6, 1, hidden=13), network, theta, r)
        expected = net(x[r])[:, 0]
        torch.testing.assert_close(network.logits(theta, x)[r], expected)
        (factor[r] * expected).sum().backward()
        theirs = {inner: p.grad for inner, p in net.named_parameters()}
        flat = [theirs[i].mT if n == "classifier.weight" else theirs[i] for n, i in network._layout.names.items()]
        torch.testing.assert_close(ours[r], torch.cat([g.flatten() for g in flat]))


def test_parameters_are_those_that_the_constructor_draws_and_no_other_random_number_changes():
    network = module()
    state = torch.get_rng_state()
    theta = network.init(generators(2))
    assert torch.equal(state, torch.get_rng_state())
    seed = int(torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(1)))
    torch.manual_seed(seed)
    net = modules.Net(6, 1)
    torch.set_rng_state(state)
    assert torch.equal(theta["base.fc1.weight"][1], net.fc1.weight.double())
    assert torch.equal(theta["classifier.weight"][1], net.out.weight.mT.double())
    assert not torch.equal(theta["base.fc1.weight"][0], theta["base.fc1.weight"][1])


def test_parameters_are_grouped_by_patterns_and_the_others_are_base():
    names = module(groups={"fairness": ["fc1.bias", "fc2"], "classifier": "out.*"}).init(generators(1))
    assert list(names) == [
        "base.fc1.weight",
        "fairness.fc1.bias",
        "fairness.fc2.weight",
        "fairness.fc2.bias",
        "classifier.weight",
        "classifier.bias",
    ]
    assert all(name.startswith("base.") for name in module(groups=PLAIN).init(generators(1)))


def test_the_representation_is_what_the_classifier_sees():
    network, x = module(dropout=0.4), rows(2)
    theta = network.init(generators(2))
    masks = network.masks(generators(2), 32)
    logits = network.hidden(theta, x, masks) @ theta["classifier.weight"] + theta["classifier.bias"]
    torch.testing.assert_close(network.logits(theta, x, masks), logits.squeeze(-1))
    with pytest.raises(ValueError, match=r"groups\.classifier"):
        module(groups=PLAIN).hidden(theta, x)


def test_rows_gradients_at_the_last_layer_are_those_of_all_layers_there():
    network = module()
    model, theta = Classifier(network), network.init(generators(2))
    batch = batch_of(data().train, torch.arange(64).view(2, 32))
    w = torch.rand(2, 32, dtype=torch.float64)
    last, every = (model.row_gradients(theta, batch, layers).combined(w) for layers in ("last", "all"))
    for part in ("classifier.weight", "classifier.bias"):
        torch.testing.assert_close(last[part], every[part])


def test_dropout_is_drawn_by_each_run_and_again_where_the_masks_are_the_same():
    network, x = module(dropout=0.5), rows(1).expand(2, -1, -1)
    theta = {name: p[:1].expand(2, *p.shape[1:]) for name, p in network.init(generators(1)).items()}
    masks = network.masks(generators(2), 32)
    first, second = network.logits(theta, x, masks)
    assert not torch.equal(first, second)
    assert torch.equal(network.logits(theta, x, masks)[1], second)
    alone = network.logits({name: p[1:] for name, p in theta.items()}, x[1:], (masks[0][1:],))[0]
    assert torch.equal(alone, second)
    assert not torch.equal(network.logits(theta, x)[1], second)  # without masks: no dropout
    as_float = network.logits(theta, x, (masks[0].float(),))  # as batches hold them
    assert torch.equal(as_float[1], second)


def test_a_module_without_dropout_needs_no_masks():
    assert module().masks(generators(2), 32) == ()


class Odd(nn.Module):
    """Sizes that no vector's width divides, on images, with a buffer of integers."""

    def __init__(self, num_outputs):
        super().__init__()
        self.register_buffer("order", torch.randperm(7))
        self.conv = nn.Conv2d(2, 7, 3)
        self.norm = nn.GroupNorm(1, 7)
        self.out = nn.Linear(7, num_outputs)

    def forward(self, x):
        h = self.norm(self.conv(x)[:, self.order]).relu()
        return self.out(h.mean((2, 3)))


@pytest.mark.parametrize("kind", ["flat", "image"])
def test_runs_of_odd_sizes_are_bit_for_bit_the_runs_alone(kind):
    image = {"target": f"{HERE}.Odd", "input": "image", "channels": 2, "num_features": 50}
    network = module(**image, groups={"classifier": "out"}) if kind == "image" else module(hidden=13)
    x = rows(7, num_features=network.num_features).float().requires_grad_()
    theta = {name: p.float().requires_grad_() for name, p in network.init(generators(7)).items()}
    logits = network.logits(theta, x)
    grads = torch.autograd.grad(logits.square().sum(), list(theta.values()))
    for r in range(7):
        leaves = {name: p.detach()[r : r + 1].clone().requires_grad_() for name, p in theta.items()}
        alone = network.logits(leaves, x.detach()[r : r + 1].clone())
        assert torch.equal(alone[0], logits[r])
        for g, mine in zip(torch.autograd.grad(alone.square().sum(), list(leaves.values())), grads, strict=True):
            assert torch.equal(g[0], mine[r])


def test_several_classes_have_a_logit_each():
    for groups in (PLAIN, modules.GROUPS):
        network = module(num_classes=4, groups=groups)
        assert network.logits(network.init(generators(2)), rows(2)).shape == (2, 32, 4)


def test_a_module_may_give_its_logits_without_an_axis_of_their_own():
    network = module(f"{HERE}.Flat", groups={"classifier": "linear"})
    theta = network.init(generators(2))
    assert network.logits(theta, rows(2)).shape == (2, 32)
    assert module(f"{HERE}.Flat", groups=PLAIN).logits(
        {
            "base." + n.replace("classifier", "linear"): p
            for n, p in {
                "linear.weight": theta["classifier.weight"].mT,
                "linear.bias": theta["classifier.bias"].squeeze(1),
            }.items()
        },
        rows(2),
    ).shape == (2, 32)


class Flat(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.linear = nn.Linear(num_features, 1)

    def forward(self, x):
        return self.linear(x).squeeze(-1)


def test_layers_of_torch_are_made_from_a_list_and_learn_their_inputs_from_the_data():
    layers = [{"_target_": "torch.nn.LazyLinear", "out_features": 5}, {"_target_": "torch.nn.ReLU"}]
    layers += [{"_target_": "torch.nn.LazyLinear", "out_features": 1}]
    network = module("torch.nn.Sequential", _args_=layers, groups={"classifier": "2", "fairness": "0"})
    shapes = {name: list(p.shape) for name, p in network.init(generators(2)).items()}
    assert shapes["fairness.0.weight"] == [2, 5, 6] and shapes["classifier.weight"] == [2, 5, 1]


def test_parameters_that_require_no_gradient_and_buffers_stay_as_they_are():
    network = module(f"{HERE}.Frozen", groups=PLAIN)
    assert list(network.init(generators(1))) == ["base.out.weight", "base.out.bias"]
    for dtype in (torch.float32, torch.float64):
        theta = {name: p.to(dtype) for name, p in network.init(generators(1)).items()}
        assert network.logits(theta, rows(1).to(dtype)).dtype == dtype


class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.fixed = nn.Linear(6, 3).requires_grad_(False)
        self.out = nn.Linear(3, 1)

    def forward(self, x):
        return self.out(self.fixed(x))


def normed(norm):
    return [
        {"_target_": "torch.nn.Linear", "in_features": 6, "out_features": 8},
        norm,
        {"_target_": "torch.nn.Linear", "in_features": 8, "out_features": 1},
    ]


class Mixed(Flat):
    def forward(self, x):
        return self.linear(x - x.mean(0))


class Two(Flat):
    def forward(self, x):
        return self.linear(x), x


class Hidden(Flat):
    def forward(self, x):
        return self.linear(x).relu()


class LogSigmoid(Flat):
    def forward(self, x):
        return torch.nn.functional.logsigmoid(self.linear(x))


class Scaled(Flat):
    def __init__(self, num_features):
        super().__init__(num_features)
        self.temperature = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return self.linear(x).sum(-1) * self.temperature


class Sigmoid(Flat):
    def forward(self, x):
        return self.linear(x).sigmoid()


class Counted(nn.Module):
    """It counts the rows that it was trained on."""

    def __init__(self):
        super().__init__()
        self.register_buffer("rows", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.rows += len(x)
        return x


BATCH_NORM = {"_target_": "torch.nn.BatchNorm1d", "num_features": 8}
RUNNING = {"_target_": f"{HERE}.Counted"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"num_outputs": 2},
            r"module must be a module that gives one logit a row, \[3, 1\] or \[3\] for 3 rows, got \[3, 2\]",
        ),
        ({"num_classes": 3, "num_outputs": 2}, r"gives 3 logits a row, \[3, 3\] for 3 rows, got \[3, 2\]"),
        (
            {"target": "torch.nn.Sequential", "_args_": normed(BATCH_NORM)},
            r"no batch normalisation.*1 \(BatchNorm1d\): model.norm=group",
        ),
        (
            {"target": "torch.nn.Sequential", "_args_": normed(RUNNING)},
            r"must not change its buffers in training, got another 1\.rows",
        ),
        ({"target": f"{HERE}.Mixed"}, r"must compute each row by itself"),
        ({"target": f"{HERE}.Two"}, r"module must be a module that returns one tensor, got 'tuple'"),
        ({"target": f"{HERE}.Odd"}, r"module must take a batch of rows of shape \[6\], got RuntimeError: "),
        (
            {"target": "torch.nn.Flatten"},
            r"module must be a module with parameters that require a gradient, got 'Flatten'",
        ),
        ({"hiden": 3}, r"module must have arguments that tests.*Net takes, got {'hiden': 3}: TypeError"),
        (
            {"groups": {"fairness": "fc3"}},
            r"groups.fairness must match parameters .*, got 'fc3'; did you mean fc\d\?; there are fc1.weight",
        ),
        (
            {"groups": {"classifier": "out.weight"}},
            r"groups.classifier must be one torch.nn.Linear with a bias, the last layer, got \['out.weight'\]",
        ),
        ({"groups": {"classifier": "fc2"}}, r"groups.classifier must be the last layer"),
        (
            {"groups": {"fairness": "out", "classifier": "out"}},
            r"groups must have every parameter in one group only, got out.weight in fairness and classifier",
        ),
        ({"groups": {"fair": "fc1"}}, r"groups.fair is no key: did you mean groups.fairness\?"),
        ({"target": f"{HERE}.Sigmoid"}, r"module must give logits, .* leave out its last sigmoid, softmax or ReLU"),
        ({"target": f"{HERE}.Hidden"}, r"module must give logits, of either sign, got values of at least 0"),
        ({"target": f"{HERE}.LogSigmoid"}, r"module must give logits, of either sign, got values of at most 0 alone"),
        ({"target": f"{HERE}.Hidden", "groups": {"classifier": "linear"}}, r"groups.classifier must be the last layer"),
        (
            {"input": "image", "channels": 4},
            r"channels must be such that the data's 6 features are channels x size x size, got 4",
        ),
        (
            {"weights": "nowhere.pt"},
            r"weights must be a file of torch.save with a state dict, .* got nowhere.pt: FileNotFoundError",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(changes, message):
    changes = {"groups": PLAIN} | changes
    with pytest.raises(InputError, match=message) as refused:
        module(**changes)
    assert "\n" not in str(refused.value)


def test_group_normalisation_takes_the_place_of_batch_normalisation():
    network = module("torch.nn.Sequential", _args_=normed(BATCH_NORM), norm="group", groups=PLAIN)
    assert network.logits(network.init(generators(2)), rows(2)).shape == (2, 32)
    net = group_normalised(nn.Sequential(nn.BatchNorm2d(64), nn.Sequential(nn.BatchNorm2d(7)), nn.BatchNorm1d(1024)))
    assert [(m.num_groups, m.num_channels) for m in net.modules() if isinstance(m, nn.GroupNorm)] == [
        (4, 64),
        (1, 7),
        (32, 1024),
    ]


def test_parameters_start_from_a_file_and_the_last_layer_if_it_fits(tmp_path):
    net = modules.Net(6, 1)
    torch.save(net.state_dict(), tmp_path / "one.pt")
    theta = module(weights=str(tmp_path / "one.pt")).init(generators(2))
    for r in range(2):
        assert torch.equal(theta["fairness.fc2.weight"][r], net.fc2.weight.double())
        assert torch.equal(theta["classifier.weight"][r], net.out.weight.mT.double())
    other = module(weights=str(tmp_path / "one.pt"), num_classes=3).init(generators(2))
    assert torch.equal(other["base.fc1.weight"][1], net.fc1.weight.double())
    assert not torch.equal(other["classifier.weight"][0], other["classifier.weight"][1])
    with pytest.raises(
        InputError,
        match=r"weights must have all parameters before the last layer: .* must have fc1.weight of shape \[9, 6\], got",
    ):
        module(weights=str(tmp_path / "one.pt"), hidden=9)
    torch.save(net.state_dict() | {"more.weight": torch.ones(2)}, tmp_path / "more.pt")
    with pytest.raises(
        InputError, match=r"weights must be parameters of the module alone, in .*, got \['more.weight'\]"
    ):
        module(weights=str(tmp_path / "more.pt"))


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"a": modules.Net(6, 1)}, tmp_path / "code.pt")
    with pytest.raises(InputError, match=r"weights must be a file of torch.save with a state dict"):
        module(weights=str(tmp_path / "code.pt"))


def test_a_recipe_is_called_with_what_it_names():
    made = Recipe("module", {"_target_": f"{HERE}.Flat"}).made(num_features=4, num_outputs=2)
    assert made.linear.in_features == 4
    given = Recipe("module", {"_target_": f"{HERE}.Flat", "num_features": 5}).made(num_features=4)
    assert given.linear.in_features == 5


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({}, "model.module must be a mapping with _target_, the path of a class or function, got {}"),
        ({"_target_": "os.getcwd"}, r"model.module._target_ must be in fairrun, torch.nn, .* got 'os.getcwd'"),
        (
            {"_target_": "fairrun.results.records.replace"},
            "model.module._target_ must be a class that derives from torch",
        ),
        (
            {"_target_": "torch.nn.functional.relu"},
            "model.module._target_ must be a class that derives from torch.nn.Modu",
        ),
        (
            {"_target_": "fairrun.models.mlp.MLP"},
            "model.module._target_ must be a class that derives from torch.nn.Module",
        ),
        ({"_target_": "torch.nn.Liner"}, "model.module._target_ must be a class or function that can be imported"),
    ],
)
def test_a_recipe_names_what_may_be_imported(node, message):
    fields = {"input": "flat", "channels": 1, "norm": None, "weights": None, "groups": PLAIN}
    whole = {"_target_": "fairrun.models.module.Module", "module": node, **fields}
    with pytest.raises(InputError, match=message):
        build(whole, "model", num_features=6, num_classes=2)


def test_what_stands_in_a_recipe_is_held_to_the_same():
    args = [{"_target_": "fairrun.results.records.replace", "path": "x", "content": "y"}]
    with pytest.raises(
        InputError, match=r"module\._args_\.0\._target_ must be a class that derives from torch\.nn\.Module"
    ):
        module("torch.nn.Sequential", _args_=args)


def test_a_run_goes_on_from_its_parameters_whatever_was_trained_before():
    """The module that all runs share keeps nothing of them."""
    network, erm = module(dropout=0.3), method("erm")
    first = fit(network, [erm], [0], data(), epochs=2, batch_size=32)[0]
    fit(network, [erm] * 2, [1, 2], data(), epochs=1, batch_size=32)
    again = fit(network, [erm], [0], data(), epochs=2, batch_size=32)[0]
    assert all(torch.equal(first.theta[name], again.theta[name]) for name in first.theta)


def test_a_parameter_may_be_a_single_number():
    network = module(target=f"{HERE}.Scaled", groups=PLAIN)
    theta = network.init(generators(2))
    assert theta["base.temperature"].shape == (2,) and network.logits(theta, rows(2)).shape == (2, 32)
