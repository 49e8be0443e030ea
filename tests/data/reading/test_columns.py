"""Types of columns: numbers, booleans, dates, missing marks; the same for text and for Parquet."""

import datetime
import decimal
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrun.config.check import InputError
from fairrun.data.reading import numbers
from fairrun.data.reading.account import RefusedColumns
from fairrun.data.reading.columns import read_as, typed
from fairrun.data.reading.texts import Forms
from fairrun.datasets.csv import Csv

NAN = float("nan")


def doubtful(*texts, **forms):
    return typed(pd.DataFrame({"x": list(texts)}, dtype=object), Forms(**forms))[2]


def test_a_mark_that_may_be_a_category_is_named():
    (said,) = doubtful("none", "gas", "oil", "none", "", "gas")
    remedy = "'+dataset.rows.missing_marks={x: []}' says so"
    assert said == f"column 'x': 'none' counts as missing, in 2 rows; if it is a value, {remedy}"
    (said,) = doubtful("none", "gas", "oil", "?", "#N/A")
    assert """missing_marks={x: ["#N/A", "?"]}' says so""" in said
    assert ["'NA'" in line for line in doubtful("NA", "NO", "NL", "NO")] == [True]
    assert doubtful("NA", "gas", "oil") == doubtful("none", "1.5", "2") == doubtful("", "?", "gas") == []
    assert doubtful("none", "gas", missing=["none"]) == []


def column(*texts, **forms):
    """A column of text, typed -> its values with None for what is missing, and its account."""
    frame, (account,), _ = typed(pd.DataFrame({"x": list(texts)}, dtype=object), Forms(**forms))
    values = frame["x"]
    return [None if pd.isna(value) else value for value in values.tolist()], account


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1", "2"], [1, 2]),
        (["1.0", "2"], [1, 2]),
        (["1.5", "-2", "+3", ".5", "5.", "1e3", "1E-2"], [1.5, -2, 3, 0.5, 5, 1000, 0.01]),
        (["1,5", "-2", "3,25"], [1.5, -2, 3.25]),
        (["1,234.5", "12,345", "1,234,567"], [1234.5, 12345, 1234567]),
        (["1.234,5", "12.345", "1.234.567"], [1234.5, 12345, 1234567]),
        (["1 234,5", "12\u00a0345,0", "1\u202f000"], [1234.5, 12345, 1000]),
        (["1'234.5", "2\u2019000"], [1234.5, 2000]),
        (["$1,200", "$900.50"], [1200, 900.5]),
        (["1.200,00 €", "900,50 €"], [1200, 900.5]),
        (["£5", "£6.5", "0"], [5, 6.5, 0]),
        (["USD 5", "USD 7"], [5, 7]),
        (["5 kr", "7,5 kr"], [5, 7.5]),
        (["12%", "7.5 %"], [12, 7.5]),
        (["(1,200)", "300"], [-1200, 300]),
        (["($5)", "-$6", "$7"], [-5, -6, 7]),
        (["\u22125", "5"], [-5, 5]),
        (["007", "8.5"], [7, 8.5]),
        (["0", "0.5"], [0, 0.5]),
        (["1e201", "1"], [1e201, 1]),
    ],
)
def test_numbers_are_read_as_people_write_them(texts, numbers):
    values, account = column(*texts)
    assert values == numbers
    assert account.type == ("integer" if all(float(n).is_integer() and n < 1e15 for n in numbers) else "number")


@pytest.mark.parametrize("random", range(20))
def test_any_number_is_read_back_in_any_form(random):
    rng = np.random.default_rng(random)
    numbers = np.round(rng.normal(0, 10.0 ** rng.integers(1, 7), 30), 2)
    point, plain = [f"{n:,.2f}" for n in numbers], [f"{n:.2f}" for n in numbers]
    comma = [text.translate(str.maketrans(",.", ".,")) for text in point]
    spaces = [text.translate({ord(","): " ", ord("."): ","}) for text in point]
    for texts in (plain, point, comma, spaces, [f"€ {text}" for text in comma], [f"{text} %" for text in plain]):
        assert column(*texts)[0] == numbers.tolist()


