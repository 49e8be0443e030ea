"""IRW: its weights against explicit gradients, and what must hold of them."""

import dataclasses

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sklearn.cluster import DBSCAN
from torch.func import grad, vmap

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.method.dbscan import dbscan_noise
from fairrun.method.rows import worst_fraction
from fairrun.methods.irw import IRW
from fairrun.methods.irw_global import IRWGlobal
from fairrun.methods.irwo import IRWO
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.runs.checks.alone import check
from fairrun.training.binding import bind
from fairrun.training.optim import SGD
from tests.helpers.synthetic import config, method

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


def irw(layers, alpha=0.3, normalise="sum", scope="batch"):
    if scope == "batch":
        return IRW(SMALL, alpha, layers=layers, normalise=normalise)
    return IRWGlobal(SMALL, alpha, scope=scope, layers=layers, normalise=normalise)


def irwo(layers="all", alpha=0.3, min_samples=3, eps_rule="quantile", eps=0.8):
    return IRWO(SMALL, alpha, layers=layers, min_samples=min_samples, eps_rule=eps_rule, eps=eps)


def bound(*options, num_runs=3, **more):
    return bind([irw(*options, **more)] * num_runs, torch.float64)


def plain(*overrides):
    return OmegaConf.to_container(config(*overrides), resolve=True)


def gains_of(theta, batch, layers, alpha):
    """As the method has them: the gains s and the weights of W's mean, both [R, B]."""
    rows = MODEL.row_gradients(theta, batch, layers)
    share = worst_fraction(rows.losses, bound(layers, alpha).alpha, batch.w, up=True)
    return rows.along(rows.combined(share)), share


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
    gains, share = gains_of(theta, batch, layers, alpha)
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


@pytest.mark.parametrize("seed", range(4))
def test_a_small_step_lowers_the_loss_of_those_who_were_worst_off(seed):
    """By <G, sum_i w_i g_i> = sum [s]_+^2 / sum [s]_+ > 0, with the gradients of all layers."""
    theta, batch = case(seed)
    method = bound("all", 0.3)
    _, share = gains_of(theta, batch, "all", 0.3)
    state, logs = method.update(MODEL, method.init(MODEL, theta, batch), batch)
    torch.testing.assert_close(logs["worst_off_loss"], (share * MODEL.losses(theta, batch)).sum(-1))
    assert ((share * MODEL.losses(state.theta, batch)).sum(-1) < logs["worst_off_loss"]).all()


@every_layer
def test_no_other_weights_of_their_length_lower_the_worst_off_loss_more_to_first_order(layers):
    theta, batch = case()
    s = expected(theta, batch, layers, 0.3)[0] * batch.w
    method = bound(layers, normalise="norm")
    w, _ = method._weights(MODEL, method.init(MODEL, theta, batch), batch)
    v = torch.rand(1000, 3, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * batch.w
    v = v / v.norm(dim=-1, keepdim=True) * w.norm(dim=-1, keepdim=True)
    assert ((v * s).sum(-1) < (w * s).sum(-1)).all()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (["irw"], []),
        (["irw", "method.epsilon=2"], ["method.epsilon=2 has no effect with method.alpha_from=given"]),
        (["irw", "method.epsilon=2", "method.alpha_from=randomized_response"], []),
        (
            ["irw_resampled", "method.normalise=norm"],
            ["method.normalise=norm has no effect with method.scope=resampled"],
        ),
        (["irw_global", "method.normalise=norm"], []),
    ],
)
def test_a_field_that_has_no_effect_is_named(chosen, said):
    assert method(*chosen).remarks(epochs=5) == said


def test_a_row_of_a_large_loss_and_no_gradient_weighs_nothing():
    """Its loss puts it among the worst-off, as a loss that is cut off would."""

    class Cut(Classifier):
        def row_gradients(self, theta, batch, layers):
            rows = super().row_gradients(theta, batch, layers)
            cut = torch.arange(batch.y.shape[1]) < 3
            return dataclasses.replace(rows, losses=rows.losses + 100 * cut, slope=rows.slope * ~cut)

    theta, batch = case()
    method = bound("all")
    w, logs = method._weights(Cut(NETWORK), method.init(MODEL, theta, batch), batch)
    assert (w[:, :3] == 0).all() and (w[:, 3:] > 0).any()
    assert (logs["worst_off_loss"] > 30).all()


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
    s, _ = gains_of(theta, batch, "last", 0.01)
    same = batch.y == batch.y.gather(-1, worst.unsqueeze(-1))
    assert ((s > 0) == same)[batch.w > 0].all()


