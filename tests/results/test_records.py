"""Records on disk."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fairrun.config.check import InputError
from fairrun.config.keys import active_keys
from fairrun.results import records as results
from tests.helpers.records import record

HISTORY = pd.DataFrame({"epoch": [1, 2], "val/accuracy": [0.5, 0.75]})


def test_a_history_that_is_not_the_one_that_was_written_is_named(tmp_path, caplog):
    written = results.write(tmp_path, record(), HISTORY)
    assert results.read_history(tmp_path, written).equals(HISTORY)
    content = bytearray((tmp_path / results.HISTORY).read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (bytes(content), b""):
        (tmp_path / results.HISTORY).write_bytes(damaged)
        with pytest.raises(InputError, match=r"history\.parquet is damaged .*; the same command trains the run again"):
            results.read_history(tmp_path, results.read(tmp_path))
        assert results.history_of(tmp_path).empty
    assert "the report goes without it" in caplog.text
    (tmp_path / results.HISTORY).unlink()
    assert results.history_of(tmp_path).empty


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [({"choices": {}}, "choices.method, choices.dataset"), ({"config": {"metric": None}}, "config.metric")],
)
def test_a_record_that_is_half_good_is_named_and_left_out(tmp_path, changes, lacking):
    for name, own in (("good", {}), ("bad", changes)):
        (tmp_path / name).mkdir()
        results.write(tmp_path / name, record(**own), None)
    frame = results.load(tmp_path)
    assert frame["status"].tolist() == ["corrupt", "finished"] and f"it has no {lacking}" in frame["failure"][0]


@pytest.mark.parametrize(
    ("choice", "node", "name"),
    [
        ("adult", {"path": "/data/x.csv"}, "adult"),
        ("csv", {"path": "/data/loans.v2.csv"}, "loans.v2"),
        ("csv", {"path": "loans.CSV.gz"}, "loans"),
        ("csv", {"path": "parts/"}, "parts"),
        ("csv", {"path": "loans.csv", "name": "loans of 2019"}, "loans of 2019"),
        ("image_folder", {"path": "/data/faces"}, "faces"),
        ("loans", {"path": "table.parquet"}, "loans"),
    ],
)
def test_a_users_data_are_named_by_their_file_or_as_the_user_says(choice, node, name):
    assert results.dataset_name({"dataset": choice}, {"dataset": node}) == name


def test_a_record_comes_back_as_a_row_with_dotted_keys(tmp_path):
    results.write(tmp_path, record(), HISTORY)
    row = results.load(tmp_path).iloc[0]
    assert row["method"] == "erm"
    assert row["seed"] == 3
    assert row["method.lam"] == 0.5
    assert row["method.optimizer.lr"] == 0.1
    assert row["dataset.sensitive"] == ["sex", "race"]
    assert row["test/accuracy"] == 0.75
    assert row["folder"] == str(tmp_path)


def test_the_history_comes_back(tmp_path):
    results.write(tmp_path, record(), HISTORY)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / results.HISTORY), HISTORY)


def test_an_undefined_value_of_a_history_is_null_for_every_reader_of_parquet(tmp_path):
    results.write(tmp_path, record(), pd.DataFrame({"epoch": [1, 2], "train/loss": [0.5, float("nan")]}))
    written = pq.read_table(tmp_path / results.HISTORY)
    assert written.to_pydict() == {"epoch": [1, 2], "train/loss": [0.5, None]}


def test_a_number_that_is_not_finite_is_written_as_null(tmp_path):
    results.write(tmp_path, record(metrics={"test/accuracy": float("nan"), "x": [float("inf"), 1.0]}), HISTORY)
    assert json.loads((tmp_path / results.RECORD).read_text())["metrics"] == {"test/accuracy": None, "x": [None, 1.0]}


def test_a_write_that_fails_leaves_no_record(tmp_path):
    with pytest.raises(TypeError):
        results.write(tmp_path, record(config=object()), HISTORY)
    assert not (tmp_path / results.RECORD).exists()


def test_writing_replaces_whole_files_and_leaves_no_part(tmp_path):
    for accuracy in (0.1, 0.2):
        results.write(tmp_path, record(metrics={"test/accuracy": accuracy}), HISTORY)
    assert results.load(tmp_path)["test/accuracy"].tolist() == [0.2]
    assert {path.name for path in tmp_path.iterdir()} == {results.RECORD, results.HISTORY}


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must hold results of runs \(record.json\)"):
        results.load(tmp_path)


def test_versions_name_what_ran():
    versions = results.versions()
    assert set(versions) == {"fairrun", "commit", "torch", "python"}
    assert versions["torch"]


def test_a_failed_run_is_a_row_with_its_reason_and_no_metrics(tmp_path):
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    results.write(tmp_path / "good", record(), HISTORY)
    results.write(tmp_path / "bad", record(status="failed", failure="its worker died", metrics={}), None)
    frame = results.load(tmp_path).set_index("status")
    assert frame.loc["failed", "failure"] == "its worker died"
    assert pd.isna(frame.loc["failed", "test/accuracy"])
    assert frame.loc["finished", "test/accuracy"] == 0.75
    assert not (tmp_path / "bad" / results.HISTORY).exists()


@pytest.mark.parametrize("content", ["", "garbage", '{"status": "finished"', "[]", '{"status": "finished"}', "numbers"])
def test_a_record_that_is_not_whole_is_named_and_the_others_are_read(tmp_path, content):
    for name in ("0", "1"):
        (tmp_path / name).mkdir()
        results.write(tmp_path / name, record(), HISTORY)
    numbers = json.dumps(dict.fromkeys(record(), 3))
    (tmp_path / "0" / results.RECORD).write_text(numbers if content == "numbers" else content)
    frame = results.load(tmp_path)
    assert list(frame["status"]) == ["corrupt", "finished"]
    assert str(tmp_path / "0" / results.RECORD) in frame["failure"][0]


def test_runs_are_in_the_order_of_their_numbers(tmp_path):
    for number in range(12):
        (tmp_path / str(number)).mkdir()
        results.write(tmp_path / str(number), record(seed=number), HISTORY)
    assert [path.rsplit("/")[-1] for path in results.load(tmp_path)["folder"]] == [str(k) for k in range(12)]


def test_a_metric_that_no_run_has_is_a_column_of_nan(tmp_path):
    results.write(tmp_path, record(metrics={"test/accuracy": 0.75, "test/roc_auc": float("nan")}), HISTORY)
    assert results.load(tmp_path)["test/roc_auc"].dtype == float


def test_what_stands_beside_a_key_that_is_null_says_nothing():
    outliers = {"dataset.outliers.kind": None, "dataset.outliers.rate": 0.1, "dataset.outliers.seed": 0}
    config = {"epochs": 2, "schedule.every": 5, "schedule.factor": 0.5, "dataset.path": None} | outliers
    assert active_keys(config) == {
        "epochs": 2,
        "schedule.every": 5,
        "schedule.factor": 0.5,
        "dataset.path": None,
        "dataset.outliers.kind": None,
    }
