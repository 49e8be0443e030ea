"""New rows become the features that the same rows had in training."""

import dataclasses
import decimal
import io
import json

import numpy as np
import pandas as pd
import pytest
import torch

from fairrun.config.check import InputError
from tests.helpers.loans import loans


def messy(num_rows=500, seed=1):
    """Missing cells of every kind, dates, decimal commas, units, booleans, a column of many categories."""
    rng = np.random.default_rng(seed)
    frame = loans(num_rows, seed)
    day = pd.Timestamp("2020-01-15") + pd.to_timedelta(rng.integers(0, 900, num_rows), unit="D")
    return frame.assign(
        hours=frame["hours"].map("{:.1f}".format).str.replace(".", ",").where(rng.random(num_rows) > 0.1),
        job=frame["job"].where(rng.random(num_rows) > 0.1),
        since=day.strftime("%Y-%m-%d"),
        pay=rng.integers(900, 9000, num_rows).astype(str) + " EUR",
        town=[f"t{k}" for k in rng.zipf(1.3, num_rows) % 40],
        member=rng.choice(["true", "false"], num_rows),
    )


def as_text(frame):
    """As ``pd.read_csv`` without any types gives the table's file."""
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)), dtype=str, keep_default_na=False)


def assert_same_features(dataset, frame):
    """The features of the rows of ``frame``, in another order of rows and columns, are those of the data."""
    data = dataset.load()
    encoder = json.loads(json.dumps(data.encoder))
    for split, rows in data.numbers.items():
        new = frame.iloc[rows.numpy()][sorted(frame.columns)[::-1]]
        expected = getattr(data, split).x
        assert torch.equal(torch.from_numpy(dataset.encode(new, encoder)), expected)
        y, s = dataset.labels_again(new, encoder), dataset.grouped_again(new, encoder, data.groups)
        table = getattr(data, split)
        assert np.array_equal(y, table.y) and np.array_equal(s, table.s)
        some = dataset.encode(new.iloc[[3]], encoder)
        assert torch.equal(torch.from_numpy(some), expected[[3]])
        one = new.iloc[[3]]
        y, s = dataset.labels_again(one, encoder), dataset.grouped_again(one, encoder, data.groups)
        assert np.array_equal(y, table.y[[3]]) and np.array_equal(s, table.s[[3]])


@pytest.mark.parametrize("scale", ["numbers", "all", "range", "none"])
def test_rows_as_text_have_the_features_of_the_table(own, scale):
    frame = messy()
    assert_same_features(own(frame, scale=scale, most_categories=12), as_text(frame))


@pytest.mark.parametrize("missing", ["indicator", "impute"])
def test_rows_as_pandas_reads_them_have_the_features_of_the_table(own, missing):
    frame = messy().assign(hours=lambda f: f["hours"].str.replace(",", ".").astype(float))
    assert_same_features(own(frame, missing=missing), pd.read_csv(io.StringIO(frame.to_csv(index=False))))


def test_rows_that_were_left_out_leave_the_others_their_numbers(own):
    frame = messy()
    frame.loc[[0, 7, 100], "repaid"] = None
    frame["repaid"] = frame["repaid"].astype("Int64")
    assert_same_features(own(frame, missing="drop", dates="days"), as_text(frame))


def test_merged_levels_and_categories_without_a_feature_stay_so(own):
    frame = messy()
    changes = {"merge": {"job": {"care": ["nurse", "chef"]}}, "drop_categories": {"town": ["t1"]}}
    assert_same_features(own(frame, **changes), as_text(frame))


def test_an_unknown_category_is_none_and_a_missing_cell_what_training_rows_tell(own):
    frame = messy()
    data = own(frame).load()
    dataset = own(frame)
    new = as_text(frame).head(2).assign(job=["astronaut", ""], hours=["", "41,5"])
    found = pd.DataFrame(dataset.encode(new, data.encoder), columns=data.features)
    jobs = [name for name in data.features if name.startswith("job=")]
    assert list(found.loc[0, jobs]) == [0] * len(jobs)
    assert found.loc[1, "job=missing"] == 1
    assert found.loc[0, "hours is missing"] > found.loc[1, "hours is missing"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="hours"), "the columns of the training rows, got none named 'hours'"),
        (lambda f: f.rename(columns={"hours": "hour"}), "none named 'hours'; did you mean hour?"),
        (lambda f: f.assign(age="old"), "column 'age' must hold numbers, as in the training rows, got 'old'"),
        (
            lambda f: f.assign(since="yesterday"),
            "column 'since' must hold dates, as in the training rows, got 'yesterday'",
        ),
        (lambda f: f.assign(since=1.5), "column 'since' must be of type date, as in the training rows, got number"),
        (lambda f: f.assign(age="1e300"), "column 'age' must hold finite numbers"),
    ],
)
def test_rows_that_cannot_be_used_are_one_message(own, change, said):
    dataset = own(messy())
    encoder = dataset.load().encoder
    with pytest.raises(InputError) as error:
        dataset.encode(change(as_text(messy()).head(3)), encoder)
    assert said in str(error.value)