@every_layer
def test_the_order_and_copies_of_rows_do_not_matter_to_their_weight(layers):
    theta, batch = case(real=32)
    twice = batch._replace(x=batch.x.clone(), y=batch.y.clone())
    twice.x[:, 1], twice.y[:, 1] = batch.x[:, 0], batch.y[:, 0]
    gains, _ = gains_of(theta, twice, layers, 0.3)
    torch.testing.assert_close(gains[:, 0], gains[:, 1])


@pytest.mark.parametrize("kept", [0, 10**6])
@pytest.mark.parametrize("scope", ["reweighted", "resampled"])
@every_layer
def test_the_global_weights_are_the_definition_over_all_rows_whatever_is_kept(layers, scope, kept, monkeypatch):
    monkeypatch.setattr("fairrun.methods.irw_global.MOST_KEPT", kept)
    theta, whole = case(num_rows=4128, real=4100, num_runs=2)
    method = bound(layers, 0.2, scope=scope, num_runs=2)
    state, drawn = method.start_epoch(MODEL, method.init(MODEL, theta, whole), whole)
    w = expected(theta, whole, layers, 0.2)[0].clamp(min=0) * whole.w
    w = w / w.sum(-1, keepdim=True)
    torch.testing.assert_close(state.row_weights, w * 4100, rtol=1e-8, atol=1e-12)
    assert (drawn is None) if scope == "reweighted" else torch.equal(drawn * 4100, state.row_weights)


def test_the_steps_of_an_epoch_are_on_average_along_the_globally_weighted_gradient():
    theta, whole = case(num_rows=64, real=64)
    method = bound("all", 0.2, scope="reweighted")
    state, _ = method.start_epoch(MODEL, method.init(MODEL, theta, whole), whole)
    g, losses = row_gradients(theta, whole, "all")
    w = expected(theta, whole, "all", 0.2)[0].clamp(min=0)
    moved = 0
    for rows in torch.arange(64).split(16):
        i = rows.expand(3, -1)
        after, logs = method.update(MODEL, state, Batch(whole.x[:, rows], whole.y[:, rows], i, whole.w[:, rows]))
        moved += torch.cat([(theta[name] - after.theta[name]).flatten(1) for name in theta], dim=1) / 1e-3 / 4
        torch.testing.assert_close(logs["loss"], losses[:, rows].mean(-1))
    torch.testing.assert_close(moved, (w / w.sum(-1, keepdim=True)).unsqueeze(1).bmm(g)[:, 0], rtol=1e-6, atol=1e-10)


def test_drawn_rows_weigh_alike():
    theta, whole = case(num_rows=32, real=32)
    method = bound("last", 0.2, scope="resampled")
    state, _ = method.start_epoch(MODEL, method.init(MODEL, theta, whole), whole)
    again = whole._replace(w=whole.w.clone())
    again.w[:, 20:] = 0
    w = method._weights(state, again)
    torch.testing.assert_close(w, again.w / 20)


def test_alpha_is_logged():
    theta, batch = case()
    method = bind([irw("last", alpha) for alpha in (0.1, 0.2, 0.3)], torch.float64)
    _, logs = method.update(MODEL, method.init(MODEL, theta, batch), batch)
    assert logs["alpha"].tolist() == [0.1, 0.2, 0.3]


def test_the_share_of_weight_of_the_class_that_has_most_is_logged():
    theta, batch = case()
    method = bound("all")
    state = method.init(MODEL, theta, batch)
    w, _ = method._weights(MODEL, state, batch)
    _, logs = method.update(MODEL, state, batch)
    of_one = (w * batch.y).sum(-1) / w.sum(-1)
    torch.testing.assert_close(logs["largest_class_weight"], torch.maximum(of_one, 1 - of_one))


@pytest.mark.parametrize("min_samples", [1, 3, 5])
def test_noise_is_what_scikit_learn_calls_noise(min_samples):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        centres = rng.normal(0, 3, (4, 2))[rng.integers(0, 4, 60)]
        points = np.concatenate([centres + rng.normal(0, 0.4, (60, 2)), rng.normal(0, 5, (10, 2))])
        points[3:6] = points[0]
        eps = rng.uniform(0.1, 1.5)
        labels = DBSCAN(eps=eps, min_samples=min_samples).fit(points).labels_
        squares = torch.cdist(torch.tensor(points)[None], torch.tensor(points)[None]).square()
        noise = dbscan_noise(squares, torch.tensor([[eps**2]]).double(), min_samples)[0]
        assert (noise.numpy() == (labels == -1)).all(), seed


