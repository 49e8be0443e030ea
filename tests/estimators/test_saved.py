"""Files of trained classifiers: the same numbers again, and nothing that is not a classifier."""

import json
import re
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
from fairrun.estimators.boosted import HEADER
from fairrun.estimators.saved import TREE, dump, restore
from fairrun.estimators.trees import LightGBM
from tests.helpers.quick import few

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
@pytest.mark.parametrize("classifier", few(SMALL, 3), ids=lambda one: type(one).__name__)
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
    with pytest.raises(InputError, match="LightGBM's text is damaged"):
        restore("classifier-00.txt", b"tree\nversion=v4\n", D)


@pytest.fixture(scope="module")
def text():
    """The text of three small trees of LightGBM."""
    pytest.importorskip("lightgbm")
    ((_, content),) = dump([LightGBM(n_estimators=3, num_leaves=4).make(0, 1).fit(*rows())]).items()
    return content.decode()


def with_line(text, key, value):
    """The text with another value in the first line ``key``, and the size of the first tree that goes with it."""
    found = re.sub(rf"^{key}=.*$", f"{key}={value}", text, count=1, flags=re.MULTILINE)
    return re.sub(
        r"^tree_sizes=(\d+)",
        lambda sizes: f"tree_sizes={int(sizes[1]) + (len(found) - len(text)) * (key not in HEADER)}",
        found,
        count=1,
        flags=re.MULTILINE,
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("split_feature", "0 1000000 0", "Tree=0 must have split_feature among 4 features"),
        ("split_feature", "0 -1 0", "Tree=0 must have split_feature among 4 features"),
        ("split_feature", "0 1_0 0", "Tree=0 must have numbers split_feature: '1_0' is no whole number"),
        ("left_child", "1 -1 999999", "Tree=0 must have every node but the first once as left_child or right_child"),
        ("left_child", "0 -1 -3", "Tree=0 must have every node but the first once as left_child or right_child"),
        ("left_child", "1 -1", "Tree=0 must have 3 numbers left_child, got 2"),
        ("decision_type", "1 2 2", "Tree=0 must have decision_type among 0, 2, 4"),
        ("num_leaves", "900000000", "Tree=0 must have 899999999 numbers split_gain, got 3"),
        ("num_leaves", "0", "Tree=0 must have num_leaves >= 1"),
        ("num_cat", "1", "Tree=0 must have num_cat=0, got '1'"),
        ("is_linear", "1", "Tree=0 must have is_linear=0, got '1'"),
        ("leaf_value", "nan 0 0 0", "Tree=0 must have finite numbers leaf_value"),
        ("threshold", "a 0 0", "Tree=0 must have numbers threshold: could not convert string to float: 'a'"),
        ("leaf_count", "1 2 3 4\nleaf_features=9", "Tree=0 must have the lines leaf_features, and no others"),
        ("max_feature_idx", "7", "it must be for 4 features, got max_feature_idx=7"),
        ("feature_names", "a b", "feature_names must be 4, one a feature"),
        ("num_class", "3", "num_class in the header must be as LightGBM writes it, got '3'"),
        ("version", "v4\nlinear=1", "linear in the header must be as LightGBM writes it, got '1'"),
        ("tree_sizes", "9999999 1 1", "tree_sizes must be those of the trees"),
    ],
)
def test_a_damaged_text_of_lightgbm_is_one_message_before_lightgbm_reads_it(text, key, value, said):
    with pytest.raises(InputError) as error:
        restore("classifier-00.txt", with_line(text, key, value).encode(), D)
    assert str(error.value).startswith(f"LightGBM's text is damaged: {said}")


def test_trees_that_go_in_circles_or_begin_elsewhere_are_refused(text):
    left = re.search(r"^left_child=(.*)$", text, re.MULTILINE)[1]
    right = re.search(r"^right_child=(.*)$", text, re.MULTILINE)[1]
    assert ("1" in left.split()) != ("1" in right.split())  # the second node is the child of the first
    circle = with_line(with_line(text, "left_child", "-1 2 1"), "right_child", "-2 -3 -4")
    sizes = [*map(int, re.search(r"^tree_sizes=(.*)$", text, re.MULTILINE)[1].split())]
    moved = with_line(text, "tree_sizes", " ".join(map(str, [sizes[0] - 1, sizes[1] + 1, sizes[2]])))
    for content, said in (
        (circle, "children after their parents"),
        (moved, "Tree=1 must begin where tree_sizes says"),
        (text.replace("pandas_categorical:null", "pandas_categorical:[[1]]"), "what follows the trees"),
        (text[: len(text) // 2], "what follows the trees"),
        (text.replace("tree\n", "tree\r\n", 1), "it must be plain text"),
    ):
        with pytest.raises(InputError, match=said):
            restore("classifier-00.txt", content.encode(), D)
    with pytest.raises(InputError, match="it must be for 3 features"):
        restore("classifier-00.txt", text.encode(), 3)


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
