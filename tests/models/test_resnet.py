"""ResNet-18 with group normalisation, and the experiments that train it on a user's images."""

import importlib.util

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from fairrun.config.check import InputError, located
from fairrun.models.resnet import ResNet, ResNet18
from fairrun.runs.built import network_of
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data
from fairrun.runs.job import facts, load
from fairrun.training.fit import fit
from tests.helpers.celeba import write_celeba
from tests.helpers.networks import generators
from tests.helpers.synthetic import built, config

GROUPS = {"fairness": "layer4", "classifier": "fc"}


def resnet(**changes):
    fields = {"num_features": 192, "num_classes": 2, "groups": GROUPS, "weights": None}
    return ResNet18(**fields | {"channels": 3, "width": 4, "stem": "small"} | changes)


def test_it_has_the_layers_and_the_size_of_torchvisions():
    """torchvision's resnet18 has 11,689,512 parameters for 1,000 classes, and these names."""
    net = ResNet(3, 64, "large", 1000)
    assert sum(p.numel() for p in net.parameters()) == 11_689_512
    state = net.state_dict()
    assert len(state) == 122
    shapes = {name: list(p.shape) for name, p in state.items()}
    assert shapes["conv1.weight"] == [64, 3, 7, 7] and shapes["fc.weight"] == [1000, 512]
    assert shapes["layer3.0.downsample.0.weight"] == [256, 128, 1, 1]
    assert shapes["layer4.1.bn2.running_var"] == [512]


@pytest.mark.parametrize(("stem", "sizes"), [("large", [8, 4, 2, 1]), ("small", [32, 16, 8, 4])])
def test_the_large_stem_quarters_the_image_and_the_small_one_keeps_it(stem, sizes):
    net, found = ResNet(1, 2, stem, 1), []
    for k in range(4):
        net.get_submodule(f"layer{k + 1}").register_forward_hook(lambda _, __, out: found.append(out.shape[-1]))
    net(torch.rand(2, 1, 32, 32))
    assert found == sizes


def test_batch_normalisation_is_replaced_and_layer4_is_the_fairness_players():
    network = resnet()
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.make().modules())
    names = network.init(generators(1))
    assert [name for name in names if name.startswith("fairness")] == [n for n in names if ".layer4." in n]
    assert list(names)[-2:] == ["classifier.weight", "classifier.bias"]


def test_a_state_dict_of_torchvision_fits_but_for_running_statistics(tmp_path):
    net = ResNet(3, 4, "small", 1000)
    torch.save(net.state_dict(), tmp_path / "imagenet.pt")
    theta = resnet(weights=str(tmp_path / "imagenet.pt")).init(generators(2))
    for r in range(2):
        assert torch.equal(theta["fairness.layer4.1.bn2.weight"][r], net.get_parameter("layer4.1.bn2.weight").double())
        assert torch.equal(theta["base.conv1.weight"][r], net.conv1.weight.double())
    assert not torch.equal(theta["classifier.weight"][0], theta["classifier.weight"][1])  # of another shape: drawn


def test_a_run_is_bit_for_bit_the_run_alone():
    network, g = resnet(), torch.Generator().manual_seed(0)
    x = torch.rand(3, 32, 192, generator=g)
    theta = {name: p.float().requires_grad_() for name, p in network.init(generators(3)).items()}
    grads = torch.autograd.grad(network.logits(theta, x).sum(), list(theta.values()))
    for r in range(3):
        alone = {name: p.detach()[r : r + 1].clone().requires_grad_() for name, p in theta.items()}
        logits = network.logits(alone, x[r : r + 1].clone())
        assert torch.equal(logits[0], network.logits(theta, x)[r])
        for ours, theirs in zip(torch.autograd.grad(logits.sum(), list(alone.values())), grads, strict=True):
            assert torch.equal(ours[0], theirs[r])


def test_images_of_other_channels_are_refused():
    with pytest.raises(
        InputError, match="channels must be such that the data's 192 features are channels x size x siz"
    ):
        resnet(channels=1)
    with pytest.raises(InputError, match="stem must be one of large, small, got 'tiny'"):
        resnet(stem="tiny")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "methods"),
    [
        ("nash/celeba", ["nash_ltr", "ltr", "erm"]),
        ("fairbinn/celeba", ["fairbinn_authors", "lagrangian"]),
        ("irw/celeba", ["irw", "group_dro"]),
        ("mtaf/celeba", ["mtaf", "stl"]),
    ],
)
def test_an_experiment_on_images_trains_on_the_users_files(experiment, methods, tmp_path):
    write_celeba(tmp_path)
    for method in methods:
        width = "model.trunk.width=4" if experiment == "mtaf/celeba" else "model.width=4"
        small = ["dataset.rows.size=16", width, f"dataset.path={tmp_path}", "dataset.split.balanced=1"]
        cfg = OmegaConf.to_container(config(f"experiment={experiment}", f"method={method}", *small), resolve=True)
        check(cfg)
        data = load(cfg)
        check_data(cfg, facts(data))
        (run,) = fit(
            network_of(cfg, facts(data)), [built(OmegaConf.create(cfg), "method")], [0], data, epochs=1, batch_size=32
        )
        assert run.failure is None and len(run.history) == 1
        assert experiment != "mtaf/celeba" or {"test/accuracy/attractive", "test/accuracy/smiling"} <= {*run.history}


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is not None, reason="torchvision is installed")
def test_what_an_extra_brings_is_named_with_it():
    with pytest.raises(InputError) as refused:
        located("torchvision.models.resnet18", "model.module._target_")
    assert str(refused.value) == (
        "model.module._target_=torchvision.models.resnet18 needs the package torchvision: pip install 'fairrun[vision]'"
    )
