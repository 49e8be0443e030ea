"""W&B against the real package, offline; what was written is read back."""

import json
import time

import pandas as pd
import pytest
import wandb
from wandb.proto import wandb_internal_pb2

from fairrun.check import InputError
from fairrun.tracking import NoTracker, Wandb
from tests.test_results import record

HISTORY = pd.DataFrame({"epoch": [1, 2], "train/loss": [0.5, 0.25], "val/accuracy": [0.5, 0.75]})


def read_back(folder):
    """The records of the one offline run below ``folder``, once W&B's own process has written the last of them."""
    (path,) = folder.rglob("run-*.wandb")
    deadline = time.monotonic() + 30
    while not any(record.WhichOneof("record_type") == "exit" for record in parse(path)):
        assert time.monotonic() < deadline, "W&B did not finish its file"
        time.sleep(0.05)
    return parse(path)


def parse(path):
    """Protobuf records in blocks of 32 KiB, each of chunks (checksum, length, type)."""
    content, position, records, pending = path.read_bytes(), 7, [], b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
        length, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        pending += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last of several
            records.append(wandb_internal_pb2.Record.FromString(pending))
            pending = b""
    return records


def values(items):
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tracked = record(seed=3, epoch=2)
    Wandb(project="fairness", entity=None, mode="offline").log(tmp_path, "a-sweep", tracked, HISTORY)
    return read_back(tmp_path)


def test_a_run_is_one_offline_run_with_group_tags_and_nested_config(written):
    (run,) = [r.run for r in written if r.WhichOneof("record_type") == "run"]
    assert run.project == "fairness"
    assert run.run_group == "a-sweep"
    assert set(run.tags) == {"erm", "adult", "mlp"}
    assert run.display_name == "erm adult seed=3"
    config = values(run.config.update)
    assert config["method"] == {"lam": 0.5, "optimizer": {"lr": 0.1}}
    assert config["seed"] == 3


def test_the_history_is_logged_by_epoch(written):
    rows = [values(r.history.item) for r in written if r.WhichOneof("record_type") == "history"]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["train/loss"] for row in rows] == [0.5, 0.25]
    assert [row["_step"] for row in rows] == [1, 2]


def test_the_summary_is_the_chosen_epochs(written):
    summary = {}
    for r in written:
        if r.WhichOneof("record_type") == "summary":
            summary |= values(r.summary.update)
    assert summary["test/accuracy"] == 0.75
    assert summary["status"] == "finished"


def test_a_sweep_makes_a_run_of_each_of_its_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tracker = Wandb(project="fairness", entity=None, mode="offline")
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        tracker.log(tmp_path / str(seed), "a-sweep", record(seed=seed, epoch=2), HISTORY)
    assert wandb.run is None
    names = [
        r.run.display_name for seed in "01" for r in read_back(tmp_path / seed) if r.WhichOneof("record_type") == "run"
    ]
    assert names == ["erm adult seed=0", "erm adult seed=1"]


def test_online_without_a_key_is_refused(tmp_path, monkeypatch):
    for name, value in (("HOME", tmp_path), ("NETRC", tmp_path / "netrc"), ("WANDB_API_KEY", "")):
        monkeypatch.setenv(name, str(value))
    with pytest.raises(InputError, match=r"tracker\.mode=online needs a W&B key"):
        Wandb(project="fairness", entity=None, mode="online").check()


def test_files_only_is_always_possible(tmp_path):
    tracker = NoTracker()
    tracker.check()
    tracker.log(tmp_path, None, record(), HISTORY)
    assert not list(tmp_path.iterdir())
