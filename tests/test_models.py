"""The networks as functions of a parameter dict."""

import pytest
import torch

from fairrun.models.mlp import MLP


def generators(num_runs):
    return [torch.Generator().manual_seed(seed) for seed in range(num_runs)]


def mlp(**changes):
    return MLP(**{"num_features": 5, "width": 8, "depth": 3, "fairness_layers": 1, "dropout": 0.0} | changes)


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width must be >= 1, got 0"),
        ({"depth": -1}, "depth must be >= 0, got -1"),
        ({"fairness_layers": 4}, "fairness_layers must be between 0 and model.depth=3, got 4"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_sizes_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        mlp(**changes)
