"""Records on disk."""

import json

import pandas as pd
import pytest

from fairrun import results
from fairrun.check import InputError

HISTORY = pd.DataFrame({"epoch": [1, 2], "val/accuracy": [0.5, 0.75]})


def record(**changes):
    choices = {"method": "erm", "dataset": "adult", "model": "mlp", "metric": "demographic_parity_difference"}
    config = {"seed": 3, "method": {"lam": 0.5, "optimizer": {"lr": 0.1}}, "dataset": {"sensitive": ["sex", "race"]}}
    return {"status": "finished", "choices": choices, "config": config, "metrics": {"test/accuracy": 0.75}} | changes


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
