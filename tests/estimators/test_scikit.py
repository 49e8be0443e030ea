"""Classifiers of scikit-learn, and what a path may name."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from fairrun.config.build import build
from fairrun.config.check import InputError
from fairrun.estimators.scikit import MLP, Classifier, Logistic, RandomForest

HERE = "fairrun.estimators.scikit"


@pytest.mark.parametrize(
    ("estimator", "theirs"),
    [
        (Logistic(C=0.5, max_iter=7), LogisticRegression(C=0.5, max_iter=7)),
        (
            RandomForest(n_estimators=3, max_depth=2, min_samples_leaf=4, max_features=0.5),
            RandomForestClassifier(
                n_estimators=3, max_depth=2, min_samples_leaf=4, max_features=0.5, random_state=5, n_jobs=2
            ),
        ),
        (
            MLP(hidden_layer_sizes=[8], alpha=0.1, learning_rate_init=0.01, batch_size=16, max_iter=2),
            MLPClassifier(
                hidden_layer_sizes=[8],
                alpha=0.1,
                learning_rate_init=0.01,
                batch_size=16,
                max_iter=2,
                tol=0.0,
                random_state=5,
            ),
        ),
    ],
)
def test_fields_are_parameters_of_the_same_name(estimator, theirs):
    ours = estimator.make(5, 2)
    assert type(ours) is type(theirs) and ours.get_params() == theirs.get_params()


def test_a_forest_draws_from_its_seed_alone():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 3)), rng.integers(0, 2, 80)
    first, again, other = (RandomForest(n_estimators=5).make(seed, 1).fit(x, y).predict_proba(x) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_a_path_names_any_classifier_and_its_parameters():
    estimator = Classifier("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 3})
    made = estimator.make(0, 2)
    assert (made.n_neighbors, made.n_jobs) == (3, 2)
    assert not estimator.weighs_rows and estimator.library == "scikit-learn"
    drawn = Classifier("sklearn.ensemble.ExtraTreesClassifier").make(7, 1)
    assert drawn.random_state == 7


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"classifier": "os.system"}, r"estimator\.classifier must be in sklearn, lightgbm or a package"),
        ({"classifier": "fairrun.train.main"}, r"estimator\.classifier must be in sklearn, lightgbm or a package"),
        ({"classifier": "sklearn.svm.SVC"}, r"classifier must be a classifier with predict_proba \(sklearn\.svm\.SVC"),
        ({"classifier": "sklearn.svm.SVR"}, "classifier must be a classifier with predict_proba"),
        ({"classifier": "sklearn.svm.Nowhere"}, "classifier must be a class or function that can be imported"),
        ({"classifier": "sklearn.utils.resample"}, r"classifier must be a class, got 'sklearn\.utils\.resample'"),
        (
            {"classifier": "sklearn.svm.SVC", "params": {"probabilty": True}},
            r"params\.probabilty is no key: did you mean params\.probability",
        ),
        (
            {"classifier": "sklearn.tree.DecisionTreeClassifier", "params": {"criterion": {"a": 1}}},
            r"params\.criterion must be a number, text",
        ),
        ({"classifier": "sklearn.ensemble.StackingClassifier"}, r"params must be those of sklearn\.ensemble\.Stacking"),
    ],
)
def test_what_is_no_such_classifier_is_refused_by_name(node, said):
    with pytest.raises(InputError, match=said):
        build({"_target_": f"{HERE}.Classifier", **node}, "method.estimator")


def test_a_class_of_a_library_is_no_node():
    with pytest.raises(InputError, match=r"method\.estimator\._target_ must be in fairrun, torch\.nn"):
        build({"_target_": "sklearn.svm.SVC"}, "method.estimator")


def test_a_value_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"^method\.estimator\.C must be > 0, got 0"):
        build({"_target_": f"{HERE}.Logistic", "C": 0.0}, "method.estimator")
