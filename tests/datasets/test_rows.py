"""The real rows: the counts and rates that papers report."""

import gzip
import io
import zipfile
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import sklearn.datasets
import torch
from omegaconf import OmegaConf

from fairrun.config.check import InputError
from fairrun.data.images import ImageDataset
from fairrun.data.sources import Unavailable, cache_folder, frame_sha256, read_frame, sha256, write_frame
from fairrun.datasets import (
    acs_employment,
    adult,
    bank,
    communities,
    compas,
    compas_charges,
    credit,
    german,
    health,
    law_school,
    student,
    titanic,
)
from fairrun.datasets.acs_employment import AcsEmployment
from fairrun.datasets.adult import Adult
from fairrun.datasets.bank import Bank40004
from fairrun.datasets.communities import Communities
from fairrun.datasets.compas import Compas
from fairrun.datasets.compas_charges import CompasCharges
from fairrun.datasets.credit import Credit
from fairrun.datasets.german import German
from fairrun.datasets.health import Health
from fairrun.datasets.law_school import LawSchool
from fairrun.datasets.student import StudentPortuguese
from fairrun.datasets.titanic import Titanic
from fairrun.runs.job import load
from tests.helpers.quick import few
from tests.helpers.synthetic import built, config

CONF = Path(__file__).parents[2] / "conf" / "dataset"
NEED_A_PATH = {"csv", "image_folder", "celeba", "celeba_attributes", "lsac"}
PRESETS = sorted({file.stem for file in CONF.glob("[!_]*.yaml")} - NEED_A_PATH)


def preset(name, *overrides):
    return built(config(f"dataset={name}", *overrides), "dataset")


def rate(values, digits):
    """The mean, to be equal to a published number of so many digits."""
    return pytest.approx(values.mean(), abs=0.5 * 10**-digits)


def positives(frame, label, positive, by):
    """Group -> (rows, share of positives)."""
    rows = (frame[label] == positive).groupby(frame[by])
    return {group: (len(values), rate(values, 4)) for group, values in rows}


def split_in_two(frame):
    return (frame[frame["split"] == split] for split in ("train", "test"))


# The pinned rows


PINNED = {
    "acs_employment_ma": (AcsEmployment(), acs_employment.FRAME_SHA256),
    "adult": (Adult("all"), adult.FRAME_SHA256),
    "compas": (Compas("all", None), compas.FRAME_SHA256),
    "compas_charges": (CompasCharges("all", None), compas_charges.FRAME_SHA256),
    "german": (German(), german.FRAME_SHA256),
    "health": (Health(), health.FRAME_SHA256),
    "law_school": (LawSchool(), law_school.FRAME_SHA256),
    "bank_40004": (Bank40004(), bank.FRAME_SHA256),
    "communities": (Communities(0.7), communities.FRAME_SHA256),
    "credit": (Credit(), credit.FRAME_SHA256),
    "student_por": (StudentPortuguese(), student.FRAME_SHA256),
    "titanic": (Titanic(), titanic.FRAME_SHA256),
}


@cache
def cached(name):
    """The frame as it is in the cache, missing values among its values.  Not to be changed."""
    rows, pinned = PINNED[name]
    rows.frame(None)
    return read_frame((cache_folder() / f"{name}-{pinned[:12]}.csv").read_bytes())


@pytest.mark.parametrize("name", PINNED)
def test_the_cached_file_hashes_to_the_pinned_hash(name):
    rows, pinned = PINNED[name]
    rows.frame(None)
    assert sha256((cache_folder() / f"{name}-{pinned[:12]}.csv").read_bytes()) == pinned


# not COMPAS, Communities, Titanic: columns of the file are changed in the frame
@pytest.mark.parametrize("name", ["adult", "german", "law_school", "bank_40004", "credit", "student_por"])
def test_a_frame_that_was_read_hashes_to_the_pinned_hash_again(name):
    rows, pinned = PINNED[name]
    assert sha256(write_frame(rows.frame(None))) == pinned


# ACS Employment


