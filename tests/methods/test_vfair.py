"""VFair: its step against explicit gradients, and what the bounds of lam keep."""

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.method.steps import flatten
from fairrun.methods.erm import ERM
from fairrun.methods.vfair import VFair
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import SGD, Adam
from tests.helpers.synthetic import data

NETWORK = MLP(num_features=6, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0, num_classes=2)
MODEL = Classifier(NETWORK)
PLAIN = SGD(1.0, 0.0, 0.0)


class Losses:
    """A model with one parameter a row, whose loss is the row's own parameter: gradients are the rows' weights."""

    def losses(self, theta, batch):
        return theta["l"]


def rows_of(losses):
    """A batch of as many rows."""
    return Batch(losses.unsqueeze(-1), losses, torch.arange(losses.shape[1])[None], torch.ones_like(losses))


def stepped(losses, epsilon=1.0):
    """m times the rows' weights in the first step, and its logs."""
    start = torch.tensor([losses], dtype=torch.float64)
    bound, batch = bind([VFair(PLAIN, epsilon, 0.9)], torch.float64), rows_of(start)
    after, logs = bound.update(Losses(), bound.init(Losses(), {"l": start}, batch), batch)
    return (start - after.theta["l"])[0] * len(losses), logs


def case(seed, mu=None):
    """A model's first step, with the rows' gradients [B, P]: the moved parameters, losses, and logs."""
    rows = data().train
    batch = Batch(rows.x[None, :32], rows.y[None, :32], torch.arange(32)[None], torch.ones(1, 32).double())
    theta = NETWORK.init([torch.Generator().manual_seed(seed)])
    bound = bind([VFair(PLAIN, 0.7, 0.9)], torch.float64)
    state = bound.init(MODEL, theta, batch)
    if mu is not None:
        state = state._replace(mu=torch.full((1, 1), mu).double(), n=torch.full((1, 1), 10.0).double())
    after, logs = bound.update(MODEL, state, batch)
    leaves = {name: p.clone().requires_grad_() for name, p in theta.items()}
    losses = MODEL.losses(leaves, batch)[0]
    grads = [torch.autograd.grad(loss, list(leaves.values()), retain_graph=True) for loss in losses]
    each = torch.stack([torch.cat([g.flatten() for g in row]) for row in grads])
    moved = (flatten(theta) - flatten(after.theta))[0]
    return moved, losses.detach(), each, after.mu.item(), logs


def test_a_step_lowers_the_mean_and_the_deviation():
    """l = (0, 1, 2), mu 1, sigma^2 = 2/3: f = (-1, 0, 1) / sigma / 3 is orthogonal to g: lam = max(1, 1 / sigma)."""
    w, logs = stepped([0.0, 1.0, 2.0])
    r = 1.5**0.5
    assert logs["lam"].item() == pytest.approx(r) and logs["loss_deviation"].item() == pytest.approx(1 / r)
    assert w.tolist() == pytest.approx([0, r, 2 * r])


def test_rows_of_equal_loss_weigh_epsilon():
    w, logs = stepped([0.7, 0.7, 0.7], epsilon=0.5)
    assert w.tolist() == pytest.approx([0.5] * 3) and logs["loss_deviation"].item() == pytest.approx(0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mu", [None, 0.1, 3.0])
def test_the_step_is_a_sum_of_gradients_that_opposes_neither_the_mean_nor_any_row(seed, mu):
    moved, losses, each, mu, logs = case(seed, mu)
    sigma = (losses - mu).square().mean().sqrt()
    w = (losses - mu) / sigma + logs["lam"]
    torch.testing.assert_close(moved, (w.unsqueeze(-1) * each).mean(0), rtol=1e-7, atol=1e-10)
    assert w.min() > -1e-12
    g = each.mean(0)
    assert moved @ g >= 0.7 * (g @ g) - 1e-12
    assert (moved @ g).item() == pytest.approx(0.7 * (g @ g).item()) or w.min() < 1e-9 or logs["lam"] == 0


def test_the_running_mean_counts_all_batches_alike_at_first():
    """With decay d the t-th loss weighs d^(T - t), over the sum of the weights."""
    bound = bind([VFair(SGD(1e-9, 0.0, 0.0), 1.0, 0.5)], torch.float64)
    first = torch.tensor([[1.0, 3.0]]).double()
    batch = rows_of(first)
    state = bound.init(Losses(), {"l": first}, batch)
    for losses in (first, first + 1, first + 5):
        state, _ = bound.update(Losses(), state._replace(theta={"l": losses}), batch)
    assert state.mu.item() == pytest.approx((2 / 4 + 3 / 2 + 7) / (1 / 4 + 1 / 2 + 1))


def test_the_variance_falls_below_that_of_erm():
    adam = Adam(1e-2, 0.9, 0.999, 1e-8)
    ours, theirs = (
        fit(NETWORK, [m], [0], data(), epochs=30, batch_size=32)[0] for m in (VFair(adam, 1.0, 0.99), ERM(adam))
    )
    spread = []
    for run in (ours, theirs):
        rows = data().train
        batch = Batch(rows.x[None].float(), rows.y[None].float(), torch.arange(150)[None], torch.ones(1, 150))
        spread.append(MODEL.losses({name: p[None] for name, p in run.theta.items()}, batch).var().item())
    assert spread[0] < 0.7 * spread[1]


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="epsilon must be >= 0, got -1"):
        VFair(PLAIN, -1.0, 0.9)
    for decay in (-0.1, 1.0):
        with pytest.raises(InputError, match=r"decay must be in \[0, 1\), got"):
            VFair(PLAIN, 1.0, decay)
