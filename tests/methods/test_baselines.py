"""Each method against its formula, and its neutral element against its baseline."""

import numpy as np
import pytest
import torch

from fairrun.method.api import Batch
from fairrun.method.rows import share_of_rows
from fairrun.methods.erm import ERM
from fairrun.methods.group_dro import GroupDRO
from fairrun.methods.penalty import Penalty
from fairrun.methods.reweighing import Reweighing
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import SGD, Adam
from tests.helpers.quick import few
from tests.helpers.synthetic import data

NETWORK = MLP(num_features=6, num_classes=2, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0)
ADAM = Adam(lr=1e-2, b1=0.9, b2=0.999, eps=1e-8)
PLAIN = SGD(lr=1.0, momentum=0.0, weight_decay=0.0)


class Losses:
    """A model with one parameter a row, whose loss is the row's own parameter: gradients are the rows' weights."""

    def losses(self, theta, batch):
        return theta["l"]


def rows_of(s, y):
    s, y = torch.tensor([s]), torch.tensor([y], dtype=torch.float64)
    return Batch(
        torch.zeros(1, s.shape[1], 1, dtype=torch.float64), y, torch.arange(s.shape[1])[None], torch.ones_like(y), s
    )


def weights(method, losses, batch):
    """How much each row's loss weighs in the first step."""
    bound = bind([method], torch.float64)
    theta = {"l": torch.tensor([losses], dtype=torch.float64)}
    state, logs = bound.update(Losses(), bound.init(Losses(), theta, batch), batch)
    return (theta["l"] - state.theta["l"])[0], state, logs


def final(method):
    return fit(NETWORK, [method], [0], data(), epochs=3, batch_size=32, dtype=torch.float64)[0].theta


def assert_same_training(first, second):
    for name, value in final(first).items():
        torch.testing.assert_close(value, final(second)[name], rtol=1e-12, atol=1e-12)


def test_erm_weighs_rows_alike():
    w, _, logs = weights(ERM(PLAIN), [1.0, 2.0, 3.0, 6.0], rows_of([0, 0, 1, 1], [0, 1, 0, 1]))
    assert w.tolist() == pytest.approx([0.25] * 4)
    assert logs["loss"].item() == pytest.approx(3.0)


def test_group_dro_has_a_weight_for_each_group_and_class():
    """Cells 3 s + y of two groups and three classes; without a step size every cell that has rows weighs the same."""
    batch = rows_of([0, 0, 0, 1, 1], [2, 2, 0, 1, 2])._replace(num_classes=3)
    w, state, _ = weights(GroupDRO(PLAIN, 0.0, "sy"), [1.0] * 5, batch)
    assert state.q.shape == (1, 6)
    assert w.tolist() == pytest.approx([1 / 12, 1 / 12, 1 / 6, 1 / 6, 1 / 6])


def test_reweighing_makes_group_and_class_independent_of_several_classes():
    """P(s) P(y) / P(s, y) of rows (0, 0), (0, 2), (0, 2), (1, 1), (1, 2), (1, 0): 1/2 1/3 6, 1/2 1/2 3, ..."""
    batch = rows_of([0, 0, 0, 1, 1, 1], [0, 2, 2, 1, 2, 0])._replace(num_classes=3)
    w, _, _ = weights(Reweighing(PLAIN), [1.0] * 6, batch)
    assert (6 * w).tolist() == pytest.approx([1, 3 / 4, 3 / 4, 1 / 2, 3 / 2, 1])


def test_penalty_without_weight_is_erm():
    assert_same_training(Penalty(ADAM, 0.0, "equalized_odds"), ERM(ADAM))


@pytest.mark.parametrize("loss", ["demographic_parity", "equal_opportunity", "equalized_odds", "correlation", "mmd"])
def test_a_larger_penalty_leaves_less_of_its_fairness_loss(loss):
    methods = [Penalty(ADAM, lam, loss) for lam in (0.0, 3.0)]
    free, bound = fit(NETWORK, methods, [0, 0], data(), epochs=20, batch_size=150)
    assert bound.history["train/unfairness"].iloc[-1] < 0.5 * free.history["train/unfairness"].iloc[-1]


