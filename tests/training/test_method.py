"""What training gives a method, and what it refuses of it."""

from dataclasses import dataclass, replace

import pytest
import torch
from omegaconf import OmegaConf

from fairrun.config.check import InputError
from fairrun.method import Method, State
from fairrun.models.mlp import MLP
from fairrun.runs.checks.alone import check
from fairrun.training.checkpoint import Checkpoint
from fairrun.training.fit import fit
from fairrun.training.optim import SGD
from tests.helpers.langevin import Langevin
from tests.helpers.synthetic import config, data

NETWORK = MLP(num_features=6, num_classes=2, width=8, depth=1, fairness_layers=0, fairness_position=None, dropout=0.0)
NOISY = Langevin(SGD(lr=0.1), noise=0.1)


def train(methods, seeds, **options):
    return fit(NETWORK, methods, seeds, data(), **{"epochs": 3, "batch_size": 32} | options)


def same(first, second):
    return all(torch.equal(p, second.theta[name]) for name, p in first.theta.items())


def test_the_noise_of_a_run_is_the_same_alone_and_in_any_stack():
    methods = [replace(NOISY, noise=noise) for noise in (0.1, 0.2, 0.1)]
    stacked = train(methods, [0, 1, 2])
    for k, run in enumerate(stacked):
        assert same(train([methods[k]], [k])[0], run)
    assert same(train([methods[2], methods[0]], [2, 0])[1], stacked[0])


def test_the_noise_of_two_seeds_differs():
    """With nothing else to tell two runs apart: the same first parameters, all rows in one batch."""

    class Alike(Langevin):
        def init(self, model, theta, train):
            return super().init(model, {name: p[:1].expand_as(p) for name, p in theta.items()}, train)

    first, second = train([Alike(SGD(0.1), 0.1)] * 2, [0, 1], epochs=1, batch_size=150)
    without, too = train([Alike(SGD(0.1), 0.0)] * 2, [0, 1], epochs=1, batch_size=150, dtype=torch.float64)
    assert not same(first, second)
    for name, p in without.theta.items():
        torch.testing.assert_close(p, too.theta[name], rtol=1e-9, atol=1e-12)


def test_the_noise_of_a_continued_training_is_that_of_an_uninterrupted_one(tmp_path):
    def stop(epoch, record, alive):
        if epoch == 2:
            raise KeyboardInterrupt

    path = tmp_path / "stack.pt"
    with pytest.raises(KeyboardInterrupt):
        train([NOISY] * 2, [0, 1], epochs=4, checkpoint=Checkpoint(path, 0), progress=stop)
    continued = train([NOISY] * 2, [0, 1], epochs=4, checkpoint=Checkpoint(path, 0))
    for ours, theirs in zip(continued, train([NOISY] * 2, [0, 1], epochs=4), strict=True):
        assert same(ours, theirs)


@dataclass(frozen=True)
class Logging(Method):
    """Logs what it is made to log."""

    logged: str = "loss"

    def update(self, model, state, batch):
        return state, {self.logged: batch.w.sum(-1), "rows": batch.w.sum(-1)}


def test_logs_without_a_loss_are_refused_at_the_first_step():
    with pytest.raises(ValueError, match=r"^Logging\.update must log loss, one value a run, got risk, rows$"):
        train([Logging(SGD(0.1), "risk")], [0])
    train([Logging(SGD(0.1))], [0])


@pytest.mark.parametrize("first", [True, False])
def test_logs_with_an_entry_in_some_epochs_only_are_refused_there(first):
    """Else it would be missing in the history, or training would end without one."""

    class Staged(Logging):
        def update(self, model, state, batch):
            state, logs = super().update(model, state, batch)
            return state, logs | ({"more": logs["loss"]} if (batch.epoch == 0) == first else {})

    with pytest.raises(ValueError, match=r"^Staged\.update must log the same entries in every step, got more in some"):
        train([Staged(SGD(0.1))], [0], epochs=2)


@pytest.mark.parametrize("hook", ["init", "start_epoch", "update"])
def test_the_sensitive_attribute_raises_where_it_is_read_and_not_declared(hook):
    class Reading(Logging):
        def init(self, model, theta, train):
            return State(theta, train.s.double() if hook == "init" else theta["classifier.bias"])

        def start_epoch(self, model, state, train):
            return State(state.theta, train.s.double() if hook == "start_epoch" else state.opt), None

        def update(self, model, state, batch):
            return state, {"loss": batch.s.double().sum(-1) if hook == "update" else batch.w.sum(-1)}

    class Declaring(Reading):
        needs = frozenset({"s"})

    with pytest.raises(ValueError, match=r"batch\.s is withheld: .* must declare needs"):
        train([Reading(SGD(0.1))], [0])
    train([Declaring(SGD(0.1))], [0])


def test_a_method_that_does_not_read_all_rows_pays_nothing_for_them():
    class Starting(Logging):
        def start_epoch(self, model, state, train):
            return state, None

    assert not Logging(SGD(0.1)).reads_all_rows
    assert Starting(SGD(0.1)).reads_all_rows


def test_a_method_without_a_step_cannot_be_made():
    class Empty(Method):
        pass

    with pytest.raises(TypeError, match="update"):
        Empty(SGD(0.1))


def test_a_class_that_does_not_derive_from_method_is_refused_by_name():
    cfg = OmegaConf.to_container(config(), resolve=True)
    cfg["method"] = {"_target_": "fairrun.training.optim.SGD", "lr": 0.1}
    with pytest.raises(InputError, match=r"method\._target_ must be a class that derives from fairrun\.method\.Method"):
        check(cfg)


class Greedy(Langevin):
    """Needs what there is not."""

    needs = frozenset({"S"})


class Listing(Langevin):
    """Names what it needs in a tuple."""

    needs = ("s",)


def plain():
    """A function is no method."""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Greedy", r"the needs of Greedy must be a frozenset of names among classifier, .*, got frozenset\(\{'S'\}\)"),
        ("Listing", r"the needs of Listing must be a frozenset of names"),
        ("plain", r"method\._target_ must be a dataclass, whose fields are the keys of the node"),
        ("Absent", r"method\._target_ must be a class or function that can be imported"),
    ],
)
def test_a_class_that_is_no_sound_method_is_refused_by_name(name, said):
    cfg = OmegaConf.to_container(config(), resolve=True)
    own = {"noise": 0.1} if name in ("Greedy", "Listing") else {}
    cfg["method"] = {"_target_": f"{__name__}.{name}", "optimizer": cfg["method"]["optimizer"]} | own
    with pytest.raises(InputError, match=said):
        check(cfg)


@pytest.mark.parametrize(("value", "said"), [(lambda loss: loss.sum(), r"\[\]"), (lambda loss: 0.5, "float")])
def test_logs_that_are_no_value_of_each_run_are_refused(value, said):
    class Summing(Langevin):
        def update(self, model, state, batch):
            state, logs = super().update(model, state, batch)
            return state, {"loss": value(logs["loss"])}

    with pytest.raises(
        ValueError, match=rf"^Summing.update must log loss as one value a run, a tensor \[2\], got {said}$"
    ):
        train([Summing(SGD(0.1), 0.1)] * 2, [0, 1])
