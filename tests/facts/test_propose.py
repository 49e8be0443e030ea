"""Roles that are proposed for the columns of a table."""

import pandas as pd
import pytest

from fairrun.config.check import InputError
from fairrun.facts.propose import roles


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "id": range(200),
            "applicantAge": [20 + k % 60 for k in range(200)],
            "Sex": ["f", "m"] * 100,
            "member": [True, False] * 100,
            "defaulted": ["no", "no", "no", "yes"] * 50,
            "job": ["a", "b", "c", "d"] * 50,
        }
    )


def test_roles_are_proposed_by_names_and_values(frame):
    found = roles(frame, None, None, [])
    assert found.label == "defaulted" and found.positive == "yes"
    assert found.sensitive == ["Sex", {"column": "applicantAge", "bins": [25, 60]}]
    assert [line.partition(":")[0] for line in found.said] == [
        *("sensitive", "bins of applicantAge", "label", "class 1 of defaulted")
    ]


def test_what_is_given_is_not_proposed(frame):
    found = roles(frame, "member", "no", ["job"])
    assert found == ("member", "no", ["job"], ())


def test_numbers_have_the_cuts_that_are_given_or_the_median(frame):
    assert roles(frame, "member", "no", ["applicantAge:30:40.5"]).sensitive == [
        {"column": "applicantAge", "bins": [30, 40.5]}
    ]
    (entry,) = roles(frame, "member", "no", ["id"]).sensitive
    assert entry == {"column": "id", "bins": [99.5]}


def test_a_label_of_several_values_has_no_class_1(frame):
    assert roles(frame, "job", None, ["Sex"]).positive is None


def test_class_1_of_whole_numbers_is_1_where_cells_are_missing_too(frame):
    label = pd.Series([0.0, 1.0] * len(frame))[: len(frame)].mask(frame.index == 0)
    found = roles(frame.assign(paid=label.to_numpy()), "paid", None, ["Sex"])
    assert repr(found.positive) == "1"


def test_without_a_true_value_the_rarer_one_is_class_1(frame):
    frame["risk"] = ["good", "good", "bad", "good"] * 50
    assert roles(frame, "risk", None, ["Sex"]).positive == "bad"


@pytest.mark.parametrize(
    ("label", "sensitive", "said"),
    [
        ("defalted", ["Sex"], "--label must be a column of the table .*did you mean defaulted"),
        (
            "id",
            ["Sex"],
            r"--label must be a column of few values.*add --positive 1 '\+dataset.tasks={id: {column: id, above",
        ),
        ("member", ["Sexx"], "--sensitive must be a column .*did you mean Sex"),
    ],
)
def test_a_column_that_is_not_there_is_refused(frame, label, sensitive, said):
    with pytest.raises(InputError, match=said):
        roles(frame, label, None, sensitive)


def test_where_nothing_can_be_proposed_an_option_is_asked_for(frame):
    with pytest.raises(InputError, match="--sensitive COLUMN"):
        roles(frame[["id", "job"]], None, None, [])
    with pytest.raises(InputError, match="--label COLUMN"):
        roles(frame[["Sex", "job"]], None, None, [])