def test_what_a_comma_means_is_told_by_other_columns_or_given():
    frame = pd.DataFrame({"x": ["1,234", "5,678"], "y": ["1,5", "2,25"]}, dtype=object)
    assert typed(frame, Forms())[0]["x"].tolist() == [1.234, 5.678]
    assert typed(frame[["x"]], Forms())[0]["x"].tolist() == [1234, 5678]
    assert typed(frame[["x"]], Forms(comma_likely=True))[0]["x"].tolist() == [1.234, 5.678]
    assert typed(frame[["x"]], Forms(decimal=","))[0]["x"].tolist() == [1.234, 5.678]
    assert "dataset.rows.decimal" in typed(frame[["x"]], Forms())[1][0].done
    dots = pd.DataFrame({"x": ["1.234", "5.678"], "y": ["1,5", "2,25"]}, dtype=object)
    assert typed(dots, Forms())[0]["x"].tolist() == [1234, 5678]


@pytest.mark.parametrize("form", ["{} h", "{}cm", "{:.1f} kg"])
def test_one_unit_behind_many_numbers_is_left_out(form):
    values, account = column(*(form.format(k) for k in range(30)), "NA")
    assert values == [*range(30), None] and "left out" in account.done
    assert column("1A", "2A")[1].type == "category"


@pytest.mark.parametrize("texts", [["01234", "99999"], ["007", "012"]])
def test_codes_with_leading_zeros_stay_text(texts):
    values, account = column(*texts)
    assert values == texts and account.type == "category" and "leading zeros" in account.done


@pytest.mark.parametrize("texts", [["$5", "€6"], ["5%", "0.06"], ["5 kg", "6 kg"], ["1-2", "3-4"], ["A1", "A2"]])
def test_what_is_no_number_or_of_several_units_stays_text(texts):
    assert column(*texts)[0] == texts


@pytest.mark.parametrize(
    "mark",
    "NA|N/A|n/a|NULL|null|NaN|nan|None|none|?|-|--||  |#N/A|#DIV/0!|#VALUE!|#REF!|#NAME?|#NUM!|#NULL!|<NA>|NaT|.|\\N|"
    "#N/A N/A|#WERT!|#NV|(null)|—".split("|"),
)
def test_the_usual_marks_are_missing_values_among_numbers_and_categories(mark):
    assert column("1", mark, "2.5", f" {mark} ")[0] == [1, None, 2.5, None]
    values, account = column("cook", mark, "clerk")
    assert values == ["cook", None, "clerk"] and account.missing == 1
    assert repr(mark.strip()) in account.done or not mark.strip()
    assert column("2020-01-31", mark)[1].missing == 1
    assert column("yes", mark, "no")[1].type == "boolean"


@pytest.mark.parametrize("mark", ["unknown", "Missing", "not available", "*", "x", "n.d."])
def test_words_are_missing_values_among_numbers_and_categories_among_categories(mark):
    assert column("1", mark, "2")[0] == [1, None, 2]
    assert column("cook", mark, "clerk")[0] == ["cook", mark, "clerk"]


def test_marks_may_be_given_and_are_the_only_ones():
    assert column("1", "-9", "", "2", missing=["-9"])[0] == [1, None, None, 2]
    assert column("NA", "US", "-9", missing=["-9"])[0] == ["NA", "US", None]


def test_marks_of_a_column_are_its_own_and_other_columns_have_the_usual_ones():
    frame = pd.DataFrame({"x": ["-9", "1", "NA"], "y": ["-9", "1", "NA"], "none": ["-9", "none", "NA"]}, dtype=object)
    read, columns, _ = typed(frame, Forms(missing={"x": ["-9", "NA"], "none": []}))
    assert read["x"].isna().tolist() == [True, False, True] and read["y"].tolist()[:2] == [-9, 1]
    assert read["none"].tolist() == ["-9", "none", "NA"]
    assert [column.marks for column in columns] == [("-9", "NA"), ("NA",), ()]


