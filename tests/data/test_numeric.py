"""Columns of numbers as several features, against figures by hand and against scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.preprocessing import KBinsDiscretizer, QuantileTransformer

from fairrun.config.check import InputError
from fairrun.data.encoding import Encoding
from fairrun.data.numeric import NUMBERS, Codes

CODES = [how for how in NUMBERS if how != "scale"]
rng = np.random.default_rng(0)
TRAIN = pd.DataFrame(
    {"age": rng.normal(40, 10, 500), "gain": np.where(rng.random(500) < 0.9, 0, rng.gamma(2, 900, 500))}
)


def encode(frame, how, bins=8, train=TRAIN):
    encoding = Encoding.fit(train, list(train), [], "numbers", (), how, bins)
    return encoding.encode(frame)


def test_bins_hold_equally_many_rows_and_a_row_has_one():
    found = encode(TRAIN[["age"]], "bins", train=TRAIN[["age"]])
    theirs = KBinsDiscretizer(8, encode="onehot-dense", strategy="quantile", quantile_method="averaged_inverted_cdf")
    assert found.sum(1).tolist() == [1.0] * 500
    assert np.abs(found.sum(0) - 62.5).max() <= 1
    assert np.abs(found.sum(0) - theirs.fit_transform(TRAIN[["age"]].to_numpy()).sum(0)).max() <= 1


def test_a_value_that_many_rows_share_has_a_bin_of_its_own():
    codes = Codes.fit(TRAIN, ["gain"], "bins", 8)
    found = np.zeros((500, codes.sizes[0]))
    codes.encode(TRAIN, found)
    assert (found[:, 0] == (TRAIN["gain"] == 0)).all()


@pytest.mark.parametrize("how", ["bins", "piecewise"])
@pytest.mark.parametrize("bins", [2, 3, 8, 20])
def test_there_are_no_more_bins_than_asked_for_wherever_frequent_values_lie(how, bins):
    rng = np.random.default_rng(bins)
    for share in (0.05, 0.3, 0.6, 0.9):
        x = np.where(rng.random(400) < share, rng.choice([-1.0, 0.0, 0.5, 1.0, 3.0], 400), rng.normal(size=400))
        codes = Codes.fit(pd.DataFrame({"x": x}), ["x"], how, bins)
        assert codes.sizes[0] <= bins
        assert codes.points["x"] == sorted(set(codes.points["x"]))


def test_a_frequent_value_in_the_middle_has_a_bin_of_its_own_and_the_others_are_equal():
    x = np.concatenate([np.full(400, 0.5), np.linspace(0, 1, 600, endpoint=False) + 1e-9])
    codes = Codes.fit(pd.DataFrame({"x": x}), ["x"], "bins", 6)
    found = np.zeros((1000, codes.sizes[0]))
    codes.encode(pd.DataFrame({"x": x}), found)
    assert 400 in found.sum(0) and codes.sizes[0] <= 6
    assert set(found[:400].argmax(1)) != set(found[400:].argmax(1))


@pytest.mark.parametrize("scale", [1e-200, 1e-310, 1.0, 1e99])
def test_periodic_codes_are_those_of_the_column_whatever_its_unit(scale):
    x = np.round(rng.normal(size=50), 3)
    found, usual = (encode(pd.DataFrame({"x": v}), "periodic", train=pd.DataFrame({"x": v})) for v in (x * scale, x))
    assert found == pytest.approx(usual, abs=1e-6)
    assert usual.shape == (50, 8)
    mean, deviation = Codes.fit(pd.DataFrame({"x": x}), ["x"], "periodic", 8).points["x"][:2]
    assert (mean, deviation) == (x.mean(), x.std())


def test_a_column_of_few_values_has_a_bin_for_each():
    found = encode(pd.DataFrame({"x": [1, 2, 3, 9]}), "bins", 3, pd.DataFrame({"x": [1, 2, 3, 2, 1, 3]}))
    assert found.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_piecewise_codes_are_shares_of_pieces():
    train = pd.DataFrame({"x": [0.0, 10.0, 20.0]})
    found = encode(pd.DataFrame({"x": [5.0, 15.0, -10.0, 30.0]}), "piecewise", 3, train)
    assert found.tolist() == [[0.5, 0], [1, 0.5], [-1, 0], [1, 2]]


def test_quantiles_are_those_of_scikit_learn():
    theirs = QuantileTransformer(n_quantiles=500, output_distribution="normal", subsample=None)
    assert encode(TRAIN, "quantile")[:, :1] == pytest.approx(theirs.fit_transform(TRAIN[["age"]].to_numpy()), abs=1e-6)


def test_the_quantile_of_a_value_that_many_rows_share_is_in_their_middle():
    share = (TRAIN["gain"] == 0).mean()
    (found,) = set(encode(TRAIN, "quantile")[TRAIN["gain"] == 0, 1])
    assert norm.cdf(found) == pytest.approx(share / 2, abs=0.01)


def test_periodic_codes_are_waves():
    train = pd.DataFrame({"x": [-1.0, 1.0, -1.0, 1.0]})
    found = encode(pd.DataFrame({"x": [0.0, 1.0]}), "periodic", 4, train)
    slow, fast = 2 * np.pi / 16, 2 * np.pi * 4
    assert found[0].tolist() == [0, 1, 0, 1]
    assert found[1] == pytest.approx([np.sin(slow), np.cos(slow), np.sin(fast), np.cos(fast)])


@pytest.mark.parametrize("how", CODES)
def test_a_saved_encoding_gives_the_same_features(how):
    train = TRAIN.assign(kind=["a", "b"] * 250)
    encoding = Encoding.fit(train, ["age", "gain"], ["kind"], "numbers", (), how, 8)
    again = Encoding.of(json.loads(json.dumps(encoding.plain())))
    assert (again.encode(train) == encoding.encode(train)).all()
    assert len(encoding.features) == len(set(encoding.features)) == encoding.encode(train).shape[1]
    assert encoding.sizes == ([*encoding.codes.sizes, 2] if how == "bins" else [2])


@pytest.mark.parametrize("how", CODES)
def test_a_constant_column_has_no_feature_and_is_named(how, caplog):
    """Also one whose mean is rounded."""
    train = TRAIN.assign(same=0.3)
    assert train["same"].to_numpy().mean() != 0.3
    found = encode(train, how, train=train)
    assert found.shape == encode(TRAIN, how).shape
    assert "column 'same' is constant in training rows" in caplog.text


def test_more_bins_than_rows_are_refused():
    with pytest.raises(InputError, match=r"dataset\.bins must be at most 500, the training rows, got 501"):
        encode(TRAIN, "bins", 501)
