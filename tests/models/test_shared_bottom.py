"""The network with shared layers and heads: what function it is, and how its parameters are drawn."""

import pytest
import torch
import torch.nn.functional as F

from fairrun.config.check import InputError
from fairrun.models.shared_bottom import SharedBottom

CATEGORIES = [4, 3, 2]


def network(**changes):
    fields = {"num_features": 5 + sum(CATEGORIES), "categories": CATEGORIES, "num_tasks": 3, "shared": [8, 6]}
    return SharedBottom(**fields | {"head": [5, 4], "embedding_dim": 2} | changes)


def drawn(net, num_runs=2):
    return net.init([torch.Generator().manual_seed(seed) for seed in range(num_runs)])


def rows(num_runs=2, num_rows=9):
    """Features, and the number of each row's category in every column."""
    g = torch.Generator().manual_seed(0)
    numbers = torch.randn(num_runs, num_rows, 5, generator=g, dtype=torch.float64)
    levels = [torch.randint(size, (num_runs, num_rows), generator=g) for size in CATEGORIES]
    one_hot = [F.one_hot(level, size).double() for level, size in zip(levels, CATEGORIES, strict=True)]
    return torch.cat([numbers, *one_hot], dim=-1), levels


def layer(theta, name, x, r):
    return F.linear(x, theta[f"{name}.weight"][r].T, theta[f"{name}.bias"][r, 0])


def looked_up(theta, x, levels, r, bottom=""):
    """Logits of run ``r`` of a network that looks embeddings up, and has them beside the numbers as its input."""
    embedded = [
        F.embedding(level[r], theta[f"{bottom}shared.embedding.{k}.weight"][r]) for k, level in enumerate(levels)
    ]
    return heads(theta, torch.cat([x[r, :, :5], *embedded], dim=-1), r, bottom)


def heads(theta, h, r, bottom=""):
    for k in range(2):
        h = layer(theta, f"{bottom}shared.{k}", h, r).relu()
    logits = []
    for t in range(3):
        z = layer(theta, f"head.{t}.1", layer(theta, f"head.{t}.0", h, r).relu(), r).relu()
        logits.append(layer(theta, f"head.{t}.classifier", z, r)[:, 0])
    return torch.stack(logits, dim=-1)


def test_embeddings_are_looked_up():
    theta, (x, levels) = drawn(network()), rows()
    for r in range(2):
        torch.testing.assert_close(
            network().logits(theta, x)[r], looked_up(theta, x, levels, r), rtol=1e-12, atol=1e-14
        )


def test_embeddings_have_the_gradient_of_looked_up_ones():
    x, levels = rows(1)
    theta = {name: p.requires_grad_() for name, p in drawn(network(), 1).items()}
    outputs = network().logits(theta, x)[0], looked_up(theta, x, levels, 0)
    ours, theirs = (torch.autograd.grad(logits.square().sum(), [*theta.values()]) for logits in outputs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


def test_without_embeddings_one_hot_features_go_in():
    net = network(embedding_dim=None)
    theta, (x, _) = drawn(net), rows()
    assert not any("embedding" in name for name in theta)
    for r in range(2):
        torch.testing.assert_close(net.logits(theta, x)[r], heads(theta, x[r], r), rtol=1e-12, atol=1e-14)


def test_a_task_with_a_bottom_of_its_own_uses_it_and_the_others_do_not():
    theta, (x, levels) = drawn(network()), rows()
    g = torch.Generator().manual_seed(9)
    bottom = {name: p for name, p in theta.items() if name.startswith("shared.")}
    theta |= {f"own.1.{name}": p + torch.randn(p.shape, generator=g, dtype=p.dtype) for name, p in bottom.items()}
    logits, shared, own = (
        network().logits(theta, x),
        looked_up(theta, x, levels, 0),
        looked_up(theta, x, levels, 0, "own.1."),
    )
    assert not torch.allclose(shared[:, 1], own[:, 1])
    torch.testing.assert_close(logits[0, :, 1], own[:, 1], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(logits[0, :, [0, 2]], shared[:, [0, 2]], rtol=1e-12, atol=1e-14)


def test_a_head_without_hidden_layers_is_linear():
    net = network(head=[])
    theta, (x, _) = drawn(net), rows()
    h = net.hidden(theta, x)
    for t in range(3):
        expected = layer(theta, f"head.{t}.classifier", h[0], 0)[:, 0]
        torch.testing.assert_close(net.logits(theta, x)[0, :, t], expected, rtol=1e-12, atol=1e-14)


def test_parameters_are_named_by_the_group_that_moves_them():
    assert {name.rpartition(".")[0] for name in drawn(network())} == {
        *(f"shared.embedding.{k}" for k in range(3)),
        *(f"shared.{k}" for k in range(2)),
        *(f"head.{t}.{layer}" for t in range(3) for layer in ("0", "1", "classifier")),
    }


def test_weights_are_glorot_uniform_and_biases_0():
    """Uniform in +-sqrt(6 / (in + out)): the deviation is that by sqrt(3), the largest of 30,000 is near the end."""
    theta = drawn(network(num_features=109, shared=[200, 50], head=[300]), 1)
    for name, p in theta.items():
        if name.endswith("bias"):
            assert (p == 0).all()
        elif "embedding" not in name and p.numel() > 10_000:
            end = (6 / (p.shape[1] + p.shape[2])) ** 0.5
            assert p.abs().max().item() == pytest.approx(end, rel=1e-3)
            assert p.abs().max().item() <= end
            assert p.std().item() == pytest.approx(end / 3**0.5, rel=0.02)


def test_embeddings_are_normal_with_deviation_one_over_root_width_cut_off_at_two():
    """Cut off at two deviations a normal number has 0.880 of its deviation."""
    net = network(num_features=505, categories=[500], embedding_dim=40)
    table = drawn(net, 1)["shared.embedding.0.weight"]
    assert table.shape == (1, 500, 40)
    assert table.abs().max().item() == pytest.approx(2 / 40**0.5, rel=1e-3)
    assert table.abs().max().item() <= 2 / 40**0.5
    assert table.std().item() == pytest.approx(0.8796 / 40**0.5, rel=0.02)
    assert table.mean().item() == pytest.approx(0, abs=3e-3)


def test_a_run_draws_the_same_parameters_alone():
    together, alone = drawn(network(), 3), network().init([torch.Generator().manual_seed(2)])
    assert all(torch.equal(together[name][2:], p) for name, p in alone.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shared": []}, r"shared must be a list of one width >= 1 or more, got \[\]"),
        ({"shared": [8, 0]}, "shared must be a list of one width >= 1 or more"),
        ({"head": [0]}, r"head must be a list of widths >= 1, got \[0\]"),
        ({"embedding_dim": 0}, "embedding_dim must be null or >= 1, got 0"),
    ],
)
def test_bad_widths_are_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        network(**changes)
