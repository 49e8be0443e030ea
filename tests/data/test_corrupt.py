"""Outliers among training rows."""

import dataclasses

import numpy as np
import pytest
import torch

from fairrun.config.check import InputError
from fairrun.data.corrupt import Outliers
from tests.helpers.synthetic import data, data_of_tasks

FLIPS = Outliers(kind="label_flips", rate=0.1, scale=4.0, seed=0)
FEATURES = dataclasses.replace(FLIPS, kind="features")
DATA = data()  # 150 training rows, 12 of which are balanced
both = pytest.mark.parametrize("outliers", [FLIPS, FEATURES], ids=["label flips", "features"])


def of(outliers, rows=DATA, **changes):
    return rows.with_outliers(dataclasses.replace(outliers, **changes))


def chosen(rows):
    return rows.outliers.nonzero()[:, 0].tolist()


def test_without_a_kind_nothing_changes_and_no_row_is_marked():
    assert of(FLIPS, kind=None) is DATA and DATA.outliers is None


@both
@pytest.mark.parametrize(("rate", "number"), [(0, 0), (0.1, 15), (0.25, 38), (0.003, 0), (0.004, 1), (0.9, 135)])
def test_the_rate_is_that_of_all_training_rows_to_the_nearest_row(outliers, rate, number):
    found = of(outliers, rate=rate).outliers
    assert found.dtype == torch.bool and found.shape == (150,) and found.sum() == number


@both
def test_validation_test_and_balanced_rows_stay_as_they_are(outliers):
    found = of(outliers, rate=0.9)
    for split in ("val", "test"):
        assert getattr(found, split) is getattr(DATA, split)
    before, after = (rows.held_out()[1] for rows in (DATA, found))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not found.outliers[DATA.balanced].any() and torch.equal(found.balanced, DATA.balanced)


@both
def test_the_marks_are_the_rows_whose_label_is_another(outliers):
    found = of(outliers)
    assert torch.equal(found.train.y != DATA.train.y, found.outliers)
    assert torch.equal(found.train.s, DATA.train.s)


def test_label_flips_leave_features_alone():
    assert torch.equal(of(FLIPS).train.x, DATA.train.x)


def test_features_of_outliers_get_noise_of_the_scale_and_others_none():
    """Of 135 rows with 6 features: the standard deviation of 810 numbers is known to 2.5%; four of these."""
    found = of(FEATURES, rate=0.9)
    added = found.train.x - DATA.train.x
    assert torch.equal((added != 0).all(-1), found.outliers) and not added[~found.outliers].any()
    noise = added[found.outliers]
    assert noise.std().item() == pytest.approx(4, rel=0.1) and noise.mean().item() == pytest.approx(0, abs=0.6)
    torch.testing.assert_close(of(FEATURES, rate=0.9, scale=8.0).train.x - DATA.train.x, 2 * added)


@both
def test_the_data_they_are_put_into_does_not_change(outliers):
    before = [v.clone() for v in DATA.train]
    of(outliers)
    assert all(torch.equal(a, b) for a, b in zip(before, DATA.train, strict=True))


@both
def test_a_higher_rate_adds_outliers_to_those_of_a_lower_one(outliers):
    few, many = of(outliers, rate=0.1), of(outliers, rate=0.4)
    assert set(chosen(few)) < set(chosen(many))
    for less, more in zip(few.train, many.train, strict=True):
        assert torch.equal(less[few.outliers], more[few.outliers])


@both
def test_outliers_depend_on_their_seed_alone(outliers):
    torch.manual_seed(1)
    np.random.seed(1)
    first, again, other = of(outliers), of(outliers), of(outliers, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.train, again.train, strict=True))
    assert chosen(first) != chosen(other)


def test_label_flips_and_outliers_of_features_are_the_same_rows():
    assert chosen(of(FLIPS)) == chosen(of(FEATURES))


def test_rows_are_chosen_alike_whatever_their_group_and_label():
    """Of 138 rows 14 a draw, 300 draws: a row is an outlier 30.4 times, with a deviation of 5.2; five of these."""
    times = sum(of(FLIPS, rate=0.0933, seed=seed).outliers.long() for seed in range(300))
    candidates = torch.ones(150, dtype=torch.bool).index_fill(0, DATA.balanced, False)
    assert (times[candidates] - 300 * 14 / 138).abs().max() < 26


def test_of_several_classes_each_other_one_is_as_likely():
    """135 of 150 rows of four classes: each other class 45 times, with a deviation of 5.5."""
    y = torch.full((150,), 1.0, dtype=torch.float64).index_fill(0, DATA.balanced, 3.0)
    found = of(FLIPS, DATA._replace(train=DATA.train._replace(y=y)), rate=0.9)
    assert found.train.y[found.outliers].long().bincount(minlength=4).tolist() == pytest.approx([45, 0, 45, 45], abs=25)
    assert (found.train.y[found.outliers] != 1).all() and torch.equal(found.train.y[DATA.balanced], y[DATA.balanced])


@both
def test_features_and_labels_keep_their_types(outliers):
    x, y, _ = outliers.put_into(DATA.train.x.float(), DATA.train.y.float(), DATA.balanced)
    assert x.dtype == y.dtype == torch.float32


def test_outliers_move_with_the_data():
    assert torch.equal(of(FLIPS).to("cpu", torch.float32).outliers, of(FLIPS).outliers)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "flips"}, r"^kind must be .* label_flips, features, got 'flips'; did you mean label_flips\?$"),
        ({"rate": 1}, r"^rate must be in \[0, 1\), got 1$"),
        ({"rate": -0.1}, r"^rate must be in \[0, 1\), got -0.1$"),
        ({"rate": float("nan")}, r"^rate must be in \[0, 1\), got nan$"),
        ({"scale": 0}, "^scale must be a number > 0, got 0$"),
        ({"seed": -1}, "^seed must be an integer >= 0, got -1$"),
        (
            {"rate": 0.95},
            r"^dataset.outliers.rate must be at most 0.9\d*, for 1\d of 150 training rows stay as they are, got 0.95$",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        of(FLIPS, **changes)


def test_several_tasks_take_no_outliers():
    with pytest.raises(InputError, match="kind must be null with several tasks, got 'label_flips'"):
        of(FLIPS, data_of_tasks())
    assert of(FLIPS, data_of_tasks(), kind=None).outliers is None