def test_missing_cells_are_refused_where_training_rows_had_to_be_whole(own):
    frame = loans()
    dataset = own(frame, missing="refuse")
    encoder = dataset.load().encoder
    with pytest.raises(InputError, match="'age'"):
        dataset.encode(frame.head(2).assign(age=[np.nan, 3]), encoder)


@pytest.mark.parametrize(
    "changes",
    [
        {"sensitive": [{"column": "age", "bins": [30, 50]}, {"column": "job", "merge": {"care": ["nurse", "chef"]}}]},
        {"sensitive": ["job"], "binarize": {"job": "chef"}, "positive": 0},
        {"label": "job", "positive": None},
        {"tasks": {"repaid": {"column": "repaid", "positive": 1}, "old": {"column": "age", "above": 40}}},
        {"tasks": {"repaid": {"column": "repaid", "positive": 1}, "men": {"column": "gender", "positive": "M"}}}
        | {"task": "men", "sensitive": ["job"]},
    ],
)
def test_new_rows_have_the_labels_and_groups_of_the_table(own, changes):
    assert_same_features(own(loans(), **changes), as_text(loans()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="repaid"), "none named 'repaid'"),
        (lambda f: f.assign(repaid=7), "column 'repaid' must have the values 0, 1, as in the training rows, got 7"),
        (
            lambda f: f.assign(gender="X"),
            "must be of the groups of the training rows ('gender=F', 'gender=M'), got 'gender=X'",
        ),
    ],
)
def test_labels_and_groups_that_no_training_row_has_are_refused(own, change, said):
    dataset = own(loans())
    data = dataset.load()
    with pytest.raises(InputError) as error:
        rows = change(as_text(loans()).head(3))
        dataset.labels_again(rows, data.encoder)
        dataset.grouped_again(rows, data.encoder, data.groups)
    assert said in str(error.value)


def test_each_column_has_its_own_decimal_sign(own):
    rng = np.random.default_rng(0)
    frame = loans().assign(
        comma=[f"{value:.2f}".replace(".", ",") for value in rng.random(400)],
        point=[f"{value:.3f}" for value in 5 * rng.random(400)],
    )
    assert_same_features(own(frame), as_text(frame))


def test_the_sign_that_a_column_tells_counts_in_new_rows_before_the_one_that_is_given(own):
    rng = np.random.default_rng(0)
    frame = loans().assign(point=[f"{value:.3f}" for value in 5 * rng.random(400)])
    assert_same_features(own(frame, rows={"decimal": ","}), as_text(frame))


@pytest.mark.parametrize(("day_first", "wrong"), [(True, "04/21/2024"), (False, "21/04/2024")])
@pytest.mark.parametrize("how", ["{}", "{} 10:30"])
def test_new_dates_have_the_order_of_day_and_month_that_training_rows_tell(day_first, wrong, how, own):
    days = pd.Timestamp("2020-01-15") + pd.to_timedelta(np.random.default_rng(0).integers(0, 900, 400), unit="D")
    written = days.strftime(how.format("%d/%m/%Y" if day_first else "%m/%d/%Y"))
    frame = loans().assign(since=written)
    assert_same_features(own(frame), as_text(frame))
    dataset = own(frame)
    encoder = dataset.load().encoder
    new = pd.concat([frame.head(1)] * 2).assign(since=["01/02/2023", "2023-02-01" if day_first else "2023-01-02"])
    new["since"] = new["since"].map(how.format)
    assert np.array_equal(*dataset.encode(new, encoder))
    order = "day" if day_first else "month"
    with pytest.raises(InputError, match=f"'since' must hold dates with the {order} first, as in .* got '{wrong}'$"):
        dataset.encode(frame.head(2).assign(since=["01/02/2023", wrong]), encoder)
    old = {key: value for key, value in encoder.items() if key != "day_first"}
    assert np.array_equal(dataset.encode(new.tail(1), old), dataset.encode(new.tail(1), encoder))


