"""The classifier: scikit-learn's own checks, searches and pipelines, and the groups."""

import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from fairrun import FairClassifier, InputError
from tests.helpers.quick import few


@pytest.fixture(scope="module")
def people():
    """Rows whose label depends on the group: features, labels, groups."""
    rng = np.random.default_rng(0)
    x, s = rng.normal(size=(600, 4)), rng.choice(["a", "b"], 600)
    y = np.where(x[:, 0] + 1.5 * (s == "a") + rng.normal(size=600) > 0.7, "yes", "no")
    return np.column_stack([x, s == "a"]), y, s


def difference(model, x, s, **given):
    chosen = model.predict(x, **given) == "yes"
    return abs(chosen[s == "a"].mean() - chosen[s == "b"].mean())


@pytest.mark.slow
def test_scikit_learn_finds_nothing_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of checks that are skipped
        results = check_estimator(FairClassifier(epochs=20), on_fail=None)
    wrong = {
        found["check_name"]: found["exception"] for found in results if found["status"] not in ("passed", "skipped")
    }
    assert not wrong and len(results) > 40


@pytest.mark.slow
def test_a_penalty_lowers_the_difference_between_groups(people):
    x, y, s = people
    plain, fair = (FairClassifier(lam=lam).fit(x, y, sensitive_features=s) for lam in (0.0, 2.0))
    assert plain.score(x, y) > 0.7 > 0.3 < difference(plain, x, s)
    assert difference(fair, x, s) < difference(plain, x, s) / 2
    assert fair.groups_ == ["group=a", "group=b"] and list(fair.classes_) == ["no", "yes"]
    assert np.array_equal(fair.predict(x) == "yes", fair.predict_proba(x)[:, 1] > 0.5)
    assert np.array_equal(fair.decision_function(x) > 0, fair.predict(x) == "yes")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"method": "penalty", "lam": 3.0}, "method=penalty"),
        ({"method": "erm", "postprocess": "demographic_parity"}, "postprocess=demographic_parity"),
        (
            {"method": "group_dro", "keys": ["selection=best", "fairness_bound=0.1"]},
            "method=group_dro, fairness_bound=0.1",
        ),
    ],
)
def test_what_compares_groups_warns_where_none_are_given(people, parameters, named):
    x, y, s = people
    model = FairClassifier(epochs=1, **parameters)
    with pytest.warns(UserWarning, match=f"^sensitive_features is not given: .* {named} makes nothing fairer") as found:
        model.fit(x, y)
    assert [warning.filename for warning in found] == [__file__]
    model.fit(x, y, sensitive_features=s)  # warnings are errors
    FairClassifier("erm", epochs=1).fit(x, y)


def test_the_same_seed_gives_the_same_classifier_and_a_clone_too(people):
    x, y, s = people
    first = FairClassifier(epochs=2, random_state=3).fit(x, y, sensitive_features=s)
    again = clone(first).fit(x, y, sensitive_features=s)
    other = clone(first).set_params(random_state=4).fit(x, y, sensitive_features=s)
    assert np.array_equal(first.predict_proba(x), again.predict_proba(x))
    assert not np.array_equal(first.predict_proba(x), other.predict_proba(x))


@pytest.mark.slow
def test_groups_reach_it_through_pipelines_and_searches(people):
    x, y, s = people
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = FairClassifier(epochs=5).set_fit_request(sensitive_features=True)
        pipeline = make_pipeline(StandardScaler(), classifier)
        search = GridSearchCV(pipeline, {"fairclassifier__lam": [0.0, 3.0]}, cv=2).fit(x, y, sensitive_features=s)
        assert search.best_params_ == {"fairclassifier__lam": 0.0}  # which is the more accurate one
        assert search.best_estimator_[-1].groups_ == ["group=a", "group=b"]
        assert len(cross_val_score(classifier, x, y, cv=2, params={"sensitive_features": s})) == 2