def test_employment_has_the_rows_of_four_years_and_the_rates_by_sex_and_race():
    frame = AcsEmployment().frame(None)
    assert frame["year"].value_counts(sort=False).to_dict() == {2015: 68785, 2016: 69126, 2017: 69635, 2018: 70131}
    assert positives(frame, "employed", 1, "sex") == {"female": (144019, 0.4830), "male": (133658, 0.5210)}
    by_race = positives(frame, "employed", 1, "race")
    assert (by_race["White"], by_race["Black"], by_race["Asian"], len(by_race)) == (
        (226569, 0.5115),
        (16793, 0.4507),
        (17479, 0.4993),
        9,
    )
    assert not frame.isna().any(axis=None) and set(frame.loc[frame["year"] == 2018, "split"]) == {"test"}


# Adult


def test_adult_has_48842_rows_of_which_23928_in_100000_are_positive():
    frame = Adult("all").frame(None)
    assert len(frame) == 48842
    assert rate(frame["income"] == ">50K", 5) == 0.23928


def test_adult_has_the_official_split():
    train, test = split_in_two(Adult("all").frame(None))
    assert (len(train), len(test)) == (32561, 16281)
    assert (rate(train["income"] == ">50K", 5), rate(test["income"] == ">50K", 5)) == (0.24081, 0.23623)


def test_adult_has_two_labels_without_full_stops():
    for part in split_in_two(Adult("all").frame(None)):
        assert set(part["income"]) == {"<=50K", ">50K"}


def test_complete_adult_has_45222_rows_of_which_24784_in_100000_are_positive():
    frame = Adult("complete").frame(None)
    assert [len(part) for part in (frame, *split_in_two(frame))] == [45222, 30162, 15060]
    assert rate(frame["income"] == ">50K", 5) == 0.24784


def test_complete_adult_has_no_unknown_value_and_a_fresh_index():
    frame = Adult("complete").frame(None)
    assert not frame.eq("?").any(axis=None)
    assert frame.index.tolist() == list(range(45222))


@pytest.mark.parametrize(
    ("variant", "female", "male"),
    [("all", (16192, 0.1093), (32650, 0.3038)), ("complete", (14695, 0.1136), (30527, 0.3125))],
)
def test_adult_has_the_published_rates_by_sex(variant, female, male):
    assert positives(Adult(variant).frame(None), "income", ">50K", "sex") == {"Female": female, "Male": male}


def test_adult_keeps_unknown_values_as_a_category():
    unknown = Adult("all").frame(None).eq("?").sum()
    assert unknown[unknown > 0].to_dict() == {"workclass": 2799, "occupation": 2809, "native-country": 857}


def test_adult_has_no_missing_value():
    assert not Adult("all").frame(None).isna().any(axis=None)


def test_an_unknown_variant_of_adult_is_an_error():
    with pytest.raises(InputError, match="variant must be one of complete, all, got 'most'"):
        Adult("most")


# COMPAS


@pytest.mark.parametrize(("variant", "number", "share"), [("all", 7214, 0.45065), ("filtered", 6172, 0.45512)])
def test_compas_has_the_published_rows_and_rate(variant, number, share):
    frame = Compas(variant, None).frame(None)
    assert len(frame) == number
    assert rate(frame["two_year_recid"], 5) == share


def test_filtered_compas_has_the_published_rates_by_race():
    by_race = positives(Compas("filtered", None).frame(None), "two_year_recid", 1, "race")
    assert by_race["African-American"] == (3175, 0.5231)
    assert by_race["Caucasian"] == (2103, 0.3909)
    assert by_race["Hispanic"] == (509, 0.3713)
    assert len(by_race) == 6


def test_filtered_compas_has_the_published_rates_by_sex():
    by_sex = positives(Compas("filtered", None).frame(None), "two_year_recid", 1, "sex")
    assert by_sex == {"Female": (1175, 0.3515), "Male": (4997, 0.4795)}


def test_compas_of_two_races_has_5278_rows_of_those_races():
    races = ["African-American", "Caucasian"]
    frame = Compas("filtered", races).frame(None)
    assert len(frame) == 5278 and set(frame["race"]) == set(races)


def test_an_unknown_race_is_an_error_that_lists_the_known_ones():
    with pytest.raises(InputError, match=r"races must hold some of African-American, Asian, .*, got 'Martian'"):
        Compas("filtered", ["Martian"]).frame(None)


def test_an_unknown_variant_of_compas_is_an_error():
    with pytest.raises(InputError, match="variant must be one of filtered, all, got 'complete'"):
        Compas("complete", None)


