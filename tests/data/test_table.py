import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fairrun.config.check import InputError
from fairrun.data.corrupt import Outliers
from fairrun.data.dataset import Dataset
from fairrun.data.labels import parse_labels
from fairrun.data.sources import read_frame
from fairrun.data.split import Split

SPLITS = ("train", "val", "test")
NO_OUTLIERS = Outliers(kind=None, rate=0.1, scale=4.0, seed=0)
SPLIT = Split(test=0.3, balance_test=False, val=0.2, balanced=4, seed=0)


class Cached:
    """Rows in the form of the cache, as those of the data sets that come with fairrun."""

    def frame(self, path):
        return read_frame(Path(path).read_bytes())


def split_of(**changes):
    return dataclasses.replace(SPLIT, **changes)


def people(num_rows=500):
    """Rows with a unique number; sex has 2 values and race 3, of unequal size; cells have odd numbers of rows."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": rng.permutation(num_rows),
            "age": rng.normal(40, 12, num_rows),
            "job": rng.choice(["clerk", "cook", "?"], num_rows),
            "sex": rng.choice(["F", "M"], num_rows, p=[0.3, 0.7]),
            "race": rng.choice(["A", "B", "C"], num_rows, p=[0.2, 0.3, 0.5]),
            "hired": rng.choice([0, 1], num_rows, p=[0.6, 0.4]),
        }
    )


def with_official_split(frame, num_test=200):
    return frame.assign(split=["train"] * (len(frame) - num_test) + ["test"] * num_test)


@pytest.fixture
def dataset(tmp_path):
    """Builds a ``Dataset`` of a frame, by way of a CSV file."""

    def build(frame, **changes):
        path = tmp_path / "table.csv"
        frame.to_csv(path, index=False)
        options = {
            "rows": Cached(),
            "label": "hired",
            "positive": 1,
            "tasks": {},
            "task": None,
            "sensitive": ["sex"],
            "binarize": {},
            "include_sensitive": False,
            "proxies": {},
            "numeric": None,
            "categorical": None,
            "drop_categories": {},
            "scale": "numbers",
            "split": SPLIT,
            "outliers": NO_OUTLIERS,
            "path": str(path),
            "name": None,
        }
        return Dataset(**{**options, **changes})

    return build


def column(data, split, name):
    return getattr(data, split).x[:, data.features.index(name)]


def rows_of(data):
    """Split -> the ids of its rows in order.  Ids are 0, 1, ..., so an id is the rank of its scaled value."""
    ranks = torch.cat([column(data, split, "id") for split in SPLITS]).unique(return_inverse=True)[1]
    parts = ranks.split([len(table.y) for table in data[:3]])
    return {split: part.numpy() for split, part in zip(SPLITS, parts, strict=True)}


def test_a_split_has_features_labels_and_groups_of_the_right_shapes_and_types(dataset):
    data = dataset(people(500)).load()
    for split, num_rows in {"train": 280, "val": 70, "test": 150}.items():
        x, y, s = getattr(data, split)
        assert (x.shape, y.shape, s.shape) == ((num_rows, len(data.features)), (num_rows,), (num_rows,))
        assert (x.dtype, y.dtype, s.dtype) == (torch.float64, torch.float64, torch.int64)
        assert x.is_contiguous()  # row after row, as the native engine gathers them


def test_tables_move_to_another_type_and_leave_groups_whole_numbers(dataset):
    data = dataset(people()).load().to("cpu", torch.float32)
    for split in SPLITS:
        x, y, s = getattr(data, split)
        assert (x.dtype, y.dtype, s.dtype) == (torch.float32, torch.float32, torch.int64)


# Splits


@pytest.mark.parametrize("test", [0.3, "official"])
def test_splits_are_disjoint_and_hold_every_row(test, dataset):
    frame = with_official_split(people())
    data = dataset(frame, split=split_of(test=test)).load()
    scaled = torch.cat([column(data, split, "id") for split in SPLITS])
    assert len(scaled) == len(scaled.unique()) == len(frame)


def test_every_row_keeps_its_label_and_its_group(dataset):
    frame = people()
    data = dataset(frame).load()
    by_id = frame.set_index("id")
    for split, ids in rows_of(data).items():
        assert getattr(data, split).y.tolist() == by_id["hired"].loc[ids].tolist()
        assert [data.groups[g] for g in getattr(data, split).s] == [f"sex={sex}" for sex in by_id["sex"].loc[ids]]


@pytest.mark.parametrize("sensitive", [["sex"], ["sex", "race"]])
def test_a_split_is_stratified_by_label_and_group(sensitive, dataset):
    frame = people()
    data = dataset(frame, sensitive=sensitive).load()
    number = {
        split: torch.bincount(2 * table.s + table.y.long(), minlength=2 * len(data.groups))
        for split, table in zip(SPLITS, data[:3], strict=True)
    }
    rest = number["train"] + number["val"]
    assert len(rest) == 2 * len(data.groups) and number["test"].sum() + rest.sum() == len(frame)
    assert torch.all((number["test"] - 0.3 * (rest + number["test"])).abs() < 1)
    assert torch.all((number["val"] - 0.2 * rest).abs() < 1)


def test_the_official_test_rows_are_the_test_rows(dataset):
    frame = with_official_split(people())
    rows = rows_of(dataset(frame, split=split_of(test="official")).load())
    assert rows["test"].tolist() == frame["id"][frame["split"] == "test"].tolist()
    assert len(rows["val"]) == 0.2 * 300


def test_the_official_split_is_not_used_where_a_fraction_is_given(dataset):
    frame = with_official_split(people())
    rows = rows_of(dataset(frame, split=SPLIT).load())
    assert set(frame["split"][frame["id"].isin(rows["test"])]) == {"train", "test"}


@pytest.mark.parametrize(
    "changes",
    [
        {"include_sensitive": True},
        {"proxies": {"sex": ["job"]}},
        {"numeric": ["id"]},
        {"numeric": ["id"], "categorical": ["job"]},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_the_features_do_not_change_the_split(changes, dataset):
    before, after = (rows_of(dataset(people(), **options).load()) for options in ({}, changes))
    for split in SPLITS:
        assert before[split].tolist() == after[split].tolist()


def test_the_global_seeds_do_not_change_the_split(dataset):
    rows = []
    for seed in (1, 2):
        np.random.seed(seed)
        torch.manual_seed(seed)
        rows.append(rows_of(dataset(people()).load()))
    for split in SPLITS:
        assert rows[0][split].tolist() == rows[1][split].tolist()


@pytest.mark.parametrize("test", [0.3, "official"])
def test_the_seed_of_the_split_changes_the_split(test, dataset):
    frame = with_official_split(people())
    before, after = (rows_of(dataset(frame, split=split_of(test=test, seed=seed)).load()) for seed in (0, 1))
    assert set(before["val"]) != set(after["val"])
    assert (set(before["test"]) == set(after["test"])) == (test == "official")


# Encoding


def test_numeric_features_have_mean_0_and_deviation_1_on_train_rows(dataset):
    data = dataset(people()).load()
    for name in ("id", "age"):
        values = column(data, "train", name)
        assert values.mean().abs() < 1e-12
        assert (values.std(correction=0) - 1).abs() < 1e-12


def test_scales_are_learned_from_train_rows_only(dataset):
    frame = with_official_split(people())
    shifted = frame.assign(age=frame["age"].where(frame["split"] == "train", frame["age"] + 1e6))
    official = split_of(test="official")
    before, after = (dataset(rows, split=official).load() for rows in (frame, shifted))
    assert torch.equal(column(before, "train", "age"), column(after, "train", "age"))
    assert column(after, "test", "age").min() > 1e3


def test_a_numeric_feature_that_is_constant_is_zero(dataset):
    data = dataset(people().assign(age=40)).load()
    for split in SPLITS:
        assert torch.all(column(data, split, "age") == 0)


def test_a_categorical_feature_is_one_column_a_category_with_a_single_one(dataset):
    data = dataset(people(), numeric=["id"], categorical=["job"]).load()
    assert data.features == ["id", "job=?", "job=clerk", "job=cook"]
    codes = torch.cat([getattr(data, split).x[:, 1:] for split in SPLITS])
    assert set(codes.unique().tolist()) == {0.0, 1.0}
    assert torch.all(codes.sum(1) == 1)


def test_a_category_is_encoded_in_the_rows_that_hold_it(dataset):
    frame = people()
    data = dataset(frame).load()
    by_id = frame.set_index("id")
    for split, ids in rows_of(data).items():
        assert column(data, split, "job=cook").tolist() == (by_id["job"].loc[ids] == "cook").tolist()


def test_a_category_of_test_rows_only_is_all_zeros(dataset):
    frame = with_official_split(people())
    pilot = (frame["split"] == "test") & (frame["id"] % 2 == 0)
    frame["job"] = frame["job"].mask(pilot, "pilot")
    data = dataset(frame, split=split_of(test="official")).load()
    jobs = [name for name in data.features if name.startswith("job=")]
    assert jobs == ["job=?", "job=clerk", "job=cook"]
    known = torch.stack([column(data, "test", name) for name in jobs]).sum(0)
    assert known.tolist() == (~pilot[frame["split"] == "test"]).astype(float).tolist()


# Columns


def test_without_the_sensitive_attribute_no_feature_states_it(dataset):
    data = dataset(people(), include_sensitive=False).load()
    assert data.features == ["id", "age", "job=?", "job=clerk", "job=cook", "race=A", "race=B", "race=C"]


def test_with_the_sensitive_attribute_its_columns_are_features(dataset):
    data = dataset(people(), include_sensitive=True).load()
    assert {"sex=F", "sex=M"} < set(data.features)
    assert [f"sex={'M' if male else 'F'}" for male in column(data, "test", "sex=M")] == [
        data.groups[g] for g in data.test.s
    ]


@pytest.mark.parametrize("listed", [True, False])
def test_columns_that_state_the_sensitive_attribute_are_left_out_with_it(listed, dataset):
    frame = people()
    frame = frame.assign(title=frame["sex"].map({"F": "Ms", "M": "Mr"}), is_male=frame["sex"] == "M")
    columns = {"numeric": ["id", "is_male"], "categorical": ["job", "title", "sex"]} if listed else {}
    states = {"sex": ["title", "is_male"], "race": ["job"]}
    features = dataset(frame, proxies=states, **columns).load().features
    assert not [name for name in features if name.startswith(("title", "is_male", "sex"))]
    assert "job=cook" in features  # race is not the sensitive attribute


def test_columns_that_state_the_sensitive_attribute_stay_where_it_stays(dataset):
    frame = people().assign(title=lambda rows: rows["sex"].map({"F": "Ms", "M": "Mr"}))
    features = dataset(frame, proxies={"sex": ["title"]}, include_sensitive=True).load().features
    assert {"title=Mr", "title=Ms", "sex=F", "sex=M"} < set(features)


def test_a_column_that_states_the_sensitive_attribute_stands_for_it_where_no_list_names_it(dataset):
    frame = people().assign(is_male=lambda rows: rows["sex"] == "M")
    options = {"numeric": ["is_male"], "categorical": ["job"], "proxies": {"sex": ["is_male"]}}
    features = dataset(frame, include_sensitive=True, **options).load().features
    assert features == ["is_male", "job=?", "job=clerk", "job=cook"]


def test_columns_that_are_not_given_are_inferred(dataset):
    features = dataset(with_official_split(people()), numeric=None, categorical=None, include_sensitive=True).load()[3]
    given = {"numeric": ["id", "age"], "categorical": ["job", "sex", "race"]}
    assert features == dataset(people(), **given, include_sensitive=True).load().features


def test_a_column_that_is_neither_numeric_nor_categorical_is_no_feature(dataset):
    assert dataset(people(), numeric=["age"], categorical=[]).load().features == ["age"]


def test_a_column_of_numbers_may_be_categorical(dataset):
    frame = people().assign(floor=lambda rows: rows["id"] % 3)
    features = dataset(frame, numeric=["age"], categorical=["floor"]).load().features
    assert features == ["age", "floor=0", "floor=1", "floor=2"]


def test_an_unused_column_may_have_missing_values(dataset):
    frame = people().assign(note=np.nan)
    assert dataset(frame, numeric=["id", "age"], categorical=["job"]).load().features[:2] == ["id", "age"]


# Labels and groups


@pytest.mark.parametrize("positive", [0, 1])
def test_the_positive_value_is_class_one(positive, dataset):
    frame = people()
    data = dataset(frame, positive=positive).load()
    assert sum(getattr(data, split).y.sum() for split in SPLITS) == (frame["hired"] == positive).sum()


def test_labels_may_be_text(dataset):
    frame = people().assign(hired=lambda rows: rows["hired"].map({0: "<=50K", 1: ">50K"}))
    data = dataset(frame, positive=">50K").load()
    assert sum(getattr(data, split).y.sum() for split in SPLITS) == (frame["hired"] == ">50K").sum()


def test_without_a_positive_value_every_value_is_a_class(dataset):
    """Text by name, numbers by size: 2 before 10."""
    for values, names in ((["cook", "clerk", "?"], ["?", "clerk", "cook"]), ([10, 2, 1.5], ["1.5", "2.0", "10.0"])):
        frame = people().assign(job=np.array(values)[people()["id"] % 3])
        data = dataset(frame, label="job", positive=None).load()
        assert (data.classes, data.num_classes) == (names, 3)
        rows = rows_of(data)
        for split in SPLITS:
            expected = frame.set_index("id")["job"].loc[rows[split]]
            assert [names[int(c)] for c in getattr(data, split).y] == expected.astype(str).tolist()
    assert not {"job", "job=cook"} & set(data.features)
    assert (two := dataset(people()).load()).classes == [] and two.num_classes == 2


def test_a_split_is_stratified_by_group_and_class(dataset):
    data = dataset(people(), label="job", positive=None, sensitive=["race"]).load()
    counts = {
        split: np.bincount((3 * table.s + table.y.long()).numpy())
        for split, table in zip(SPLITS, data[:3], strict=True)
    }
    total = sum(counts.values())
    for split, share in zip(SPLITS, (0.7 * 0.8, 0.7 * 0.2, 0.3), strict=True):
        assert (np.abs(counts[split] - share * total) < 2).all()
    held_out = data.held_out()[1]
    assert np.bincount((3 * held_out.s + held_out.y.long()).numpy()).tolist() == [4] * 9


def test_groups_are_the_values_of_the_sensitive_column_in_order(dataset):
    assert dataset(people(), sensitive=["race"]).load().groups == ["race=A", "race=B", "race=C"]


def test_several_sensitive_columns_mean_their_intersection(dataset):
    frame = people()
    data = dataset(frame, sensitive=["sex", "race"]).load()
    assert data.groups == [f"sex={sex}, race={race}" for sex in "FM" for race in "ABC"]
    by_id = frame.set_index("id")
    for split, ids in rows_of(data).items():
        truth = [f"sex={row.sex}, race={row.race}" for row in by_id.loc[ids].itertuples()]
        assert [data.groups[g] for g in getattr(data, split).s] == truth


def test_an_intersection_without_rows_is_no_group(dataset):
    frame = people()
    data = dataset(frame[(frame["sex"] != "F") | (frame["race"] != "B")], sensitive=["sex", "race"]).load()
    assert data.groups == ["sex=F, race=A", "sex=F, race=C", "sex=M, race=A", "sex=M, race=B", "sex=M, race=C"]


def test_a_merged_column_is_one_value_against_the_rest_and_the_split_is_by_the_merged_groups(dataset):
    frame = people()
    data = dataset(frame, sensitive=["sex", "race"], binarize={"race": "B"}).load()
    assert data.groups == [f"sex={sex}, race={race}" for sex in "FM" for race in ("B", "not B")]
    by_id = frame.set_index("id")
    for split, ids in rows_of(data).items():
        truth = [f"sex={r.sex}, race={r.race if r.race == 'B' else 'not B'}" for r in by_id.loc[ids].itertuples()]
        assert [data.groups[g] for g in getattr(data, split).s] == truth
    same = dataset(frame.assign(race=frame["race"].replace(["A", "C"], "not B")), sensitive=["sex", "race"]).load()
    assert [len(table.y) for table in data[:3]] == [len(table.y) for table in same[:3]]


def test_a_merged_column_of_numbers_has_a_number_that_stays(dataset):
    data = dataset(
        people().assign(floor=lambda rows: rows["id"] % 3), sensitive=["floor"], binarize={"floor": 2}
    ).load()
    assert data.groups == ["floor=2", "floor=not 2"]


def test_a_merged_column_that_is_a_feature_keeps_all_of_its_values(dataset):
    data = dataset(people(), sensitive=["race"], binarize={"race": "B"}, include_sensitive=True).load()
    assert {"race=A", "race=B", "race=C"} < set(data.features)


def test_a_merged_column_that_is_not_sensitive_changes_nothing(dataset):
    before, after = (dataset(people(), binarize=merged).load() for merged in ({}, {"race": "B"}))
    assert before.groups == after.groups and before.features == after.features
    for split in SPLITS:
        assert rows_of(before)[split].tolist() == rows_of(after)[split].tolist()


# Outliers


@pytest.mark.parametrize("kind", ["label_flips", "features"])
def test_outliers_are_put_into_encoded_training_rows_and_change_no_other_row(kind, dataset):
    before, after = (
        dataset(people(), outliers=dataclasses.replace(NO_OUTLIERS, kind=kind)).load() for kind in (None, kind)
    )
    assert (before.features, before.groups, before.sha256) == (after.features, after.groups, after.sha256)
    for split in ("val", "test"):
        assert all(torch.equal(a, b) for a, b in zip(getattr(before, split), getattr(after, split), strict=True))
    assert after.outliers.sum() == 28 and before.outliers is None
    kept = ~after.outliers
    assert all(torch.equal(a, b) for a, b in zip(before.train.rows(kept), after.train.rows(kept), strict=True))
    assert not (before.train.y == after.train.y)[after.outliers].any()


def test_outliers_leave_every_group_a_positive_row_for_the_balanced_rows_stay(dataset):
    outliers = dataclasses.replace(NO_OUTLIERS, kind="label_flips", rate=0.8)
    data = dataset(people(), sensitive=["sex", "race"], outliers=outliers).load()
    assert np.bincount(cells_of(data.train), minlength=12).min() >= 4


# The hash of the rows


def test_the_hash_of_the_rows_is_the_same_for_the_same_rows(dataset):
    assert dataset(people()).load().sha256 == dataset(people(), split=split_of(test=0.5, val=0.5, seed=7)).load().sha256


def test_the_hash_of_the_rows_changes_with_one_value(dataset):
    changed = people()
    changed.loc[17, "job"] = "pilot"
    assert dataset(people()).load().sha256 != dataset(changed).load().sha256


# Tables that cannot be trained on


def cells_of(table):
    return (2 * table.s + table.y.long()).numpy()


def test_the_balanced_rows_are_as_many_of_each_cell_and_apart_from_the_rows_that_are_trained_on(dataset):
    data = dataset(people(), sensitive=["race"]).load()
    trained, balanced = data.held_out()
    assert np.bincount(cells_of(balanced)).tolist() == [4] * 6
    numbers = data.features.index("id")
    seen = [set(rows.x[:, numbers].tolist()) for rows in (trained, balanced, data.val, data.test)]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 500
    assert len(trained.y) + len(balanced.y) == len(data.train.y)


def test_a_small_cell_gives_at_most_half_of_its_rows_to_the_balanced_ones(dataset):
    frame = people()
    rare = (frame["race"] == "A") & (frame["hired"] == 1)
    frame = frame[~rare | (rare.cumsum() <= 7)]
    data = dataset(frame, sensitive=["race"], split=split_of(balanced=50)).load()
    have, taken = (np.bincount(cells_of(rows), minlength=6) for rows in (data.train, data.held_out()[1]))
    assert taken.tolist() == np.minimum(50, (have + 1) // 2).tolist()
    assert taken.min() < 4 and taken.max() > 20


def test_the_balanced_rows_leave_the_split_as_it_is(dataset):
    few, many = (rows_of(dataset(people(), split=split_of(balanced=n)).load()) for n in (1, 20))
    for split in SPLITS:
        assert few[split].tolist() == many[split].tolist()


def test_a_balanced_test_set_has_as_many_rows_of_each_cell_and_shares_none_with_the_others(dataset):
    data = dataset(people(), split=split_of(test=0.4, balance_test=True)).load()
    assert np.bincount(cells_of(data.test)).tolist() == [50] * 4
    rows = rows_of(data)
    assert not set(rows["test"]) & {*rows["train"], *rows["val"]}
    assert len({*rows["test"], *rows["train"], *rows["val"]}) == 500
    assert np.bincount(cells_of(data.held_out()[1])).tolist() == [4] * 4


def test_a_balanced_test_set_refuses_a_cell_of_one_row(dataset):
    frame = people()
    rare = (frame["race"] == "A") & (frame["hired"] == 1)
    frame = frame[~rare | (rare.cumsum() <= 1)]
    with pytest.raises(
        InputError, match="needs two rows or more of every group and label, got one with label 1 in gro"
    ):
        dataset(frame, sensitive=["race"], split=split_of(test=0.4, balance_test=True)).load()


def test_all_columns_may_be_scaled_by_training_rows(dataset):
    data = dataset(people(), scale="all", numeric=["age"], categorical=["job", "race"]).load()
    assert data.train.x.mean(0).tolist() == pytest.approx([0] * 7, abs=1e-12)
    assert data.train.x.std(0, correction=0).tolist() == pytest.approx([1] * 7)
    assert data.features[0] == "age" and data.features[1].startswith("job=")
    plain = dataset(people(), numeric=["age"], categorical=["job", "race"]).load()
    assert plain.features == data.features and set(plain.train.x[:, 1:].unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(plain.test.x[:, 0], data.test.x[:, 0])


def test_numbers_may_be_brought_to_the_range_of_training_rows(dataset):
    """Two training rows hold 20 and 60, the test rows 20 and 80: a range of 40, which test rows may leave."""
    frame = with_official_split(people())
    train = frame["split"] == "train"
    frame["age"] = np.where(train, np.where(frame["id"] % 2, 20, 60), np.where(frame["id"] % 2, 20, 80))
    options = {"split": split_of(test="official"), "numeric": ["id", "age"], "categorical": ["job"]}
    data = dataset(frame, scale="range", **options).load()
    assert [set(column(data, split, "age").tolist()) for split in SPLITS] == [{0.0, 1.0}, {0.0, 1.0}, {0.0, 1.5}]
    assert (column(data, "train", "id").min(), column(data, "train", "id").max()) == (0, 1)
    plain = dataset(frame, **options).load()
    assert plain.features == data.features and torch.equal(plain.test.x[:, 2:], data.test.x[:, 2:])


def test_numbers_may_be_left_as_they_are(dataset):
    frame = people().assign(local=lambda rows: rows["id"] > 9)
    data = dataset(frame, scale="none", numeric=["id", "age", "local"], categorical=["job"]).load()
    by_id = frame.set_index("id")
    for split in SPLITS:
        assert column(data, split, "age").tolist() == by_id["age"].loc[column(data, split, "id").long()].tolist()


@pytest.mark.parametrize("scale", ["numbers", "all", "range", "none"])
def test_an_omitted_category_has_no_column_and_the_others_are_as_before(scale, dataset):
    options = {"scale": scale, "numeric": ["age"], "categorical": ["job", "race", "sex"], "include_sensitive": True}
    before = dataset(people(), **options).load()
    after = dataset(people(), drop_categories={"sex": ["M"], "job": ["?", "cook"]}, **options).load()
    assert after.features == ["age", "job=clerk", "race=A", "race=B", "race=C", "sex=F"]
    for split in SPLITS:
        for name in after.features:
            assert torch.equal(column(after, split, name), column(before, split, name))


def test_an_omitted_category_may_be_a_number_or_of_a_column_that_is_no_feature(dataset):
    frame = people().assign(floor=lambda rows: rows["id"] % 3)
    options = {"numeric": ["age"], "categorical": ["floor", "sex"], "drop_categories": {"floor": [1], "sex": ["M"]}}
    assert dataset(frame, **options).load().features == ["age", "floor=0", "floor=2"]


REFUSED = {
    "a merged column unknown": (None, {"binarize": {"gender": "F"}}, ["dataset.binarize", "'gender'", "sex, race"]),
    "a merged value unknown": (
        None,
        {"binarize": {"race": "D"}, "sensitive": ["race"]},
        ["dataset.binarize.race must be a value of that column ('A', 'B', 'C'), got 'D'"],
    ),
    "outliers of one label of several": (
        None,
        {
            "tasks": {"hired": {"column": "hired", "positive": 1}, "old": {"column": "age", "above": 50}},
            "outliers": dataclasses.replace(NO_OUTLIERS, kind="label_flips"),
        },
        ["dataset.outliers.kind must be null with several tasks, got 'label_flips'"],
    ),
    "scaling unknown": (None, {"scale": "log"}, ["scale must be one of numbers, all, range, none, got 'log'"]),
    "sensitive column missing": (None, {"sensitive": ["gender"]}, ["dataset.sensitive", "'gender'", "sex, race"]),
    "sensitive column constant": (
        lambda frame: frame.assign(sex="F"),
        {},
        ["dataset.sensitive", "two values or more", "sex with one"],
    ),
    "sensitive as a string": (
        None,
        {"sensitive": "sex"},
        ["sensitive must be", "'sex'", "a list of columns: [column]"],
    ),
    "no sensitive column": (None, {"sensitive": []}, ["sensitive must be", "got []", "a list of columns: [column]"]),
    "a group without positives": (
        lambda frame: frame.assign(hired=frame["hired"].mask(frame["race"] == "B", 0)),
        {"sensitive": ["race"]},
        ["dataset.sensitive=['race']", "every group must have a positive row in train", "'race=B'", "merge or drop"],
    ),
    "a small intersection without positives": (
        lambda frame: frame.assign(hired=frame["hired"].mask((frame["sex"] == "F") & (frame["race"] == "A"), 0)),
        {"sensitive": ["sex", "race"]},
        ["dataset.sensitive=['sex', 'race']", "every group must have a positive row in train", "'sex=F, race=A'"],
    ),
    "a group without positives in train": (
        lambda frame: with_official_split(
            frame.assign(hired=frame["hired"].mask((frame["sex"] == "F") & (frame.index < 300), 0))
        ),
        {"split": {"test": "official"}},
        ["dataset.sensitive=['sex']", "every group must have a positive row in train", "'sex=F'"],
    ),
    "label missing": (None, {"label": "salary"}, ["dataset.label", "'salary'", "id, age, job, sex, race, hired"]),
    "label with three values": (
        lambda frame: frame.assign(hired=frame["id"] % 3),
        {},
        ["dataset.label=hired", "must have two values", "got 3: 0, 1, 2"],
    ),
    "label with many values": (
        None,
        {"label": "id"},
        ["dataset.label=id", "must have two values", "got 500: 0, 1, 10, 100, 101, ..."],
    ),
    "label with one value": (
        lambda frame: frame.assign(hired=1),
        {},
        ["dataset.label=hired", "must have two values", "got 1: 1"],
    ),
    "one value and several classes": (
        lambda frame: frame.assign(hired=1),
        {"positive": None},
        ["dataset.label=hired", "must have two values", "got 1: 1"],
    ),
    "two values and several classes": (None, {"positive": None}, ["dataset.positive must be one of 0, 1, got None"]),
    "three values and no null": (
        lambda frame: frame.assign(hired=frame["id"] % 3),
        {},
        ["got 3: 0, 1, 2; dataset.positive=null learns several classes"],
    ),
    "an amount": (
        lambda frame: frame.assign(hired=np.arange(len(frame)) / 7),
        {},
        [
            "must have two values, got 500",
            "'+dataset.tasks={NAME: {column: hired, above: NUMBER}}' dataset.task=NAME asks",
        ],
    ),
    "classes with too few rows": (
        lambda frame: frame.assign(job=frame["job"].mask(frame.index < 2, "duke").mask(frame.index == 2, "czar")),
        {"label": "job", "positive": None},
        ["dataset.label=job must have 3 rows or more of each of its 5 classes, got fewer of 'czar' (1), 'duke' (2)"],
    ),
    "a class without a row in train": (
        lambda frame: with_official_split(frame.assign(job=frame["job"].mask(frame.index > 490, "duke"))),
        {"label": "job", "positive": None, "split": {"test": "official"}},
        ["dataset.label=job: every class must have a row in train, got none of 'duke' (9 rows in all splits); merge"],
    ),
    "a group without a row in train": (
        lambda frame: with_official_split(frame.assign(race=frame["race"].mask(frame.index > 490, "D"))),
        {"label": "job", "positive": None, "sensitive": ["race"], "split": {"test": "official"}},
        ["dataset.sensitive=['race']: every group must have a row in train, got none of 'race=D' (9 rows in all spl"],
    ),
    "a balanced test set and a class of one row in a group": (
        lambda frame: frame.assign(
            job=frame["job"].mask((frame["sex"] == "F") & (frame["job"] == "cook") & (frame.index > 5), "?")
        ),
        {"label": "job", "positive": None, "split": {"test": 0.4, "balance_test": True}},
        ["needs two rows or more of every group and label, got one with label cook in group 0"],
    ),
    "tasks and several classes": (
        None,
        {"tasks": {"old": {"column": "age", "above": 40}}, "positive": None},
        ["positive must be a value with dataset.tasks, which are of two classes each, got None"],
    ),
    "positive is not a value": (None, {"positive": 2}, ["dataset.positive", "one of 0, 1", "got 2"]),
    "positive is no value": (None, {"positive": "2"}, ["dataset.positive", "one of 0, 1", "got '2'"]),
    "a number missing": (
        lambda frame: frame.assign(age=frame["age"].mask(frame.index == 3)),
        {},
        ["column 'age'", "no missing or infinite value", "got 1", "row 3"],
    ),
    "a number infinite": (
        lambda frame: frame.assign(age=frame["age"].mask(frame.index >= 498, -np.inf)),
        {},
        ["column 'age'", "no missing or infinite value", "got 2", "row 498"],
    ),
    "a category missing": (
        lambda frame: frame.assign(job=frame["job"].mask(frame.index == 5)),
        {},
        ["column 'job'", "no missing or infinite value", "got 1", "row 5"],
    ),
    "a label missing in a row": (
        lambda frame: frame.assign(hired=frame["hired"].mask(frame.index == 7)),
        {},
        ["column 'hired'", "no missing or infinite value", "got 1", "row 7"],
    ),
    "a sensitive value missing": (
        lambda frame: frame.assign(sex=frame["sex"].mask(frame.index == 9)),
        {},
        ["column 'sex'", "no missing or infinite value", "got 1", "row 9"],
    ),
    "numeric column unknown": (None, {"numeric": ["wage"]}, ["dataset.numeric", "'wage'", "id, age, job"]),
    "categorical column unknown": (None, {"categorical": ["town"]}, ["dataset.categorical", "'town'", "id, age, job"]),
    "numeric as a string": (None, {"numeric": "age"}, ["numeric must be", "'age'", "a list of columns, or null"]),
    "categorical as a string": (None, {"categorical": "job"}, ["categorical must be", "'job'", "a list of columns"]),
    "omitted from an unknown column": (
        None,
        {"drop_categories": {"town": ["x"]}},
        ["dataset.drop_categories", "'town'", "id, age, job"],
    ),
    "omitted value unknown": (
        None,
        {"drop_categories": {"job": ["Pilot"]}},
        ["dataset.drop_categories.job", "values of", "'Pilot'"],
    ),
    "text as numeric": (None, {"numeric": ["age", "job"]}, ["dataset.numeric", "'job'", "columns of numbers"]),
    "no feature": (
        None,
        {"numeric": [], "categorical": ["sex"]},
        ["dataset.numeric and dataset.categorical", "at least one feature", "got []"],
    ),
    "no official split": (
        None,
        {"split": {"test": "official"}},
        ["dataset.split.test=official", "a column split with train and test", "give a fraction"],
    ),
    "an official split with other names": (
        lambda frame: frame.assign(split=["train"] * 300 + ["valid"] * 200),
        {"split": {"test": "official"}},
        ["dataset.split.test=official", "a column split with train and test"],
    ),
    "an official split without test rows": (
        lambda frame: frame.assign(split="train"),
        {"split": {"test": "official"}},
        ["dataset.split.test=official", "a column split with train and test"],
    ),
    "no row left for val": (
        lambda frame: frame.iloc[:40],
        {"split": {"val": 0.001}},
        ["dataset.split", "no row for val", "40 rows", "val=0.001"],
    ),
    "test fraction of 0": (None, {"split": {"test": 0}}, ["test must be", "between 0 and 1, or official", "got 0"]),
    "test fraction of 1": (None, {"split": {"test": 1.0}}, ["test must be", "between 0 and 1, or official", "got 1.0"]),
    "test fraction negative": (None, {"split": {"test": -0.1}}, ["test must be", "between 0 and 1", "got -0.1"]),
    "test fraction not a number": (None, {"split": {"test": float("nan")}}, ["test must be", "a fraction", "got nan"]),
    "test is another word": (None, {"split": {"test": "oficial"}}, ["test must be", "or official", "got 'oficial'"]),
    "val fraction of 0": (None, {"split": {"val": 0}}, ["val must be", "between 0 and 1", "got 0"]),
    "val fraction above 1": (
        None,
        {"split": {"test": "official", "val": 20}},
        ["val must be", "between 0 and 1", "got 20"],
    ),
    "a balanced official test set": (
        None,
        {"split": {"test": "official", "balance_test": True}},
        ["balance_test must be", "false for an official test set", "got True"],
    ),
    "no balanced row": (None, {"split": {"balanced": 0}}, ["balanced must be >= 1", "got 0"]),
    "seed negative": (None, {"split": {"seed": -1}}, ["seed must be", "an integer >= 0", "got -1"]),
    "seed fractional": (None, {"split": {"seed": 0.5}}, ["seed must be", "an integer >= 0", "got 0.5"]),
}


@pytest.mark.parametrize(("change", "options", "parts"), REFUSED.values(), ids=REFUSED)
def test_a_table_that_cannot_be_trained_on_is_an_error_that_says_what_is_allowed(change, options, parts, dataset):
    frame = change(people()) if change else people()
    with pytest.raises(InputError) as error:
        dataset(frame, **{key: split_of(**value) if key == "split" else value for key, value in options.items()}).load()
    for part in parts:
        assert part in str(error.value)


def test_a_column_of_numbers_that_is_categorical_is_not_inferred_as_numeric_too(dataset):
    frame = people().assign(floor=lambda rows: rows["id"] % 3)
    features = dataset(frame, numeric=None, categorical=["floor"]).load().features
    assert features == ["id", "age", "floor=0", "floor=1", "floor=2"]


def test_a_column_of_numbers_that_is_not_numeric_is_inferred_as_categorical(dataset):
    frame = people().assign(floor=lambda rows: rows["id"] % 3).drop(columns=["id", "job", "race"])
    features = dataset(frame, numeric=["age"], categorical=None).load().features
    assert features == ["age", "floor=0", "floor=1", "floor=2"]


def test_a_column_may_be_named_as_a_category_of_another(dataset):
    frame = people().assign(job_cook=1.5)
    assert {"job_cook", "job=cook"} < set(dataset(frame).load().features)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"numeric": ["age"], "categorical": ["age"]},
            "dataset.categorical must be columns that are not in dataset.numeric",
        ),
        ({"numeric": ["age", "age"]}, "dataset.numeric must hold a column once, got 'age' twice"),
        ({"sensitive": ["sex", "sex"]}, "dataset.sensitive must hold a column once, got 'sex' twice"),
        ({"proxies": {"sex": ["titel"]}}, "dataset.proxies must hold columns of the data .*, got 'titel'"),
        ({"proxies": {"Sex": ["job"]}}, "dataset.proxies must hold columns of the data .*, got 'Sex'"),
    ],
)
def test_a_schema_that_contradicts_itself_or_the_data_is_refused(options, message, dataset):
    with pytest.raises(InputError, match=message):
        dataset(people(), **options).load()


@pytest.mark.slow
def test_a_long_column_of_codes_with_one_of_text_is_categorical(dataset):
    frame = people(300_000).assign(code=[*range(10)] * 29_999 + ["x"] * 10)
    features = dataset(frame, numeric=["age"], categorical=["code"]).load().features
    assert features == ["age", *(f"code={k}" for k in range(10)), "code=x"]


def test_the_sensitive_attribute_is_a_feature_where_asked_though_no_list_names_it(dataset):
    features = dataset(people(), numeric=["age"], categorical=[], include_sensitive=True).load().features
    assert features == ["age", "sex=F", "sex=M"]


@pytest.mark.parametrize("column", ["hired", "split"])
def test_neither_label_nor_split_can_be_named_a_feature(column, dataset):
    with pytest.raises(InputError, match=f"must hold no label and no split, got '{column}'"):
        dataset(with_official_split(people()), categorical=[column]).load()


# Several tasks


OLD = {"column": "age", "above": 40}
TASKS = {"hired": {"column": "hired", "positive": 1}, "old": OLD, "member": {"column": "club", "positive": "yes"}}


def members(num_rows=500):
    """``people`` and whether they are in a club."""
    rng = np.random.default_rng(1)
    return people(num_rows).assign(club=rng.choice(["yes", "no"], num_rows, p=[0.7, 0.3]))


def test_a_task_is_a_value_of_a_column_or_what_is_above_a_number():
    """40 is not above 40."""
    frame = pd.DataFrame({"age": [30.0, 40.0, 40.5, 41.0], "club": ["yes", "no", "no", "yes"]})
    nodes = {"old": OLD, "member": {"column": "club", "positive": "yes"}, "alone": {"column": "club", "positive": "no"}}
    labels = {name: label.labels(frame).tolist() for name, label in parse_labels(nodes).items()}
    assert labels == {"old": [0, 0, 1, 1], "member": [1, 0, 0, 1], "alone": [0, 1, 1, 0]}


def test_a_row_has_the_labels_of_all_tasks_in_their_order(dataset):
    frame = members()
    data = dataset(frame, tasks=TASKS).load()
    by_id = frame.set_index("id")
    assert data.tasks == ["hired", "old", "member"]
    for split, ids in rows_of(data).items():
        rows, table = by_id.loc[ids], getattr(data, split)
        labels = np.stack([rows["hired"] == 1, rows["age"] > 40, rows["club"] == "yes"], axis=1)
        assert table.y.dtype == torch.float64 and table.y.tolist() == labels.astype(float).tolist()
        assert [data.groups[g] for g in table.s] == [f"sex={sex}" for sex in rows["sex"]]


def cells_of_tasks(data):
    """Split -> how many of its rows are of each group and combination of labels."""
    labels = 2 ** torch.arange(len(data.tasks))
    number = len(data.groups) * 2 ** len(data.tasks)
    cells = {split: 2 ** len(data.tasks) * table.s + table.y.long() @ labels for split, table in tables_of(data)}
    return {split: torch.bincount(cell, minlength=number) for split, cell in cells.items()}


def tables_of(data):
    return [*zip(SPLITS, data[:3], strict=True), ("balanced", data.held_out()[1])]


@pytest.mark.parametrize("names", [["hired"], ["hired", "old"], ["hired", "old", "member"]])
def test_a_split_is_stratified_by_group_and_the_labels_of_all_tasks(names, dataset):
    number = cells_of_tasks(dataset(members(), tasks={name: TASKS[name] for name in names}).load())
    rest = number["train"] + number["val"]
    assert len(rest) == 2 * 2 ** len(names) and rest.sum() + number["test"].sum() == 500
    assert torch.all((number["test"] - 0.3 * (rest + number["test"])).abs() < 1)
    assert torch.all((number["val"] - 0.2 * rest).abs() < 1)
    assert number["balanced"].tolist() == torch.minimum(torch.tensor(4), (number["train"] + 1) // 2).tolist()


def test_a_balanced_test_set_has_as_many_rows_of_each_combination_of_labels(dataset):
    two = {name: TASKS[name] for name in ("hired", "old")}
    data = dataset(members(), tasks=two, split=split_of(test=0.4, balance_test=True)).load()
    assert cells_of_tasks(data)["test"].tolist() == [25] * 8


@pytest.mark.parametrize("name", TASKS)
def test_one_of_several_tasks_is_learned_from_the_same_rows_and_features(name, dataset):
    every, one = (dataset(members(), tasks=TASKS, task=task).load() for task in (None, name))
    assert one.tasks == [] and one.features == every.features and one.sha256 == every.sha256
    assert one.balanced.tolist() == every.balanced.tolist() and one.categories == every.categories
    for alone, table in zip(one[:3], every[:3], strict=True):
        assert torch.equal(alone.y, table.y[:, every.tasks.index(name)])
        assert torch.equal(alone.x, table.x) and torch.equal(alone.s, table.s)


def test_neither_the_columns_of_tasks_nor_the_label_are_features(dataset):
    two = {"old": OLD, "member": TASKS["member"]}
    assert dataset(members(), tasks=two).load().features == [
        "id", "job=?", "job=clerk", "job=cook", "race=A", "race=B", "race=C"
    ]  # fmt: skip


def test_the_last_features_are_those_of_each_column_of_categories(dataset):
    options = {
        "tasks": TASKS,
        "numeric": ["id"],
        "categorical": ["sex", "job", "race"],
        "drop_categories": {"race": ["B"]},
    }
    data = dataset(members(), include_sensitive=True, **options).load()
    assert data.categories == [2, 3, 2]
    assert data.features == ["id", "sex=F", "sex=M", "job=?", "job=clerk", "job=cook", "race=A", "race=C"]
    assert dataset(members(), numeric=["id"], categorical=[]).load().categories == []


def test_a_column_without_a_feature_is_no_column_of_categories(dataset):
    """A category of test rows only is none of them either."""
    frame = with_official_split(members())
    frame["job"] = frame["job"].mask((frame["split"] == "test") & (frame["id"] % 2 == 0), "pilot")
    omitted = {"race": ["A", "B", "C"]}
    data = dataset(
        frame, numeric=["id"], categorical=["race", "job"], drop_categories=omitted, split=split_of(test="official")
    )
    assert data.load().categories == [3]


def with_task(**node):
    return {"tasks": {"a": node}}


REFUSED_TASKS = {
    "an unknown column": (with_task(column="wage", above=1), ["dataset.tasks.a.column", "'wage'", "id, age, job"]),
    "above the largest number": (
        with_task(column="id", above=499),
        ["dataset.tasks.a.above must be a number from 0 to below 499, the range of 'id', got 499"],
    ),
    "below the smallest number": (
        with_task(column="id", above=-1),
        ["dataset.tasks.a.above must be a number from 0 to below 499", "got -1"],
    ),
    "above of a column of text": (
        with_task(column="job", above=1),
        ["dataset.tasks.a.column must be a column of numbers with dataset.tasks.a.above=1, got 'job'"],
    ),
    "above no number": (with_task(column="id", above="9"), ["tasks.a.above must be a number, got '9'"]),
    "above nothing": (with_task(column="id", above=float("nan")), ["tasks.a.above must be a number, got nan"]),
    "above true": (with_task(column="id", above=True), ["tasks.a.above must be a number, got True"]),
    "a value that no row has": (
        with_task(column="hired", positive=2),
        ["dataset.tasks.a.positive must be one of 0, 1, got 2"],
    ),
    "a column of three values": (
        with_task(column="job", positive="cook"),
        ["dataset.tasks.a.column=job must have two values, got 3: '?', 'clerk', 'cook'"],
    ),
    "both rules": (
        with_task(column="id", positive=1, above=1),
        ["tasks.a must be {column: C, positive: V} or {column: C, above: NUMBER}, got", "'above': 1"],
    ),
    "no rule": (with_task(column="id"), ["tasks.a must be {column: C, positive: V} or {column: C, above: NUMBER}"]),
    "no column": (with_task(above=1), ["tasks.a must be {column: C, positive: V} or {column: C, above: NUMBER}"]),
    "another key": (with_task(column="id", below=1), ["tasks.a must be {column: C, positive: V} or {column: C, abo"]),
    "a column that is no name": (with_task(column=3, above=1), ["tasks.a.column must be a column, got 3"]),
    "a name with /": ({"tasks": {"a/b": OLD}}, ["tasks must be a mapping of names", "without / and =", "got 'a/b'"]),
    "a name with =": ({"tasks": {"s=0": OLD}}, ["tasks must be a mapping of names", "without / and =", "got 's=0'"]),
    "no name": ({"tasks": {"": OLD}}, ["tasks must be a mapping of names", "got ''"]),
    "a number as a name": ({"tasks": {1: OLD}}, ["tasks must be a mapping of names, text", "got 1"]),
    "an unknown task": ({"tasks": TASKS, "task": "young"}, ["task must be null or one of hired, old, mem", "'young'"]),
    "a task of none": ({"task": "old"}, ["task must be null without dataset.tasks, got 'old'"]),
    "the sensitive column": (
        {"tasks": {"sex": {"column": "sex", "positive": "F"}}},
        ["dataset.sensitive must hold no label, got 'sex' (task sex)"],
    ),
    "a number as a feature": (
        {"tasks": TASKS, "numeric": ["id", "age"]},
        ["dataset.numeric must hold no label and no split, got 'age' (task old)"],
    ),
    "a category as a feature": (
        {"tasks": TASKS, "categorical": ["club"]},
        ["dataset.categorical must hold no label and no split, got 'club' (task member)"],
    ),
    "a chosen task and a feature of another": (
        {"tasks": TASKS, "task": "hired", "numeric": ["id", "age"]},
        ["dataset.numeric must hold no label and no split, got 'age' (task old)"],
    ),
}


@pytest.mark.parametrize(("options", "parts"), REFUSED_TASKS.values(), ids=REFUSED_TASKS)
def test_tasks_that_cannot_be_learned_are_an_error_that_says_what_is_allowed(options, parts, dataset):
    with pytest.raises(InputError) as error:
        dataset(members(), **options).load()
    for part in parts:
        assert part in str(error.value)


def test_a_task_with_a_missing_value_is_refused(dataset):
    frame = members().assign(club=lambda rows: rows["club"].mask(rows.index == 7))
    with pytest.raises(InputError, match=r"column 'club' must have no missing .* got 1 \(first in row 7\)"):
        dataset(frame, tasks=TASKS).load()


def test_a_group_without_positives_of_one_task_is_refused_by_the_tasks_name(dataset):
    frame = members().assign(club=lambda rows: rows["club"].mask(rows["sex"] == "F", "no"))
    with pytest.raises(InputError, match="a positive row of task 'member' in train, got none in 'sex=F'"):
        dataset(frame, tasks=TASKS).load()


@pytest.mark.parametrize("scale", ["numbers", "all", "range", "none"])
def test_new_rows_have_the_features_that_they_had_in_training(dataset, scale):
    frame = people().assign(race=lambda rows: rows["race"].where(rows["race"] != "C", "D"))
    built = dataset(frame, scale=scale, drop_categories={"job": ["?"]}, merge={"race": {"BD": ["B", "D"]}})
    data = built.load()
    encoder = json.loads(json.dumps(data.encoder))
    for split, rows in data.numbers.items():
        new = frame.iloc[rows.numpy()][list(frame)[::-1]]
        table = getattr(data, split)
        assert torch.equal(torch.from_numpy(built.encode(new, encoder)), table.x)
        y, s = built.labels_again(new, encoder), built.grouped_again(new, encoder, data.groups)
        assert np.array_equal(y, table.y) and np.array_equal(s, table.s)
    unknown = pd.DataFrame(built.encode(frame.head(1).assign(job="pilot"), encoder), columns=data.features)
    assert scale == "all" or not unknown[[name for name in data.features if name.startswith("job=")]].any(axis=None)
    for wrong, said in ((frame.drop(columns="age"), "none named 'age'"), (frame.assign(age=np.nan), "'age'")):
        with pytest.raises(InputError, match=said):
            built.encode(wrong, encoder)