def test_frames_may_have_categories_and_several_sensitive_columns(people):
    x, y, s = people
    frame = pd.DataFrame(x[:, :4], columns=list("wxyz")).assign(job=np.resize(["chef", "nurse"], len(x)))
    groups = pd.DataFrame({"sex": s, "old": np.resize([True, False, False], len(x))})
    model = FairClassifier("group_dro", epochs=3).fit(frame, y, sensitive_features=groups)
    assert model.groups_ == ["sex=a, old=False", "sex=a, old=True", "sex=b, old=False", "sex=b, old=True"]
    odd = frame.head(2).assign(job="pilot")
    assert model.predict_proba(odd).shape == (2, 2)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["x", "w", "y", "z", "job"]])


@pytest.mark.parametrize("number", [Decimal, Fraction])
def test_decimals_are_numbers_in_new_rows_too(people, number):
    x, y, s = people
    frame = pd.DataFrame(x, columns=list("abcde")).round(2)
    frame.loc[3, "a"] = np.nan
    exact = frame.assign(a=[None if np.isnan(value) else number(str(value)) for value in frame["a"]])
    plain, model = (FairClassifier(epochs=3).fit(rows, y, sensitive_features=s) for rows in (frame, exact))
    assert model.numeric_ == list("abcde")
    for rows in (frame, exact, exact.assign(a=pd.array(frame["a"], "float64[pyarrow]"))):
        assert np.array_equal(model.predict_proba(rows), plain.predict_proba(frame))
    kinds = FairClassifier("erm", epochs=1).fit(frame.assign(a=pd.Series([1, 2] * 300, dtype=object)), y)
    assert kinds.numeric_ == list("bcde")


def test_codes_with_leading_zeros_are_known_as_numbers_or_refused(people):
    x, y, s = people
    frame = pd.DataFrame({"a": x[:, 0], "zip": np.where(s == "a", "01", "12")})
    model = FairClassifier(epochs=3, postprocess="demographic_parity").fit(frame, y, sensitive_features=frame[["zip"]])
    numbers = frame.assign(zip=frame["zip"].astype(int))
    assert np.array_equal(model.predict_proba(numbers), model.predict_proba(frame))
    with pytest.raises(
        InputError, match=r"must be of the groups .* got 'zip=1'; leading zeros are lost where codes are"
    ):
        model.predict(numbers, sensitive_features=numbers[["zip"]])
    several = frame.assign(zip=frame["zip"].replace("12", "123"))
    model = FairClassifier("erm", epochs=1).fit(several, y)
    with pytest.raises(
        InputError, match=r"^column 'zip' must hold text, .* codes have leading zeros, got the number 1, "
    ):
        model.predict(several.assign(zip=several["zip"].astype(int)))


def test_thresholds_need_the_groups_of_new_rows(people):
    x, y, s = people
    model = FairClassifier("erm", postprocess="demographic_parity", epochs=5).fit(x, y, sensitive_features=s)
    assert difference(model, x, s, sensitive_features=s) < 0.15 < difference(FairClassifier("erm").fit(x, y), x, s)
    with pytest.raises(InputError, match="sensitive_features must be given, for thresholds"):
        model.predict(x)
    with pytest.raises(InputError, match=r"must be of the groups of the training rows .*, got 'group=c'"):
        model.predict(x[:1], sensitive_features=["c"])


@pytest.mark.parametrize(
    ("parameters", "given", "said"),
    few(
        [
            ({"method": "penalti"}, {}, "method=penalti is no choice: did you mean method=penalty?"),
            ({"method": "erm", "lam": 1.0}, {}, "method.lam is no key with method=erm"),
            (
                {"method": "estimator"},
                {},
                "method must be a method with steps; fairrun.run trains those of libraries, got",
            ),
            ({"lam": -1.0}, {}, "method.lam must be >= 0, got -1"),
            (
                {"postprocess": "frontier"},
                {},
                "postprocess must be None or one of demographic_parity, equalized_odds, oxonfair, got 'frontier'",
            ),
            ({"epochs": 0}, {}, "epochs must be an integer >= 1, got 0"),
            (
                {"keys": ["dataset.numbers=bins"]},
                {},
                "keys must be others than those of dataset: X, y and sensitive_features",
            ),
            ({"keys": ("bach_size=3",)}, {}, "bach_size is no key: did you mean batch_size?"),
            ({"validation_fraction": 1.5}, {}, "validation_fraction must be a number in (0, 1), got 1.5"),
            ({}, {"sensitive_features": ["a", "b"]}, "sensitive_features must be as long as X, 600 rows, got 2"),
            (
                {},
                {"sensitive_features": [None] * 600},
                "sensitive_features must be without missing values",
            ),
        ],
        4,
    ),
)
def test_what_cannot_be_used_is_one_message(people, parameters, given, said):
    x, y, _ = people
    with pytest.raises(InputError) as error:
        FairClassifier(**parameters).fit(x, y, **given)
    assert said in str(error.value)