@pytest.mark.parametrize(
    ("race", "false_positive_rate", "false_negative_rate"),
    [("African-American", 0.4485, 0.2799), ("Caucasian", 0.2345, 0.4772)],
)
def test_compas_scores_have_the_error_rates_of_propublica(race, false_positive_rate, false_negative_rate):
    frame = Compas("all", [race]).frame(None)
    high, again = frame["decile_score"] >= 5, frame["two_year_recid"] == 1
    assert (rate(high[~again], 4), rate(~high[again], 4)) == (false_positive_rate, false_negative_rate)


@pytest.mark.parametrize(
    ("name", "rows"), [("compas", Compas("all", None)), ("compas_charges", CompasCharges("all", None))]
)
def test_compas_holds_no_names_and_no_birth_dates_not_even_in_the_cache(name, rows):
    columns = set(rows.frame(None).columns)
    (cached,) = cache_folder().glob(f"{name}-*.csv")
    header = cached.read_text().splitlines()[0].split(",")
    assert "two_year_recid" in columns and "two_year_recid" in header
    for name in ("name", "first", "last", "dob", "id", "c_case_number"):
        assert name not in columns and name not in header


@pytest.mark.parametrize(("variant", "number"), [("all", 7214), ("filtered", 6172)])
def test_compas_with_charges_has_the_rows_of_compas_and_three_columns_more(variant, number):
    frame, short = (cls(variant, None).frame(None) for cls in (CompasCharges, Compas))
    assert len(frame) == number and not frame.isna().any(axis=None)
    pd.testing.assert_frame_equal(frame[short.columns], short)
    assert [*frame.columns.difference(short.columns)] == ["age_cat", "c_charge_desc", "is_recid"]


def test_compas_with_charges_has_448_features_over_all_rows_and_the_label_of_any_new_charge():
    frame = CompasCharges("all", None).frame(None)
    assert rate(frame["is_recid"], 4) == 0.4811
    assert 5 + sum(frame[column].nunique() for column in ("c_charge_degree", "c_charge_desc", "age_cat")) == 448
    assert (frame["c_charge_desc"] == "unknown").sum() == 29


# German Credit


def test_german_has_1000_rows_of_which_700_are_good():
    frame = German().frame(None)
    assert len(frame) == 1000 and (frame["risk"] == "good").sum() == 700


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("sex", {"female": (310, 0.6484), "male": (690, 0.7232)}),
        ("age_group", {"over 25": (810, 0.7284), "25 or less": (190, 0.5789)}),
    ],
)
def test_german_has_the_published_rates(by, expected):
    assert positives(German().frame(None), "risk", "good", by) == expected


@pytest.mark.parametrize(
    ("sensitive", "hidden"), [("sex", ("sex", "personal_status")), ("age_group", ("age", "age_group"))]
)
def test_german_hides_every_column_that_states_the_sensitive_attribute(sensitive, hidden):
    features = preset("german", f"dataset.sensitive=[{sensitive}]").load().features
    assert features and not [name for name in features if name.startswith(hidden)]


# Law school


def test_law_school_has_20798_rows_of_which_88975_in_100000_pass():
    frame = LawSchool().frame(None)
    assert len(frame) == 20798
    assert rate(frame["pass_bar"], 5) == 0.88975


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("race", {"White": (17491, 0.9213), "Non-White": (3307, 0.7230)}),
        ("sex", {"female": (9123, 0.8779), "male": (11675, 0.8990)}),
    ],
)
def test_law_school_has_the_published_rates(by, expected):
    assert positives(LawSchool().frame(None), "pass_bar", 1, by) == expected


# Bank marketing


def test_bank_40004_has_40004_rows_of_which_11666_in_100000_subscribe():
    frame = cached("bank_40004")
    assert frame.shape == (40004, 18)
    assert rate(frame["y"] == "yes", 5) == 0.11666


def test_bank_40004_has_no_divorced_client():
    expected = {"married": (27214, 0.1012), "single": (12790, 0.1495)}
    assert positives(cached("bank_40004"), "y", "yes", "marital") == expected


def test_bank_40004_has_age_groups_on_both_sides_of_25_years():
    frame = cached("bank_40004")
    assert positives(frame, "y", "yes", "age_group") == {"25 or less": (1329, 0.2408), "over 25": (38675, 0.1124)}
    assert frame.groupby("age_group")["age"].agg(["min", "max"]).to_numpy().tolist() == [[18, 25], [26, 95]]


