"""A classifier for scikit-learn, trained by one of fairrun's methods."""

import warnings
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fairrun.api.predictor import logits_of
from fairrun.api.session import of_calls, threads_kept
from fairrun.command.words import written
from fairrun.config.build import build
from fairrun.config.check import InputError, is_number, require
from fairrun.config.keys import dotted, is_below, is_whole
from fairrun.data.columns import need_columns
from fairrun.data.encoding import Encoding
from fairrun.data.groups import numbered, numbered_again, with_columns
from fairrun.data.own.fill import Fill
from fairrun.data.own.guards import Words, check_groups, check_reach
from fairrun.data.own.rows import refuse_infinite
from fairrun.data.reading.columns import holds, with_zeros
from fairrun.data.reading.missing import Marks
from fairrun.data.reading.numbers import width_of_codes
from fairrun.data.split import per_cell, stratified
from fairrun.data.table import Data, Table
from fairrun.method.api import Method
from fairrun.runs.built import network
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data
from fairrun.runs.job import facts
from fairrun.runs.worker import bound_of, settings_of
from fairrun.training.fit import fit
from fairrun.training.thresholds.frontier import CURVES
from fairrun.training.thresholds.postprocess import CONSTRAINTS, postprocess, probabilities, scores_of

BALANCED = 20  # training rows of each cell of group and label, for methods that validate on some
CORRECT = "correct it, or leave the column out"
OF_CALLS = Words("sensitive_features", "as pandas.cut({}, [0, 25, 60, 120])".format, lambda *_: "")


class FairClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of two classes whose training weighs fairness between groups.

    ``fit`` takes the group of every row as ``sensitive_features`` (a column or several; without it, all rows are one
    group, and what compares groups warns), and ``predict`` does not need it, but with ``postprocess``.  To have
    scikit-learn's pipelines and searches pass it on: ``sklearn.set_config(enable_metadata_routing=True)`` and
    ``FairClassifier().set_fit_request(sensitive_features=True)``.

    Parameters are keys of the command line: ``method`` and its ``lam`` (None: the method's own), ``model``, ``metric``,
    ``epochs``, ``batch_size``, ``lr`` (None: the method's own), ``postprocess`` (demographic_parity, equalized_odds,
    oxonfair, or None; not the curves frontier and frontier_unaware); ``keys`` are any others:
    ``keys=("model.width=128",)``.  ``validation_fraction`` of the rows choose thresholds and the epoch that counts;
    where a group has too few rows of a label for that, all rows are for both.
    """

    __metadata_request__predict = {"sensitive_features": None}  # noqa: RUF012 - scikit-learn's own form

    def __init__(
        self,
        method: str = "penalty",
        *,
        lam: float | None = None,
        model: str = "mlp",
        metric: str = "demographic_parity_difference",
        epochs: int = 30,
        batch_size: int = 64,
        lr: float | None = None,
        postprocess: str | None = None,
        validation_fraction: float = 0.2,
        keys: Sequence[str] = (),
        random_state: Any = 0,
    ) -> None:
        self.method = method
        self.lam = lam
        self.model = model
        self.metric = metric
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.postprocess = postprocess
        self.validation_fraction = validation_fraction
        self.keys = keys
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sensitive_features: Any = None) -> "FairClassifier":
        """Train on rows ``X`` [N, D], an array of numbers or a frame with categories, with labels ``y`` [N].

        Missing cells are filled, and told by features of their own, as those of ``dataset=csv`` by default.
        Raises ``InputError``, a ``ValueError``, for parameters and rows that cannot be used.
        """
        config = self._config()
        method = build(config["method"], "method")
        frame, y = self._rows(X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(f"Only binary classification is supported: y has {len(self.classes_)} class(es)")
        if sensitive_features is None:
            _warn_of_one_group(self.method, method, config)
        s, groups = _groups(sensitive_features, len(frame))
        data = self._data(frame, codes, s, groups, config["seed"])
        known = facts(data)
        check_data(config, known)
        self.network_ = network(config, len(data.features), 0, data.categories)
        settings = settings_of(config, [known["base_rates"]["val"]])
        dtype, metrics = settings["dtype"], settings["metrics"]
        with threads_kept():
            torch.set_num_threads(config["num_threads"])
            (run,) = fit(
                self.network_,
                [method],
                [config["seed"]],
                data,
                **settings,
            )
        if run.failure is not None:
            raise ValueError(run.failure)
        self.theta_ = run.chosen
        self.groups_ = groups
        self.rules_ = None
        if config["postprocess"] is not None:
            rows = data.to("cpu", dtype)
            scores = scores_of(self.network_, run.chosen, rows)
            self.rules_ = postprocess(config["postprocess"], scores, rows, metrics, bound_of(config))[1]
        self.history_ = run.history
        self.dtype_ = dtype
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, [N, 2]; with ``postprocess``, before it: ``predict`` may decide otherwise."""
        p = torch.sigmoid(self._logits(X).double()).numpy()
        return np.stack([1 - p, p], axis=-1)

    def decision_function(self, X: Any) -> np.ndarray:
        """The logit of the second class, [N]; with ``postprocess``, before it."""
        return self._logits(X).double().numpy()

    def predict(self, X: Any, sensitive_features: Any = None) -> np.ndarray:
        """The class of each row; with ``postprocess`` it needs the groups, and some decisions are random."""
        logits = self._logits(X)
        if self.rules_ is None:
            return self.classes_[(logits > 0).numpy().astype(int)]
        s = _known(sensitive_features, self.groups_, len(logits))
        p = probabilities(self.rules_, logits, torch.from_numpy(s)).numpy()
        return self.classes_[(check_random_state(self.random_state).random_sample(len(p)) < p).astype(int)]

    def __sklearn_tags__(self) -> Tags:
        """What scikit-learn is told of the classifier."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def _config(self) -> dict[str, Any]:
        """The configuration that the parameters are, checked."""
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31)
        words = {
            "method": self.method,
            "model": self.model,
            "metric": self.metric,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "seed": int(seed),
            "postprocess": self.postprocess,
        }
        words |= {"method.lam": self.lam} if self.lam is not None else {}
        words |= {"method.optimizer.lr": self.lr} if self.lr is not None else {}
        require(not isinstance(self.keys, str), "keys", self.keys, "a list of texts, as ['model.width=128']")
        data = [key for key in self.keys if is_below(str(key).lstrip("+~").partition("=")[0], "dataset")]
        require(not data, "keys", data, "others than those of dataset: X, y and sensitive_features are the data")
        given = [*(f"{key}={written(value)}" for key, value in words.items()), *self.keys]
        fraction = self.validation_fraction
        require(is_number(fraction) and 0 < fraction < 1, "validation_fraction", fraction, "a number in (0, 1)")
        config = of_calls(tuple(given))
        whole = is_whole(dotted(config))
        require(not whole, "method", self.method, "a method with steps; fairrun.run trains those of libraries")
        if (constraint := config["postprocess"]) in CURVES:
            allowed = ", ".join(name for name in CONSTRAINTS if name not in CURVES)
            raise InputError(
                f"postprocess must be None or one of {allowed}, got {constraint!r}, a curve, not one classifier: "
                "fairrun.run trains it, and fairrun.load(FOLDER, bound=0.05) decides within a bound"
            )
        check(config)
        return config

    def _rows(self, X: Any, y: Any) -> tuple[pd.DataFrame, np.ndarray]:
        """The rows as a frame, and the labels."""
        is_frame = isinstance(X, pd.DataFrame)
        kinds = {}
        if is_frame:
            named = X.set_axis([str(name) for name in X], axis=1)
            need_columns(named, list(named))
            kinds = {name: _is_numeric(named[name]) for name in named}
        values, y = validate_data(self, X, y, dtype=None if is_frame else np.float64, ensure_all_finite=False)
        self.columns_ = list(kinds) if is_frame else [f"x{k}" for k in range(values.shape[1])]
        self.numeric_ = [name for name in self.columns_ if kinds.get(name, not is_frame)]
        frame = self._cells(values)
        texts = {name: [*frame[name].dropna().unique()] for name in self.columns_ if name not in self.numeric_}
        widths = {name: width_of_codes(own) for name, own in texts.items() if all(isinstance(v, str) for v in own)}
        self.widths_ = {name: width for name, width in widths.items() if width is not None}
        return frame, y

    def _cells(self, values: np.ndarray) -> pd.DataFrame:
        """Cells [N, D] as a frame of numbers and categories.  Raises ``InputError`` for those that are not numbers."""
        frame = pd.DataFrame(values, columns=self.columns_)
        cells = {name: _numbers(frame[name]) if name in self.numeric_ else frame[name].astype(object) for name in frame}
        found = pd.DataFrame(cells)
        refuse_infinite(found, self.numeric_, str, CORRECT)
        return found

    def _encode(self, frame: pd.DataFrame) -> np.ndarray:
        x: np.ndarray = self.encoding_.encode(self.fill_.apply(frame))
        check_reach(self.encoding_.features, np.abs(x).max(0, initial=0).tolist(), CORRECT)
        return x

    def _data(self, frame: pd.DataFrame, y: np.ndarray, s: np.ndarray, groups: list[str], seed: int) -> Data:
        """The rows as tensors: training rows, and others that thresholds and the epoch are chosen on."""
        cells = 2 * s + y
        few = np.bincount(cells)[np.unique(cells)].min() < 2 / self.validation_fraction
        held = np.zeros(len(frame), dtype=bool)
        if not few:  # or there are so few rows that all of them are for both
            held = stratified(cells, self.validation_fraction, np.random.default_rng(seed))
        train = np.flatnonzero(~held)
        val = np.flatnonzero(held) if held.any() else train
        categorical = [name for name in frame if name not in self.numeric_]
        self.fill_ = Fill.fit(frame, train, self.numeric_, categorical, "indicator", len(frame))
        numeric = [*self.numeric_, *self.fill_.indicators]
        self.encoding_ = Encoding.fit(self.fill_.apply(frame).iloc[train], numeric, categorical, "numbers")
        tables = {
            name: Table(
                torch.from_numpy(self._encode(frame.iloc[rows])),
                torch.tensor(y[rows], dtype=torch.float64),
                torch.tensor(s[rows], dtype=torch.int64),
            )
            for name, rows in (("train", train), ("val", val))
        }
        balanced = torch.from_numpy(per_cell(cells[train], BALANCED, np.random.default_rng(seed)))
        return Data(
            train=tables["train"],
            val=tables["val"],
            test=tables["val"],
            features=self.encoding_.features,
            groups=groups,
            sha256="",
            balanced=balanced,
            categories=self.encoding_.sizes,
        )

    def _logits(self, X: Any) -> torch.Tensor:
        check_is_fitted(self)
        plain = self.columns_ == self.numeric_ and not isinstance(X, pd.DataFrame)  # frames are read column by column
        kind = np.float64 if plain else None
        frame = self._cells(validate_data(self, X, dtype=kind, reset=False, ensure_all_finite=False))
        codes = {name: with_zeros(frame[name], width, Marks()) for name, width in self.widths_.items()}
        frame = with_columns(frame, codes)
        x = torch.from_numpy(self._encode(frame)).to(self.dtype_)
        return logits_of(self.network_, self.theta_, x)[0, : len(frame)]


def _is_numeric(values: pd.Series) -> bool:
    """Whether a column is one of numbers; of objects, where some are numbers that cannot be categories, as decimals."""
    of_objects = values.dtype == object and holds(values, Real, Decimal) and not holds(values, int, float, np.generic)
    return pd.api.types.is_numeric_dtype(values) or of_objects


def _numbers(values: pd.Series) -> pd.Series:
    """A column as numbers.  Raises ``InputError``, which names it, for other values."""
    found = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = values[found.isna() & values.notna()]
    if holds(wrong, Real, Decimal):  # as fractions
        return found.fillna(wrong.astype("float64"))
    require(wrong.empty, f"column {values.name!r}", wrong.iloc[0] if len(wrong) else None, "of numbers")
    return found


def _warn_of_one_group(name: str, method: Method, config: dict[str, Any]) -> None:
    """Warn of each choice that compares groups: where all rows are one, it changes nothing, and no metric tells."""
    compares = [f"method={name}"] if "s" in method.needs else []
    compares += [f"{key}={config[key]}" for key in ("postprocess", "fairness_bound") if config[key] is not None]
    if compares:
        warnings.warn(
            f"sensitive_features is not given: all rows are one group, and {', '.join(compares)} makes nothing fairer "
            "between groups; fit(X, y, sensitive_features=groups) gives the group of each row",
            UserWarning,
            stacklevel=3,
        )


def _groups(sensitive: Any, num_rows: int) -> tuple[np.ndarray, list[str]]:
    """The group number of every row, and the groups' names."""
    if sensitive is None:
        return np.zeros(num_rows, dtype=np.int64), ["all"]
    frame = _frame(sensitive, num_rows)
    same = [name for name in frame if frame[name].nunique() < 2]
    require(not same, "sensitive_features", f"one in {same[0]}" if same else "", "of two values or more in each column")
    check_groups(frame, list(frame), OF_CALLS)
    return numbered(frame, list(frame))


def _known(sensitive: Any, groups: list[str], num_rows: int) -> np.ndarray:
    given = sensitive is not None or groups == ["all"]
    require(given, "sensitive_features", None, "given, for thresholds for each group")
    return np.zeros(num_rows, np.int64) if sensitive is None else numbered_again(_frame(sensitive, num_rows), groups)


def _frame(sensitive: Any, num_rows: int) -> pd.DataFrame:
    frame = pd.DataFrame(sensitive).reset_index(drop=True).infer_objects()
    unnamed = isinstance(sensitive, np.ndarray | list) and frame.shape[1] == 1
    frame.columns = ["group"] if unnamed else [str(name) for name in frame]
    require(len(frame) == num_rows, "sensitive_features", len(frame), f"as long as X, {num_rows} rows")
    missing = int(frame.isna().any(axis=1).sum())
    require(not missing, "sensitive_features", f"{missing} missing", "without missing values")
    return frame
