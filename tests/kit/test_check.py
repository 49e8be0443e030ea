"""``fairrun check`` on classes of one's own: one line a rule."""

import pytest

from tests.helpers.here import run_here
from tests.helpers.quick import few

METHOD = """
from dataclasses import dataclass
from typing import Annotated

from fairrun.method import In, Method, PerRun, State, descend, mean


@dataclass(frozen=True)
class Crossing(Method):
    lam: Annotated[PerRun, In("[0, inf)")] = 1.0

    def update(self, model, state, batch):
        def risk(theta):
            losses = model.losses(theta, batch)
            return mean(losses, batch.w) * self.lam[:, 0] + 0 * losses.sum() + losses.mean() * self.lam[:, 0]

        theta, opt, loss = descend(risk, state.theta, state.opt, self.optimizer)
        return State(theta, opt), {"loss": loss}


class Raising(Crossing):
    def update(self, model, state, batch):
        raise KeyError("missing")


class Bare:
    pass
"""
NETWORK = """
from fairrun.models.mlp import MLP


class Net(MLP):
    pass
"""
MODULES = """
import torch
from torch import nn


class Flat(nn.Module):
    def __init__(self, num_features, num_outputs):
        super().__init__()
        self.fc = nn.Linear(num_features, 8)
        self.out = nn.Linear(8, num_outputs)

    def forward(self, x):
        return self.out(self.fc(x).tanh())


class Wide(Flat):
    def __init__(self, num_features, num_outputs, hidden):
        super().__init__(num_features, num_outputs)


class Conv(nn.Sequential):
    def __init__(self):
        pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), *pool, nn.Linear(4, 1))


class Random(Flat):
    def forward(self, x):
        return super().forward(x + torch.rand(()))


class Chance(Flat):
    def forward(self, x):
        return super().forward(x).sigmoid()


class Still(Flat):
    def forward(self, x):
        z = super().forward(x)
        return z * 0 + z.detach()
"""


@pytest.fixture
def check(tmp_path):
    (tmp_path / "mine.py").write_text(METHOD)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "__init__.py").write_text(MODULES)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").write_text(NETWORK)

    def run(*arguments):
        done = run_here(tmp_path, "check", *arguments, module="fairrun", FAIRRUN_PLUGINS="")
        return done.returncode, done.stdout, done.stderr

    return run


def test_what_is_broken_is_said_and_the_status_is_1(check):
    names = [
        "padding_weighs_nothing",
        "a_run_alone_is_the_run_in_a_stack",
        "the_file_lists_every_field",
        "seeds_matter",
    ]
    status, said, error = check("mine.Crossing", *(word for name in names for word in ("--rule", name)))
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in said.splitlines()[2:-1]}
    assert (status, error) == (1, "")
    assert lines["the_file_lists_every_field"] == "BROKEN: no configuration file names Crossing"
    assert lines["padding_weighs_nothing"].startswith("BROKEN: with other rows as padding (is every mean weighted")
    assert lines["a_run_alone_is_the_run_in_a_stack"].startswith("BROKEN: run 0 of 4 is not the run alone: parameter")
    assert lines["seeds_matter"] == "ok" and "1 ok, 0 not for it, 3 BROKEN in " in said


def test_what_the_class_raises_is_said_with_its_line(check, tmp_path):
    status, said, _ = check("mine.Raising", "--rule", "seeds_matter")
    assert status == 1 and f"BROKEN: KeyError: 'missing' (in update, {tmp_path}/mine.py:23)" in said


def test_a_network_is_checked_as_its_file_makes_it(check, tmp_path):
    (tmp_path / "nets" / "conf" / "model").mkdir(parents=True)
    text = "defaults: [mlp, _self_]\n_target_: nets.Net\ndropout: 0.2\n"
    (tmp_path / "nets" / "conf" / "model" / "net.yaml").write_text(text)
    status, said, error = check("nets.Net")
    assert (status, error) == (0, "") and "Net, model=net: 9 rules" in said and "9 ok" in said


@pytest.mark.parametrize("name", few(["Flat", "Conv"], 1))
def test_a_plain_module_is_checked_as_model_module_trains_it(check, name):
    status, said, error = check(f"modules.{name}")
    assert (status, error) == (0, "") and f"Module, model=module model.module._target_=modules.{name}: 9 rules" in said
    assert "7 ok, 2 not for it, 0 BROKEN" in said


@pytest.mark.slow
def test_a_module_that_breaks_a_rule_is_said(check):
    status, said, _ = check("modules.Still", "--rule", "it_can_be_trained")
    assert status == 1 and "BROKEN: train/loss does not fall" in said
    status, _, error = check("modules.Random")
    assert status == 1 and error.startswith("with input: flat: model.module must compute each row by itself, got")
    status, _, error = check("modules.Chance")
    assert status == 1 and "model.module must give logits, of either sign" in error


@pytest.mark.slow
def test_a_module_with_arguments_is_checked_as_its_file_makes_it(check, tmp_path):
    status, _, error = check("modules.Wide")
    file = r"modules/conf/model/NAME.yaml (defaults: [module, _self_])"
    assert status == 1 and error.endswith(f"; rows or arguments of its own stand in {file}")
    assert error.count("missing 1 required positional argument: 'hidden'") == 1
    (tmp_path / "modules" / "conf" / "model").mkdir(parents=True)
    text = "defaults: [module, _self_]\nmodule: {_target_: modules.Wide, hidden: 3}\ngroups: {classifier: out}\n"
    (tmp_path / "modules" / "conf" / "model" / "wide.yaml").write_text(text)
    status, said, error = check("modules.Wide")
    assert (status, error) == (0, "") and "Module, model=wide: 9 rules" in said and "8 ok, 1 not for it" in said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("mine", "what is checked must be a class by its dotted path, as mypkg.FairMixup, got 'mine'"),
        ("mine.Crosing", "has no attribute 'Crosing'; did you mean Crossing?"),
        ("nowhere.Thing", "No module named 'nowhere'"),
        (
            "mine.Bare",
            "must be a class that derives from fairrun.method.Method, fairrun.models.network.Network or torch",
        ),
        ("nets.Net", "Net needs a configuration file, or defaults of width, depth"),
    ],
)
def test_what_cannot_be_checked_is_one_line(check, path, said):
    status, _, error = check(path)
    assert status == 1 and said in error and "\n" not in error


def test_a_rule_that_there_is_not_is_one_line(check):
    status, _, error = check("mine.Crossing", "--rule", "seed_matters")
    assert status == 1 and "--rule must be one of" in error and error.endswith("did you mean seeds_matter?")