# Credit card clients


def test_credit_has_30000_rows_of_which_2212_in_10000_default():
    frame = cached("credit")
    assert frame.shape == (30000, 25)
    assert frame["id"].tolist() == list(range(1, 30001))
    assert (frame["default"] == 1).sum() == 6636 and rate(frame["default"], 5) == 0.22120


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("sex", {"male": (11888, 0.2417), "female": (18112, 0.2078)}),
        ("education", {1: (10585, 0.1923), 2: (14030, 0.2373), 3: (4917, 0.2516)}),
        ("marriage", {1: (13659, 0.2347), 2: (15964, 0.2093)}),
    ],
)
def test_credit_has_the_published_rates(by, expected):
    found = positives(cached("credit"), "default", 1, by)
    assert {group: found[group] for group in expected} == expected


def test_credit_keeps_the_codes_that_are_not_documented():
    frame = cached("credit")
    education, marriage = (frame[column].value_counts().to_dict() for column in ("education", "marriage"))
    assert {code: education[code] for code in (0, 4, 5, 6)} == {0: 14, 4: 123, 5: 280, 6: 51}
    assert {code: marriage[code] for code in (0, 3)} == {0: 54, 3: 323}


# Heritage Health Prize


AGES = {  # rows, share with an index above 0
    "0-9": (5440, 0.1040),
    "10-19": (5235, 0.0848),
    "20-29": (3688, 0.0797),
    "30-39": (6091, 0.1494),
    "40-49": (8414, 0.2343),
    "50-59": (7173, 0.3565),
    "60-69": (7480, 0.5279),
    "70-79": (8948, 0.6498),
    "80+": (3455, 0.6755),
}


def test_health_has_55924_rows_of_which_33687_in_100000_have_an_index_above_0():
    frame = cached("health")
    assert frame.shape == (55924, 127)
    assert frame["charlson_above_0"].sum() == 18839 and rate(frame["charlson_above_0"], 5) == 0.33687


@pytest.mark.parametrize(
    ("by", "expected"), [("age", AGES), ("sex", {"female": (30953, 0.3331), "male": (24971, 0.3415)})]
)
def test_health_has_the_counted_rates(by, expected):
    assert positives(cached("health"), "charlson_above_0", 1, by) == expected


def test_health_does_not_hold_what_its_label_is_made_from():
    index = [column for column in cached("health") if "charlson" in column.lower()]
    assert index == ["charlson_above_0"]
    assert not {"MemberID_t", "YEAR_t", "trainset", "DaysInHospital"} & set(cached("health"))


def test_the_age_groups_of_health_are_decades():
    frame = cached("health")
    assert frame.groupby("age")["age_decade"].agg(["min", "max"]).to_numpy().tolist() == [[k, k] for k in range(9)]


