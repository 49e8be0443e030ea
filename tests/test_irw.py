"""IRW: its weights against explicit gradients, and what must hold of them."""

import dataclasses

import pytest
import torch
from torch.func import grad, vmap

from fairrun.check import InputError
from fairrun.method import Batch, bind
from fairrun.methods.irw import IRW
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.optim import SGD

NETWORK = MLP(num_features=5, num_classes=2, width=6, depth=2, fairness_layers=1, fairness_position=None, dropout=0.0)
MODEL = Classifier(NETWORK)
SMALL = SGD(1e-3, 0.0, 0.0)
every_layer = pytest.mark.parametrize("layers", ["last", "all"])


def case(seed=0, num_runs=3, num_rows=32, real=29):
    """Parameters [R, ...] in float64 and a batch with padding behind the real rows."""
    g = torch.Generator().manual_seed(seed)
    theta = NETWORK.init([torch.Generator().manual_seed(seed + k) for k in range(num_runs)])
    x = torch.randn(num_runs, num_rows, 5, generator=g, dtype=torch.float64)
    y = (torch.rand(num_runs, num_rows, generator=g) < 0.4).double()
    w = torch.zeros(num_runs, num_rows, dtype=torch.float64)
    w[:, :real] = 1
    return theta, Batch(x, y, torch.arange(num_rows).expand(num_runs, -1), w)


def bound(layers, alpha=0.3, normalise="sum", optimizer=SMALL, num_runs=3):
    return bind([IRW(optimizer, alpha, layers, normalise)] * num_runs, torch.float64)


def row_gradients(theta, batch, layers):
    """Every row's gradient at the chosen layers, [R, B, P], and every row's loss."""
    names = [name for name in theta if layers == "all" or name.startswith("classifier")]

    def loss(part, others, x, y):
        one = Batch(x[None, None], y[None, None], None, None)
        return MODEL.losses({name: p[None] for name, p in (others | part).items()}, one)[0, 0]

    rows = []
    for r in range(len(batch.y)):
        own = {name: p[r] for name, p in theta.items()}
        part = {name: own[name] for name in names}
        found = vmap(grad(loss), (None, None, 0, 0))(part, own, batch.x[r], batch.y[r])
        rows.append(torch.cat([g.flatten(1) for g in found.values()], dim=1))
    return torch.stack(rows), MODEL.losses(theta, batch)


def worst_off(losses, batch, alpha):
    """W of each run, bool [R, B]: ceil(alpha n) of the n real rows."""
    real = batch.w > 0
    number = -(-real.sum(-1) * alpha // 1).long()
    ranks = losses.masked_fill(~real, -torch.inf).argsort(-1, descending=True).argsort(-1)
    return ranks < number.unsqueeze(-1)


def expected(theta, batch, layers, alpha):
    """The definition, written out: the gains s [R, B] and G [R, P]."""
    g, losses = row_gradients(theta, batch, layers)
    chosen = worst_off(losses, batch, alpha).double()
    G = (chosen.unsqueeze(-1) * g).sum(1) / chosen.sum(-1, keepdim=True)
    return (g * G.unsqueeze(1)).sum(-1), G, g


@every_layer
@pytest.mark.parametrize("alpha", [0.02, 0.3, 1.0])
def test_gains_are_inner_products_of_explicit_gradients(layers, alpha):
    theta, batch = case()
    gains, share = bound(layers, alpha)._gains(MODEL, theta, batch)
    torch.testing.assert_close(
        gains * batch.w, expected(theta, batch, layers, alpha)[0] * batch.w, rtol=1e-9, atol=1e-12
    )
    torch.testing.assert_close(share.sum(-1), torch.ones(3, dtype=torch.float64))
    assert ((share > 0).sum(-1) == -(-29 * alpha // 1)).all()


@every_layer
@pytest.mark.parametrize("normalise", ["sum", "norm"])
def test_a_step_is_along_the_weighted_gradients_of_the_rows(layers, normalise):
    theta, batch = case()
    state, logs = (method := bound(layers, 0.3, normalise)).update(MODEL, method.init(MODEL, theta, batch), batch)
    w = expected(theta, batch, layers, 0.3)[0].clamp(min=0) * batch.w
    w = w / (w.sum(-1, keepdim=True) if normalise == "sum" else w.norm(dim=-1, keepdim=True) * 29**0.5)
    whole, _ = row_gradients(theta, batch, "all")
    step = (w.unsqueeze(-1) * whole).sum(1)
    moved = torch.cat([(theta[name] - state.theta[name]).flatten(1) for name in theta], dim=1) / 1e-3
    torch.testing.assert_close(moved, step, rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(logs["weighted_rows"], (w > 0).double().sum(-1) / 29)


@pytest.mark.parametrize("seed", range(20))
def test_a_small_step_lowers_the_loss_of_those_who_were_worst_off(seed):
    """By <G, sum_i w_i g_i> = sum [s]_+^2 / sum [s]_+ > 0, with the gradients of all layers."""
    theta, batch = case(seed)
    method = bound("all", 0.3)
    _, share = method._gains(MODEL, theta, batch)
    state, logs = method.update(MODEL, method.init(MODEL, theta, batch), batch)
    torch.testing.assert_close(logs["worst_off_loss"], (share * MODEL.losses(theta, batch)).sum(-1))
    assert ((share * MODEL.losses(state.theta, batch)).sum(-1) < logs["worst_off_loss"]).all()


@every_layer
def test_some_row_of_the_worst_off_weighs_something_and_opposed_rows_nothing(layers):
    theta, batch = case()
    s, G, _ = expected(theta, batch, layers, 0.1)
    chosen = worst_off(MODEL.losses(theta, batch), batch, 0.1)
    total = (s * chosen).sum(-1)
    torch.testing.assert_close(total, chosen.sum(-1) * G.square().sum(-1))
    assert ((s > 0) & chosen).any(-1).all()
    assert (s < 0).any()


def test_of_the_last_layer_rows_of_the_other_class_weigh_nothing_where_the_worst_off_are_of_one():
    theta, batch = case()
    losses = MODEL.losses(theta, batch)
    worst = losses.masked_fill(batch.w == 0, -1).argmax(-1)
    s = bound("last", 0.01)._gains(MODEL, theta, batch)[0]
    same = batch.y == batch.y.gather(-1, worst.unsqueeze(-1))
    assert ((s > 0) == same)[batch.w > 0].all()


@every_layer
def test_the_order_and_copies_of_rows_do_not_matter_to_their_weight(layers):
    theta, batch = case(real=32)
    twice = batch._replace(x=batch.x.clone(), y=batch.y.clone())
    twice.x[:, 1], twice.y[:, 1] = batch.x[:, 0], batch.y[:, 0]
    gains = bound(layers)._gains(MODEL, theta, twice)[0]
    torch.testing.assert_close(gains[:, 0], gains[:, 1])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"alpha": 0.0}, "alpha must be in"),
        ({"alpha": 1.5}, "alpha must be in"),
        ({"layers": "first"}, "layers must be one"),
    ],
)
def test_what_cannot_be_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(IRW(SMALL, 0.5, "last", "sum"), **changed)
