"""What every network must do.  Networks are found in conf/model, never named."""

import pytest
from omegaconf import OmegaConf

from fairrun.about import files
from fairrun.contract import NETWORK, Exempt, Subject, check
from fairrun.runs.built import network
from tests.helpers.quick import few
from tests.helpers.synthetic import HEADS, config

WITH = {
    "module": ["model.module._target_=tests.helpers.modules.Net", "model.groups.classifier=out"],
    "shared_trunk": ["model@model.trunk=mlp"],
    "resnet18": ["model.width=2", "model.stem=small"],
}
SIDE = 16  # of an image
RULES = {rule.__name__: rule for rule in NETWORK}


def subject(name):
    cfg = OmegaConf.to_container(config(f"model={name}", *WITH.get(name, [])), resolve=True)
    heads = {"num_tasks": HEADS.num_tasks, "categories": HEADS.categories}
    images = "channels" in cfg["model"] and cfg["model"].get("input") != "flat"
    made = network(cfg, SIDE**2 * cfg["model"]["channels"] if images else HEADS.num_features, **heads)
    return Subject(made, f"model={name}", frozenset({*cfg["model"]} - {"_target_"}))


@pytest.mark.parametrize("name", few(files.choices("model"), ["linear", "mlp", "module", "cnn", "shared_bottom"]))
@pytest.mark.parametrize("rule", RULES)
def test_a_network_keeps_a_rule(name, rule):
    try:
        check(RULES[rule], subject(name))
    except Exempt as why:
        pytest.skip(str(why))
