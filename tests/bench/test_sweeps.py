"""Sweeps of which tables are made name what is there."""

import pytest

from bench import sweeps
from bench.sweeps import LIMITS, NUMBERS, PEERS, PLAIN, TREES, Peer
from fairrun.about import files
from tests.helpers.composed import composed, of_one_seed
from tests.helpers.here import run_here
from tests.helpers.quick import few

SWEEPS = [
    *PLAIN,
    ("benchmark=trees", f"dataset={TREES[0]}"),
    ("method=erm", "postprocess=frontier", f"dataset={NUMBERS[0]}", "dataset.numbers=bins"),
    *((*peer.words, "dataset=adult") for peer in PEERS),
]


@pytest.mark.parametrize("words", few(map(list, SWEEPS), 2), ids=" ".join)
def test_a_sweep_names_keys_and_choices_that_are_there(words):
    assert composed(of_one_seed(words), several=True)


def test_data_sets_are_there():
    assert {*TREES, *NUMBERS} <= set(files.choices("dataset"))


def test_a_peer_is_measured_by_its_report_s_files(monkeypatch):
    peer = Peer("ERM", ("method=erm", "postprocess=frontier", "epochs=1"))
    monkeypatch.setattr(sweeps, "PEERS", (peer, Peer("other", (), package="not_installed")))
    monkeypatch.setattr(sweeps, "command", lambda folder, *words: run_here(folder, *words, f"hydra.sweep.dir={folder}"))
    found = {value.column: value for value in sweeps.peers(2, ["german"])}
    assert list(found) == ["CPU-s", "hypervolume", "AOPAC", *(f"accuracy at DP <= {limit:g}" for limit in LIMITS)]
    assert {tuple(value.row.values()) for value in found.values()} == {("german", "ERM")}
    assert 0 < float(found["hypervolume"].value) < 1
    assert all(0.5 < float(found[f"accuracy at DP <= {limit:g}"].value) < 1 for limit in LIMITS)


def test_a_limit_that_no_setting_keeps_is_said():
    row = {"seeds": "5", "val/demographic_parity_difference": "0.03", "val/accuracy": "0.8", "test/accuracy": "0.7"}
    assert [sweeps._within(limit, {}, [row]).value for limit in LIMITS] == ["none", "0.700", "0.700"]
