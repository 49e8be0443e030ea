"""Models that no machine can hold."""

import pytest

from fairrun.config.check import InputError
from fairrun.models.mlp import MLP
from fairrun.sweep.validate import _layers


def network(width):
    return MLP(3, 2, width, 2, 0, None, 0.0)


def test_a_model_larger_than_memory_is_refused_without_making_it():
    with pytest.raises(InputError, match=r"model must be smaller: .* GB"):
        _layers(network(10**8))
    assert "classifier.weight" in _layers(network(8))
