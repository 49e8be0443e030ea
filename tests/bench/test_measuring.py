"""Values that benchmarks measure are kept in files."""

import sys

import pytest

from bench import benchmark
from bench.measuring import of_pairs, of_seeds, store
from website import tables


def test_a_value_measured_again_takes_the_place_of_the_former_one(tmp_path, capsys):
    row = {"network": "MLP"}
    first = [of_pairs("train", "speed", row, column, [1.0, 3.0, 2.0]) for column in ("one run", "a stack")]
    store(first, tmp_path)
    store([of_pairs("train", "speed", row, "one run", [12.34])], tmp_path)
    lines = tables.read(tmp_path / "train.csv")
    shown = [(line["network"], line["column"], line["value"], line["low"], line["high"], line["n"]) for line in lines]
    assert shown == [("MLP", "one run", "12.3", "", "", "1"), ("MLP", "a stack", "2", "1", "3", "3")]
    assert "train: MLP, a stack: 2 [1, 3]" in capsys.readouterr().out
    assert all(lines[0][key] for key in tables.HOW)


def test_a_large_value_has_no_exponent(capsys):
    value = of_pairs("nash", "time", {"network": "MLP"}, "microseconds", [1561.4, 0.4567, 99.94])
    assert (value.value, value.low, value.high) == ("99.9", "0.457", "1561")
    assert "99.9 [0.457, 1561]" in capsys.readouterr().out


def test_a_mean_of_a_report_has_its_interval(capsys):
    found = {"seeds": "5", "test/accuracy": "0.84996", "test/accuracy.low": "0.8475", "test/accuracy.high": ""}
    value = of_seeds("plain", {"data set": "adult"}, "accuracy", found, "test/accuracy", 3)
    assert (value.value, value.low, value.high, value.n) == ("0.850", "0.848", "", 5)
    assert capsys.readouterr().out.startswith("plain: adult, accuracy: 0.850")


def test_rows_that_other_columns_tell_apart_are_left_out_and_said_to_be(tmp_path, capsys):
    store([of_pairs("train", "speed", {"network": "MLP"}, "one run", [1.0])], tmp_path)
    store([of_pairs("train", "speed", {"model": "MLP", "batch": "64"}, "one run", [2.0])], tmp_path)
    assert [(line["model"], line["batch"], line["value"]) for line in tables.read(tmp_path / "train.csv")] == [
        ("MLP", "64", "2")
    ]
    said = "train: 1 value of before, told apart by network and not by model, batch: left out"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(("given", "options"), [([], ""), (["--pairs", "7"], " --pairs 7")])
def test_the_command_that_is_kept_has_the_pairs_that_were_given(given, options, tmp_path, monkeypatch, capsys):
    def train(pairs):
        yield of_pairs("train_areas", "speed", {"network": "MLP"}, "one run", [1.0] * pairs)

    monkeypatch.setitem(benchmark.BENCHMARKS, "train", train)
    monkeypatch.setattr(sys, "argv", ["benchmark", "train", *given, "--store", str(tmp_path)])
    benchmark.main()
    (line,) = tables.read(tmp_path / "train_areas.csv")
    assert line["command"] == f"scripts/benchmark train{options}" and line["n"] == (given[1:] or ["5"])[0]


def test_a_file_that_cannot_be_read_is_refused_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(benchmark.BENCHMARKS, "train", lambda pairs: pytest.fail("it measures"))
    monkeypatch.setitem(benchmark.BENCHMARKS, "trainer", lambda pairs: iter(()))
    (tmp_path / "train_areas.csv").write_text("network,value\nMLP,1\n")
    for names in (["train"], ["trainer", "train"]):
        monkeypatch.setattr(sys, "argv", ["benchmark", *names, "--store", str(tmp_path)])
        with pytest.raises(SystemExit):
            benchmark.main()
        assert "train_areas.csv: the header must have the column 'column'" in capsys.readouterr().err
    header = "network,column,value,low,high,shows,n,command,versions,date,machine"
    (tmp_path / "train_areas.csv").write_text(f"{header}\nMLP,one run,1\n")
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "train_areas.csv: line 2 must have 11 values" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["benchmark", "trainer", "--store", str(tmp_path)])
    benchmark.main()  # another benchmark's files are not read


def test_rows_stay_whose_columns_stand_in_another_order(tmp_path, capsys):
    store([of_pairs("train", "speed", {"model": "MLP", "batch": "64"}, "one run", [1.0])], tmp_path)
    store([of_pairs("train", "speed", {"batch": "256", "model": "MLP"}, "one run", [2.0])], tmp_path)
    store([of_pairs("train", "speed", {"batch": "64", "model": "MLP"}, "one run", [3.0])], tmp_path)
    lines = tables.read(tmp_path / "train.csv")
    assert [(line["model"], line["batch"], line["value"]) for line in lines] == [
        ("MLP", "64", "3"),
        ("MLP", "256", "2"),
    ]
    assert "left out" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "row", "column", "value", "said"),
    [
        ("sweep", "MLP 64-64, batch 256", "both evaluate every epoch", 19.3, "; goal: at least 15, reached\n"),
        ("sweep", "MLP 64-64, batch 256", "the loop does not evaluate", 11.3, "; goal: at least 15, missed by 3.7\n"),
        ("sweep_reference", "`penalty`", "seconds without training", 3.5, "; goal: at most 3, missed by 0.5\n"),
        ("sweep_reference", "`penalty`", "seconds", 46, "n = 1)\n"),
    ],
)
def test_a_value_is_told_with_its_goal(table, row, column, value, said, capsys):
    of_pairs(table, "speed", {"network": row}, column, [value])
    assert capsys.readouterr().out.endswith(said)
