"""Files of trained classifiers: the same numbers again, and nothing that is not a classifier."""

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from fairrun.config.check import InputError
from fairrun.estimators.saved import TREE, dump, restore
from fairrun.estimators.trees import LightGBM

D = 4
SMALL = [
    RandomForestClassifier(3, random_state=0),
    BaggingClassifier(DecisionTreeClassifier(max_depth=2), 2, max_features=2, random_state=0),
    HistGradientBoostingClassifier(max_iter=3),
    MLPClassifier((3,), max_iter=2),
    CalibratedClassifierCV(ensemble=False, cv=2),
    CalibratedClassifierCV(ensemble=False, cv=2, method="isotonic"),
]


def rows():
    x = np.random.default_rng(0).normal(size=(120, D))
    return x, (x[:, 0] + np.random.default_rng(1).normal(size=len(x)) > 0).astype(int)


def again(classifier):
    ((name, content),) = dump([classifier]).items()
    return restore(name, content, D)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("classifier", SMALL, ids=lambda one: type(one).__name__)
def test_a_classifier_predicts_the_same_bits_after_it_was_saved(classifier):
    x, y = rows()
    classifier.fit(x, y)
    found = again(classifier)
    assert np.array_equal(found.predict_proba(x), classifier.predict_proba(x))
    assert np.array_equal(found.predict(x), classifier.predict(x))


def test_lightgbm_predicts_the_same_bits_after_it_was_saved():
    pytest.importorskip("lightgbm")
    x, y = rows()
    x[::7] = np.nan
    classifier = LightGBM(n_estimators=5).make(0, 1).fit(x, y)
    found = again(classifier)
    assert np.array_equal(found.predict_proba(x), classifier.predict_proba(x))
    assert np.array_equal(found.predict(x), classifier.predict(x))
    with pytest.raises(InputError, match="LightGBM saw the label 1 alone"):
        dump([LightGBM(n_estimators=1).make(0, 1).fit(x, np.ones(len(x), int))])
    with pytest.raises(InputError, match="LightGBM cannot read its text"):
        restore("classifier-00.txt", b"tree\nversion=v4\n", D)


def test_types_that_are_not_trusted_are_refused_when_written_and_when_read():
    x, y = rows()
    with pytest.raises(InputError, match=r"^KNeighborsClassifier holds .*KDTree, which no file can hold safely"):
        dump([KNeighborsClassifier(algorithm="kd_tree").fit(x, y)])
    assert np.isfinite(again(KNeighborsClassifier(algorithm="brute").fit(x, y)).predict_proba(x)).all()
    ((name, content),) = dump([DecisionTreeClassifier(max_depth=1).fit(x, y)]).items()
    for kind in ("subprocess.Popen", "numpy.testing._private.utils.runstring"):
        with pytest.raises(InputError, match=rf"^{name} must hold types of classifiers only, got {kind}$"):
            restore(name, with_type(content, kind), D)
    with pytest.raises(InputError, match="got no file of skops"):
        restore(name, b"PK", D)


def with_type(content, kind):
    """The file of a tree as if the tree were of another type."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    module, _, name = TREE.rpartition(".")
    other, _, own = kind.rpartition(".")
    text = json.dumps(schema, sort_keys=False)
    changed = text.replace(
        f'"__class__": "{name}", "__module__": "{module}"', f'"__class__": "{own}", "__module__": "{other}"'
    )
    assert changed != text
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part, value in (parts | {"schema.json": changed.encode()}).items():
            archive.writestr(part, value)
    return buffer.getvalue()


@pytest.mark.parametrize(("column", "value"), [("left_child", 10**6), ("right_child", 0), ("feature", D)])
def test_a_tree_that_points_outside_of_itself_is_refused(column, value):
    """scikit-learn follows the indices of a tree without a look at their range."""
    x, y = rows()
    forest = RandomForestClassifier(2, max_depth=2, random_state=0).fit(x, y)
    state = forest.estimators_[1].tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][column][0] = value
    forest.estimators_[1].tree_.__setstate__(state)
    with pytest.raises(InputError, match="is damaged: the nodes of a tree point outside of it"):
        again(forest)
    boosted = HistGradientBoostingClassifier(max_iter=2).fit(x, y)
    names = {"left_child": "left", "right_child": "right", "feature": "feature_idx"}
    boosted._predictors[1][0].nodes[names[column]][0] = value
    with pytest.raises(InputError, match="is damaged"):
        again(boosted)
