"""A key has the role that the table says: for runs, stacks, folders of sweeps and reports alike."""

import copy
from pathlib import Path
from typing import get_type_hints

import pandas as pd
import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

from fairrun.analysis.front import settings
from fairrun.command.folders import sweep_name
from fairrun.config.keys import BOUND, FREE, ROLES, active_keys, dotted, is_key, role, switch_of
from fairrun.method.api import PerRun, PerTask
from fairrun.runs.job import Job
from fairrun.runs.plan import _shape
from tests.helpers.quick import few
from tests.helpers.synthetic import METHODS, config

ON = ["dataset.outliers.kind=features", "schedule.every=1"]
CASES = [([f"method={method}"], "method") for method in METHODS]  # and the node whose keys are tried, or all
CASES += [([f"dataset={name}", "method=penalty"], "dataset") for name in ("compas", "coloured_digits")]
CASES += [([*ON, "model=cnn"], ""), (["tracker=wandb", "model=shared_bottom"], "")]
CASES += [(["experiment=mtaf/adult", "method=mtaf"], "")]


def other(value):
    """Another value, of the same kind."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else [*value, "x"] if isinstance(value, list) else f"{value}x"


def changed(whole, key):
    """The configuration with another value of a dotted key."""
    whole = copy.deepcopy(whole)
    *nodes, name = key.split(".")
    node = whole
    for part in nodes:
        node = node[part]
    node[name] = other(node[name])
    return whole


def identity(whole):
    return Job(whole, {}, Path()).key("sha")


def row(whole):
    return {"method": "m", "folder": "f", "status": "finished", "failure": None} | active_keys(dotted(whole))


def is_per_run(whole, key):
    """Whether a key is a field of the method, or of one of its optimizers, that holds one value per run."""
    *nodes, name = key.split(".")
    node = whole
    for part in nodes:
        node = node[part]
    return nodes[:1] == ["method"] and get_type_hints(get_class(node["_target_"])).get(name) in (PerRun, PerTask, float)


@pytest.mark.parametrize(("overrides", "node"), few(CASES, 10), ids=str)
def test_what_another_value_of_a_key_changes_is_what_its_role_says(overrides, node):
    whole = OmegaConf.to_container(config(*overrides), resolve=True) | {"seed": 7}
    keys = dotted(whole)
    for key in (key for key in keys if key.startswith(node)):
        silent = switch_of(key) is not None and keys.get(switch_of(key), "") is None
        expected, after = role(key), changed(whole, key)
        assert (identity(after) != identity(whole)) == (expected.identity and not silent), key
        varying = settings(pd.DataFrame([row(whole), row(after)]))
        assert (key in varying) == (expected.setting and not silent and "_target_" not in key), key
        assert (sweep_name([f"{key}=1"]) != sweep_name([f"{key}=2"])) == expected.folder, key
        assert (sweep_name([f"+{key}=1"]) != sweep_name([])) == expected.folder, key
        if not (key.startswith("method.") and key.endswith("_target_")):  # a class that is not there
            apart = expected.stack and not silent and not is_per_run(whole, key)
            assert (_shape(after) != _shape(whole)) == apart, key


def test_every_top_level_key_has_a_role_and_every_role_a_key():
    whole = OmegaConf.to_container(config(), resolve=True)
    assert {key.split(".")[0] for key in ROLES} == whole.keys()
    players = [OmegaConf.to_container(config(f"method={name}"), resolve=True) for name in ("fairbinn", "adversarial")]
    known = set().union(*map(dotted, (whole, *players)))
    assert {key for key in ROLES if "." in key} <= known | {"dataset.outliers", "method.optimizer", BOUND, *FREE}


@pytest.mark.parametrize("column", ["folder", "status", "failure", "test/accuracy", "train/loss", "base_rates.test"])
def test_what_a_run_gave_is_no_key(column):
    assert not is_key(column)