def test_a_frame_and_an_array_of_the_same_columns_are_the_same_rows(people):
    x, y, s = people
    frame = pd.DataFrame({"kind": pd.Categorical(x[:, 4].astype(int)), "b": x[:, 1], "a": x[:, 0]})
    model = FairClassifier(epochs=2).fit(frame, y, sensitive_features=s)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says that names are lacking
        found = model.predict_proba(frame.to_numpy())
    assert np.array_equal(found, model.predict_proba(frame))


def test_missing_cells_are_filled_and_told_by_features_of_their_own(people):
    x, y, s = people
    frame = pd.DataFrame(x, columns=list("vwxyz")).assign(job=np.resize(["chef", "nurse", None], len(x)))
    frame.loc[y == "yes", "w"] = np.nan  # that it is missing tells the label
    frame["v"] = frame["v"].astype("Float64").mask(frame["x"] > 1)
    model = FairClassifier("erm", epochs=10).fit(frame, y, sensitive_features=s)
    assert {"v is missing", "w is missing", "job=missing"} <= {*model.encoding_.features}
    assert model.score(frame, y) > 0.95
    assert np.isfinite(model.predict_proba(frame.assign(y=np.nan, job=pd.NA))).all()
    array = np.where(x > 1.5, np.nan, x)
    assert FairClassifier("erm", epochs=1).fit(array, y).predict(array).shape == y.shape
    assert model.__sklearn_tags__().input_tags.allow_nan


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("x", np.inf, "column 'x' must hold finite numbers up to 1e+100, got inf: correct it, or leave the column out"),
        ("x", 1e90, "column 'x' must have values below 1e+18 as scaled by training rows, got"),
        ("x", "tall", "column 'x' must be of numbers, got 'tall'"),
    ],
)
def test_a_cell_that_cannot_be_used_is_said_with_its_column(people, column, value, said):
    x, y, s = people
    frame = pd.DataFrame(x, columns=list("vwxyz"))
    model = FairClassifier(epochs=1).fit(frame, y, sensitive_features=s)
    odd = frame.head(3).astype({column: object})
    odd.loc[1, column] = value
    for predict in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(InputError) as error:
            predict(odd)
        assert said in str(error.value)


def test_a_network_that_gives_no_number_decides_nothing(people):
    x, y, _ = people
    keys = ["model.module._target_=tests.helpers.modules.Steep", "plugins=[tests]"]
    model = FairClassifier("erm", model="module", epochs=1, keys=keys).fit(x, y)
    x[1] = 1e12
    with pytest.raises(
        InputError, match=r"rows must be such that the network scores them, got 'no number for the rows 1"
    ):
        model.predict(x[:3])


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (
            np.arange(600) % 62,
            "must hold columns of few values, got 'group' with 62: give bins, as pandas.cut(group, [",
        ),
        (np.resize(["north", "North"], 600), "'group' must not hold values that differ in case or spaces alone"),
        (pd.date_range("2020-01-01", periods=600), "must hold columns of categories or numbers, got '0' with dates"),
    ],
)
def test_groups_are_refused_as_on_the_command_line(people, groups, said):
    x, y, _ = people
    with pytest.raises(InputError) as error:
        FairClassifier().fit(x, y, sensitive_features=groups)
    assert said in str(error.value)


@pytest.mark.slow
def test_schedules_and_other_keys_count(people):
    x, y, s = people
    plain, slow = (
        FairClassifier(epochs=3, keys=keys).fit(x, y, sensitive_features=s).predict_proba(x)
        for keys in ([], ["schedule.every=1", "schedule.factor=0.0001"])
    )
    assert not np.array_equal(plain, slow)
