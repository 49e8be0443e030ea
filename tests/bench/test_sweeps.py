"""Sweeps of which tables are made name what is there."""

import pytest

from bench.sweeps import NUMBERS, PEERS, PLAIN, TREES
from fairrun.about import files
from tests.helpers.composed import composed, of_one_seed

SWEEPS = [
    *PLAIN,
    ("benchmark=trees", f"dataset={TREES[0]}"),
    ("method=erm", "postprocess=frontier", f"dataset={NUMBERS[0]}", "dataset.numbers=bins"),
    *((*peer.words, "dataset=adult") for peer in PEERS),
]


@pytest.mark.parametrize("words", SWEEPS, ids=" ".join)
def test_a_sweep_names_keys_and_choices_that_are_there(words):
    assert composed(of_one_seed(words), several=True)


def test_data_sets_are_there():
    assert {*TREES, *NUMBERS} <= set(files.choices("dataset"))