def test_a_table_of_health_gives_its_third_year_from_the_zip_and_from_the_file():
    """Three members of the third year, of whom one is of unknown age, and one of the second."""
    ages = "".join(f",age_{decade}5" for decade in range(9))
    index = "".join(f",CharlsonIndexI_{name}" for name in ("max", "min", "ave", "range", "stdev"))
    head = f"MemberID_t,YEAR_t,trainset{ages},age_MISS,sexMALE,sexFEMALE,sexMISS,no_Claims{index},Charlson>0"
    rows = [
        "1,Y3,0,1,0,0,0,0,0,0,0,0,0,1,0,0,5,0,0,0.0,0,0.0,0",
        "2,Y2,1,0,1,0,0,0,0,0,0,0,0,1,0,0,6,0,0,0.0,0,0.0,0",
        "3,Y3,0,0,0,0,0,0,0,0,0,0,1,1,0,0,7,0,0,0.0,0,0.0,0",
        "4,Y3,0,0,0,0,0,0,0,0,0,1,0,0,1,0,8,2,0,1.0,2,1.0,1",
    ]
    content, archive = "\n".join([head, *rows]).encode(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("health.csv", content)
    columns = ["age", "age_decade", "sex", "charlson_above_0", "age_MISS", "sexMISS", "no_Claims"]
    expected = [["0-9", 0, "male", 0, 0, 0, 5], ["80+", 8, "female", 1, 0, 0, 8]]
    for source, given in zip(health.SOURCES, (archive.getvalue(), content), strict=True):
        frame = source.read({"file": given})
        assert list(frame.columns) == columns and frame.to_numpy().tolist() == expected


def test_a_file_of_health_that_only_a_user_has_is_not_fetched():
    with pytest.raises(Unavailable, match=r"dataset\.path"):
        health.SOURCES[1].origin.fetch(["health.csv"])


# Communities and Crime


def test_communities_has_1994_rows_and_128_columns_of_which_103_are_complete():
    missing = cached("communities").isna().sum()
    assert cached("communities").shape == (1994, 128)
    assert (missing == 0).sum() == 103 and missing.sum() == 39202
    assert missing[["county", "community", "OtherPerCap"]].tolist() == [1174, 1177, 1]
    assert (missing == 1675).sum() == 22


def test_communities_has_the_published_rate_of_violent_crimes():
    crimes = cached("communities")["ViolentCrimesPerPop"]
    assert rate(crimes, 5) == 0.23798 and crimes.median() == 0.15


def test_the_names_of_communities_fit_their_columns():
    """The file has none.  Columns that must go together do, and would not if the list of names had slipped."""
    frame = cached("communities")
    assert frame["racepctblack"].corr(frame["racePctWhite"]) < -0.7
    for a, b in [
        ("PctLess9thGrade", "PctNotHSGrad"),
        ("PctImmigRec8", "PctImmigRec10"),
        ("OwnOccLowQuart", "OwnOccMedVal"),
        ("LemasSwFTPerPop", "PolicPerPop"),
    ]:
        assert frame[a].corr(frame[b]) > 0.9, (a, b)


def test_high_crime_is_6_percent_of_the_communities_and_rare_where_the_black_share_is_low():
    frame = Communities(0.7).frame(None)
    assert positives(frame, "high_crime", "yes", "black_share") == {
        "6% or less": (1024, 0.0068),
        "over 6%": (970, 0.1186),
    }
    assert rate(frame["high_crime"] == "no", 4) == 0.9388


def test_high_crime_begins_at_the_threshold():
    crimes = cached("communities")["ViolentCrimesPerPop"]
    for threshold in (0.7, 0.15, 1):
        high = Communities(threshold).frame(None)["high_crime"] == "yes"
        assert high.tolist() == (crimes >= threshold).tolist()


def test_communities_does_not_hold_what_its_label_is_made_from():
    assert "ViolentCrimesPerPop" not in Communities(0.7).frame(None)


@pytest.mark.parametrize("threshold", [0, 1.5, "high", None])
def test_a_threshold_that_is_no_rate_is_an_error(threshold):
    with pytest.raises(InputError, match=r"threshold must be a number in \(0, 1\], got"):
        Communities(threshold)


# Student performance


def test_student_por_has_649_rows_of_which_549_are_high():
    frame = cached("student_por")
    assert frame.shape == (649, 33) and (frame["class"] == "High").sum() == 549
    assert positives(frame, "class", "High", "sex") == {"F": (383, 0.8695), "M": (266, 0.8120)}


def test_the_second_grade_of_a_student_nearly_tells_the_class():
    frame = cached("student_por")
    assert ((frame["G2"] >= 10) == (frame["class"] == "High")).mean() > 0.89


# Titanic


def test_titanic_has_1309_rows_of_which_38197_in_100000_survive():
    frame = cached("titanic")
    assert frame.shape == (1309, 14)
    assert rate(frame["survived"], 5) == 0.38197


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("sex", {"female": (466, 0.7275), "male": (843, 0.1910)}),
        ("pclass", {1: (323, 0.6192), 2: (277, 0.4296), 3: (709, 0.2553)}),
    ],
)
def test_titanic_has_the_published_rates(by, expected):
    assert positives(Titanic().frame(None), "survived", 1, by) == expected


