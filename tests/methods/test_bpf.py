"""BPF: its projection against a quadratic programme, and the game's steps."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.methods.bpf import BPF, project
from fairrun.methods.erm import ERM
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import SGD
from tests.helpers.synthetic import data

PLAIN = SGD(1.0, 0.0, 0.0)
NETWORK = MLP(num_features=6, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0, num_classes=2)


class Losses:
    """A model with one parameter a row, whose loss is the row's own parameter: gradients are the rows' weights."""

    def losses(self, theta, batch):
        return theta["l"].gather(-1, batch.i)


def rows(num_rows, real, epoch=0):
    i = torch.arange(num_rows)[None].clamp(max=real - 1)
    w = (torch.arange(num_rows) < real).double()[None]
    return Batch(torch.zeros(1, num_rows, 1).double(), torch.zeros(1, num_rows).double(), i, w, epoch=epoch)


def projected(v, alpha):
    v = torch.tensor(v, dtype=torch.float64).unsqueeze(0)
    return project(v, torch.tensor([[alpha]], dtype=torch.float64))[0].numpy()


@given(
    v=st.lists(st.floats(-3, 5) | st.sampled_from([0.5, 1.0]), min_size=1, max_size=30),
    alpha=st.floats(0.01, 1) | st.sampled_from([0.01, 0.5, 1.0]),
)
def test_the_projection_is_the_shift_that_a_search_finds(v, alpha):
    found = projected(v, alpha)
    assert found.min() >= 0.01 and found.max() <= 1
    assert found.mean() == pytest.approx(alpha, abs=1e-12)
    v = np.array(v)
    if 0.011 < alpha < 0.999:
        tau = brentq(lambda t: np.clip(v - t, 0.01, 1).mean() - alpha, v.min() - 2, v.max() + 1, xtol=1e-13)
        np.testing.assert_allclose(found, np.clip(v - tau, 0.01, 1), atol=1e-9)


def test_no_point_of_the_set_is_nearer():
    rng = np.random.default_rng(0)
    v = rng.normal(size=12) + 0.5
    found = projected(v, 0.4)
    for _ in range(200):
        other = projected(rng.normal(size=12) * 3, 0.4)
        assert np.sum((other - v) ** 2) >= np.sum((found - v) ** 2) - 1e-12


def test_what_is_in_the_set_stays():
    v = [0.2, 0.9, 0.7, 0.01, 1.0]
    assert projected(v, np.mean(v)).tolist() == pytest.approx(v)


def test_rows_start_alike_and_gain_weight_by_their_loss():
    """alpha 1/2, eta 1/10, l = (0, 1, 2, 5): w + eta l = (.5, .6, .7, 1), shifted by .2 to the mean .5."""
    bound = bind([BPF(PLAIN, 0.5, 0.1)], torch.float64)
    theta = {"l": torch.tensor([[0.0, 1.0, 2.0, 5.0]]).double()}
    state = bound.init(Losses(), theta, rows(4, 4))
    state, drawn = bound.start_epoch(Losses(), state, rows(8, 4))
    assert drawn is None and state.weights.tolist() == [[0.5] * 4]
    state, drawn = bound.start_epoch(Losses(), state, rows(8, 4, epoch=1))
    assert drawn is None and state.weights[0].tolist() == pytest.approx([0.3, 0.4, 0.5, 0.8])
    after, logs = bound.update(Losses(), state, rows(4, 4, epoch=1))
    assert (theta["l"] - after.theta["l"])[0].tolist() == pytest.approx([0.15, 0.2, 0.25, 0.4])
    assert logs["loss"].item() == pytest.approx((0.4 * 1 + 0.5 * 2 + 0.8 * 5) / 2)


def test_in_the_end_the_worst_share_has_the_weight():
    bound = bind([BPF(PLAIN, 0.25, 0.1)], torch.float64)
    state = bound.init(Losses(), {"l": torch.arange(8.0)[None].double()}, rows(8, 8))
    for epoch in range(1, 100):
        state, _ = bound.start_epoch(Losses(), state, rows(8, 8, epoch))
    assert state.weights[0].tolist() == pytest.approx([0.01] * 6 + [0.94, 1])


@pytest.mark.parametrize("method", [BPF(PLAIN, 1.0, 0.2), BPF(PLAIN, 0.3, 0.0)])
def test_no_room_or_no_step_is_erm(method):
    ours, theirs = (
        fit(NETWORK, [m], [0], data(), epochs=3, batch_size=32, dtype=torch.float64)[0] for m in (method, ERM(PLAIN))
    )
    for name in theirs.theta:
        torch.testing.assert_close(ours.theta[name], theirs.theta[name], rtol=1e-9, atol=1e-11)


def test_what_cannot_be_is_refused():
    for alpha in (0.0, 0.009, 1.2):
        with pytest.raises(InputError, match=r"alpha must be in \[0.01, 1\], got"):
            BPF(PLAIN, alpha, 0.1)
    with pytest.raises(InputError, match="eta must be >= 0, got -1"):
        BPF(PLAIN, 0.5, -1.0)
