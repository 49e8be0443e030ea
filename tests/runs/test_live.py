"""Epochs that are told while stacks train."""

import threading

import numpy as np
import pytest

from fairrun.config.check import InputError
from fairrun.runs import live
from fairrun.runs.live import Live, tell

LOSSES = {"train/loss": np.array([0.5, 0.25, 0.125])}
ALL = np.array([True, True, True])


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(live, "LOOK_S", 0.01)


def test_each_run_hears_of_its_own_epochs_and_of_the_last_ones_at_the_end(tmp_path):
    heard, first = [], threading.Event()

    def listen(rows):
        heard.extend(rows)
        first.set()

    with Live(tmp_path, {"a": [None, listen]}) as told:
        tell(tmp_path, "a", 1, LOSSES, ALL)
        assert first.wait(10)
        tell(tmp_path, "a", 2, LOSSES, ALL)
        told.finish("a")
    assert heard == [{"epoch": 1, "train/loss": 0.25}, {"epoch": 2, "train/loss": 0.25}]


def test_a_run_that_stopped_hears_no_more(tmp_path):
    first, second = [], []
    with Live(tmp_path, {"a": [first.extend, second.extend]}) as told:
        tell(tmp_path, "a", 1, LOSSES, ALL)
        tell(tmp_path, "a", 2, LOSSES, np.array([True, False, True]))
        told.finish("a")
    assert [row["epoch"] for row in first] == [1, 2]
    assert [row["epoch"] for row in second] == [1]


def test_half_a_line_waits_for_its_other_half(tmp_path):
    heard = []
    with Live(tmp_path, {"a": [heard.extend]}) as told:
        (tmp_path / "a.jsonl").write_text('{"epoch": 1, "train/loss": [0.5], "trains": [true]}\n{"epoch": 2, "trai')
        told._look("a")
        assert [row["epoch"] for row in heard] == [1]
        with (tmp_path / "a.jsonl").open("a") as file:
            file.write('n/loss": [0.25], "trains": [true]}\n')
        told.finish("a")
    assert [row["epoch"] for row in heard] == [1, 2]


def test_a_tracker_that_is_lost_is_named_once_and_the_others_go_on(tmp_path, caplog):
    def lost(rows):
        raise InputError("nobody answers")

    def broken(rows):
        raise ConnectionError("no route")

    heard = []
    with Live(tmp_path, {"a": [lost, broken, heard.extend]}) as told:
        for epoch in (1, 2):
            tell(tmp_path, "a", epoch, LOSSES, ALL)
        told.finish("a")
    assert len(heard) == 2
    said = [record.message.rpartition("trained: ")[2] for record in caplog.records]
    assert said[0] == "nobody answers" and said[1].startswith("ConnectionError: no route (in broken, ")


def test_a_line_that_a_full_disk_cut_short_is_left_out(tmp_path):
    heard = []
    with Live(tmp_path, {"a": [heard.extend]}) as live_ones:
        cut = '{"epoch": 1, "tr{"epoch": 2, "train/loss": [0.5], "trains": [true]}\n'
        (tmp_path / "a.jsonl").write_text(cut + '{"epoch": 3, "train/loss": [0.5], "trains": [true]}\n')
        live_ones.finish("a")
    assert [row["epoch"] for row in heard] == [3]