def test_what_is_missing_on_titanic_is_a_constant():
    raw, frame = cached("titanic"), Titanic().frame(None)
    assert {column: raw[column].isna().sum() for column in ("age", "fare", "embarked", "cabin")} == {
        "age": 263,
        "fare": 1,
        "embarked": 2,
        "cabin": 1014,
    }
    for column, constant in [("age", 0), ("fare", 0), ("body", 0), ("embarked", "unknown"), ("cabin", "unknown")]:
        missing = raw[column].isna()
        assert (frame.loc[missing, column] == constant).all()
        assert (frame.loc[~missing, column] == raw.loc[~missing, column]).all()
    assert not frame.isna().any(axis=None)
    assert (frame["age_known"] == raw["age"].notna()).all()


def test_boat_and_body_tell_who_survived_and_are_no_inputs():
    raw = cached("titanic")
    survived = raw["survived"] == 1
    assert raw.loc[survived, "body"].isna().all() and raw.loc[survived, "boat"].notna().mean() > 0.95
    assert not {"boat", "body"} & {*preset("titanic").numeric, *preset("titanic").categorical}


# The second sources: their files are made here, and are proved by their pinned hashes to be the files


def frame_hash(source, content):
    """The hash of the frame that ``source`` makes of its only file."""
    ((name, pinned),) = source.files.items()
    assert sha256(content) == pinned
    return sha256(write_frame(source.read({name: content})))


def test_the_published_table_of_credit_gives_the_pinned_frame():
    frame = cached("credit").drop(columns="id")
    frame["sex"] = frame["sex"].map({"male": 1, "female": 2})
    frame.columns = [*frame.columns.str.upper()[:-1], "default payment"]
    content = frame.to_csv(index=False, lineterminator="\r\n").encode()
    assert frame_hash(credit.SOURCES[1], content) == credit.FRAME_SHA256


def test_the_published_file_of_communities_gives_the_pinned_frame():
    options = {"header": False, "index": False, "na_rep": "?", "float_format": "%g", "lineterminator": "\n"}
    content = cached("communities").to_csv(**options).encode()
    assert frame_hash(communities.SOURCES[1], content) == communities.FRAME_SHA256


def test_the_file_of_titanic_on_openml_gives_the_pinned_frame():
    """scikit-learn ships it with its tests."""
    folder = Path(sklearn.datasets.__file__).parent / "tests" / "data" / "openml" / "id_40945"
    file = folder / "data-v1-dl-16826755.arff.gz"
    if not file.exists():
        pytest.skip("scikit-learn is installed without its tests")
    assert frame_hash(titanic.SOURCES[1], gzip.decompress(file.read_bytes())) == titanic.FRAME_SHA256


def test_a_form_of_credit_with_one_column_a_code_is_decoded():
    """Two clients: a male with education 0 and marriage 3, a female with education 6 and marriage 1."""
    head = "ID,LIMIT_BAL,SEX,AGE," + ",".join(f"PAY_{k}" for k in (0, 2, 3, 4, 5, 6))
    head += "".join(f",BILL_AMT{k}" for k in range(1, 7)) + "".join(f",PAY_AMT{k}" for k in range(1, 7))
    head += ",default-payment-next-month," + ",".join(f"EDUCATION_{k}" for k in range(7))
    head += "".join(f",MARRIAGE_{k}" for k in range(4))
    rows = [
        "1,5.0,0,30" + 18 * ",1.0" + ",1,1,0,0,0,0,0,0,0,0,0,1",
        "2,6.0,1,40" + 18 * ",-2.0" + ",0,0,0,0,0,0,0,1,0,1,0,0",
    ]
    frame = credit.SOURCES[0].read({"one-hot": "\n".join([head, *rows]).encode()})
    expected = pd.DataFrame(
        [[1, 5, "male", 0, 3, 30, *18 * [1], 1], [2, 6, "female", 6, 1, 40, *18 * [-2], 0]], columns=credit.COLUMNS
    )
    pd.testing.assert_frame_equal(frame, expected)


# The presets in conf/dataset


@pytest.fixture(scope="module", params=few(PRESETS, 6))
def loaded(request):
    """The dataset of a preset and its data."""
    dataset = preset(request.param)
    return dataset, dataset.load()


def test_a_preset_gives_finite_features_of_one_width(loaded):
    data = loaded[1]
    for table in data[:3]:
        assert table.x.is_floating_point() and table.x.shape == (len(table.y), len(data.features))
        assert table.x.isfinite().all()


def test_a_preset_gives_labels_of_both_classes(loaded):
    for table in loaded[1][:3]:
        assert table.y.unique().tolist() == [0.0, 1.0]


