"""Data sets of files that a user has, on small imitations of them."""

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from fairrun.config.check import InputError
from fairrun.datasets.lsac import CATEGORIES, COLUMNS, NUMBERS
from fairrun.runs.checks.data import check_data
from fairrun.runs.job import facts, load
from tests.helpers.synthetic import config


def of(path, *overrides):
    return OmegaConf.to_container(config(f"dataset.path={path}", *overrides), resolve=True)


# LSAC


def students(num_rows, seed):
    """Rows in the order of the authors' columns."""
    rng = np.random.default_rng(seed)
    numbers = {name: rng.normal(size=num_rows).round(2) for name in NUMBERS}
    return pd.DataFrame(numbers | {name: rng.choice(values, num_rows) for name, values in CATEGORIES.items()})


def write(folder, train=None, test=None, names=("train.csv", "test.csv")):
    frames = [students(200, 0) if train is None else train, students(90, 1) if test is None else test]
    for frame, name in zip(frames, names, strict=True):
        frame.to_csv(folder / name, index=False, header=False)
    return frames


def test_lsac_has_the_columns_of_the_authors_in_their_order():
    order = "zfygpa,zgpa,DOB_yr,weighted_lsat_ugpa,cluster_tier,family_income,lsat,ugpa,isPartTime,sex,race,pass_bar"
    assert ",".join(COLUMNS) == order


def test_lsac_is_two_files_and_their_split(tmp_path):
    train, test = write(tmp_path)
    data = load(of(tmp_path, "dataset=lsac"))
    assert [len(table.y) for table in data[:3]] == [160, 40, 90]
    assert data.test.y.tolist() == (test["pass_bar"] == "Passed").tolist()
    assert data.groups == ["sex=Female", "sex=Male"]
    assert data.test.s.tolist() == (test["sex"] == "Male").tolist()
    assert torch.cat([data.train.y, data.val.y]).sum() == (train["pass_bar"] == "Passed").sum()
    assert data.features == [*NUMBERS, "isPartTime=No", "isPartTime=Yes", "race=Black", "race=Other", "race=White"]


def test_the_files_of_lsac_may_have_other_names(tmp_path):
    write(tmp_path, names=("a.txt", "b.txt"))
    data = load(of(tmp_path, "dataset=lsac", "dataset.rows={train: a.txt, test: b.txt}"))
    assert len(data.test.y) == 90


def test_the_preset_of_lsac_has_two_tasks_and_gender_as_a_feature(tmp_path):
    test = write(tmp_path)[1]
    cfg = of(tmp_path, "experiment=mtaf/lsac", "method=mtaf")
    data = load(cfg)
    check_data(cfg, facts(data))
    expected = np.stack([test["zfygpa"] > 0, test["pass_bar"] == "Passed"], axis=1).astype(float)
    assert data.tasks == ["grade", "bar"] and data.test.y.tolist() == expected.tolist()
    assert data.categories == [2, 3, 2] and data.features[:7] == list(NUMBERS[1:])
    assert data.features[-2:] == ["sex=Female", "sex=Male"]


def refused(folder, message, *overrides):
    with pytest.raises(InputError, match=message):
        load(of(folder, "dataset=lsac", *overrides))


def test_a_folder_without_the_files_of_lsac_is_refused(tmp_path):
    refused(tmp_path / "no", "dataset.path must be a folder that exists, got '.*no'")
    write(tmp_path)
    refused(
        tmp_path, r"dataset.rows.test must be a CSV file in dataset.path=.*, got 'x.csv'", "dataset.rows.test=x.csv"
    )


