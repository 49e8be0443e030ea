"""Every YAML composes and builds what it describes."""

import dataclasses
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class
from omegaconf import OmegaConf

from fairrun.config.check import InputError, imported
from fairrun.config.keys import dotted
from fairrun.config.metrics import METRICS, of_node
from fairrun.method.losses import LOSSES
from fairrun.runs.checks.alone import check
from fairrun.runs.search import divide
from fairrun.train import CONF
from tests.helpers.quick import few
from tests.helpers.synthetic import built, config

# dataset/_table.yaml and the like are parts of other files
FILES = sorted((path.parent.name, path.stem) for path in Path(CONF).glob("*/[!_]*.yaml"))
CHOICES = [choice for choice in FILES if choice[0] != "claims"]  # which Hydra does not compose
CLASSES = [choice for choice in CHOICES if choice[0] not in ("metric", "experiment", "sweep", "benchmark")]
SWEEPS = [name for group, name in CHOICES if group == "sweep"]
EXPERIMENTS = sorted(
    str(path.relative_to(CONF / "experiment").with_suffix("")) for path in CONF.glob("experiment/**/*.yaml")
)
OWN = ["dataset.path=x", "dataset.label=y", "dataset.positive=1", "dataset.sensitive=[s]"]
GIVEN = {"csv": OWN, "image_folder": OWN}  # data that a user has
GIVEN["classifier"] = ["method.estimator.classifier=sklearn.naive_bayes.GaussianNB"]
GIVEN["module"] = ["model.module._target_=torch.nn.Flatten"]  # a module that a user has
GIVEN |= dict.fromkeys(["celeba", "celeba_attributes", "lsac", "mtaf/celeba_attributes", "mtaf/lsac"], OWN[:1])
GIVEN |= dict.fromkeys([f"{paper}/celeba" for paper in ("nash", "fairbinn", "irw", "mtaf")], OWN[:1])


def overrides_of(group, name):
    if group == "optimizer":
        return [f"optimizer@method.optimizer={name}"]
    if group == "estimator":
        return ["method=estimator", f"estimator@method.estimator={name}", *GIVEN.get(name, [])]
    return [f"{group}={name}", *GIVEN.get(name, [])]


def node_of(config, group):
    return config.method[group] if group in ("optimizer", "estimator") else config[group]


@pytest.mark.parametrize(("group", "name"), few(CHOICES, 40))
@pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")  # by MLflow itself
def test_every_choice_composes_and_builds(group, name, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    cfg = config(*overrides_of(group, name))
    check(OmegaConf.to_container(cfg, resolve=True))
    built(cfg, "dataset")


@pytest.mark.parametrize("name", few(EXPERIMENTS, 9))
def test_every_experiment_composes_and_builds(name):
    cfg = config(f"experiment={name}", *GIVEN.get(name, []))
    check(OmegaConf.to_container(cfg, resolve=True))
    built(cfg, "dataset")


@pytest.mark.parametrize(("group", "name"), CLASSES)
def test_keys_are_the_fields_of_the_class(group, name):
    node = config(*overrides_of(group, name))
    node = node_of(node, group)
    given = (
        {"num_features", "num_tasks", "categories", "num_classes"} if group == "model" else set()
    )  # known from the data
    fields = dataclasses.fields(get_class(node["_target_"]))
    names = {field.name for field in fields}
    may_lack = {"merge"} if group == "dataset" else set()  # given with a plus sign in any case
    of_all = {"members"} if group == "model" else set()  # a key of every network, and a field of none
    assert names - given - may_lack <= set(node) - {"_target_"} - of_all <= names


@pytest.mark.parametrize("name", few(SWEEPS, 4))
def test_a_search_is_over_keys_and_values_that_its_method_takes(name):
    """Every listed value and both ends of every range, one at a time."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        overrides = ["hydra/sweeper=search", f"sweep={name}"]
        cfg = OmegaConf.to_container(compose("train", overrides, return_hydra_config=True))
    headings = {heading: cfg["hydra"]["sweeper"][heading] for heading in ("scientific", "nuisance", "fixed")}
    task = OmegaConf.create({key: node for key, node in cfg.items() if key != "hydra"})
    assert task == config(f"method={name}")
    space, fixed = divide(headings, (), dotted(OmegaConf.to_container(task, resolve=True)))
    for key, value in fixed.items():
        OmegaConf.update(task, key, value)
    for key, distribution in space.items():
        for value in getattr(distribution, "choices", None) or (distribution.low, distribution.high):
            changed = task.copy()
            OmegaConf.update(changed, key, value)
            check(OmegaConf.to_container(changed, resolve=True))


@pytest.mark.parametrize("name", [name for group, name in CHOICES if group == "metric"])
def test_a_metric_names_a_column_and_a_loss_that_exist(name):
    node = config(f"metric={name}").metric
    metric = METRICS[name]
    assert imported(node["_target_"], "metric") is metric.fn
    assert node.name == name
    assert node.greater_is_better == metric.greater_is_better
    assert node.surrogate == metric.surrogate
    assert metric.surrogate == "none" or metric.surrogate in LOSSES


def test_metric_name_chooses_the_column_and_its_direction():
    node = config("metric.name=worst_group_accuracy").metric
    assert (node.greater_is_better, node.surrogate) == (True, "demographic_parity")


def test_a_default_in_python_is_the_value_of_the_yaml():
    """Of methods the contract suite says so; models have no defaults."""
    for group, name in CLASSES:
        if group == "method":
            continue
        node = config(*overrides_of(group, name))
        node = node_of(node, group)
        for field in dataclasses.fields(get_class(node["_target_"])):
            shown = field.default is dataclasses.MISSING or node.get(field.name, field.default) == field.default
            assert shown, (group, name, field.name)


def test_a_metric_of_ones_own_is_never_taken_for_another():
    node = {"_target_": "mine.rate", "name": "accuracy", "greater_is_better": True, "surrogate": "none"}
    with pytest.raises(InputError, match=r"^metric\.name must be rate, the name of metric\._target_, got 'accuracy'"):
        of_node(node)
