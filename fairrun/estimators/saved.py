"""Trained classifiers as files: none of a file's code is run, and what is loaded is of known types.

Those of scikit-learn are files of skops (https://skops.readthedocs.io), and those of LightGBM its own text, which
``fairrun.estimators.boosted`` checks before LightGBM reads it.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairrun.config.check import InputError
from fairrun.estimators.boosted import check_text
from fairrun.method.library import require_installed

TREE, BINNED = "sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
TRUSTED = (  # beside scikit-learn's public estimators and losses, which skops trusts by itself; none runs what it holds
    *(TREE, BINNED),  # whose nodes are checked here
    *("sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration"),
    "sklearn.calibration._TemperatureScaling",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    *(f"sklearn.gaussian_process.kernels.{name}" for name in ("ConstantKernel", "Product", "RBF")),
    *(f"sklearn.neural_network._stochastic_optimizers.{name}Optimizer" for name in ("Adam", "SGD")),
)


@dataclass(frozen=True)
class Boosted:
    """A trained classifier of LightGBM, for labels 0 and 1, from its text."""

    booster: Any
    classes_ = (0, 1)

    @staticmethod
    def text(classifier: Any) -> bytes:
        """The text of a trained ``LGBMClassifier``, which has every digit.  Raises ``InputError`` as ``of_text``."""
        if list(classifier.classes_) != list(Boosted.classes_):
            raise InputError(f"LightGBM saw the label {classifier.classes_[0]} alone, which its text does not tell")
        found = bytes(classifier.booster_.model_to_string(), "utf-8")
        check_text(found, classifier.n_features_in_)
        return found

    @classmethod
    def of_text(cls, content: bytes, num_features: int) -> "Boosted":
        """The classifier of a text, for rows of so many features.  Raises ``InputError`` for a text that is damaged."""
        check_text(content, num_features)
        require_installed("lightgbm", "'fairrun[trees]'", "a saved classifier")
        import lightgbm

        try:
            return cls(lightgbm.Booster(model_str=content.decode()))
        except lightgbm.basic.LightGBMError as error:
            raise InputError(f"LightGBM cannot read its text: {error}") from None

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """The probability of label 0 and of label 1, [N, 2]."""
        p = self.booster.predict(x)
        return np.stack([1 - p, p], axis=-1)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The label of each row, [N]."""
        return self.predict_proba(x).argmax(-1)


def dump(classifiers: Sequence[Any]) -> dict[str, bytes]:
    """The file of each classifier, by its name.  Raises ``InputError`` for one that ``restore`` would refuse."""
    files = [(".txt", Boosted.text(one)) if _is_boosted(one) else (".skops", _dump(one)) for one in classifiers]
    return {f"classifier-{k:02}{suffix}": content for k, (suffix, content) in enumerate(files)}


def restore(name: str, content: bytes, num_features: int) -> Any:
    """The classifier of a file, for rows of so many features.

    Raises ``InputError`` for types that are not trusted, and for trees that point outside of themselves.
    """
    if name.endswith(".txt"):
        return Boosted.of_text(content, num_features)
    if unknown := _untrusted(content):
        raise InputError(f"{name} must hold types of classifiers only, got {', '.join(unknown)}")
    import skops.io

    try:
        found = skops.io.loads(content, trusted=list(TRUSTED))
    except (AttributeError, ImportError, LookupError, TypeError, ValueError) as error:  # of another scikit-learn
        raise InputError(f"{name} holds what this scikit-learn has not: {error}") from None
    for one in _within(found):
        if not _is_sound(one, num_features):
            raise InputError(f"{name} is damaged: the nodes of a tree point outside of it")
    return found


def _is_boosted(classifier: Any) -> bool:
    """Whether a classifier is one of LightGBM; the package need not be there."""
    return type(classifier).__module__.partition(".")[0] == "lightgbm"


def _dump(classifier: Any) -> bytes:
    require_installed("skops", "skops", "a saved classifier")
    import skops.io

    try:
        content: bytes = skops.io.dumps(classifier, compression=zipfile.ZIP_DEFLATED)
    except Exception as error:  # of skops, on objects that it does not know
        raise InputError(f"{type(classifier).__name__} cannot be written by skops: {error}") from None
    if unknown := _untrusted(content):
        raise InputError(f"{type(classifier).__name__} holds {', '.join(unknown)}, which no file can hold safely")
    return content


def _untrusted(content: bytes) -> list[str]:
    require_installed("skops", "skops", "a saved classifier")
    import skops.io

    if not zipfile.is_zipfile(io.BytesIO(content)):
        return ["no file of skops"]
    return sorted({*skops.io.get_untrusted_types(data=content)} - {*TRUSTED})


def _within(value: Any) -> list[Any]:
    """The value and everything that it holds, once each."""
    found: dict[int, Any] = {}
    left = [value]
    while left:
        one = left.pop()
        if id(one) in found:
            continue
        found[id(one)] = one
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list | tuple | set):
            left += one
        elif isinstance(one, np.ndarray):
            left += one.ravel().tolist() if one.dtype == object else []
        elif type(one).__module__.startswith("sklearn."):
            left += getattr(one, "__dict__", {}).values()
    return list(found.values())


def _is_sound(one: Any, num_features: int) -> bool:
    """Whether the nodes of a tree, if it is one, point to later nodes of their own and to features that rows have."""
    kind = f"{type(one).__module__}.{type(one).__qualname__}"
    if kind == TREE:
        nodes = one.__getstate__()["nodes"]
        inner, names = nodes["left_child"] != -1, ("left_child", "right_child", "feature")
        num_features = min(num_features, one.n_features)
    elif kind == BINNED:
        nodes = one.nodes
        inner, names = nodes["is_leaf"] == 0, ("left", "right", "feature_idx")
        if nodes["is_categorical"].any():  # features are numbers
            return False
    else:
        return True
    *children, feature = (nodes[name][inner].astype(np.int64) for name in names)
    after = np.flatnonzero(inner)
    within = all(((child > after) & (child < len(nodes))).all() for child in children)
    return bool(len(nodes) and within and ((feature >= 0) & (feature < num_features)).all())
