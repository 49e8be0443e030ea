"""A run that is done is found by a later version: a new key that says nothing by default changes no run."""

import pytest
from omegaconf import OmegaConf

from fairrun.config.keys import dotted, identity
from tests.helpers.synthetic import config

# The keys of the identity of runs when their records were first kept.  A new key must be null by default and have a
# role with a switch (``fairrun.config.keys.ROLES``), or else every run that is done is trained again.
OPTIMIZER = ["_target_", "lr", "b1", "b2", "eps"]
KNOWN = {
    "mlp": ["_target_", "width", "depth", "fairness_layers", "fairness_position", "dropout"],
    "linear": ["_target_", "width", "depth", "fairness_layers", "fairness_position", "dropout"],
    "cnn": [
        "_target_",
        "channels",
        "filters",
        "depth",
        "groups",
        "fairness_layers",
        "fairness_type",
        "dropout",
    ],
    "shared_bottom": ["_target_", "shared", "head"],
}
PLAIN = ["seed", "epochs", "batch_size", "selection", "device", "dtype", "engine", "num_threads", "fairness_bound"]
PLAIN += ["postprocess"]


@pytest.mark.parametrize("model", KNOWN)
def test_no_key_beside_those_that_were_known_makes_a_run_another_run(model):
    whole = OmegaConf.to_container(config(f"model={model}"), resolve=True)
    keys = {key for key in identity(dotted(whole)) if key.split(".")[0] not in ("dataset", "metric")}
    known = {*PLAIN, "method._target_", *(f"method.optimizer.{name}" for name in OPTIMIZER)}
    assert keys - {f"model.{name}" for name in KNOWN[model]} <= known
