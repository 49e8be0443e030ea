"""Classifiers of scikit-learn.  https://scikit-learn.org"""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from fairrun.config.check import In, InputError, located, require, unknown
from fairrun.config.plugins import LIBRARIES
from fairrun.method.library import Estimator

PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class ScikitLearn(Estimator):
    """A classifier of scikit-learn."""

    @property
    def library(self) -> str:
        """The package."""
        return "scikit-learn"


@dataclass(frozen=True)
class Logistic(ScikitLearn):
    """Logistic regression, by L-BFGS."""

    C: Annotated[float, In("(0, inf)")] = 1.0  # inverse of the weight of the L2 penalty
    max_iter: Annotated[int, In("[1, inf)")] = 1000

    @property
    def random(self) -> bool:
        """L-BFGS starts at 0."""
        return False

    def make(self, seed: int, threads: int) -> Any:
        """The classifier."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**asdict(self))


@dataclass(frozen=True)
class RandomForest(ScikitLearn):
    """A random forest (Breiman, Machine Learning 2001)."""

    n_estimators: Annotated[int, In("[1, inf)")] = 100
    max_depth: Annotated[int | None, In("[1, inf)")] = None  # of a tree; null: no limit
    min_samples_leaf: Annotated[int, In("[1, inf)")] = 1  # rows of a leaf, at least
    max_features: Annotated[float | None, In("(0, 1]")] = None  # share of the features for a cut; null: their root

    def make(self, seed: int, threads: int) -> Any:
        """The classifier."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            **asdict(self) | {"max_features": self.max_features or "sqrt"},
            random_state=seed,
            n_jobs=threads,
        )


@dataclass(frozen=True)
class MLP(ScikitLearn):
    """A network with ReLU layers, trained by Adam; fairrun's own is ``method=erm``."""

    hidden_layer_sizes: list[int] = field(default_factory=lambda: [64, 64])
    alpha: Annotated[float, In("[0, inf)")] = 1e-4  # weight of the L2 penalty
    learning_rate_init: Annotated[float, In("(0, inf)")] = 1e-3
    batch_size: Annotated[int, In("[1, inf)")] = 256
    max_iter: Annotated[int, In("[1, inf)")] = 30  # epochs

    @property
    def weighs_rows(self) -> bool:
        """From scikit-learn 1.7 on."""
        return _weighs_rows(self.make(0, 1))

    def make(self, seed: int, threads: int) -> Any:
        """The classifier."""
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(**asdict(self), tol=0.0, random_state=seed)


@dataclass(frozen=True)
class Classifier(Estimator):
    """Any other classifier, by its path.

    A configuration may come from a stranger, so the path lies in ``LIBRARIES`` or in a package that the user names, and
    ``params`` are plain values of parameters that the class names.
    """

    classifier: str  # sklearn.svm.SVC
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        cls = located(self.classifier, "classifier", LIBRARIES)
        from sklearn.base import is_classifier

        require(isinstance(cls, type), "classifier", self.classifier, "a class")
        known = [f"params.{name}" for name in self._parameters]
        for name, value in self.params.items():
            if f"params.{name}" not in known:
                raise InputError(unknown(f"params.{name}", known))
            values = value if isinstance(value, list) else [value]
            plain = all(isinstance(each, PLAIN) for each in values)
            require(plain, f"params.{name}", value, "a number, text, true, false, null, or a list of these")
        try:
            made = self.make(0, 1)
        except TypeError as error:  # a parameter without a default
            raise InputError(f"params must be those of {self.classifier}, got {dict(self.params)}: {error}") from None
        allowed = "a classifier with predict_proba (sklearn.svm.SVC has it with params.probability=true)"
        require(is_classifier(made) and hasattr(made, "predict_proba"), "classifier", self.classifier, allowed)

    @property
    def library(self) -> str:
        """The package, by its name on the index."""
        top = self.classifier.partition(".")[0]
        return {"sklearn": "scikit-learn"}.get(top, top)

    @property
    def weighs_rows(self) -> bool:
        """As the class has it."""
        return _weighs_rows(self.make(0, 1))

    @property
    def _parameters(self) -> list[str]:
        cls = located(self.classifier, "classifier", LIBRARIES)
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return [name for name, given in inspect.signature(cls).parameters.items() if given.kind not in kinds]

    def make(self, seed: int, threads: int) -> Any:
        """The classifier."""
        own = {"random_state": seed, "n_jobs": threads}
        given = {name: value for name, value in own.items() if name in self._parameters} | dict(self.params)
        return located(self.classifier, "classifier", LIBRARIES)(**given)


def _weighs_rows(classifier: Any) -> bool:
    from sklearn.utils.validation import has_fit_parameter

    return bool(has_fit_parameter(classifier, "sample_weight"))