@pytest.mark.parametrize(
    ("texts", "mark", "values"),
    [
        (["1,5", "2,25", "-99,9"], "-99.9", [1.5, 2.25]),
        (["1,234", "5,678", "-999,0"], "-999", [1.234, 5.678]),  # the mark tells the decimal sign too
        (["1.234,5", "7,5", "-9.999"], "-9999", [1234.5, 7.5]),
        (["1,5", "2,25", "-999.0"], "-999", [1.5, 2.25]),
        (["1.5", "2.25", "-9,999"], "-9999", [1.5, 2.25]),
        (["1.5", "2.25", "-9,999.00"], "-9999", [1.5, 2.25]),
        (["$1,200", "$5", "-$999"], "-999", [1200, 5]),
        (["5 €", "6,50 €", "-999,00 €"], "-999", [5, 6.5]),
        (["5", "6", "\u2212999"], "-999", [5, 6]),
        (["5", "6", "-999"], "\u2212999", [5, 6]),
        (["5", "6", "(999)"], "-999", [5, 6]),
        (["12%", "7.5 %", "-999 %"], "-999", [12, 7.5]),
        (["1 234,5", "2,5", "99 999,0"], "99999", [1234.5, 2.5]),
        (["0.5", "1.5", "-9.990e2"], "-999", [0.5, 1.5]),
        (["cook", "clerk", "-999.0"], "-999", ["cook", "clerk"]),
        (["2020-01-31", "2021-12-01", "-999.0"], "-999", [pd.Timestamp(2020, 1, 31), pd.Timestamp(2021, 12, 1)]),
    ],
)
def test_a_mark_that_is_a_number_counts_however_it_is_written(texts, mark, values):
    read, account = column(*texts, missing=[mark])
    assert read == [*values, None] and account.marks == (mark,)
    assert column(*texts, missing=["-77"])[1].marks == ()


def test_many_numbers_with_a_unit_may_have_a_mark_with_it():
    values, account = column(*(f"{k} h" for k in range(30)), "-999 h", missing=["-999"])
    assert values == [*range(30), None] and account.marks == ("-999",)


def test_a_mark_is_no_number_that_has_its_digits_alone():
    assert column("-9.999", "1.500", "2.25", missing=["-9999"])[0] == [-9.999, 1.5, 2.25]
    assert column("0999", "01234", "999", missing=["999"])[0] == ["0999", "01234", None]
    assert column("0999", "A1", "999", missing=["999"])[0] == ["0999", "A1", None]
    assert column("0999", "01234", "999", missing=["0999"])[0] == [None, "01234", "999"]
    assert column("0999", "01234", missing=["0999"], categories=["x"])[0] == [None, "01234"]


@pytest.mark.parametrize(
    ("texts", "truth"),
    [
        (["true", "false"], [True, False]),
        (["True", "FALSE"], [True, False]),
        (["yes", "True", "1", "no", "0"], [True, True, True, False, False]),
        (["Y", "y", "N"], [True, True, False]),
    ],
)
def test_booleans_in_any_spelling_are_true_and_false(texts, truth):
    values, account = column(*texts)
    assert values == truth and account.type == "boolean"


@pytest.mark.parametrize(
    "texts", [["yes", "no"], ["Y", "N"], ["t", "f"], ["on", "off"], ["ja", "nein"], ["WAHR", "FALSCH"]]
)
def test_booleans_in_two_spellings_keep_them_for_they_may_be_labels(texts):
    values, account = column(*texts)
    assert values == texts and account.type == "boolean"


@pytest.mark.parametrize("texts", [["F", "M"], ["no", "maybe"], ["yes", "y"]])
def test_other_words_are_no_booleans(texts):
    assert column(*texts)[1].type == "category"


def test_zeros_and_ones_are_numbers():
    assert column("0", "1")[1].type == "integer"


@pytest.mark.parametrize(
    "texts",
    [
        ["2020-01-31", "2021-12-01"],
        ["2020/01/31", "2021/12/01"],
        ["31.01.2020", "01.12.2021"],
        ["31/1/2020", "1/12/2021"],
        ["1/31/2020", "12/1/2021"],
        ["2020-01-31T00:00:00Z", "2021-12-01 00:00:00"],
        ["31 Jan 2020", "1 December 2021"],
        ["Jan 31, 2020", "December 1, 2021"],
        ["31-Jan-20", "01-Dec-21"],
        ["2020-01-31 00:00:00.000+00:00", "2021-12-01 01:00+01:00"],
    ],
)
def test_dates_are_read_as_people_write_them(texts):
    values, account = column(*texts)
    assert account.type == "date" and values == [pd.Timestamp(2020, 1, 31), pd.Timestamp(2021, 12, 1)]


def test_numbers_that_are_all_dates_are_dates_where_there_are_many():
    days = pd.date_range("2019-12-25", periods=40).strftime("%Y%m%d")
    assert column(*days)[1].type == "date" and column(*days[:3])[1].type == "integer"