def test_a_preset_gives_every_group_in_every_split(loaded):
    data = loaded[1]
    for table in data[:3]:
        assert table.s.unique().tolist() == list(range(len(data.groups)))


def test_a_preset_puts_every_row_in_one_split(loaded):
    dataset, data = loaded
    frame = dataset.rows.frame(dataset.path)
    y, s = (torch.cat([getattr(table, field) for table in data[:3]]) for field in ("y", "s"))
    assert len(y) == len(frame)
    for group, name in enumerate(data.groups):
        value = name.removeprefix(f"{dataset.sensitive[0]}=")
        rows = frame[frame[dataset.sensitive[0]] == value]
        assert y[s == group].sum() == (rows[dataset.label] == dataset.positive).sum()
        assert (s == group).sum() == len(rows)


def test_a_preset_gives_the_same_tables_and_the_same_hash_each_time(loaded):
    dataset, first = loaded
    second = dataset.load()
    assert first.sha256 == second.sha256
    for a, b in zip(first[:3], second[:3], strict=True):
        assert all(torch.equal(one, two) for one, two in zip(a, b, strict=True))


def test_a_preset_without_the_sensitive_attribute_has_no_feature_of_it(loaded):
    dataset, data = loaded
    if isinstance(dataset, ImageDataset):
        pytest.skip("images have no columns to leave out")
    assert not dataset.include_sensitive
    for column in (dataset.sensitive[0], *dataset.proxies.get(dataset.sensitive[0], [])):
        assert not [name for name in data.features if name == column or name.startswith(f"{column}=")]


def test_the_hash_of_a_data_set_is_that_of_all_its_rows():
    assert preset("german").load().sha256 == frame_sha256(german.German().frame(None))


def test_adult_has_its_official_test_rows_as_test_rows():
    assert [len(table.y) for table in preset("adult").load()[:3]] == [24130, 6032, 15060]


def test_compas_compares_two_races():
    data = preset("compas").load()
    assert data.groups == ["race=African-American", "race=Caucasian"]
    assert sum(len(table.y) for table in data[:3]) == 5278


# The forms that papers use


def form(*overrides):
    """The data of a composed configuration."""
    return load(OmegaConf.to_container(config(*overrides), resolve=True))


def rates(*tables):
    """Rows, share of group 0, and the rates of class 1 of groups 0 and 1."""
    y, s = (torch.cat([getattr(table, field) for table in tables]).numpy() for field in ("y", "s"))
    return len(y), rate(s == 0, 4), rate(y[s == 0], 4), rate(y[s == 1], 4)


def test_adult_has_a_form_of_101_features_in_0_to_1():
    omitted = "+dataset.drop_categories={sex: [Male], native-country: [Holand-Netherlands]}"
    data = form("dataset=adult", "dataset.include_sensitive=true", "dataset.scale=range", omitted)
    numbers = ["age", "education-num", "capital-gain", "capital-loss", "hours-per-week"]
    assert len(data.features) == 101 and data.features[:5] == numbers
    assert not {"fnlwgt", "sex=Male", "native-country=Holand-Netherlands"} & set(data.features)
    female = data.train.x[:, data.features.index("sex=Female")]
    assert data.groups == ["sex=Female", "sex=Male"] and torch.equal(female, (data.train.s == 0).double())
    for values, expected in ((data.train.x.amin(0), 0.0), (data.train.x.amax(0), 1.0)):
        torch.testing.assert_close(values, torch.full_like(values, expected))
    assert rates(data.train, data.val) == (30162, 0.3243, 0.1137, 0.3138)
    assert rates(data.test) == (15060, 0.3262, 0.1134, 0.3097)


def test_health_has_a_form_of_125_features_and_its_groups_are_in_order_of_age():
    data = form("dataset=health", "dataset.include_sensitive=true")
    assert data.groups == [f"age={age}" for age in AGES]
    described = [name for name in data.features if name.startswith(("age", "sex"))]
    assert len(data.features) == 125 and described == ["age_decade", "age_MISS", "sexMISS", "sex=female"]
    decades = data.train.x[:, data.features.index("age_decade")]
    assert torch.equal(decades.unique(return_inverse=True)[1], data.train.s)
    assert len(data.test.y) == 11185 and len(data.train.y) + len(data.val.y) == 44739