@pytest.mark.parametrize("number", [11, 13])
def test_another_number_of_columns_is_refused(number, tmp_path):
    write(tmp_path, test=students(90, 1).assign(more=1).iloc[:, :number])
    refused(tmp_path, rf"dataset.rows.test must be a file of 12 columns \(zfygpa, .*pass_bar\) .* not of {number}, got")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.replace({"sex": {"Male": "male"}}), "column 10, sex, must hold Female and Male alone, got"),
        (lambda rows: rows[[*COLUMNS[:9], "race", "sex", "pass_bar"]], "column 10, sex, must hold Female .* got"),
        (
            lambda rows: rows.replace({"race": {"Black": "3"}}),
            "column 11, race, must hold Black and Other and White al",
        ),
        (lambda rows: rows.assign(zgpa=rows["zgpa"].mask(rows.index == 7)), "column 2, zgpa, .* got '' in line 8"),
        (lambda rows: pd.DataFrame([COLUMNS, *rows.to_numpy()]), "column 1, zfygpa, .* got 'zfygpa' in line 1"),
        (lambda rows: rows.assign(pass_bar=1), "column 12, pass_bar, must hold Failed_or_not_attempted and Passed a"),
    ],
    ids=["other words", "other order", "codes", "a missing number", "a header", "a number"],
)
def test_columns_of_another_kind_are_refused_by_name_and_line(change, message, tmp_path):
    write(tmp_path, train=change(students(200, 0)))
    refused(tmp_path, f"dataset.rows.train='train.csv': {message}")


def test_a_file_that_is_no_table_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "train.csv").write_text("")
    refused(tmp_path, "dataset.rows.train='train.csv' cannot be read as a table: No columns")


# CelebA's attributes


NAMES = ["Attractive", "Bald", "Male", "Smiling", "Young"]


def faces(folder, kind, num_rows=200):
    """Attributes and partition, no image; returns the attributes, each 1 or -1."""
    values = np.random.default_rng(0).choice([-1, 1], (num_rows, len(NAMES)))
    frame = pd.DataFrame(values, columns=NAMES, index=[f"{k + 1:06}.jpg" for k in range(num_rows)])
    partition = pd.Series(np.repeat([0, 1, 2], [num_rows - 100, 50, 50]), index=frame.index, name="partition")
    if kind == "csv":
        frame.to_csv(folder / "list_attr_celeba.csv", index_label="image_id")
        partition.to_csv(folder / "list_eval_partition.csv", index_label="image_id")
    else:
        text = frame.to_csv(sep=" ", header=False)
        (folder / "list_attr_celeba.txt").write_text(f"{num_rows}\n{' '.join(NAMES)}\n{text}")
        partition.to_csv(folder / "list_eval_partition.txt", sep=" ", header=False)
    return frame


@pytest.mark.parametrize("kind", ["txt", "csv"])
def test_the_preset_of_celebas_attributes_has_two_tasks_and_all_other_attributes(kind, tmp_path):
    frame = faces(tmp_path, kind)
    cfg = of(tmp_path, "experiment=mtaf/celeba_attributes", "method=mtaf")
    data = load(cfg)
    check_data(cfg, facts(data))
    assert [len(table.y) for table in data[:3]] == [100, 50, 50]
    assert data.tasks == ["attractive", "smiling"] and data.groups == ["Male=-1", "Male=1"]
    for table, rows in zip(data[:3], (frame[:100], frame[100:150], frame[150:]), strict=True):
        assert table.y.tolist() == (rows[["Attractive", "Smiling"]] == 1).to_numpy().tolist()
        assert table.s.tolist() == (rows["Male"] == 1).tolist()
        assert table.x.tolist() == rows[["Bald", "Young"]].to_numpy().tolist()
    assert data.features == ["Bald", "Young"] and not data.categories


def test_celebas_attributes_are_one_label_too(tmp_path):
    faces(tmp_path, "txt")
    data = load(of(tmp_path, "dataset=celeba_attributes"))
    assert data.features == ["Bald", "Smiling", "Young"] and data.train.y.shape == (100,)


def test_celebas_attributes_need_no_images_but_the_partition(tmp_path):
    faces(tmp_path, "txt")
    (tmp_path / "list_eval_partition.txt").unlink()
    expected = r"a folder with list_attr_celeba and list_eval_partition \(each .txt or .csv\)"
    with pytest.raises(InputError, match=f"dataset.path must be {expected}, got '.*' without list_eval_partition"):
        load(of(tmp_path, "dataset=celeba_attributes"))