@pytest.mark.parametrize("written", ["{}-{}-{}", "{}/{}/{}", "{}.{}.{}", "{}-{}-{} 10:30", "{}/{}/{}T10:30:00Z"])
@pytest.mark.parametrize("given", [True, False, None])
def test_the_order_of_day_and_month_is_none_of_dates_whose_year_stands_first(written, given):
    texts = [written.format("2024", "12", "03"), written.format("2024", "1", "9")]
    values, account = column(*texts, day_first=given)
    assert [value.strftime("%Y-%m-%d") for value in values] == ["2024-12-03", "2024-01-09"]
    assert account.day_first is None and column(written.format("2024", "13", "03"))[1].type == "category"
    new = read_as(pd.Series(texts, name="x"), "date", Forms(".", day_first=given))
    assert new.tolist() == values


@pytest.mark.parametrize(
    ("texts", "given", "order"),
    [
        (["21/04/2024", "01/02/2023"], None, True),
        (["04/21/2024", "01/02/2023"], None, False),
        (["01.02.2023"], None, True),
        (["01.02.2023"], False, False),
        (["21/04/2024", "01/02/2023"], True, True),
        (["01/02/2023"], False, False),
        (["02/02/2023"], None, None),
        (["2023-01-31"], True, None),
    ],
)
def test_the_account_says_which_of_day_and_month_stands_first(texts, given, order):
    account = column(*texts, day_first=given)[1]
    assert account.day_first is order
    assert account.done == {True: "the day first", False: "the month first", None: ""}[order]


@pytest.mark.parametrize(
    ("day_first", "wrong", "allowed"),
    [
        (True, "04/21/2024", "the day first, as .*=true says"),
        (False, "21.04.2024", "the month first, as .*=false says"),
    ],
)
def test_a_date_of_another_order_than_is_given_is_one_message(day_first, wrong, allowed):
    for others in (["01/02/2023"], ["21/04/2024", "04/21/2024"]):
        texts = [text.replace("/", wrong[2]) for text in others]
        with pytest.raises(InputError, match=f"^column 'x' must hold dates with {allowed}, got '{wrong}': "):
            column(*texts, wrong, day_first=day_first)
    assert column("01/02/2023", wrong, day_first=day_first, categories=["x"])[1].type == "category"
    assert column("40/12/2024", "12/40/2024", day_first=day_first)[1].type == "category"


def test_dates_of_which_day_and_month_cannot_be_told_apart_are_refused_or_given():
    with pytest.raises(InputError, match=r"column 'x' holds dates .*'01/02/2020'.* dataset\.rows\.day_first=true or f"):
        column("01/02/2020", "03/04/2021")
    assert column("01/02/2020", day_first=True)[0] == [pd.Timestamp(2020, 2, 1)]
    assert column("01/02/2020", day_first=False)[0] == [pd.Timestamp(2020, 1, 2)]
    assert column("01.02.2020")[0] == [pd.Timestamp(2020, 2, 1)]
    assert column("02/02/2020")[0] == [pd.Timestamp(2020, 2, 2)]


@pytest.mark.parametrize("texts", [["31.02.2020"], ["2020-13-01"], ["13/13/2020"], ["soon", "2020-01-01"]])
def test_what_is_no_date_stays_text(texts):
    assert column(*texts)[1].type == "category"


def test_times_are_hours():
    assert column("17:30", "06:15:36")[0] == [17.5, 6.26]
    assert column("5:30 PM", "12:00 am")[0] == [17.5, 0]


