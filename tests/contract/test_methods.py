"""What every method must do.  Methods are found in conf/method, never named."""

import ast
import dataclasses
import json
from pathlib import Path

import pytest

import fairrun
from fairrun.contract import METHOD, Exempt, check
from fairrun.contract.runs import a_run_has_the_same_bits_in_any_stack, it_learns, learned, seeds_matter
from fairrun.contract.samples import NETWORK
from fairrun.contract.steps import logs_are_finite_and_one_a_run
from fairrun.contract.trials import train
from tests.helpers.modules import module
from tests.helpers.quick import few
from tests.helpers.synthetic import METHODS, method, subject

GOLDEN = Path(__file__).parent.parent / "golden"
RULES = {rule.__name__: rule for rule in METHOD if rule is not it_learns}  # whose run has the golden losses
OF_MODULES = [rule.__name__ for rule in METHOD if rule.__module__ == logs_are_finite_and_one_a_run.__module__]
OF_MODULES += [a_run_has_the_same_bits_in_any_stack.__name__, seeds_matter.__name__]
EVERY_METHOD = pytest.mark.parametrize("name", METHODS)
# The methods that are trained by ``-m slow`` alone.  The others have, each somewhere, every part of a training:
# players, an adversary with its own parameters, groups, tasks, validation rows, and all rows before an epoch.
LATER = """arl bpf chi2_dro cvar_dro dro fairbinn_sgd fbgrad forml greedy_fmt group_resampling irw_global
irw_resampled irwo laftr lagrangian ltr meta_gdro mtl mtl_fair nash_forml nash_meta_gdro reweighing stackelberg stl
vfair""".split()
FIRST = [name for name in METHODS if name not in LATER]
OF_STEPS = [name for name in RULES if RULES[name].__module__ != it_learns.__module__]
OF_TRAININGS = [name for name in RULES if name not in OF_STEPS]
OF_ONE_LABEL = [name for name in METHODS if "tasks" not in method(name).needs]
TRAINED = pytest.mark.parametrize("name", few(METHODS, FIRST))
ON_MODULES = pytest.mark.parametrize(
    "name", few(OF_ONE_LABEL, [name for name in OF_ONE_LABEL if name in FIRST and name != "nash_ltr"])
)
MODULE, DROPPING = module(), module(dropout=0.3)


@EVERY_METHOD
@pytest.mark.parametrize("rule", OF_STEPS)
def test_a_method_keeps_a_rule_of_steps(name, rule):
    keep(rule, subject(name))


@TRAINED
@pytest.mark.parametrize("rule", OF_TRAININGS)
def test_a_method_keeps_a_rule_of_trainings(name, rule):
    keep(rule, subject(name))


@ON_MODULES
@pytest.mark.parametrize("rule", OF_MODULES)
def test_a_method_keeps_a_rule_with_any_module(name, rule):
    keep(rule, dataclasses.replace(subject(name), network=MODULE, dropping=DROPPING))


def keep(rule, subject):
    try:
        check(RULES[rule], subject)
    except Exempt as why:
        pytest.skip(str(why))


@EVERY_METHOD
def test_the_module_imports_only_what_a_method_may(name):
    """``fairrun.method`` and torch: no Hydra, no tracking, no data loading, no other method."""
    allowed = {"fairrun.method", "torch", "torch.nn.functional", "dataclasses", "typing", "collections.abc"}
    path = Path(fairrun.__file__).parent / "methods" / f"{type(method(name)).__module__.rpartition('.')[2]}.py"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert node.module in allowed


@TRAINED
def test_the_runs_learn_with_the_golden_losses(name, request):
    """The first 20 losses from a fixed seed.  ``pytest --golden`` rewrites them: the commit must say why."""
    losses = learned(method(name)).history["train/loss"].tolist()
    if request.config.getoption("--golden"):
        (GOLDEN / f"{name}.json").write_text(json.dumps(losses[:20], indent=1) + "\n")
    assert losses[:20] == pytest.approx(golden(name), rel=1e-7)  # bargaining has condition numbers of 1e6


@EVERY_METHOD
def test_the_first_losses_are_golden(name):
    (run,) = train([method(name)], [0], network=NETWORK, epochs=2)
    assert run.history["train/loss"].tolist() == pytest.approx(golden(name)[:2], rel=1e-7)


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


@ON_MODULES
def test_the_runs_of_any_module_learn(name):
    epochs = 12 if "val" in method(name).needs else 40  # steps with a validation batch are slow, and large
    (run,) = train([method(name)], [0], network=MODULE, epochs=epochs)
    assert run.failure is None
    assert run.history["train/loss"].iloc[-1] < run.history["train/loss"].iloc[0]
    assert run.history["test/accuracy"].iloc[-1] > 0.65
