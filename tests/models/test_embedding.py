"""Embeddings of columns of categories, in the networks that have them."""

import dataclasses

import pytest
import torch

from fairrun.models.mlp import MLP
from fairrun.models.resnet_tabular import ResNetTabular
from fairrun.training.fit import fit
from fairrun.training.native.parts import accelerate, choose
from tests.helpers.networks import generators
from tests.helpers.synthetic import data, method

SHAPE = {"num_features": 6, "num_classes": 2, "categories": [2, 3], "embedding_dim": 4}
NETWORKS = {
    "mlp": MLP(**SHAPE, width=16, depth=2, fairness_layers=1, fairness_position=None, dropout=0.0),
    "linear": MLP(**SHAPE, width=1, depth=0, fairness_layers=0, fairness_position=None, dropout=0.0),
    "resnet": ResNetTabular(**SHAPE, width=8, hidden_width=16, depth=2, fairness_layers=1, dropout=0.0),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def rows(num_rows=32):
    """One number, then one-hot features of columns of two and three categories."""
    g = torch.Generator().manual_seed(0)
    numbers = torch.randn(num_rows, 1, generator=g, dtype=torch.float64)
    drawn = [torch.randint(size, (num_rows,), generator=g) for size in SHAPE["categories"]]
    codes = [torch.nn.functional.one_hot(*pair).double() for pair in zip(drawn, SHAPE["categories"], strict=True)]
    return torch.cat([numbers, *codes], dim=1).expand(3, num_rows, 6)


@every_network
def test_a_row_goes_in_as_its_number_and_the_tables_rows(name):
    """Against the same network without embeddings, on the embedded features."""
    network = NETWORKS[name]
    theta, x = network.init(generators(3)), rows()
    tables = [theta[f"base.embedding.{k}.weight"] for k in (0, 1)]
    assert [tuple(table.shape) for table in tables] == [(3, 2, 4), (3, 3, 4)]
    embedded = torch.cat([x[..., :1], x[..., 1:3] @ tables[0], x[..., 3:] @ tables[1]], dim=-1)
    plain = dataclasses.replace(network, num_features=9, embedding_dim=None)
    torch.testing.assert_close(network.logits(theta, x), plain.logits(theta, embedded))
    torch.testing.assert_close(network.hidden(theta, x), x if name == "linear" else plain.hidden(theta, embedded))


@pytest.mark.skipif(choose("auto", torch.float32, "cpu") == "torch", reason="this machine cannot build the kernels")
def test_the_kernels_give_the_logits_and_gradients_of_torch():
    network = NETWORKS["mlp"]
    native = accelerate(network)
    theta, x = {k: p.float().requires_grad_() for k, p in network.init(generators(3)).items()}, rows().float()
    ours, theirs = (net.logits(theta, x).sigmoid().sum() for net in (native, network))
    torch.testing.assert_close(ours, theirs)
    for mine, other in zip(*(torch.autograd.grad(v, list(theta.values())) for v in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, other)
    with torch.no_grad():
        torch.testing.assert_close(native.hidden(theta, x), network.hidden(theta, x))


@pytest.mark.parametrize("chosen", ["erm", "penalty", "irw", "irw_global", "fairbinn", "nash_ltr"])
@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_methods_train_the_tables(chosen, engine):
    network, start = NETWORKS["mlp"], NETWORKS["mlp"].init(generators(1))
    run = fit(network, [method(chosen)], [0], data(), epochs=1, batch_size=32, engine=engine)[0]
    assert run.failure is None
    for name, p in start.items():
        assert not torch.equal(run.theta[name], p[0].float())


@every_network
def test_no_category_is_no_table(name):
    network = dataclasses.replace(NETWORKS[name], categories=[], num_features=4)
    theta = network.init(generators(2))
    assert not [key for key in theta if "embedding" in key]
    assert network.logits(theta, torch.randn(2, 32, 4, dtype=torch.float64)).shape == (2, 32)
