"""Models that no machine can hold."""

import json

import pytest
from omegaconf import OmegaConf

from fairrun.config.check import InputError
from fairrun.runs.built import _layers
from tests.helpers.synthetic import config


def network(width, members="null"):
    """An MLP for 3 features, as the check describes it."""
    node = OmegaConf.to_container(config(f"model.width={width}", f"model.members={members}").model, resolve=True)
    return json.dumps([node, (3, 0, [], 2)])


def test_a_model_larger_than_memory_is_refused_without_making_it():
    with pytest.raises(InputError, match=r"model must be smaller: .* GB"):
        _layers(network(10**8))
    with pytest.raises(InputError, match=r"model must be smaller: .* GB"):
        _layers(network(64, members=10**9))
    assert "classifier.weight" in _layers(network(8))
    assert _layers(network(4000)) == _layers(network(8))
