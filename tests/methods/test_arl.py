"""ARL: its weights and both steps by hand, and who the adversary can tell."""

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.methods.arl import ARL
from fairrun.methods.erm import ERM
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.optim import SGD, Adam
from tests.helpers.synthetic import data

NETWORK = MLP(num_features=6, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0, num_classes=2)
PLAIN = SGD(1.0, 0.0, 0.0)


class Losses:
    """A model with one parameter a row, whose loss is the row's own parameter: gradients are the rows' weights."""

    def losses(self, theta, batch):
        return theta["l"]


def batch_of(x, y, num_classes=2, padding=0, epoch=0):
    x, y = torch.tensor([x], dtype=torch.float64), torch.tensor([y], dtype=torch.float64)
    w = torch.ones_like(y)
    w[:, y.shape[1] - padding :] = 0
    return Batch(x, y, torch.arange(y.shape[1])[None], w, num_classes=num_classes, epoch=epoch)


def step(batch, losses, adversary=None, method=None):
    """The rows' weights in the learner's step, and the state after the first step."""
    bound = bind([method or ARL(PLAIN, PLAIN, 0)], torch.float64)
    theta = {"l": torch.tensor([losses], dtype=torch.float64)}
    state = bound.init(Losses(), theta, batch)
    if adversary is not None:
        state = state._replace(adversary=adversary)
    after, logs = bound.update(Losses(), state, batch)
    return (theta["l"] - after.theta["l"])[0] * batch.w.sum(), after, logs


def test_at_first_all_rows_weigh_the_same():
    w, _, logs = step(batch_of([[1.0], [2.0], [4.0]], [0, 1, 1]), [1.0, 2.0, 3.0])
    assert w.tolist() == pytest.approx([2, 2, 2])
    assert logs["loss"].item() == pytest.approx(4) and logs["largest_weight"].item() == pytest.approx(2)


def test_a_row_weighs_1_and_its_share_of_what_the_adversary_says():
    """f = (0, ln 3, 0 + ln 3): sigma = (1/2, 3/4, 3/4), of mean 2/3: lambda = 1 + (3/4, 9/8, 9/8)."""
    log3 = torch.tensor(3.0, dtype=torch.float64).log().item()
    adversary = {"u": torch.tensor([[[log3, log3]]]).double(), "c": torch.zeros(1, 1).double()}
    w, _, logs = step(batch_of([[0.0], [1.0], [0.0], [9.0]], [0, 0, 1, 1], padding=1), [1.0, 1.0, 1.0, 5.0], adversary)
    assert w.tolist() == pytest.approx([1.75, 2.125, 2.125, 0])
    assert logs["largest_weight"].item() == pytest.approx(2.125)


def test_the_adversary_climbs_the_weighted_loss_of_before_the_learners_step():
    """At f = 0 the derivative of mean(lambda l) by f_i is (l_i - mean l) / (2 m): sigma' / sigma = 1/2."""
    x, y, losses = [[1.0], [2.0], [4.0]], [0, 1, 1], torch.tensor([1.0, 2.0, 6.0]).double()
    _, after, _ = step(batch_of(x, y), losses.tolist())
    slope = (losses - 3) / 6
    expected = [(slope * torch.tensor(v)).sum().item() for v in ([1.0, 2.0, 4.0], [0.0, 1.0, 1.0])]
    assert after.adversary["u"][0, 0].tolist() == pytest.approx(expected)
    assert after.adversary["c"].item() == pytest.approx(0)


def test_labels_of_several_classes_are_seen_one_hot():
    """m = 4 and a mean of 3: the slopes are (-2, -1, 0, 3) / 8, and the last two rows have one class."""
    _, after, _ = step(batch_of([[0.0]] * 4, [0, 1, 2, 2], num_classes=3), [1.0, 2.0, 3.0, 6.0])
    assert after.adversary["u"][0, 0].tolist() == pytest.approx([0, -2 / 8, -1 / 8, 3 / 8])


def test_the_adversary_rests_while_the_learner_is_trained_alone():
    batch = batch_of([[1.0], [2.0]], [0, 1])
    w, after, _ = step(batch, [1.0, 3.0], method=ARL(PLAIN, PLAIN, 1))
    assert w.tolist() == [1, 1] and not after.adversary["u"].any()
    _, after, _ = step(batch._replace(epoch=1), [1.0, 3.0], method=ARL(PLAIN, PLAIN, 1))
    assert after.adversary["u"].any()
    assert ARL(PLAIN, PLAIN, 3).remarks(3) == ["method.pretrain_epochs=3: the adversary never starts, epochs=3"]
    assert ARL(PLAIN, PLAIN, 2).remarks(3) == []


def test_an_adversary_that_never_starts_leaves_erm():
    adam = Adam(1e-2, 0.9, 0.999, 1e-8)
    ours, theirs = (fit(NETWORK, [m], [0], data(), epochs=3, batch_size=32) for m in (ARL(adam, PLAIN, 3), ERM(adam)))
    assert all(torch.equal(ours[0].theta[name], theirs[0].theta[name]) for name in theirs[0].theta)


def test_a_group_that_shows_in_the_features_gains_weight_where_the_learner_fails_it():
    """Rows with x_0 = 1 have labels that no feature tells; a learner without its bias cannot help them."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1, 256, 3, generator=g).double()
    x[..., 0] = (torch.rand(1, 256, generator=g) < 0.3).double()
    y = torch.where(x[..., 0] > 0, torch.rand(1, 256, generator=g) < 0.5, x[..., 1] > 0).double()
    batch = Batch(x, y, torch.arange(256)[None], torch.ones_like(y))
    network = MLP(
        num_features=3, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0, num_classes=2
    )
    model, bound = Classifier(network), bind([ARL(Adam(1e-2, 0.9, 0.999, 1e-8), SGD(0.5, 0.0, 0.0), 0)], torch.float64)
    state = bound.init(model, network.init([torch.Generator().manual_seed(0)]), batch)
    for _ in range(200):
        state, _ = bound.update(model, state, batch)
    assert state.adversary["u"][0, 0, 0] > 0.5


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="pretrain_epochs must be >= 0, got -1"):
        ARL(PLAIN, PLAIN, -1)
