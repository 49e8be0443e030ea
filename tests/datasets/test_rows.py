"""The real rows: the counts and rates that papers report."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from fairrun.check import InputError
from fairrun.data.images import ImageDataset
from fairrun.data.sources import cache_folder, sha256, write_frame
from fairrun.datasets import adult, compas, german, law_school
from fairrun.datasets.adult import Adult
from fairrun.datasets.compas import Compas
from fairrun.datasets.german import German
from fairrun.datasets.law_school import LawSchool

CONF = Path(__file__).parents[2] / "conf" / "dataset"
NEED_A_PATH = {"csv", "image_folder", "celeba"}
PRESETS = sorted({file.stem for file in CONF.glob("*.yaml")} - NEED_A_PATH)


def preset(name):
    return instantiate(OmegaConf.load(CONF / f"{name}.yaml"), _convert_="all")


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
    "adult": (Adult("all"), adult.FRAME_SHA256),
    "compas": (Compas("all", None), compas.FRAME_SHA256),
    "german": (German(), german.FRAME_SHA256),
    "law_school": (LawSchool(), law_school.FRAME_SHA256),
}


@pytest.mark.parametrize("name", PINNED)
def test_the_cached_file_hashes_to_the_pinned_hash(name):
    rows, pinned = PINNED[name]
    rows.frame(None)
    assert sha256((cache_folder() / f"{name}-{pinned[:12]}.csv").read_bytes()) == pinned


@pytest.mark.parametrize("name", ["adult", "german", "law_school"])  # not COMPAS: its frame lacks a column of the file
def test_a_frame_that_was_read_hashes_to_the_pinned_hash_again(name):
    rows, pinned = PINNED[name]
    assert sha256(write_frame(rows.frame(None))) == pinned


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


def test_compas_holds_no_names_and_no_birth_dates_not_even_in_the_cache():
    columns = set(Compas("all", None).frame(None).columns)
    (cached,) = cache_folder().glob("compas-*.csv")
    header = cached.read_text().splitlines()[0].split(",")
    assert "two_year_recid" in columns and "two_year_recid" in header
    for name in ("name", "first", "last", "dob", "id", "c_case_number"):
        assert name not in columns and name not in header


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
    config = OmegaConf.merge(OmegaConf.load(CONF / "german.yaml"), {"sensitive": [sensitive]})
    features = instantiate(config, _convert_="all").load().features
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


# The presets in conf/dataset


@pytest.fixture(scope="module", params=PRESETS)
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
    assert not [name for name in data.features if name.startswith(f"{dataset.sensitive[0]}_")]


def test_the_hash_of_the_whole_of_german_is_the_pinned_hash():
    assert preset("german").load().sha256 == german.FRAME_SHA256


def test_adult_has_its_official_test_rows_as_test_rows():
    assert [len(table.y) for table in preset("adult").load()[:3]] == [24130, 6032, 15060]


def test_compas_compares_two_races():
    data = preset("compas").load()
    assert data.groups == ["race=African-American", "race=Caucasian"]
    assert sum(len(table.y) for table in data[:3]) == 5278
