"""What goes round the loop: members of a run, patience, means of parameters, schedules."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from fairrun.methods.erm import ERM
from fairrun.methods.jtt import JTT
from fairrun.models.ensemble import Ensemble
from fairrun.models.mlp import MLP
from fairrun.training.checkpoint import Checkpoint
from fairrun.training.fit import fit
from fairrun.training.held import predict
from fairrun.training.kept.averages import Averaging
from fairrun.training.optim import SGD, Adam
from fairrun.training.schedule import Schedule
from tests.helpers.quick import few
from tests.helpers.synthetic import data, data_of_classes, method

NETWORK = MLP(num_features=6, num_classes=2, width=16, depth=1, fairness_layers=0, fairness_position=None, dropout=0.2)
NATIVE = dataclasses.replace(NETWORK, dropout=0.0)
ERMS = [ERM(Adam(lr=lr)) for lr in (1e-2, 3e-2, 1e-3)]


def trained(methods, seeds, network=NETWORK, epochs=6, **settings):
    return fit(network, methods, seeds, data(), epochs=epochs, batch_size=32, **settings)


def by_accuracy(record):
    """The validation accuracy ranks an epoch."""
    accuracy = record["val/accuracy"]
    return np.stack([np.ones_like(accuracy), accuracy], axis=-1)


def same(a, b):
    assert a.history.equals(b.history)
    for own, other in ((a.theta, b.theta), (a.chosen, b.chosen)):
        assert all(torch.equal(p, other[name]) for name, p in own.items())


WAYS = {
    "members": {"network": Ensemble(NETWORK, 3, 2)},
    "members, native": {"network": Ensemble(NATIVE, 3, 2), "engine": "native"},
    "patience": {"ranks": by_accuracy, "patience": 2, "epochs": 12},
    "ema": {"averaging": Averaging("ema", 0.9, 0.0)},
    "swa": {"averaging": Averaging("swa", 0.9, 0.5)},
    "ema, native": {"averaging": Averaging("ema", 0.9, 0.0), "network": NATIVE, "engine": "native"},
    "all": {
        "network": Ensemble(NETWORK, 2, 2),
        "ranks": by_accuracy,
        "patience": 2,
        "averaging": Averaging("ema", 0.9, 0.0),
        "schedule": Schedule(2, 0.5, 1, 0.1),
    },
}
every_way = pytest.mark.parametrize("way", few(WAYS, ["members, native", "all"]))


@every_way
def test_a_run_is_bitwise_the_same_alone_and_in_a_stack(way):
    together = trained(ERMS, [0, 7, 3], **WAYS[way])
    for r, (erm, seed) in enumerate(zip(ERMS, [0, 7, 3], strict=True)):
        same(together[r], trained([erm], [seed], **WAYS[way])[0])


@every_way
def test_a_training_that_is_stopped_goes_on_with_the_same_bits(way, tmp_path):
    whole = trained(ERMS, [0, 7, 3], **WAYS[way])

    def kill(epoch, *_):
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(ERMS, [0, 7, 3], **WAYS[way], progress=kill, checkpoint=Checkpoint(tmp_path / "stack.pt", 0.0))
    continued = trained(ERMS, [0, 7, 3], **WAYS[way], checkpoint=Checkpoint(tmp_path / "stack.pt", 0.0))
    for own, other in zip(whole, continued, strict=True):
        same(own, other)


def test_the_first_member_is_the_run_alone_and_the_others_are_others():
    alone = trained(ERMS[:1], [5])[0]
    members = trained(ERMS[:1], [5], network=Ensemble(NETWORK, 3, 2))[0].theta
    for name, p in alone.theta.items():
        assert torch.equal(members[name][0], p)
        assert not torch.equal(members[name][1], p)
        assert not torch.equal(members[name][1], members[name][2])


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_probabilities_of_members_are_averaged(num_classes):
    rows = data() if num_classes == 2 else data_of_classes()
    network = dataclasses.replace(NETWORK, num_classes=num_classes, num_features=len(rows.features))
    run = fit(Ensemble(network, 3, num_classes), ERMS[:1], [5], rows, epochs=2, batch_size=32, dtype=torch.float64)[0]
    link = rows.target.link
    each = [
        link.scores(predict(network, {name: p[k : k + 1] for name, p in run.theta.items()}, rows.test)[0].double())
        for k in range(3)
    ]
    np.testing.assert_allclose(run.scores["test"], torch.stack(each).mean(0), atol=1e-6)
    accuracy = run.history["test/accuracy"].iloc[-1]
    decided = torch.tensor(run.scores["test"])
    decided = (decided > 0.5).float() if num_classes == 2 else decided.argmax(-1).float()
    assert accuracy == pytest.approx(float((decided == rows.test.y).float().mean()))


def test_the_mean_of_probabilities_near_0_and_1_has_a_finite_logit():
    logits = torch.tensor([[[200.0, -200.0]], [[180.0, -180.0]]])
    mean = data().target.link.mean(logits, dim=0)
    assert torch.isfinite(mean).all()
    assert mean[0, 0] == pytest.approx(180 + math.log(2), abs=1e-3)


def test_a_method_that_draws_rows_by_weights_of_its_own_has_members_too():
    jtt = method("jtt")
    assert isinstance(jtt, JTT)
    run = trained([jtt], [0], network=Ensemble(NETWORK, 2, 2))[0]
    alone = trained([jtt], [0])[0]
    assert all(torch.equal(run.theta[name][0], p) for name, p in alone.theta.items())


def test_a_run_stops_patience_epochs_after_its_best_one():
    whole = trained(ERMS, [0, 7, 3], epochs=30, ranks=by_accuracy)
    runs = trained(ERMS, [0, 7, 3], epochs=30, ranks=by_accuracy, patience=3)
    lengths = [len(run.history) for run in runs]
    assert min(lengths) < 30
    assert len(set(lengths)) > 1
    for run, full in zip(runs, whole, strict=True):
        epochs = len(run.history)
        assert run.history.equals(full.history.iloc[:epochs])
        best = int(run.history["val/accuracy"].to_numpy().argmax()) + 1
        assert epochs == min(30, best + 3)


def test_a_run_that_stopped_keeps_the_parameters_of_its_own_last_epoch():
    runs = trained(ERMS, [0, 7, 3], epochs=30, ranks=by_accuracy, patience=3)
    r = int(np.argmin([len(run.history) for run in runs]))
    short = trained(ERMS, [0, 7, 3], epochs=len(runs[r].history), ranks=by_accuracy)[r]
    assert all(torch.equal(p, short.theta[name]) for name, p in runs[r].theta.items())


def test_a_loss_that_is_not_finite_after_a_run_stopped_does_not_count():
    """The learning rate jumps in the fifth epoch; the first run stopped after the third, the second did not."""
    jump = Schedule(every=4, factor=1e38)

    def first_falls(record):
        epoch = next(epochs)
        return np.array([[1.0, -epoch], [1.0, epoch]])

    epochs = iter(range(100))
    sgd = ERM(SGD(lr=1e-3, momentum=0.0))
    stopped, other = trained([sgd, sgd], [0, 1], epochs=8, ranks=first_falls, patience=2, schedule=jump, network=NATIVE)
    assert len(stopped.history) == 3
    assert stopped.failure is None
    assert "not finite" in other.failure


def test_a_run_that_failed_ends_there_also_where_its_patience_would_end_it_later():
    """So it has the history that it has alone, where nothing else trains on."""
    sgds = [ERM(SGD(lr=lr, momentum=0.0)) for lr in (1e-3, 1e30)]
    settings = {"epochs": 8, "ranks": by_accuracy, "patience": 2, "network": NATIVE}
    _, failed = trained(sgds, [0, 1], **settings)
    (alone,) = trained(sgds[1:], [1], **settings)
    assert "not finite" in failed.failure and failed.failure == alone.failure
    assert len(failed.history) == 1 and failed.history.equals(alone.history)


def test_ema_is_the_mean_over_steps_with_weights_that_fall():
    """With one step an epoch, against the parameters that the run has after each epoch."""
    settings = {"epochs": 4, "batch_size": 1000}
    each = [fit(NATIVE, ERMS[:1], [0], data(), **settings | {"epochs": n})[0].theta for n in (1, 2, 3, 4)]
    mean = fit(NATIVE, ERMS[:1], [0], data(), **settings, averaging=Averaging("ema", 0.5, 0.0))[0].theta
    for name, p in mean.items():
        expected = sum(w * theta[name] for w, theta in zip((1, 2, 4, 8), each, strict=True)) / 15
        torch.testing.assert_close(p, expected, rtol=1e-5, atol=1e-6)


def test_swa_is_the_mean_over_the_last_epochs():
    each = [trained(ERMS[:1], [0], epochs=n)[0].theta for n in (4, 5, 6)]
    run = trained(ERMS[:1], [0], epochs=6, averaging=Averaging("swa", 0.9, 0.5))[0]
    for name, p in run.theta.items():
        torch.testing.assert_close(p, sum(theta[name] for theta in each) / 3, rtol=1e-5, atol=1e-6)
    plain = trained(ERMS[:1], [0], epochs=6)[0]
    assert run.history["test/log_loss"].iloc[:3].equals(plain.history["test/log_loss"].iloc[:3])
    assert run.history["train/loss"].equals(plain.history["train/loss"])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(2, 0.5), [1, 1, 0.5, 0.5, 0.25]),
        (Schedule(warmup=3), [0.25, 0.5, 0.75, 1, 1]),
        (Schedule(cosine_to=0.0), [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0]),
        (Schedule(cosine_to=0.2), [1, 0.2 + 0.2 * (2 + 2**0.5), 0.6, 0.2 + 0.2 * (2 - 2**0.5), 0.2]),
        (Schedule(warmup=2, cosine_to=0.0), [1 / 3, 2 / 3, 1, 0.5, 0]),
    ],
)
def test_learning_rates_follow_their_schedule(schedule, expected):
    np.testing.assert_allclose([schedule.at(epoch, 5) for epoch in range(5)], expected, atol=1e-12)


def test_one_epoch_has_the_full_rate():
    assert Schedule(cosine_to=0.0).at(0, 1) == 1.0