def test_reweighing_weighs_by_expected_over_observed_share():
    """Group 0 has 4 rows with 1 positive, group 1 has 4 with 3: P(s) = 1/2, P(y) = 1/2.

    w(0, 1) = .25 / (1/8) = 2, w(0, 0) = .25 / (3/8) = 2/3, w(1, 1) = 2/3, w(1, 0) = 2; a row weighs w / 8.
    """
    batch = rows_of([0, 0, 0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 1, 1, 1, 0])
    w, _, _ = weights(Reweighing(PLAIN), [1.0] * 8, batch)
    assert (w * 8).tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2])


def test_reweighing_of_independent_labels_is_erm():
    batch = rows_of([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1])._replace(num_groups=3)
    w, _, _ = weights(Reweighing(PLAIN), [1.0] * 6, batch)
    assert w.tolist() == pytest.approx([1 / 6] * 6)


def test_reweighing_makes_label_and_group_independent():
    rows = data().train
    whole = Batch(rows.x[None], rows.y[None], torch.arange(150)[None], torch.ones(1, 150), rows.s[None], num_groups=3)
    bound = bind([Reweighing(PLAIN)], torch.float64)
    state = bound.init(None, {"l": torch.zeros(1, 1, dtype=torch.float64)}, whole)
    w = state.cell_weights[0][2 * rows.s + rows.y.long()]
    rates = [(w * rows.y)[rows.s == g].sum() / w[rows.s == g].sum() for g in range(3)]
    assert rates == pytest.approx([rows.y.mean().item()] * 3)


def test_group_dro_takes_one_step_of_its_box():
    """l = (1, 3): q = (e^.5, e^1.5) / sum = (.2689, .7311); a row weighs q_g / n_g; the loss is q . l = 2.4621."""
    w, state, logs = weights(GroupDRO(PLAIN, 0.5, "s"), [1.0, 1.0, 1.0, 3.0], rows_of([0, 0, 0, 1], [0, 1, 0, 1]))
    q = np.exp([0.5, 1.5]) / np.exp([0.5, 1.5]).sum()
    assert state.q[0].tolist() == pytest.approx(list(q))
    assert w.tolist() == pytest.approx([q[0] / 3] * 3 + [q[1]])
    assert logs["loss"].item() == pytest.approx(2.4621171572600096)


def test_group_dro_without_a_step_size_is_the_mean_of_group_losses():
    w, _, logs = weights(
        GroupDRO(PLAIN, 0.0, "sy"), [1.0, 2.0, 3.0, 3.0, 5.0], rows_of([0, 0, 1, 1, 1], [0, 1, 0, 0, 1])
    )
    assert w.tolist() == pytest.approx([0.25, 0.25, 0.125, 0.125, 0.25])
    assert logs["loss"].item() == pytest.approx((1 + 2 + 3 + 5) / 4)


def test_group_dro_keeps_the_weight_of_an_absent_group_up_to_normalisation():
    _, state, _ = weights(GroupDRO(PLAIN, 1.0, "s"), [2.0, 2.0], rows_of([0, 0], [0, 1]))
    assert (state.q[0, 1] / state.q[0, 0]).item() == pytest.approx(np.exp(-2.0))


def test_group_dro_does_not_overflow():
    _, state, _ = weights(GroupDRO(PLAIN, 1e4, "s"), [1.0, 3.0], rows_of([0, 1], [0, 1]))
    assert state.q[0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Penalty(ADAM, -1.0, "mmd"), "lam must be >= 0, got -1.0"),
        (lambda: Penalty(ADAM, 1.0, "foo"), "fairness_loss must be one of demographic_parity"),
        (lambda: GroupDRO(ADAM, -0.1, "s"), "eta_q must be >= 0, got -0.1"),
        (lambda: GroupDRO(ADAM, 0.1, "y"), "group_by must be one of s, sy, got 'y'"),
    ],
)
def test_bad_values_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("dtype", few([torch.float32, torch.float64], 1))
def test_a_share_of_rows_is_that_of_whole_numbers(dtype):
    for percent in range(1, 101):
        rows = torch.cat([torch.arange(1, 300), torch.arange(5000, 6000, 20)])
        w = (torch.arange(6000) < rows.unsqueeze(-1)).to(dtype)
        fraction = torch.tensor([[percent / 100]], dtype=torch.float64).to(dtype)
        up, down = (share_of_rows(fraction, w, up=way)[:, 0].long() for way in (True, False))
        assert torch.equal(up, (percent * rows + 99) // 100)
        assert torch.equal(down, (percent * rows // 100).clamp(min=1))