@every_layer
@pytest.mark.parametrize(("eps_rule", "eps"), [("fixed", 0.2), ("quantile", 0.8), ("quantile", 0.95)])
def test_outliers_are_those_of_scikit_learn_on_explicit_gradients(layers, eps_rule, eps):
    theta, batch = case()
    method = bind([irwo(layers, eps_rule=eps_rule, eps=eps)] * 3, torch.float64)
    removed = method._outliers(MODEL.row_gradients(theta, batch, layers).gram(), batch.w)
    g, _ = row_gradients(theta, batch, layers)
    for r in range(3):
        d = np.linalg.norm(g[r, :29, None] - g[r, None, :29], axis=-1)
        third = np.sort(np.sort(d, axis=1)[:, 2])
        reach = eps if eps_rule == "fixed" else third[int(np.ceil(eps * 29)) - 1] * (1 + 1e-6)
        labels = DBSCAN(eps=reach, min_samples=3, metric="precomputed").fit(d).labels_
        if (labels != -1).sum() >= 3:
            assert (removed[r, :29].numpy() == (labels == -1)).all()
    assert not removed[:, 29:].any()
    assert removed.any() or eps == 0.95  # of 29 rows the quantile leaves one, which may be near a core row


@every_layer
def test_irwo_is_irw_on_the_rows_that_stay(layers):
    theta, batch = case()
    method = bind([irwo(layers)] * 3, torch.float64)
    w, logs = method._weights(MODEL, method.init(MODEL, theta, batch), batch)
    kept = batch._replace(w=batch.w * (1 - logs["removed"]))
    others = bound(layers)
    expected_w, _ = others._weights(MODEL, others.init(MODEL, theta, batch), kept)
    torch.testing.assert_close(w, expected_w, rtol=1e-9, atol=1e-12)
    assert 0 < logs["removed"].mean() < 0.2


def points(rows):
    """The products of points in the plane, for one run."""
    v = torch.tensor(rows, dtype=torch.float64)[None]
    return v @ v.mT, torch.ones(1, len(rows), dtype=torch.float64)


def test_a_far_row_is_dropped_and_a_far_group_of_many_is_kept():
    near = [(0.01 * k, 0.0) for k in range(10)]
    far = [(50.0 + 0.01 * k, 50.0) for k in range(4)]
    method = bind([irwo(min_samples=4, eps_rule="fixed", eps=0.1)], torch.float64)
    assert method._outliers(*points([*near, (9.0, 9.0)]))[0].tolist() == [False] * 10 + [True]
    assert not method._outliers(*points(near + far)).any()
    assert method._outliers(*points(near + far[:3]))[0].tolist() == [False] * 10 + [True] * 3


def test_copies_of_a_row_are_no_outliers_and_where_too_few_would_stay_all_do():
    method = bind([irwo(min_samples=4)], torch.float64)
    assert not method._outliers(*points([(1.0, 2.0)] * 9)).any()
    lonely = [(10.0 * k, 0.0) for k in range(8)]
    fixed = bind([irwo(min_samples=4, eps_rule="fixed", eps=0.1)], torch.float64)
    assert not fixed._outliers(*points(lonely)).any()


@pytest.mark.parametrize("quantile", [0.5, 0.8, 0.95, 1.0])
def test_the_quantile_bounds_how_many_are_removed(quantile):
    theta, batch = case(seed=3, num_rows=256, real=250)
    method = bind([irwo(min_samples=5, eps=quantile)] * 3, torch.float64)
    removed = method._outliers(MODEL.row_gradients(theta, batch, "all").gram(), batch.w)
    assert (removed.sum(-1) <= (1 - quantile) * 250).all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"alpha": 0.0}, "alpha must be in"),
        ({"alpha": 1.5}, "alpha must be in"),
        ({"layers": "first"}, "layers must be one"),
        ({"epsilon": 0.0}, "epsilon must be > 0"),
        ({"delta": 1.0}, r"delta must be null or in \(0, 1\)"),
        ({"delta": 0.05}, "delta must be null with method.alpha_from=given"),
        ({"alpha_from": "census"}, "alpha_from must be one"),
    ],
)
def test_what_cannot_be_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(irw("last"), **changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"min_samples": 0}, "min_samples must be >= 1"),
        ({"eps_rule": "mean"}, "eps_rule must be one"),
        ({"eps": 0.0}, "eps must be > 0"),
        ({"eps": 1.5}, "eps must be in"),
    ],
)
def test_what_cannot_be_of_outliers_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(irwo(), **changed)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["method=irw", "method.alpha=0.05", "batch_size=19"], "batch_size must be >= 20 with method.alpha=0.05"),
        (
            ["method=irwo", "method.min_samples=40", "batch_size=32"],
            "batch_size must be >= 40 with method.min_samples=40",
        ),
    ],
)
def test_a_batch_without_a_worst_off_row_or_a_core_row_is_refused(overrides, said):
    with pytest.raises(InputError, match=said):
        check(plain(*overrides))


@pytest.mark.parametrize("overrides", [["method=irw", "method.alpha=0.05"], ["method=irwo", "method.min_samples=20"]])
def test_the_smallest_batch_is_taken(overrides):
    check(plain(*overrides, "batch_size=20"))