def test_a_new_date_that_training_rows_do_not_tell_is_one_message(own):
    dataset = own(messy())
    encoder = dataset.load().encoder
    with pytest.raises(InputError, match=r"column 'since' must hold dates of which .* got '01/02/2023': "):
        dataset.encode(as_text(messy()).head(1).assign(since="01/02/2023"), encoder)
    given = own(messy(), rows={"day_first": True})
    found = given.encode(as_text(messy()).head(1).assign(since="01/02/2023"), encoder)
    assert np.array_equal(found, given.encode(as_text(messy()).head(1).assign(since="2023-02-01"), encoder))


def test_dates_as_20200131_are_dates_in_each_new_row_as_text_and_as_numbers(own):
    days = pd.Timestamp("2020-01-15") + pd.to_timedelta(np.random.default_rng(0).integers(0, 900, 400), unit="D")
    frame = loans().assign(since=days.strftime("%Y%m%d"))
    assert_same_features(own(frame), as_text(frame))
    assert_same_features(own(frame), frame.astype({"since": int}))


def test_codes_with_leading_zeros_are_known_as_numbers_where_all_have_as_many_digits(own):
    zips = np.resize(["01", "02", "13"], 400)
    frame = loans().assign(zip=np.where(loans()["job"] == "chef", "07", zips), area=zips)
    dataset = own(frame, sensitive=["area"])
    data = dataset.load()
    for new in (
        frame,
        frame.astype({"zip": int, "area": "float32"}),
        frame.astype({"zip": "category", "area": "Int64"}),
    ):
        rows = new.iloc[data.numbers["test"].numpy()]
        assert torch.equal(torch.from_numpy(dataset.encode(rows, data.encoder)), data.test.x)
        assert np.array_equal(dataset.grouped_again(rows, data.encoder, data.groups), data.test.s)
    mixed, none = frame.head(3).assign(zip=[7, "02", np.nan]), frame.head(3).assign(zip=["07", "02", ""])
    assert np.array_equal(dataset.encode(mixed, data.encoder), dataset.encode(none, data.encoder))
    unknown = [dataset.encode(frame.head(1).assign(zip=zip), data.encoder) for zip in (123, -1, 1.5, "other")]
    assert all(np.array_equal(row, unknown[0]) for row in unknown)
    old = {key: value for key, value in data.encoder.items() if key != "widths"}
    assert np.array_equal(dataset.encode(frame.head(9), old), dataset.encode(frame.head(9), data.encoder))


@pytest.mark.parametrize("other", ["123", "A2", "1"])
def test_numbers_that_may_be_several_codes_with_leading_zeros_are_one_message(other, own):
    frame = loans().assign(zip=np.resize(["01", "02", other], 400))
    dataset = own(frame, rows={"categories": ["zip"], "missing_marks": {"zip": [-9]}})
    encoder = dataset.load().encoder
    said = (
        r"^column 'zip' must hold text, as in .*, whose codes have leading zeros, got the number 1, which may have lost"
    )
    with pytest.raises(InputError, match=said):
        dataset.encode(frame.head(2).assign(zip=[1, 2]), encoder)
    missing = dataset.encode(frame.head(2).assign(zip=-9), encoder)
    assert np.array_equal(missing, dataset.encode(frame.head(2).assign(zip=["-9", ""]), encoder))


def test_groups_that_are_whole_numbers_are_so_in_text_and_beside_missing_cells(own):
    frame = loans().assign(gender=lambda f: 1 + (f["gender"] == "F"))
    assert_same_features(own(frame), as_text(frame))
    gaps = frame.assign(gender=frame["gender"].mask(frame.index % 10 == 0))
    dataset = own(gaps)
    data = dataset.load()
    for new in (frame, as_text(frame), gaps[gaps["gender"].notna()]):
        assert dataset.grouped_again(new.iloc[1:9], data.encoder, data.groups).tolist() == [
            int(gender) - 1 for gender in new["gender"].iloc[1:9]
        ]


def test_ranges_among_the_numbers_of_a_group_are_in_the_bin_that_holds_them(own):
    frame = loans().astype({"age": str})
    frame["age"] = frame["age"].mask(frame.index % 15 == 0, "75+").mask(frame.index % 15 == 1, "<20")
    changes = {"sensitive": [{"column": "age", "bins": [30, 60]}], "rows": {"categories": ["age"]}}
    assert_same_features(own(frame, **changes), as_text(frame))
    dataset = own(frame, **changes)
    data = dataset.load()
    assert data.groups == ["age=under 30", "age=30 to under 60", "age=60 and over"]
    new = frame.head(4).assign(age=["75+", "<20", "80 or older", "31-59"])
    assert dataset.grouped_again(new, data.encoder, data.groups).tolist() == [2, 0, 2, 1]
    assert dataset.grouped_again(new.assign(age=[29, 30, 59, 60]), data.encoder, data.groups).tolist() == [0, 1, 1, 2]
    with pytest.raises(InputError, match="every range of 'age' must be within one bin, got '25-35', which a cut part"):
        dataset.grouped_again(new.assign(age=["75+", "<20", "25-35", "31-59"]), data.encoder, data.groups)
    with pytest.raises(InputError, match=r"or of ranges as 75\+, where bins are given, got 'age' with 'old'"):
        dataset.grouped_again(new.assign(age="old"), data.encoder, data.groups)


