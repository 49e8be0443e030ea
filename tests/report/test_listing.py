"""The table of the runs below a folder."""

import io
import re

import pandas as pd
import pytest

from fairrun.report import listing
from fairrun.results import records as results
from tests.helpers.records import record

HISTORY = pd.DataFrame({"epoch": [1, 2], "val/accuracy": [0.5, 0.75]})


def test_the_table_of_what_is_there_says_first_what_is_not_finished(tmp_path, capsys):
    metric = {"metric": {"name": "accuracy_difference"}}
    for number, changes in enumerate(({}, {"status": "failed", "failure": "no space\nleft"}, {})):
        (tmp_path / str(number)).mkdir()
        config = record()["config"] | metric | {"seed": number}
        results.write(tmp_path / str(number), record(config=config, **changes), HISTORY)
    (tmp_path / "2" / results.RECORD).write_text("garbage")
    listing.main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert printed.index("failed:") < printed.index("corrupt:") < printed.index("0.7500")
    assert "left" in printed
    assert f"{tmp_path}: 1 finished, 1 failed, 1 corrupt" in printed


def test_the_table_of_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="must hold results of runs"):
        listing.main([str(tmp_path)])


def mixed(folder):
    """Write four runs that differ in everything; the last one decides the same for nearly all rows."""
    names = {"metric": {"name": "demographic_parity_difference"}}
    for seed, method in enumerate(("erm", "penalty", "group_dro", "erm")):
        path = folder / f"{method}_a_long_name_of_a_data_set_{seed}"
        path.mkdir()
        config = record()["config"] | names | {f"key_{k}": f"{'long ' * k}{seed}" for k in range(20)} | {"seed": seed}
        config["postprocess"] = "demographic_parity" if method == "penalty" else None
        metrics = {"test/accuracy": 0.1234 + seed, "test/demographic_parity_difference": 0.5678 + seed}
        metrics |= {"val/selection_rate": 0.001 if seed == 3 else 0.5, "val/balanced_accuracy": 0.7}
        choices = record()["choices"] | {"method": method}
        results.write(path, record(config=config, choices=choices, metrics=metrics, seed=seed), HISTORY)


@pytest.mark.parametrize("width", [40, 80, 300])
def test_a_narrow_terminal_has_whole_columns_in_parts_and_every_key_in_which_runs_differ(
    width, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", str(width))
    mixed(tmp_path)
    listing.main([str(tmp_path)])
    printed = capsys.readouterr().out
    head, _, rows = printed.partition("─")
    assert "…" not in printed
    assert {"run", "status", "method", "seed", "accuracy", "parity"} <= set(head.split())
    assert {"finished", "0", "3"} <= set(rows.split())
    for seed in range(4):
        assert f" {seed + 0.1234:.4f} " in rows and f" {seed + 0.5678:.4f}" in rows
    assert "group_dr" in rows and "thre" in rows
    assert printed.count("─" * 9) > 2 * (2 if width == 300 else 10)  # lines below the heads of parts
    values = [f"{'long ' * k}{seed}" for k in range(1, 20) for seed in range(4)]  # key_0 is the seed
    assert [text for text in values if not re.search(rf"(?<!long ){text}\b", printed)] == []
    assert all(len(line) <= max(width, 80) for line in rows.splitlines()[:5])


def test_a_degenerate_run_is_marked_and_the_mark_explained(tmp_path, capsys):
    mixed(tmp_path)
    listing.main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert printed.count("finished *") == 1
    assert "* degenerate: nearly constant or no better than chance on validation rows" in printed


def test_csv_has_all_columns(tmp_path, capsys):
    mixed(tmp_path)
    listing.main([str(tmp_path), "--csv"])
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert frame.shape == results.load(tmp_path).shape
    assert sorted(frame["key_19"]) == [f"{'long ' * 19}{seed}" for seed in range(4)]


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("sensitive", [[{"column": "age", "bins": [25, 60]}], [{"column": "age", "merge": {"Old": [1, None]}}]],
         ["[age cut at 25 and 60]", "[age (Old: [1, null])]"]),
        ("include_sensitive", [True, False], ["true", "false"]),
        ("numeric", [["age"], ["age", "hours"]], ["[age]", "[age, hours]"]),
    ],
)  # fmt: skip
def test_values_of_the_configuration_are_words_and_no_python(key, values, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for seed, value in enumerate(values):
        (tmp_path / str(seed)).mkdir()
        config = record()["config"] | {"seed": seed, "dataset": {key: value}}
        results.write(tmp_path / str(seed), record(config=config), HISTORY)
    listing.main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert all(f"  {text}" in printed for text in words) and "{" not in printed and "'" not in printed


def swept(folder, datasets):
    """Write runs of two values of lam on each data set."""
    for k, (dataset, lam) in enumerate((dataset, lam) for dataset in datasets for lam in (0.125, 0.5)):
        (folder / str(k)).mkdir(parents=True)
        metric = {"name": "demographic_parity_difference"}
        config = record()["config"] | {"method": {"lam": lam}, "metric": metric}
        metrics = {"test/accuracy": 0.5, "test/demographic_parity_difference": 0.25, "test/roc_auc": 0.125}
        choices = record()["choices"] | {"method": "penalty", "dataset": dataset}
        results.write(folder / str(k), record(config=config, choices=choices, metrics=metrics), HISTORY)


def test_a_data_set_has_a_short_name_before_a_key_in_which_runs_differ_is_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    swept(tmp_path, ["loans of all our branches, sensitive sex", "loans of all our branches, sensitive race"])
    listing.main([str(tmp_path)])
    head, _, rows = capsys.readouterr().out.partition("─")
    assert "lam" in head and "0.1250" not in rows  # the metric has no room
    lines = [line for line in rows.splitlines() if "0.2500" in line]
    assert len(lines) == 4 and all("0.125" in line or "0.5 " in line for line in lines)
    assert [sum(end in line for line in lines) for end in ("sex ", "race ")] == [2, 2]
    assert sum("finished " in line or "loans" in line for line in rows.splitlines()) == 4  # a line a run


@pytest.mark.parametrize("width", [40, 64])
def test_a_key_in_which_runs_differ_is_there_at_every_width(width, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    swept(tmp_path, ["loans, sex", "loans, age"])
    listing.main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert "lam" in printed.split() and printed.split().count("0.125") == printed.split().count("0.5") == 2
    assert "left out" not in printed
    swept(alone := tmp_path / "alone", ["loans of all our branches"])
    listing.main([str(alone)])
    printed = capsys.readouterr().out
    assert "1 more column left out for width, of metrics or data sets: --csv writes all columns" in printed


def test_shortened_names_are_not_alike(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    swept(tmp_path, ["loans of all branches, sex, 2024", "loans of all branches, age, 2024"])
    listing.main([str(tmp_path)])
    rows = capsys.readouterr().out.partition("─")[2]
    assert [rows.count(f"…{end}, 2024") for end in ("x", "e")] == [2, 2]