def test_text_among_many_numbers_is_refused_and_among_few_it_is_a_category():
    texts = [str(k / 4) for k in range(50)]
    with pytest.raises(InputError, match=r"column 'x' must hold numbers or categories, got text .*\('soon', 'ten'\)"):
        column(*texts, "ten", "soon")
    assert column(*texts, "ten", categories=["x"])[1].type == "category"
    assert column(*texts, "ten", missing=["ten"])[1].missing == 1
    assert column("0", "1", "2", "3+")[0] == ["0", "1", "2", "3+"]
    with pytest.raises(
        InputError, match=r"missing values as '\+dataset\.rows\.missing_marks=\{x: \[NA, soon, ten\]\}'; or"
    ):
        column(*texts, "NA", "ten", "soon")
    days = [f"2020-01-{day:02}" for day in range(1, 32)]
    with pytest.raises(InputError, match=r"column 'x' must hold dates .*, got text among dates \('soon'\)"):
        column(*days, "soon")
    with pytest.raises(InputError, match=r"dates of several kinds \('01\.02\.2020', '2020-01-31'\)"):
        column(*days, "01.02.2020")
    with pytest.raises(InputError, match="numbers of several kinds"):
        column(*texts, "1,5", "1,25", "2.5")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("75+", 75, np.inf),
        (">= 90", 90, np.inf),
        ("80 and over", 80, np.inf),
        ("65 or older", 65, np.inf),
        ("5 and up", 5, np.inf),
        ("10-19", 10, 19),
        ("10 to 19", 10, 19),
        ("<5", -np.inf, np.nextafter(5, 0)),
        ("under 5", -np.inf, np.nextafter(5, 0)),
        ("<= 5", -np.inf, 5),
        ("5 or younger", -np.inf, 5),
        ("up to 5", -np.inf, 5),
        ("at most 5", -np.inf, 5),
        (" 7.5", 7.5, 7.5),
    ],
)
def test_a_range_spans_the_numbers_that_it_may_be(text, low, high):
    assert numbers.span(text) == (low, high)


@pytest.mark.parametrize(
    "text",
    [
        "old",
        "~5",
        "19-10",
        "1,000+",
        "",
        "5x",
        "6-11 months",
        "30+ years",
        "20k-30k",
        "<50k",
        "5-10%",
        "1.500",
        "<1.500",
    ],
)
def test_what_is_no_clear_range_spans_nothing(text):
    assert numbers.span(text) is None


def test_a_range_that_is_given_as_a_mark_is_said():
    cells = [*map(str, range(18, 75)), "75+", "75+", "NA"]
    (said,) = doubtful(*cells, missing={"x": ["75+", "NA"]})
    remedy = "'+dataset.rows.missing_marks={x: [NA]}' says so"
    assert said == f"column 'x': '75+' counts as missing, in 2 rows; if it is a value, {remedy}"
    assert doubtful(*cells[:-3], "NA", missing=["75+", "NA"]) == []


def test_many_texts_among_numbers_are_not_all_listed():
    with pytest.raises(InputError) as error:
        column(*map(str, range(50)), *(f"t{k}" for k in range(40)))
    assert "'dataset.rows.missing_marks=[...]'" in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("75+", "75"),
        ("75 +", "75"),
        ("<5", "5"),
        ("\u226590", "90"),
        (">= 90", "90"),
        ("10-19", "10"),
        ("10 to 19", "10"),
        ("80 and over", "80"),
        ("85 years or older", "85"),
        ("under 1", "1"),
        ("more than 95", "95"),
        ("$1,000+", "1,000"),
        ("10,000 \u2013 19,999 EUR", "10,000"),
    ],
)
def test_ranges_among_numbers_are_refused_with_what_marks_would_lose(text, number):
    cells = [str(age) for age in range(18, 75)]
    with pytest.raises(InputError) as error:
        column(*cells, text, text)
    assert str(error.value) == (
        f"column 'x' must hold numbers or categories, got ranges among numbers ({text!r}): write a number for each "
        f"range ({number} for {text!r}); or have categories by 'dataset.rows.categories=[x]' "
        "(as missing, 2 rows would lose their range)"
    )
    with pytest.raises(
        InputError, match=r"text among numbers \('soon'\) and ranges .*: \[soon\]\}'; or have categories"
    ):
        column(*cells, text, "soon")


@pytest.mark.parametrize("text", ["soon", "A1", "1/2", "75 Main Street", "5 kg", "1.2.3", "+", "-"])
def test_other_text_is_no_range(text):
    assert numbers.bound(text) is None


def test_a_refused_table_tells_of_all_its_columns():
    cells = [str(age) for age in range(18, 75)]
    frame = pd.DataFrame({"age": [*cells, "75+"], "n": map(str, range(58)), "pay": [*cells, "soon"]}, dtype=object)
    with pytest.raises(RefusedColumns, match=r"(?s)column 'age' must .*\ncolumn 'pay' must") as error:
        typed(frame, Forms())
    assert [(c.name, c.type, c.done) for c in error.value.account.columns] == [
        ("age", "other", "refused"),
        ("n", "integer", ""),
        ("pay", "other", "refused"),
    ]
    handed = pickle.loads(pickle.dumps(error.value))
    assert str(handed) == str(error.value) and handed.account == error.value.account