def test_truth_has_many_spellings_and_what_is_neither_is_refused(own):
    frame = loans().assign(member=np.resize(["yes", "no", "no"], 400))
    dataset = own(frame, keep_columns=["member"])
    data = dataset.load()
    for yes, no in (("YES", "No"), (True, False), (1, 0), (1.0, 0.0), ("true", "false")):
        new = frame.head(2).assign(member=[yes, no])
        assert np.array_equal(dataset.encode(new, data.encoder), dataset.encode(frame.head(2), data.encoder))
    with pytest.raises(InputError, match=r"column 'member' must be of true and false by any .*, got \['maybe'\]"):
        dataset.encode(frame.head(2).assign(member=["yes", "maybe"]), data.encoder)


@pytest.mark.parametrize(
    "typed",
    [
        lambda f: f.astype({"job": "category", "gender": "category"}),
        lambda f: f.convert_dtypes(),
        lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
        lambda f: f.assign(since=pd.to_datetime(f["since"], utc=True)),
        lambda f: f.assign(since=pd.to_datetime(f["since"]).dt.date),
        lambda f: f.astype({"age": object, "hours": object}),
    ],
)
def test_rows_may_be_of_any_type_of_pandas(own, typed):
    frame = messy().assign(hours=lambda f: f["hours"].str.replace(",", ".").astype(float))
    frame["age"] = frame["age"].astype("Int64").mask(frame.index % 50 == 7)
    assert_same_features(own(frame), typed(frame))


@pytest.mark.parametrize("typed", ["boolean", "bool[pyarrow]", object])
def test_missing_truth_of_pandas_own_is_missing(own, typed):
    frame = loans().assign(member=np.resize(np.array([True, False, None], dtype=object), 400))
    new = frame.assign(member=frame["member"].astype("boolean").astype(typed))
    assert_same_features(own(frame.assign(member=frame["member"].astype("boolean"))), new)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.assign(age=1j), "column 'age' must hold numbers, text, booleans or dates, got complex128"),
        (lambda f: f.assign(age=pd.Period("2020")), "column 'age' must hold numbers, text"),
        (lambda f: pd.concat([f, f[["job"]]], axis=1), "must have every column once, got several named 'job'"),
    ],
)
def test_columns_of_no_use_are_named(own, change, said):
    dataset = own(loans())
    encoder = dataset.load().encoder
    with pytest.raises(InputError) as error:
        dataset.encode(change(loans().head(3)), encoder)
    assert said in str(error.value)


@pytest.mark.parametrize("marks", [[-999, "?"], {"pay": [-999], "hours": [-999, "NA"], "job": ["?"]}])
def test_marks_in_new_rows_are_those_of_the_table_in_text_and_in_numbers(own, marks):
    frame = messy().assign(hours=lambda f: f["hours"].mask(f.index % 9 == 0, "-999,0"))
    frame["pay"] = frame["pay"].mask(frame.index % 7 == 0, "-999 EUR")
    frame["job"] = frame["job"].where(frame.index % 11 > 0, "?")
    assert_same_features(own(frame, rows={"missing_marks": marks}), as_text(frame))
    plain = frame.assign(
        hours=frame["hours"].str.replace(",", ".").astype("float32"),
        pay=frame["pay"].str.removesuffix(" EUR").astype(int),
    )
    dataset = own(frame, rows={"missing_marks": marks})
    encoder = dataset.load().encoder
    expected = dataset.encode(as_text(frame).head(30), encoder)
    assert np.allclose(dataset.encode(plain.head(30), encoder), expected, atol=1e-6)


def test_rows_of_decimals_are_numbers_to_a_model_of_a_parquet_file(own, tmp_path):
    frame = loans().assign(pay=lambda f: [decimal.Decimal(f"{hours:.2f}") for hours in f["hours"] * 100])
    frame.loc[::10, "pay"] = None
    frame.to_parquet(tmp_path / "t.parquet")
    dataset = dataclasses.replace(own(loans()), path=str(tmp_path / "t.parquet"))
    assert_same_features(dataset, frame)
    assert_same_features(dataset, frame.assign(pay=frame["pay"].astype(float)))
