"""Networks whose hidden layers all tasks share: what function they are, and whose parameters are whose."""

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.models.cnn import CNN
from fairrun.models.mlp import MLP
from fairrun.models.resnet import ResNet18
from fairrun.models.shared_trunk import SharedTrunk
from tests.helpers.modules import module
from tests.helpers.multitask import network_of
from tests.helpers.networks import generators

IMAGES = {"num_features": 3 * 8 * 8, "num_classes": 2, "channels": 3}
LAYERS = {"filters": 4, "depth": 2, "groups": 2, "fairness_layers": 1, "fairness_type": "conv"}
TRUNKS = {
    "cnn": CNN(**IMAGES, **LAYERS, dropout=0.5),
    "mlp": MLP(192, 2, width=5, depth=2, fairness_layers=1, fairness_position=None, dropout=0.0),
    "resnet18": ResNet18(**IMAGES, width=2, stem="small", groups={"fairness": None, "classifier": "fc"}, weights=None),
    "module": module(num_features=192, dropout=0.5),
}
NUM_TASKS = 3


def network(name, head=(4,)):
    return SharedTrunk(num_tasks=NUM_TASKS, trunk=TRUNKS[name], head=list(head))


def rows(num_runs=2):
    return torch.rand(num_runs, 9, 192, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def heads(theta, h):
    """The logits of heads with one hidden layer on the shared units ``h``."""
    logits = []
    for t in range(NUM_TASKS):
        z = (h @ theta[f"head.{t}.0.weight"] + theta[f"head.{t}.0.bias"]).relu()
        logits.append(z @ theta[f"head.{t}.classifier.weight"] + theta[f"head.{t}.classifier.bias"])
    return torch.cat(logits, dim=-1)


@pytest.mark.parametrize("name", TRUNKS)
def test_heads_stand_on_what_the_trunk_alone_gives_its_last_layer(name):
    net, trunk, x = network(name), TRUNKS[name], rows()
    theta, alone = net.init(generators(2)), trunk.init(generators(2))
    assert {n.removeprefix("shared.") for n in theta if n.startswith("shared.")} == {
        n for n in alone if not n.startswith("classifier.")
    }
    assert all(torch.equal(theta[f"shared.{n}"], p) for n, p in alone.items() if not n.startswith("classifier."))
    masks = trunk.masks(generators(2), 9)
    h = trunk.hidden(alone, x, masks)
    torch.testing.assert_close(net.logits(theta, x, masks), heads(theta, h))
    assert {n.split(".")[0] for n in theta} == {"shared", "head"} and net.widest >= trunk.widest


@pytest.mark.parametrize("name", TRUNKS)
def test_a_task_with_a_trunk_of_its_own_uses_it_and_the_others_do_not(name):
    net, x = network(name), rows()
    theta = net.init(generators(2))
    before = net.logits(theta, x)
    own = {f"own.1.{n}": p + 0.1 for n, p in theta.items() if n.startswith("shared.")}
    after = net.logits(theta | own, x)
    moved = net.logits(theta | {n.removeprefix("own.1."): p for n, p in own.items()}, x)
    assert torch.equal(after[..., [0, 2]], before[..., [0, 2]])
    torch.testing.assert_close(after[..., 1], moved[..., 1])
    assert not torch.allclose(after[..., 1], before[..., 1])


@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_a_run_is_bit_for_bit_the_run_alone(name):
    net, x = network(name, head=[]), rows(3).float()
    theta = {n: p.float() for n, p in net.init(generators(3)).items()}
    logits = net.logits(theta, x)
    for r in range(3):
        assert torch.equal(net.logits({n: p[r : r + 1] for n, p in theta.items()}, x[r : r + 1])[0], logits[r])


def test_a_task_moves_the_shared_parameters_and_its_own_head():
    net = network("cnn")
    theta = {n: p.requires_grad_() for n, p in net.init(generators(1)).items()}
    grads = torch.autograd.grad(net.logits(theta, rows(1))[..., 1].sum(), [*theta.values()])
    moved = [n for n, g in zip(theta, grads, strict=True) if g.any()]
    assert {".".join(n.split(".")[:2]) for n in moved if n.startswith("head")} == {"head.1"}
    assert {n for n in theta if n.startswith("shared.")} <= {*moved}


def test_a_trunk_without_a_last_layer_is_refused():
    for trunk in (network_of(2), module(groups={})):
        with pytest.raises(InputError, match=r"model\.trunk must be a network whose last layer is linear .*, got"):
            SharedTrunk(num_tasks=2, trunk=trunk, head=[]).init(generators(1))
    linear = MLP(192, 2, width=5, depth=0, fairness_layers=0, fairness_position=None, dropout=0.0)
    with pytest.raises(InputError, match=r"model\.trunk must be a network with parameters that are trained before"):
        SharedTrunk(num_tasks=2, trunk=linear, head=[]).init(generators(1))
    with pytest.raises(InputError, match=r"head must be a list of widths >= 1, got \[0\]"):
        network("cnn", head=[0])
    with pytest.raises(InputError, match="trunk must be a node as in conf/model, with _target_, got 3"):
        SharedTrunk(num_tasks=2, trunk=3, head=[])