def test_spaces_at_the_ends_make_no_category():
    values, account = column("F", "F ", " M", "M")
    assert values == ["F", "F", "M", "M"] and "spaces at the ends left out" in account.done


# Parquet


def from_parquet(tmp_path, columns):
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "table.parquet")
    return Csv().read(str(tmp_path / "table.parquet"))


DAY = datetime.date(2020, 1, 31)
STAMP = datetime.datetime(2020, 1, 31, 12, 30)
PLAIN = {
    "decimals": (pa.array([decimal.Decimal("1.10"), None], pa.decimal128(6, 2)), [1.1, None], "number"),
    "large decimals": (pa.array([decimal.Decimal(2**90)], pa.decimal256(60, 0)), [float(2**90)], "number"),
    "dates": (pa.array([DAY, None]), [pd.Timestamp(DAY), None], "date"),
    "timestamps": (pa.array([STAMP, None], pa.timestamp("us")), [pd.Timestamp(STAMP), None], "date"),
    "zones": (pa.array([STAMP], pa.timestamp("ns", "Europe/Rome")), [pd.Timestamp(STAMP)], "date"),
    "durations": (pa.array([datetime.timedelta(days=1, hours=12)]), [1.5], "number"),
    "times": (pa.array([datetime.time(17, 30)]), [17.5], "time"),
    "booleans": (pa.array([True, False]), [True, False], "boolean"),
    "missing booleans": (pa.array([True, None]), [True, None], "boolean"),
    "integers": (pa.array([1, 2], pa.int8()), [1, 2], "integer"),
    "missing integers": (pa.array([1, None]), [1, None], "integer"),
    "unsigned": (pa.array([2**64 - 1, 1], pa.uint64()), [float(2**64 - 1), 1], "integer"),
    "halves": (pa.array([np.float16(0.5), None]), [0.5, None], "number"),
    "numbers as text": (pa.array(["0", "1"]), [0, 1], "integer"),
    "text": (pa.array(["a", "NA", None], pa.large_string()), ["a", None, None], "category"),
    "text as bytes": (pa.array(["a", "b"]).cast(pa.binary()), ["a", "b"], "category"),
    "text in another layout": (pa.array(["a", "1"], pa.string_view()), ["a", "1"], "category"),
    "nothing": (pa.nulls(2), [None, None], "empty"),
    "categories": (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"], "category"),
    "categories of numbers": (pa.array([5, 7]).dictionary_encode(), [5, 7], "integer"),
}


@pytest.mark.parametrize(("stored", "values", "kind"), PLAIN.values(), ids=PLAIN)
def test_parquet_columns_have_plain_values(stored, values, kind, tmp_path):
    frame, account = from_parquet(tmp_path, {"x": stored})
    assert [None if pd.isna(value) else value for value in frame["x"].tolist()] == values
    assert account.column("x").type == kind


@pytest.mark.parametrize("stored", [pa.float16(), pa.float32(), pa.float64(), pa.decimal128(6, 1)], ids=str)
def test_a_mark_is_found_in_numbers_of_any_width(stored, tmp_path):
    cells = pa.array([1.5, -99.9, None]).cast(pa.float32() if stored == pa.float16() else stored).cast(stored)
    pyarrow.parquet.write_table(pa.table({"x": cells}), tmp_path / "t.parquet")
    read, account = Csv(missing_marks=[-99.9, 99999]).read(str(tmp_path / "t.parquet"))
    assert read["x"].isna().tolist() == [False, True, True] and account.column("x").marks == ("-99.9",)
    for new in (pd.read_parquet(tmp_path / "t.parquet"), pyarrow.parquet.read_table(tmp_path / "t.parquet")):
        rows = new if isinstance(new, pd.DataFrame) else new.to_pandas(types_mapper=pd.ArrowDtype)
        found = read_as(rows["x"], "number", Forms(".", missing=["-99.9"]))
        assert found.isna().tolist() == [False, True, True]


@pytest.mark.parametrize("written", ["{}", "{} 00:00:00", "{}T00:00:00Z"])
def test_a_mark_that_is_a_date_is_found_in_text_and_in_dates(written, tmp_path):
    cells = ["2020-01-31", "1900-01-01", "2021-12-01"]
    values, account = column(*map(written.format, cells), missing=["1900-01-01"])
    assert values == [pd.Timestamp(2020, 1, 31), None, pd.Timestamp(2021, 12, 1)] and account.marks == ("1900-01-01",)
    table = pa.table({"x": pd.to_datetime(pd.Series(cells)), "y": range(3)})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    read, whole = Csv(missing_marks={"x": ["1900-01-01"]}).read(str(tmp_path / "t.parquet"))
    assert read["x"].isna().tolist() == [False, True, False] and whole.column("x").marks == ("1900-01-01",)
    assert whole.column("x").done == "missing: 1900-01-01" and not whole.warnings
    forms = Forms(".", missing=["1900-01-01"])
    for new in (table.to_pandas()["x"], pd.Series(map(written.format, cells), name="x")):
        assert read_as(new, "date", forms).isna().tolist() == [False, True, False]
    said = Csv(missing_marks=["1900-01-02"]).read(str(tmp_path / "t.parquet"))[1].warnings
    assert said[0].endswith("'1900-01-02' stands nowhere in the table; did you mean 1900-01-01 (column 'x')?")


@pytest.mark.parametrize(("stored", "values", "kind"), PLAIN.values(), ids=PLAIN)
def test_new_rows_as_pandas_reads_a_parquet_file_are_as_those_of_the_table(stored, values, kind, tmp_path):
    account = from_parquet(tmp_path, {"x": stored})[1]
    table = pyarrow.parquet.read_table(tmp_path / "table.parquet")
    of_arrow = [] if stored.type == pa.string_view() else [table.to_pandas(types_mapper=pd.ArrowDtype)]
    for new in (table.to_pandas(), *of_arrow):
        found = read_as(new["x"], account.column("x").type, Forms("."))
        assert [None if pd.isna(value) else value for value in found.tolist()] == values


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([-99], ["dataset.rows.missing_marks: '-99' stands nowhere in the table; did you mean -999 (column 'n')?"]),
        ([-999, "none"], ["'none' stands nowhere in the table; did you mean None (column 'job')?"]),
        ({"job": ["None", -999]}, ["'-999' stands nowhere in column 'job'"]),
        ([-99.9, "None"], ["'-99.9' stands nowhere in the table; did you mean -99.9000015258789 (column 'x')?"]),
        ([-999, -999.0, "None"], []),
        ([-999, "zzz"], ["'zzz' stands nowhere in the table"]),
        ({"n": [-999], "job": []}, []),
        (None, []),
    ],
)
def test_a_mark_that_stands_nowhere_is_said_with_the_nearest_value(given, said, tmp_path):
    frame = pd.DataFrame({"n": [-999, 5, 6], "x": [1.5, 2.5, np.float32(-99.9)], "job": ["None", "cook", "clerk"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    warnings = Csv(missing_marks=given).read(str(tmp_path / "t.csv"))[1].warnings
    found = [warning for warning in warnings if "stands nowhere" in warning]
    assert len(found) == len(said) and all(one.endswith(text) for one, text in zip(found, said, strict=True))


@pytest.mark.parametrize("key", ["missing_marks", "categories"])
def test_a_column_of_a_key_that_is_not_there_is_refused(key, tmp_path):
    (tmp_path / "t.csv").write_text("hours,job\n1,a\n2,b\n")
    with pytest.raises(InputError, match=rf"dataset\.rows\.{key} must hold columns .*'hour'; did you mean hours\?"):
        Csv(**{key: {"hour": [1]} if key == "missing_marks" else ["hour"]}).read(str(tmp_path / "t.csv"))


@pytest.mark.parametrize("stored", [pa.array([[1, 2], [3]]), pa.array([{"a": 1}, None]), pa.array([b"\x00", b"\x01"])])
def test_lists_structs_and_bytes_are_told(stored, tmp_path):
    assert from_parquet(tmp_path, {"x": stored, "y": range(2)})[1].column("x").type == "other"


def test_an_unused_category_is_no_value_and_an_index_of_pandas_is_a_column(tmp_path):
    frame = pd.DataFrame({"x": pd.Categorical(["a", "b"], categories=["c", "b", "a"]), 5: [1, 2]}, index=["p", "q"])
    frame.columns = frame.columns.astype(str)
    frame.to_parquet(tmp_path / "table.parquet")
    read, account = Csv().read(str(tmp_path / "table.parquet"))
    assert account.column("x").values == 2 and list(read) == ["x", "5", "__index_level_0__"]


def test_a_broken_parquet_file_is_refused(tmp_path):
    (tmp_path / "t").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"dataset\.path='t' cannot be read as Parquet"):
        Csv().read(str(tmp_path / "t"))


def test_the_same_rows_are_the_same_frame_from_text_and_from_parquet_in_any_types(tmp_path):
    frame = pd.DataFrame({"n": [1, 2, None], "f": [1.5, 2.0, 3.25], "b": [True, False, True], "c": ["x", "y", None]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "b.parquet")
    frame.astype({"c": "category", "n": "Int64"}).to_parquet(tmp_path / "c.parquet")
    frame.astype(str).to_parquet(tmp_path / "d.parquet")
    frames = [Csv().read(str(path))[0] for path in sorted(tmp_path.iterdir())]
    for other in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], other)


CELLS = [
    "1",
    "0",
    "-7",
    "12",
    "007",
    "1.5",
    "1.234",
    "12.345",
    "0.25",
    "-3.100",
    "1e3",
    "2.5E-3",
    "20200131",
    "19991231",
]
CELLS += [
    "-99.9",
    "-99,9",
    "",
    " 4",
    "1,5",
    "1,234",
    "yes",
    "?",
    "-",
    "+2",
    ".5",
    "3.",
    "10%",
    "9007199254740993",
    "1e400",
    "A",
]


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(
    columns=st.lists(st.lists(st.sampled_from(CELLS), min_size=12, max_size=12), min_size=1, max_size=3),
    few=st.integers(1, len(CELLS)),
    decimal=st.sampled_from([None, ".", ","]),
    marks=st.sampled_from([None, [], ["-7"], ["?"], ["-7.0", "1.5"], ["1.234", "20200131"], ["1", "007", "12.345"]])
    | st.sampled_from([["-99.9"], ["-99,9", "?"], ["-99.9", "1.234"], ["1,234", "-99,9"]]),
    likely=st.booleans(),
)
def test_plain_numbers_are_read_at_once_as_they_are_read_one_by_one(columns, few, decimal, marks, likely):
    """``few``: of the cells, so that many columns are plain."""
    frame = pd.DataFrame({f"c{k}": [c if c in CELLS[:few] else "1" for c in cells] for k, cells in enumerate(columns)})
    forms = Forms(decimal=decimal, missing=marks, comma_likely=likely)
    found = [_typed(frame, forms)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "plain", lambda *_: None)
        found.append(_typed(frame, forms))
    assert found[0] == found[1]


def _typed(frame, forms):
    try:
        read, columns, warnings = typed(frame, forms)
    except InputError as error:
        return str(error)
    return read.astype(object).where(read.notna(), None).to_dict("list"), list(read.dtypes), columns, warnings


@pytest.mark.parametrize("marks", [["-99.9"], {"a": ["-99.9", "?"]}])
def test_a_mark_tells_the_decimal_sign_also_where_the_other_numbers_are_whole(marks):
    frame = pd.DataFrame({"a": ["1", "2", "-99.9", "4"], "b": ["1,234", "2,345", "3,456", "4,567"]}, dtype=object)
    assert typed(frame, Forms(missing=marks, comma_likely=True))[0]["b"].tolist() == [1234, 2345, 3456, 4567]
    commas = frame.assign(a=frame["a"].str.replace(".", ","))
    assert typed(commas, Forms(missing=["-99,9"]))[0]["b"].tolist() == [1.234, 2.345, 3.456, 4.567]


def test_a_column_of_plain_numbers_is_read_at_once():
    (one, points, _), other = numbers.plain(pd.Series(["1.5", "", "-2e3"])), numbers.plain(pd.Series(["1", "x"]))
    assert one.tolist()[::2] == [1.5, -2000.0] and one.isna()[1] and points and other is None
    assert numbers.plain(pd.Series(["1", "?", "-999"]), ["?", "-999"], [-999.0]).marks == ["-999", "?"]
    assert numbers.plain(pd.Series(["1", "-999.0"]), ["-999"], [-999.0]) is None
