"""A user's own table: what becomes a feature, and what is refused or said."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fairrun.config.build import build
from fairrun.config.check import InputError
from fairrun.config.keys import CONF
from fairrun.data.own.tells import separation
from tests.helpers.loans import conf, loans
from tests.helpers.quick import few

SPLITS = ("train", "val", "test")


def column(data, split, name):
    return getattr(data, split).x[:, data.features.index(name)]


def account_of(data, name):
    return next(entry for entry in data.account["columns"] if entry["name"] == name)


def said(data):
    return "\n".join(data.account["warnings"])


def refused(dataset, *parts):
    with pytest.raises(InputError) as error:
        dataset.load()
    for part in parts:
        assert part in str(error.value)


def test_a_clean_table_becomes_features_as_before(own):
    data = own(loans()).load()
    assert data.features == ["age", "hours", "job=chef", "job=clerk", "job=nurse"]
    assert (data.groups, data.categories) == (["gender=F", "gender=M"], [3])
    assert column(data, "train", "age").mean().abs() < 1e-12 and not data.account["warnings"]


def test_the_account_says_of_every_column_what_it_is_and_what_was_done(own):
    frame = loans().assign(day=pd.date_range("2020-01-01", periods=400).astype(str), note="same")
    frame.loc[3:5, "hours"] = np.nan
    data = own(frame.astype({"hours": object}).fillna("NA")).load()
    assert account_of(data, "hours")["marks"] == ["NA"]
    assert json.loads(json.dumps(data.account))["remarks"][-1] == "400 rows, 7 columns"
    columns = {entry.pop("name"): tuple(entry.values())[:5] for entry in data.account["columns"]}
    assert columns["gender"] == ("category", 2, 0, "sensitive", "")
    assert columns["repaid"] == ("integer", 2, 0, "label", "")
    assert columns["job"] == ("category", 3, 0, "feature", "")
    kind, _, missing, role, done = columns["hours"]
    assert (kind, missing, role) == ("number", 3, "feature")
    assert "missing: 'NA'" in done and "median" in done and "with an indicator" in done
    assert columns["day"][3:] == ("feature", "as year, month, day")
    assert columns["note"][3:] == ("dropped", "is constant ('same'): left out")


# Missing values


def with_gaps(num_rows=400):
    frame = loans(num_rows)
    rng = np.random.default_rng(1)
    frame["hours"] = frame["hours"].mask(rng.random(num_rows) < 0.2)
    frame["job"] = frame["job"].mask(rng.random(num_rows) < 0.1)
    return frame


def test_missing_cells_get_an_indicator_and_a_category_by_default(own):
    frame = with_gaps()
    data = own(frame, scale="none").load()
    assert data.features == [
        "age",
        "hours",
        "hours is missing",
        *(f"job={j}" for j in ("chef", "clerk", "missing", "nurse")),
    ]
    flags = torch.cat([column(data, split, "hours is missing") for split in SPLITS])
    assert flags.sum() == frame["hours"].isna().sum() and set(flags.tolist()) == {0.0, 1.0}
    train = column(data, "train", "hours")[column(data, "train", "hours is missing") == 0]
    for split in SPLITS:
        filled = column(data, split, "hours")[column(data, split, "hours is missing") == 1]
        assert set(filled.tolist()) == {np.median(train)}


def test_missing_cells_may_be_imputed_as_training_rows_tell(own):
    frame = with_gaps().assign(split=["train"] * 300 + ["test"] * 100)
    frame.loc[frame["split"] == "test", "hours"] += 1000
    data = own(frame, missing="impute", scale="none", split={"test": "official"}).load()
    assert data.features == ["age", "hours", "job=chef", "job=clerk", "job=nurse"]
    low = column(data, "test", "hours")
    gone = torch.tensor(frame["hours"][300:].isna().tolist())
    assert low[gone].unique().numel() == 1 and low[gone][0] < 100 < low[~gone].min()


def test_rows_with_missing_cells_may_be_dropped(own):
    frame = with_gaps()
    data = own(frame, missing="drop").load()
    whole = int(frame.notna().all(axis=1).sum())
    assert sum(len(getattr(data, split).y) for split in SPLITS) == whole
    assert f"leaves out {400 - whole} of 400 rows" in said(data)


def test_missing_cells_may_be_refused(own):
    refused(own(with_gaps(), missing="refuse"), "column 'hours' must have no missing", "dataset.missing=indicator")


@pytest.mark.parametrize("how", ["indicator", "impute", "drop"])
def test_rows_without_a_label_or_a_group_are_left_out_and_said(how, own):
    frame = loans().astype({"repaid": object})
    frame.loc[:9, "repaid"] = "NA"
    frame.loc[20:24, "gender"] = "?"
    data = own(frame, missing=how).load()
    assert sum(len(getattr(data, split).y) for split in SPLITS) == 385
    assert "10 rows without 'repaid' are left out" in said(data) and "5 rows without 'gender'" in said(data)
    refused(own(frame, missing="refuse"), "column 'repaid' must have no missing")


def test_a_cell_that_is_missing_in_other_splits_only_is_filled_without_an_indicator(own):
    frame = loans().assign(split=["train"] * 300 + ["test"] * 100)
    frame.loc[350, "hours"] = np.nan
    data = own(frame, split={"test": "official", "val": 0.2}).load()
    assert "hours is missing" not in data.features and data.test.x.isfinite().all()


def test_the_labels_of_several_tasks_are_there_together(own):
    frame = loans().assign(late=np.random.default_rng(3).integers(0, 2, 400)).astype({"late": object})
    frame.loc[:4, "late"] = None
    tasks = {"paid": {"column": "repaid", "positive": 1}, "late": {"column": "late", "positive": 1}}
    assert sum(len(getattr(own(frame, tasks=tasks, missing="drop").load(), split).y) for split in SPLITS) == 395
    refused(own(frame, tasks=tasks, missing="refuse"), "column 'late' must have no missing")


def two_tasks(without=40, num_rows=400):
    """Loans with a second label, which the first rows lack, and the node of both tasks."""
    frame = loans(num_rows).assign(late=np.random.default_rng(3).integers(0, 2, num_rows)).astype({"late": object})
    frame.loc[: without - 1, "late"] = None
    return frame, {"paid": {"column": "repaid", "positive": 1}, "late": {"column": "late", "positive": 1}}


def test_a_label_that_is_missing_for_one_task_only_is_a_gap_in_that_task(own):
    frame, tasks = two_tasks()
    frame.loc[100:102, ["repaid", "late"]] = None
    data = own(frame, tasks=tasks).load()
    y = torch.cat([getattr(data, split).y for split in SPLITS])
    assert len(y) == 397 and y.isnan().sum(0).tolist() == [0, 40]
    assert sorted(y[:, 1].unique().tolist())[:2] == [0, 1]
    assert "40 rows without 'late' are left out of task late only" in said(data)
    assert "3 rows without 'late' are left out" in said(data)
    assert "40 rows without it left out of task late" in account_of(data, "late")["done"]


def test_rows_without_a_tasks_label_are_spread_over_the_splits(own):
    frame, tasks = two_tasks(100)
    data = own(frame, tasks=tasks, split={"test": 0.25, "val": 0.2}).load()
    shares = [getattr(data, split).y[:, 1].isnan().double().mean().item() for split in SPLITS]
    assert shares == pytest.approx([0.25] * 3, abs=0.02)


def test_the_rows_of_one_task_are_those_with_its_label_in_the_same_splits(own):
    frame, tasks = two_tasks()
    both, one = own(frame, tasks=tasks).load(), own(frame, tasks=tasks, task="late").load()
    for split in SPLITS:
        whole, own_rows = getattr(both, split).task(1), getattr(one, split)
        assert torch.equal(whole.y, own_rows.y) and torch.equal(whole.s, own_rows.s)
        assert not own_rows.y.isnan().any()
    cells = 2 * one.train.s[one.balanced] + one.train.y[one.balanced].long()
    assert set(cells.tolist()) == {0, 1, 2, 3}
    known = ~both.train.y[both.balanced][:, 1].isnan()
    assert torch.equal(one.train.s[one.balanced], both.train.s[both.balanced][known])


def test_complete_labels_are_split_as_before_the_gaps(own):
    """Gaps that --missing=drop removes leave the split of the table without these rows."""
    frame, tasks = two_tasks()
    first = own(frame, tasks=tasks, missing="drop").load()
    second = own(frame.iloc[40:], tasks=tasks).load()
    assert torch.equal(first.train.y, second.train.y) and torch.equal(first.balanced, second.balanced)


def test_a_task_without_a_label_in_a_split_is_refused(own):
    frame, tasks = two_tasks()
    frame["split"] = ["test"] * 40 + ["train"] * 360
    refused(own(frame, tasks=tasks, split={"test": "official"}), "dataset.tasks.late", "a row of test, got none (360")


def test_a_group_with_few_labels_of_a_task_is_named(own):
    frame, tasks = two_tasks(0)
    frame.loc[(frame["gender"] == "F") & (frame.index % 8 > 0), "late"] = None
    data = own(frame, tasks=tasks, split={"test": 0.3}).load()
    labelled = data.test.task(1)
    rows = int((labelled.s == 0).sum())
    assert rows < 30 < int((data.test.s == 0).sum())
    assert f"group 'gender=F' has {rows} test rows with a label of task 'late': its metrics are uncertain" in said(data)
    assert "of task 'paid'" not in said(data)


def test_a_column_that_tells_the_label_of_the_rows_that_have_one_is_refused(own):
    frame, tasks = two_tasks()
    frame["copy"] = frame["late"].fillna(np.inf).replace(np.inf, 1)
    refused(own(frame, tasks=tasks), "'copy' copies the label")


# Columns that are no features


def test_dates_are_parts_days_or_nothing(own):
    frame = loans().assign(day=pd.date_range("2020-01-01", periods=400, freq="7h").astype(str))
    parts = own(frame, scale="none").load()
    assert [name for name in parts.features if "day" in name] == ["day month", "day day", "day hour"]
    assert "year is constant" in account_of(parts, "day")["done"]
    days = own(frame, dates="days", scale="none").load()
    assert column(days, "train", "day days").min() >= 18262
    assert not [name for name in own(frame, dates="drop").load().features if "day" in name]


def test_booleans_are_one_feature(own):
    truth = np.random.default_rng(5).integers(0, 2, 400)
    frame = loans().assign(member=np.array(["no", "yes"])[truth])
    data = own(frame, scale="none").load()
    assert torch.cat([column(data, split, "member") for split in SPLITS]).sum() == truth.sum()


@pytest.mark.parametrize(
    "index",
    [np.arange(400), np.arange(400) + 1, 3 * np.arange(400) + 7, np.arange(400)[::-1], np.arange(400) * 1.0],
)
@pytest.mark.parametrize("name", ["Unnamed: 0", "customer"])
def test_a_column_that_counts_the_rows_is_left_out_and_said(index, name, own):
    data = own(loans().assign(**{name: index})).load()
    assert name not in data.features and f"column '{name}' numbers the rows: left out" in said(data)
    assert account_of(data, name)["role"] == "dropped"


def test_shuffled_row_numbers_are_left_out_and_other_numbers_are_not(own):
    rng = np.random.default_rng(0)
    data = own(loans().assign(id=rng.permutation(400), income=rng.choice(10**6, 400, replace=False))).load()
    assert "id" not in data.features and "income" in data.features


@pytest.mark.slow
@pytest.mark.parametrize(
    "ids", [np.arange(400), np.random.default_rng(0).permutation(10**6)[:400], [f"person {k}" for k in range(400)]]
)
def test_copies_of_rows_hide_no_id(ids, own):
    frame = loans().assign(id=ids)
    for copies in ([frame] * 3, [frame, frame.sample(100, random_state=0)]):
        table = pd.concat(copies, ignore_index=True).sample(frac=1, random_state=1)
        for whole in (table, table.assign(split=np.resize(["train", "test"], len(table))), table.reset_index()):
            data = own(whole.reset_index(drop=True)).load()
            assert "id" not in data.features and "column 'id' " in said(data)
            assert account_of(data, "id")["role"] == "dropped" and "left out" in account_of(data, "id")["done"]
    assert any(name.startswith("id") for name in own(table, keep_columns=["id"]).load().features)


def test_numbers_that_are_all_that_rows_have_are_no_ids(own):
    ages = loans(1000)[["gender", "age", "repaid"]]
    assert own(ages).load().features == ["age"]
    named = ages.assign(generation=lambda f: (f["age"] // 20).map("g{}".format))
    assert own(named).load().features[0] == "age"


def test_a_column_that_the_user_names_is_kept(own):
    frame = loans().assign(id=np.arange(400))
    assert "id" in own(frame, keep_columns=["id"]).load().features
    assert "id" in own(frame, numeric=["id", "age"]).load().features
    refused(own(frame, keep_columns=["ID"]), "dataset.keep_columns must hold columns of the data", "'ID'")


def test_a_column_that_is_not_there_is_refused_with_the_nearest_name_or_the_separator(own, tmp_path):
    refused(own(loans(), label="Repaid"), "dataset.label must hold columns", "got 'Repaid'; did you mean repaid?")
    node = own(loans())
    (tmp_path / "table.csv").write_text("gender^repaid\nF^1\nM^0\n")
    refused(node, "(gender^repaid), got 'repaid'")
    (tmp_path / "table.csv").write_text("a^b\nF^1\nM^0\n")
    refused(node, "got 'repaid'; is dataset.rows.separator right?")


def test_columns_may_be_left_out(own):
    data = own(loans(), drop_columns=["age", "job"]).load()
    assert data.features == ["hours"] and account_of(data, "age")["role"] == "dropped"
    refused(own(loans(), drop_columns=["Age"]), "dataset.drop_columns must hold columns of the data", "'Age'")


@pytest.mark.parametrize("value", [1, "same", "2020-01-01", "yes"])
def test_a_constant_column_and_an_empty_one_are_left_out(value, own):
    data = own(loans().assign(c=value, e=None)).load()
    assert not [name for name in data.features if name.startswith(("c", "e"))]
    assert "constant" in account_of(data, "c")["done"] and "has no value" in account_of(data, "e")["done"]


def test_ids_are_left_out_and_many_categories_pooled(own):
    rng = np.random.default_rng(0)
    frame = loans(1000).assign(
        name=[f"person {k}" for k in range(1000)], town=rng.choice([f"t{k}" for k in range(300)], 1000)
    )
    data = own(frame, most_categories=50).load()
    towns = [name for name in data.features if name.startswith("town=")]
    assert len(towns) == 51 and "town=other" in towns and not [n for n in data.features if n.startswith("name")]
    assert "column 'name' has 1000 categories in 1000 rows: left out" in said(data)
    assert "50 most frequent of" in account_of(data, "town")["done"]


def test_the_categories_that_are_kept_are_those_of_training_rows(own):
    towns = ["a"] * 100 + ["b"] * 100 + ["c"] * 100 + ["rare"] * 90 + ["new"] * 10
    frame = loans(400).assign(town=towns, split=["train"] * 300 + ["test"] * 100)
    data = own(frame, most_categories=3, split={"test": "official"}).load()
    assert [name for name in data.features if name.startswith("town")] == ["town=a", "town=b", "town=c"]
    assert not data.test.x[:, -3:].any()


@pytest.mark.slow
def test_100000_rows_with_ids_need_little_memory(own, monkeypatch):
    rng = np.random.default_rng(0)
    frame = loans(100_000).assign(account=[f"A{k}" for k in rng.choice(80_000, 100_000)])
    assert len(own(frame).load().features) == 5
    monkeypatch.setattr(os, "sysconf", lambda name: 2**17)  # 16 GB
    refused(
        own(frame, categorical=["account"], most_categories=100_000),
        "rows with",
        "features would take",
        "GB, more than half",
        "'account'",
    )


def test_lists_are_refused_by_name(own, tmp_path):
    loans().assign(tags=[["a"]] * 400).to_parquet(tmp_path / "t.parquet")
    node = own(loans())
    path = str(tmp_path / "t.parquet")
    refused(
        dataclasses.replace(node, path=path), "column 'tags' must hold numbers, text", "dataset.drop_columns=[tags]"
    )
    assert dataclasses.replace(node, path=path, drop_columns=["tags"]).load().features[0] == "age"


# Leaks

LEAKS = {
    "a copy": (lambda f: f["repaid"], "copies"),
    "words": (lambda f: f["repaid"].map({0: "bad", 1: "good"}), "copies"),
    "the opposite": (lambda f: 1 - f["repaid"], "copies"),
    "states": (lambda f: f["repaid"].map(str) + np.resize(["a", "b", "c"], len(f)), "determines"),
    "a threshold": (lambda f: f["repaid"] + np.linspace(0, 0.9, len(f)), "has a threshold that determines"),
    "missing where it is 0": (lambda f: f["hours"].where(f["repaid"] == 1), "has missing cells that determine"),
    "a date that is missing": (
        lambda f: pd.Series(pd.date_range("2020-01-01", periods=len(f)).astype(str)).where(f["repaid"] == 1),
        "has missing cells that determine",
    ),
}


@pytest.mark.parametrize(("make", "how"), LEAKS.values(), ids=LEAKS)
def test_a_column_that_tells_the_label_is_refused_by_name(make, how, own):
    frame = loans().assign(status=lambda f: make(f))
    refused(
        own(frame), "no feature must tell the label", "'status", f"{how} the label", "dataset.drop_columns=[status]"
    )
    assert own(frame, drop_columns=["status"]).load()
    assert any(name.startswith("status") for name in own(frame, keep_columns=["status"]).load().features)


def test_a_column_that_tells_the_group_is_said(own):
    data = own(loans().assign(title=lambda f: f["gender"].map({"F": "Ms", "M": "Mr"}))).load()
    assert "column 'title' copies the group (gender), and is a feature" in said(data)
    assert "title=Ms" in data.features
    two = own(
        loans().assign(title=lambda f: f["gender"].map({"F": "Ms", "M": "Mr"})), sensitive=["gender", "job"]
    ).load()
    assert "column 'title' copies the group (gender)" in said(two)


@pytest.mark.slow
def test_noise_is_no_leak(own):
    for seed in range(20):
        assert "alone tells" not in said(own(loans(60, seed)).load())


def nearly(frame, wrong):
    """The label, but for ``wrong`` rows of each class."""
    label = frame["repaid"].copy()
    for value in (0, 1):
        rows = frame.index[frame["repaid"] == value][:wrong]
        label[rows] = 1 - value
    return label


@pytest.mark.parametrize(
    "form", [lambda y: y, lambda y: y.map({0: "late", 1: "paid"}), lambda y: y + np.arange(400) / 1e3]
)
def test_a_column_that_nearly_tells_the_label_is_said(form, own):
    frame = loans()
    data = own(frame.assign(status=form(nearly(frame, 2)))).load()
    assert "column 'status' alone tells the label with a balanced accuracy of 0.99" in said(data)
    assert "leave it out by 'dataset.drop_columns=[status]', else keep it by 'dataset.keep_columns" in said(data)
    assert not said(own(frame.assign(status=form(nearly(frame, 2))), keep_columns=["status"]).load())
    assert not said(own(frame.assign(status=form(nearly(frame, 20)))).load())


def test_separation_is_that_of_the_best_rule():
    target = np.array([0.0, 1.0] * 50)
    by_value = pd.Series(np.where(target == 1, "a", "b"))
    by_value[:10] = "c"  # 5 rows of each class
    assert separation(by_value, target) == pytest.approx(0.9)
    assert separation(pd.Series(target - 1), target) == pytest.approx(1)
    assert separation(pd.Series(np.abs(np.arange(100) - 49.5)), target) < 0.1
    assert separation(by_value, np.zeros(100)) == 0


@pytest.mark.parametrize("mark", [-999, -1, -9, 999, 99999, -999.9])
def test_a_number_that_seems_to_mark_missing_values_is_said(mark, own):
    frame = loans()
    rows = 50 if abs(mark) > 9 else 4  # -1 and -9 are more frequent than any other number
    frame.loc[::rows, "hours"] = mark
    data = own(frame).load()
    others = frame["hours"][frame["hours"] != mark]
    assert (
        f"column 'hours' holds {mark} in {400 // rows} rows, and otherwise {others.min():g} to {others.max():g}"
        in said(data)
    )
    assert f"if it marks missing values, '+dataset.rows.missing_marks={{hours: [{mark}]}}' says so" in said(data)
    for given in ({"hours": [mark]}, [mark]):
        marked = own(frame, rows={"missing_marks": given}).load()
        assert account_of(marked, "hours")["missing"] == 400 // rows and not said(marked)


def test_the_marks_to_give_are_all_that_the_column_has(own):
    frame = loans().astype({"age": object})
    frame.loc[::50, "hours"], frame.loc[::40, "age"], frame.loc[::30, "job"] = -999, 9999999, "?"
    frame.loc[::70, "age"] = "n/a"
    assert "'+dataset.rows.missing_marks={hours: [-999]}' says so" in said(own(frame).load())
    assert """'+dataset.rows.missing_marks={age: [9999999, "n/a"]}' says so""" in said(own(frame).load())
    both = {"hours": [-999], "age": [9999999, "n/a"]}
    assert not said(own(frame, rows={"missing_marks": both}).load())
    given = own(frame, rows={"missing_marks": [-999, "n/a", "?"]})
    assert """'dataset.rows.missing_marks=[9999999, -999, "n/a", "?"]' (of all columns) says so""" in said(given.load())
    german = frame.rename(columns={"age": "größe"})
    assert "'dataset.rows.missing_marks=[9999999, " in said(own(german).load())


@pytest.mark.parametrize(
    ("marks", "rest"),
    [
        ([97, 98, 99], range(11)),
        ([77, 88, 99], [1, 2, 3, 4, 5]),
        ([7777, 9999], range(300)),
        ([-9, -8, -7], range(101)),
        ([-999, -998], range(101)),
        ([-2, -1], range(18, 80)),
        ([98, 99], range(18, 80)),
        ([99], [1, 2]),
    ],
)
def test_several_survey_codes_at_one_end_are_said(marks, rest, own):
    frame = loans().assign(hours=np.random.default_rng(0).choice(list(rest), 400))
    for k, mark in enumerate(marks):
        frame.loc[k::50, "hours"] = mark
    (found,) = [line for line in own(frame).load().account["warnings"] if "marks={hours" in line]
    last = f" and {marks[-1]}" if len(marks) > 1 else ""
    first = ", ".join(map(str, marks[:-1])) or str(marks[0])
    assert f"column 'hours' holds {first}{last} in {8 * len(marks)} rows, and otherwise" in found
    assert f"'+dataset.rows.missing_marks={{hours: {marks}}}' says so" in found
    assert not said(own(frame, rows={"missing_marks": {"hours": marks}}).load())


def test_a_code_that_is_the_only_negative_number_is_said_however_rare(own):
    frame = loans(4000).assign(hours=np.resize(np.arange(71), 4000))
    frame.loc[:4, "hours"] = -9
    assert "column 'hours' holds -9 in 5 rows, and otherwise 0 to 70" in said(own(frame).load())
    frame.loc[5, "hours"] = -3
    assert not said(own(frame).load())


@pytest.mark.parametrize("mark", ["-99.9", "99.9"])
def test_a_mark_with_a_decimal_point_among_words_is_said(mark, own):
    frame = loans()
    frame["job"] = frame["job"].mask(frame.index % 20 == 0, mark)
    assert f"column 'job' holds {mark} in 20 rows, and otherwise" in said(own(frame).load())


@pytest.mark.parametrize(
    ("role", "values", "mark"),
    [
        ("repaid", [0, 1], "-999"),
        ("repaid", [0, 1], "9"),
        ("repaid", ["no", "yes"], "-9"),
        ("gender", ["F", "M"], "-999"),
        ("gender", [1, 2], "99"),
        ("gender", [1, 2], "9"),
        ("gender", ["F", "M"], "9"),
        ("gender", ["10-19 years", "20+"], "99"),
    ],
)
def test_a_mark_in_a_label_or_a_group_is_said(role, values, mark, own):
    frame = loans()
    frame[role] = np.random.default_rng(3).choice(np.array([*values, mark], dtype=object), 400, p=[0.45, 0.45, 0.1])
    data = own(frame, positive=None if role == "repaid" else 1).load()
    assert f"column '{role}' holds {mark} in {(frame[role] == mark).sum()} rows, and otherwise" in said(data)
    assert f"'+dataset.rows.missing_marks={{{role}: [{mark}]}}' says so" in said(data)


@pytest.mark.parametrize(
    "values", [[-1, 1], [-1, 0, 1], [-2, -1, 1, 2], [0, 1, 2], list(range(10)), ["A", "B", "C9"], ["8", "9+", "x"]]
)
def test_the_values_of_a_label_and_a_group_mark_nothing_by_themselves(values, own):
    drawn = np.random.default_rng(3).choice(np.array(values, dtype=object), 1000)
    frame = loans(1000).assign(repaid=drawn, job=drawn[::-1])
    positive = values[0] if len(values) == 2 else None
    assert "missing values" not in said(own(frame, positive=positive, sensitive=["job"]).load())


@pytest.mark.parametrize(("values", "marks"), [([1, 2], [8, 9]), (["F", "M"], [97, 99]), ([0, 1, 2, 3], [-9, -8])])
def test_several_codes_in_a_group_are_said(values, marks, own):
    drawn = np.random.default_rng(3).choice(np.array([*values, *marks], dtype=object), 1000)
    data = own(loans(1000).assign(gender=drawn)).load()
    assert f"'+dataset.rows.missing_marks={{gender: {marks}}}' says so" in said(data)


def test_a_refused_label_or_group_tells_of_its_marks(own):
    frame = loans()
    frame.loc[::40, "repaid"], frame.loc[::50, "hours"] = -999, -999
    refused(own(frame), "must have two values, got 3", "'+dataset.rows.missing_marks={repaid: [-999]}' says so")
    with pytest.raises(InputError) as error:
        own(frame).load()
    assert "hours" not in str(error.value)
    rare = loans()
    rare.loc[:1, "repaid"] = -9
    refused(
        own(rare, positive=None), "3 rows or more of each", "; column 'repaid' holds -9 in 2 rows, and otherwise 0 to 1"
    )


@pytest.mark.parametrize("values", [[99, 80, 97], [-1, -2, -3], [999], [-1.5, -1.5], [-1], [-1, -1, -5], [59, 60, 61]])
def test_numbers_that_others_are_near_mark_nothing(values, own):
    frame = loans()
    frame.loc[: len(values) - 1, "hours"] = values
    assert not said(own(frame).load())


def test_a_mark_that_is_a_number_counts_in_text_and_in_numbers_alike(own, tmp_path):
    frame = loans()
    frame.loc[::50, "hours"] = -999
    frame.to_parquet(tmp_path / "t.parquet")
    csv = own(frame, rows={"missing_marks": [-999.0]})
    for data in (csv.load(), dataclasses.replace(csv, path=str(tmp_path / "t.parquet")).load()):
        assert account_of(data, "hours")["missing"] == 8
        assert account_of(data, "hours")["done"].startswith("missing: ")


def test_a_mark_that_was_rounded_to_32_bits_is_said_and_found_as_a_user_writes_it(own, tmp_path):
    frame = loans().astype({"hours": "float32"})
    frame.loc[::50, "hours"] = np.float32(-99.9)
    frame.to_parquet(tmp_path / "t.parquet")
    stored = dataclasses.replace(own(frame), path=str(tmp_path / "t.parquet"))
    assert "column 'hours' holds -99.9 in 8 rows, and otherwise" in said(stored.load())
    assert "'+dataset.rows.missing_marks={hours: [-99.9]}' says so" in said(stored.load())
    marked = dataclasses.replace(stored, rows=own(frame, rows={"missing_marks": {"hours": [-99.9]}}).rows)
    assert account_of(marked.load(), "hours")["missing"] == 8 and not said(marked.load())


def test_marks_of_a_column_that_are_no_list_get_the_list(own):
    with pytest.raises(InputError, match=r"did you mean 'dataset\.rows\.missing_marks=\{hours: \[-999\]\}'\?"):
        own(loans(), rows={"missing_marks": {"hours": -999}})


def test_test_rows_that_are_copies_of_training_rows_are_said(own):
    copied = "test rows are copies of training rows, in all features, groups and labels: if"
    assert copied in said(own(pd.concat([loans()] * 3)).load())
    assert copied not in said(own(pd.concat([loans(), loans().head(20)])).load())
    again = pd.concat([loans(), loans().assign(repaid=lambda f: 1 - f["repaid"])])
    assert copied not in said(own(again).load())
    assert copied not in said(own(loans().assign(age=lambda f: f["age"] % 3, hours=lambda f: f["hours"] // 20)).load())


def test_rows_of_many_columns_are_counted_without_overflow(own, recwarn):
    numbers = np.random.default_rng(5).normal(size=(400, 130)).round(6)
    own(pd.concat([loans(), pd.DataFrame(numbers).add_prefix("x")], axis=1)).load()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_few_copies_are_counted_too(own):
    frame = loans().assign(hours=np.random.default_rng(5).normal(40, 5, 400))
    assert "copies" not in " ".join(own(frame).load().account["remarks"])
    data = own(pd.concat([frame, frame.head(20)])).load()
    told = "copies of rows before them, in all features, groups and labels: 20 of 420 rows; of training rows: "
    assert data.account["remarks"][-1].startswith(told) and "copies" not in said(data)


def test_features_that_differ_in_case_alone_are_said_until_they_are_merged(own):
    frame = loans().assign(job=lambda f: f["job"].mask(f.index % 9 == 0, f["job"].str.upper()))
    assert "differ in case or spaces alone: 'CHEF', 'chef'" in account_of(own(frame).load(), "job")["done"]
    merge = {"job": {job: [job, job.upper()] for job in ("chef", "clerk", "nurse")}}
    assert "differ in case" not in account_of(own(frame, merge=merge).load(), "job")["done"]
    assert "differ in case" not in account_of(own(frame, sensitive=["job"], merge=merge).load(), "job")["done"]


def test_the_merge_that_is_proposed_has_the_name_that_most_rows_have(own):
    frame = loans().assign(gender=lambda f: f["gender"].str.lower().mask(f.index % 9 == 0, f["gender"]))
    refused(own(frame), "by '+dataset.merge={gender: {f: [F, f], m: [M, m]}}'")


def test_a_merge_that_the_command_line_cannot_have_is_proposed_as_lines_of_a_file(own):
    frame = loans().assign(größe=lambda f: f["gender"].mask(f.index % 9 == 0, f["gender"].str.lower()))
    refused(own(frame, sensitive=["größe"]), "dataset=NAME", "merge:\n  größe:\n    F: [F, f]\n    M: [M, m]")
    frame = loans().assign(gender=lambda f: f["gender"].replace({"F": "Frau (w)"}).mask(f.index % 9 == 0, "frau (w)"))
    refused(own(frame), "dataset=NAME", "merge:\n  gender:\n    Frau (w): [Frau (w), frau (w)]")


# Groups and values


def test_spaces_make_no_group_and_case_is_refused_with_a_remedy(own):
    frame = loans()
    spaced = frame.assign(gender=frame["gender"].mask(frame.index % 3 == 0, frame["gender"] + " "))
    assert own(spaced).load().groups == ["gender=F", "gender=M"]
    mixed = frame.assign(gender=frame["gender"].mask(frame.index % 3 == 0, frame["gender"].str.lower()))
    refused(
        own(mixed),
        "differ in case or spaces alone, got 'F', 'f'",
        "+dataset.merge={gender: {F: [F, f], M: [M, m]}}",
    )
    merge = {"gender": {"F": ["F", "f"], "M": ["M", "m"]}}
    assert own(mixed, merge=merge).load().groups == ["gender=F", "gender=M"]


def test_small_groups_are_named(own):
    frame = loans()
    frame.loc[frame.index % 40 == 0, "gender"] = "X"
    frame.loc[0, ["gender", "repaid"]] = ["Y", 1]
    warnings = said(own(frame, split={"seed": 2}).load())
    assert "group 'gender=Y' has no row in val and test" in warnings
    assert "group 'gender=X' has 3 test rows" in warnings and "gender=F" not in warnings


def test_many_numbers_are_no_groups_and_bins_are(own):
    refused(own(loans(), sensitive=["age"]), "got 'age' with 62: give bins", "[{column: age, bins: [25, 60]}]")
    data = own(loans(), sensitive=[{"column": "age", "bins": [25, 60]}]).load()
    assert data.groups == ["age=under 25", "age=25 to under 60", "age=60 and over"]
    assert "age" not in data.features
    ages = loans()["age"]
    counts = sum(torch.bincount(getattr(data, split).s, minlength=3) for split in SPLITS)
    assert counts.tolist() == [(ages < 25).sum(), ((ages >= 25) & (ages < 60)).sum(), (ages >= 60).sum()]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"column": "age", "bins": [60, 25]}, "sensitive.bins must be rising numbers"),
        ({"column": "age", "bins": 25}, "sensitive.bins must be rising numbers"),
        ({"column": "age", "cuts": [25]}, "sensitive must be a column, {column: C, bins"),
        ({"column": "job", "bins": [25]}, "'job'"),
        ({"column": "age", "bins": [10, 60]}, "every bin of 'age' must have rows, got none under 10"),
    ],
)
def test_bins_that_are_none_are_refused(entry, message, own):
    with pytest.raises(InputError) as error:
        own(loans(), sensitive=[entry]).load()
    assert message in str(error.value)


def test_levels_may_be_merged_anywhere_or_within_the_attribute(own):
    frame = loans().assign(race=np.resize(["A", "B", "C", "D"], 400))
    whole = own(frame, sensitive=["race"], merge={"race": {"Other": ["A", "B"]}}).load()
    within = own(frame, sensitive=[{"column": "race", "merge": {"Other": ["A", "B"]}}]).load()
    assert whole.groups == within.groups == ["race=C", "race=D", "race=Other"]
    feature = own(frame, merge={"race": {"Other": ["A", "B"]}}).load()
    assert {"race=C", "race=D", "race=Other"} < set(feature.features) and "race=A" not in feature.features
    refused(
        own(frame, merge={"race": {"Other": ["E"]}}), "dataset.merge.race.Other must be a value of that column ('A'"
    )


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["True", "False"], True),
        (["True", "False"], "true"),
        (["True", "False"], 1),
        (["yes", "no"], True),
        (["yes", "no"], "YES"),
        (["Y", "N"], True),
        (["1", "0"], True),
        (["1", "0"], "1"),
        (["1.0", "0.0"], 1),
        ([" >50K", "<=50K"], ">50K"),
        ([">50K ", "<=50K"], ">50k"),
        (["2", "1"], "2"),
        (["01", "00"], "01"),
        (["007", "008"], 7),
        (["good", "bad"], " Good "),
    ],
)
def test_the_positive_value_may_be_spelt_in_any_way_that_is_clear(values, positive, own):
    frame = loans().assign(repaid=lambda f: f["repaid"].map(dict(enumerate(reversed(values)))))
    data = own(frame, positive=positive).load()
    assert sum(getattr(data, split).y.sum() for split in SPLITS) == loans()["repaid"].sum()


def test_a_value_that_is_not_there_is_shown_as_python_writes_it(own):
    frame = loans().assign(repaid=lambda f: f["repaid"].map({0: "no", 1: "paid"}))
    refused(own(frame, positive="yes"), "dataset.positive must be one of 'no', 'paid', got 'yes'")


def test_a_column_of_any_name_is_a_column(own):
    frame = loans().rename(columns={"gender": "_s", "age": "split"}).assign(**{"job=chef": loans()["hours"] % 1})
    data = own(frame, sensitive=["_s"]).load()
    assert data.groups == ["_s=F", "_s=M"]
    assert data.features == ["split", "hours", "job=chef", "job=chef (2)", "job=clerk", "job=nurse"]


def test_an_official_split_is_used_where_asked_in_any_spelling_and_else_said(own):
    parts = np.resize(["Train", "train ", "TEST", "valid"], 400)
    frame = loans().assign(part=parts)
    data = own(frame, split={"test": "official", "column": "part"}).load()
    assert [len(getattr(data, split).y) for split in SPLITS] == [200, 100, 100] and not any(
        "part" in f for f in data.features
    )
    unused = own(frame.rename(columns={"part": "split"})).load()
    assert "column 'split' holds an official split, which is not used: dataset.split.test=official" in said(unused)
    assert not any("split" in f for f in unused.features)
    refused(own(frame, split={"column": "fold"}), "dataset.split.column must hold columns of the data", "'fold'")
    gaps = frame.assign(part=np.resize(["train", "test", ""], 400))
    refused(own(gaps, split={"test": "official", "column": "part"}), "a column part with train and test, got", "'test'")
    refused(
        own(loans(), split={"test": "official"}), "needs a column split with train and test", "dataset.split.column"
    )


def test_a_label_one_value_of_which_looks_missing_is_refused_with_a_remedy(own):
    frame = loans().assign(repaid=lambda f: f["repaid"].map({0: "none", 1: "some"}))
    refused(
        own(frame, positive="some"),
        "column 'repaid' must have two values or more, got 'some'",
        "('none')",
        "marks={repaid: []}",
    )
    assert own(frame, positive="some", rows={"missing_marks": {"repaid": []}}).load().train.y.mean() < 1


def test_a_group_without_test_rows_of_a_label_is_named(own):
    frame = loans().assign(split=np.resize(["train", "test"], 400))
    frame.loc[(frame["split"] == "test") & (frame["gender"] == "F"), "repaid"] = 1
    warnings = said(own(frame, split={"test": "official"}).load())
    assert "group 'gender=F' has no test row with label 0" in warnings and "gender=M" not in warnings


def test_dates_are_no_groups(own):
    frame = loans().assign(born=pd.date_range("1990-01-01", periods=400).astype(str))
    refused(own(frame, sensitive=["born"]), "dataset.sensitive must hold columns of categories or numbers, got 'born'")


@pytest.mark.parametrize(
    "name", few(["self", "index", "level_0", "value", "rows", "y", "s", "missing", "count", "a.b/c", "é"], 4)
)
def test_a_column_may_have_any_name_in_any_role(name, own):
    """Some are names of arguments of pandas, or of ours."""
    frame = loans().rename(columns={"gender": name}).assign(when=pd.date_range("2020-01-01", periods=400).astype(str))
    assert own(frame, sensitive=[name]).load().groups == [f"{name}=F", f"{name}=M"]
    assert own(frame, sensitive=["job"]).load().features[:1] != [name]
    frame = loans().rename(columns={"hours": name})
    frame.loc[3:9, name] = np.nan
    assert name in own(frame, merge={"gender": {"X": ["F"]}}).load().features
    assert own(loans().rename(columns={"repaid": name}), label=name).load().features[0] == "age"


def test_a_feature_that_is_made_does_not_replace_a_column_of_its_name(own):
    frame = with_gaps().assign(**{"hours is missing": lambda f: f["age"] % 3, "d month": lambda f: f["age"] % 4})
    frame["d"] = pd.date_range("2020-01-01", periods=400).astype(str)
    features = own(frame).load().features
    assert {"hours is missing", "hours is missing (2)", "d month", "d month (2)"} < set(features)


@pytest.mark.parametrize("name", ["id", "customer_id", "CustomerID", "Row Nr", "INDEX"])
def test_unique_numbers_that_are_called_an_id_are_left_out(name, own):
    numbers = np.random.default_rng(0).choice(10**7, 400, replace=False)
    assert name not in own(loans().assign(**{name: numbers})).load().features
    assert "paid" in own(loans().assign(paid=numbers)).load().features


# Large numbers


def test_numbers_that_are_too_large_are_refused_by_name(own):
    refused(
        own(loans().assign(hours=lambda f: f["hours"] * 1e200)), "column 'hours' must hold finite numbers", "drop_col"
    )
    frame = loans()
    frame.loc[3, "hours"] = np.inf
    refused(own(frame), "column 'hours' must hold finite numbers", "got inf")
    refused(
        own(loans().assign(hours=lambda f: f["hours"] * 1e20), scale="none"), "column 'hours' must have values below"
    )


def test_a_feature_that_stays_large_is_named(own):
    assert "column 'hours' reaches" in said(own(loans().assign(hours=lambda f: f["hours"] * 1e6), scale="none").load())
    assert not own(loans().assign(hours=lambda f: f["hours"] * 1e6)).load().account["warnings"]


def test_csv_and_parquet_of_the_same_rows_are_the_same_data(own, tmp_path):
    frame = with_gaps().assign(day=pd.date_range("2020-01-01", periods=400))
    csv = own(frame)
    frame.astype({"gender": pd.CategoricalDtype(["M", "X", "F"])}).to_parquet(tmp_path / "t.parquet")
    one, other = csv.load(), dataclasses.replace(csv, path=str(tmp_path / "t.parquet")).load()
    assert one.sha256 == other.sha256 and one.features == other.features and one.groups == other.groups
    for split in SPLITS:
        assert all(torch.equal(a, b) for a, b in zip(getattr(one, split), getattr(other, split), strict=True))


def test_columns_of_another_type_are_other_data_though_they_print_alike(own, tmp_path):
    frame = loans().assign(code=lambda f: f["age"] % 5)
    numbers = own(frame)
    frame.astype({"code": str}).astype({"code": "category"}).to_parquet(tmp_path / "t.parquet")
    categories = dataclasses.replace(numbers, path=str(tmp_path / "t.parquet"))
    one, other = numbers.load(), categories.load()
    assert (one.sha256 == other.sha256) == (one.features == other.features)


def test_every_key_of_the_group_is_a_field():
    assert Path(CONF / "dataset" / "csv.yaml").exists()
    assert set(conf()) - {"_target_"} <= {
        field.name
        for field in dataclasses.fields(
            type(build(conf() | {"label": "a", "positive": 1, "sensitive": ["b"], "path": None}, "dataset"))
        )
    }


def test_numbers_that_are_categories_are_named_and_pooled_as_such(own):
    frame = loans().assign(floor=lambda f: (f["age"] % 7).where(f.index % 9 > 0))
    features = own(frame, numeric=["age"], most_categories=3).load().features
    floors = [name for name in features if name.startswith("floor")]
    assert len(floors) == 5 and {"floor=missing", "floor=other"} < set(floors)
    assert {f"floor={k}" for k in range(7)} < set(own(frame, categorical=["floor"]).load().features)


def test_dates_far_away_are_dates(own):
    years = np.resize(["1650-06-01", "9999-12-31", "2020-02-29"], 400)
    assert {"until year", "until month"} < set(own(loans().assign(until=years)).load().features)


def test_a_sensitive_column_that_is_no_feature_is_a_group_still(own):
    frame = loans().assign(code=np.arange(400))
    data = own(frame, sensitive=[{"column": "code", "bins": [200]}], include_sensitive=True).load()
    assert data.groups == ["code=under 200", "code=200 and over"] and "code" not in data.features


def test_text_among_numbers_is_for_the_user_to_call_categorical(own):
    frame = loans().assign(score=[*(str(k % 50) for k in range(399)), "ten"])
    refused(own(frame), "column 'score' must hold numbers or categories, got text among numbers ('ten')", "[score]")
    assert "score=49" in own(frame, categorical=["score", "job"]).load().features
