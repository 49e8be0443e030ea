"""A model that a run has saved, for new rows."""

import copy
import functools
import io
import json
import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fairrun import __version__
from fairrun.api.card import card
from fairrun.api.predictor import OfLibrary, OfNetwork, Predictor
from fairrun.config.build import build, class_of
from fairrun.config.check import InputError, one_of, require
from fairrun.config.metrics import LEAST_ROWS, computed
from fairrun.config.plugins import allow, is_allowed
from fairrun.config.source import WEIGHTS
from fairrun.config.values import listed
from fairrun.data.groups import numbered
from fairrun.data.own.guards import check_reach
from fairrun.data.table import Table
from fairrun.data.target import Target
from fairrun.estimators.saved import restore
from fairrun.method.library import Fitted
from fairrun.models.network import Network
from fairrun.results.records import RECORD, described, read
from fairrun.runs import model as files
from fairrun.runs.built import network
from fairrun.training.evaluation import evaluate_decisions, evaluation
from fairrun.training.thresholds.postprocess import probabilities
from fairrun.training.thresholds.unaware import Groups, chances

EPOCHS = ("chosen", "last")


@dataclass(frozen=True)
class Model:
    """A trained network or classifier with what makes its input from new rows and decisions from its output."""

    folder: Path
    record: Mapping[str, Any]  # of the run
    predictor: Predictor
    about: Mapping[str, Any]  # of model.json: encoder, groups, tasks, classes, rules
    dataset: Any  # which the configuration describes
    bound: float | None = None  # of the run's curve, whose rules decide

    def __repr__(self) -> str:
        names = described(self.record)
        run = f"{names['method']} on {names['dataset']}, seed {self.record['seed']}"
        within = "" if self.bound is None else f" within the bound {self.bound:g},"
        return f"<{run},{within} {len(self.about['features'])} features, in {self.folder}>"

    @property
    def classes_(self) -> np.ndarray:
        """The values of the label, in the order of ``predict_proba``; of several tasks 0 and 1."""
        known = self._encoder["labels"].get("") if self.about["encoder"] else None
        return np.array(known or self.about["classes"] or [0, 1])

    def predict_proba(self, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        """The probability of each class for each row, [N, C]; of several tasks that of label 1, [N, T].

        Of ``exponentiated_gradient`` it is that of each decision.  Decisions within a bound, or by thresholds of
        post-processing, are those of ``predict``: this is the score before them, and 0.5 need not part it as they do.
        ``rows`` have the columns of the training rows, in any order; of images it is an array of features, [N, D].
        """
        scores = self.predictor.probabilities(self._x(rows))
        if self.about["tasks"] or scores.ndim == 2:
            return scores
        return np.stack([1 - scores, scores], axis=-1)

    def predict(self, rows: pd.DataFrame | np.ndarray, seed: int = 0) -> np.ndarray:
        """The decision for each row, a value of the label, [N]; of several tasks 0 or 1, [N, T].

        It alone decides by thresholds of post-processing, or within the bound that ``load`` was given: then the class
        need not be the one that ``predict_proba`` gives the most.  Thresholds of groups need the columns of the
        sensitive attribute.  Where decisions are random, ``seed`` says which.
        """
        if (p := self._chances(rows)) is not None:
            return self.classes_[(np.random.default_rng(seed).random(len(p)) < p.numpy()).astype(int)]
        logits = self._scores(rows)
        if self.about["tasks"]:
            return (logits > 0).numpy().astype(int)
        numbers = (logits > 0) if logits.ndim == 1 else logits.argmax(-1)
        return self.classes_[numbers.numpy().astype(int)]

    def metrics(
        self, rows: pd.DataFrame, sensitive: str | Sequence[str] | None = None, by: str | None = None
    ) -> "pd.Series[float] | pd.DataFrame":
        """Every metric on rows that have the label, by the names of a run's record.

        Groups are those of the training rows, or the values of the columns ``sensitive``; a column that training made
        groups of is merged, cut and made two as there.  ``by`` names a column: the answer then has a row for each of
        its values, and one for rows without any.  Rows without a label or a group, also one that only thresholds need,
        or a feature are left out where training leaves them out, and said in a warning, as are groups of few rows, and
        as many rows as the model's whole data set has: those that it was trained on flatter it.  Raises ``InputError``
        for a column, a label or a group that is not known.
        """
        require(isinstance(rows, pd.DataFrame) and len(rows) > 0, "rows", type(rows).__name__, "a frame with rows")
        if self.about["encoder"] is None:
            raise InputError("metrics needs a frame with the label and the sensitive attribute of a model of a table")
        rows = self._whole(rows, self._columns(sensitive))
        if len(rows) == sum(self.record["rows"].values()):
            said = f"{len(rows)} rows are as many as the model's data set has: those that it was trained on flatter it"
            warnings.warn(f"{said}; metrics of test rows alone are in record['metrics']", stacklevel=2)
        y, s, groups = self._labelled(rows, sensitive)
        _warn_of_few(s, groups)
        if by is None:
            return self._metrics(rows, y, s, groups)
        require(by in rows, "by", by, f"a column of the rows ({', '.join(map(str, rows))})")
        # the groups are those of all rows, so that each part has the same columns
        each = rows.reset_index(drop=True).groupby(by, sort=True, dropna=False)
        parts = {v: self._metrics(part, y[part.index], s[part.index], groups) for v, part in each}
        return pd.DataFrame(parts).T.rename_axis(by)

    def _columns(self, sensitive: str | Sequence[str] | None) -> list[str]:
        """The columns of the groups that ``metrics`` is asked for."""
        if sensitive is None:
            return list(self.dataset.sensitive_columns)
        return [sensitive] if isinstance(sensitive, str) else list(sensitive)

    def _whole(self, rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        """The rows that have all that metrics need; others are left out, as in training, and said."""
        needed = [*columns, *(self.dataset.sensitive_columns if self._decides_by_groups else [])]
        kept = self.dataset.are_whole(rows, needed, self._encoder)
        parts = self.dataset.whole_parts
        require(kept.any(), "rows", "none", f"a frame with a row that has {parts.replace(' or ', ' and ')}")
        if not kept.all():
            said = f"{(~kept).sum()} of {len(rows)} rows without {parts} are left out, as in training"
            warnings.warn(said, stacklevel=3)
        return rows[kept]

    def _metrics(self, rows: pd.DataFrame, y: np.ndarray, s: np.ndarray, groups: list[str]) -> "pd.Series[float]":
        """Every metric on rows with labels ``y``, of the ``groups`` with the numbers ``s``."""
        table = Table(torch.zeros(len(y), 0), torch.tensor(y), torch.tensor(s))
        metrics = computed(self.record["config"]["metric"])
        if (p := self._chances(rows)) is not None:
            found = evaluate_decisions(p[None], table, len(groups), metrics)
        else:
            scores = self.predictor.padded(self._x(rows))
            found = evaluation(_target(self.about), len(groups), self._rates, metrics)(scores, table)
        return pd.Series({_named(name, groups): float(value) for name, value in found.items()})

    def card(self) -> str:
        """The model card, as Markdown: label, hyper-parameters, inputs, decisions, data, metrics, limits.

        Raises ``InputError`` for the last epoch where another one counts: its metrics are not recorded.
        """
        if "metrics" not in self.record:
            raise InputError("epoch must be chosen for a card: the metrics of the record are of the epoch that counts")
        content = io.BytesIO(files.read_file(self.folder, files.SCORES, self.record))
        scores, by_chance = pd.read_parquet(content), self.predictor.decides
        return card(self.record, scores, self.about, by_chance=by_chance, bound=self.bound)

    def to_torch(self) -> nn.Module:
        """A plain module: what ``encode`` gives, [N, D], -> logits [N], [N, T] of tasks, [N, C] of C > 2 classes.

        It takes tensors of any type too.  Its logits are those before post-processing: decisions within a bound are
        those of ``predict``.  Raises ``InputError`` for classifiers of a library.
        """
        return self.predictor.to_torch()

    def encode(self, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        """The features of new rows, [N, D] float64: the input of ``to_torch``.

        Raises ``InputError`` for a column or a value that cannot be used, such as one too large for a network.
        """
        if isinstance(rows, np.ndarray):
            num = len(self.about["features"])
            require(rows.ndim == 2 and rows.shape[1] == num, "rows", list(rows.shape), f"an array [N, {num}]")
            try:
                x = rows.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise InputError(f"rows must be an array of numbers: {error}") from None
            return self._checked(x)
        kinds = "a pandas.DataFrame, or an array of features"
        require(isinstance(rows, pd.DataFrame), "rows", type(rows).__name__, kinds)
        require(len(rows) > 0, "rows", "none", "a frame with rows")
        if self.about["encoder"] is None:
            raise InputError("rows must be an array of features: the model was trained on images")
        return self._checked(self.dataset.encode(rows, self._encoder))

    def _checked(self, x: np.ndarray) -> np.ndarray:
        """The features, each of which must be one that training could have had.  Raises ``InputError``."""
        check_reach(self.about["features"], np.abs(x).max(0, initial=0).tolist(), "correct it")
        return x

    @property
    def _encoder(self) -> Mapping[str, Any]:
        encoder: Mapping[str, Any] = self.about["encoder"]
        return encoder

    @property
    def _rates(self) -> list[float]:
        """The share of label 1 among the training rows of each task."""
        cells = (np.array(self.record["base_rates"][f"{task}/train"]) for task in self.about["tasks"])
        return [float(cell[:, 1].sum() / cell[:, 0].sum()) for cell in cells]

    def _x(self, rows: pd.DataFrame | np.ndarray) -> Tensor:
        return torch.from_numpy(self.encode(rows)).to(getattr(torch, self.record["config"]["dtype"]))

    def _scores(self, rows: pd.DataFrame | np.ndarray) -> Tensor:
        return self.predictor.padded(self._x(rows))[0, : len(rows)]

    def _chances(self, rows: pd.DataFrame | np.ndarray) -> Tensor | None:
        """The probability of the decision 1 [N], where decisions may be random; else None."""
        rules = self.about["rules"]
        if self._decides_by_groups:
            return probabilities(rules, self._scores(rows), self._groups(rows))
        if rules is not None:
            x = self._x(rows)
            return chances(rules, Groups.of(self.about["group_model"]), self.predictor.padded(x)[0, : len(x)], x)
        return self._scores(rows) if self.predictor.decides else None

    @property
    def _decides_by_groups(self) -> bool:
        """Whether decisions need the group of each row: thresholds do, but for those of groups that are inferred."""
        return self.about["rules"] is not None and self.about.get("group_model") is None

    def _groups(self, rows: pd.DataFrame | np.ndarray) -> Tensor:
        if not isinstance(rows, pd.DataFrame):
            raise InputError("rows must be a frame with the sensitive attribute, for thresholds for each group")
        return torch.from_numpy(self.dataset.grouped_again(rows, self._encoder, self.about["groups"]))

    def _labelled(
        self, rows: pd.DataFrame, sensitive: str | Sequence[str] | None
    ) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Labels, group numbers and the names of the groups."""
        y = self.dataset.labels_again(rows, self._encoder)
        if sensitive is None:
            groups = list(self.about["groups"])
            return y, self.dataset.grouped_again(rows, self._encoder, groups), groups
        columns = self._columns(sensitive)
        found = self.dataset.groups_again(rows, columns, self._encoder)
        return y, *numbered(found, columns, "sensitive")


def load(folder: Path | str, epoch: str = "chosen", bound: float | None = None, plugins: Sequence[str] = ()) -> Model:
    """The model in a run's folder; ``epoch`` chosen: of the epoch that counts; last.

    ``bound`` is one of those of a run with postprocess=frontier or frontier_unaware, whose rules then decide in
    ``predict`` and ``metrics``; without it, the threshold 0.5 does.  ``plugins`` are packages whose code may run: a
    model of a network, method or metric of your own needs them.  They stay allowed in this process.  Raises
    ``InputError`` for a folder without a model, for one that needs a package that is not named, and for one of another
    version of fairrun or of plug-ins.
    """
    are_names = not isinstance(plugins, str) and all(isinstance(name, str) for name in plugins)
    require(are_names, "plugins", plugins, "a list of packages, as ['mypkg']")
    one_of("epoch", epoch, EPOCHS)
    require(isinstance(folder, str | Path), "folder", folder, "the folder of a run, a text or a path")
    folder = Path(folder).expanduser()
    if not (folder / RECORD).exists():
        runs = sorted(path.parent for path in folder.glob(f"*/{RECORD}"))
        others = f", which holds the runs {listed([str(path) for path in runs], 3)}" if runs else ""
        raise InputError(f"folder must be that of a run ({RECORD}), got {str(folder)!r}{others}")
    record = read(folder)
    allow(plugins)
    _refuse_unnamed(folder, record)
    content = files.read_file(folder, files.ABOUT, record)
    names = [name for name in record["model"] if name not in (files.ABOUT, files.SCORES)]
    parts = {name: files.read_file(folder, name, record) for name in names}
    try:
        about = json.loads(content)
        made = about.get("format")
        readable = ", ".join(map(str, files.FORMATS))
        require(made in files.FORMATS, "the format", made, f"one of {readable}; the same command trains it again")
        if files.SHARES in about:
            predictor: Predictor = _of_library(record, about, parts)
        else:
            predictor = _of_network(record, about, parts[files.WEIGHTS], epoch)
        dataset = build(record["config"]["dataset"], "dataset")
    except (InputError, LookupError, TypeError, ValueError, pickle.UnpicklingError) as error:
        made = f"a model of fairrun {record['versions'].get('fairrun')}"
        raise InputError(f"{folder} holds {made}, which fairrun {__version__} cannot build: {error}") from None
    own = epoch == "chosen" or record["config"]["selection"] == "last"  # whether record and rules are of these weights
    fits = "chosen: thresholds are those of the epoch that counts"
    require(own or (bound is None and about["rules"] is None), "epoch", epoch, fits)
    if bound is not None:
        about, record = _at(bound, about, record)
    record = record if own else {key: value for key, value in record.items() if key != "metrics"}
    return Model(folder, record, predictor, about, dataset, bound)


def _refuse_unnamed(folder: Path, record: Mapping[str, Any]) -> None:
    """Raise ``InputError`` where a run's configuration names code of packages that the user has not named.

    The record says which those are, and does not allow them: it may come from a stranger.
    """
    modules = [name for name in record.get("sources", {}) if name != WEIGHTS and not is_allowed(name)]
    if packages := list(dict.fromkeys(name.partition(".")[0] for name in modules)):
        raise InputError(
            f"{folder} holds a model that needs code of {listed(packages)}, which is not named: "
            f"fairrun.load({str(folder)!r}, plugins={packages}) runs it, if you trust it"
        )


def _at(bound: float, about: dict[str, Any], record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model's description and record at a point of its frontier."""
    kept = record.get("frontier", [])
    require(
        isinstance(kept, list), "frontier in the record", kept, "a list of points; the same command trains it again"
    )
    points = {point["bound"]: point for point in kept}
    require(points, "bound", bound, "left out: only a run with postprocess=frontier or frontier_unaware has bounds")
    one_of("bound", bound, list(points))
    point = points[bound]
    return about | {"rules": point["rules"]}, record | {"metrics": record["metrics"] | point["metrics"]}


def _of_network(record: Mapping[str, Any], about: Mapping[str, Any], weights: bytes, epoch: str) -> Predictor:
    saved = torch.load(io.BytesIO(weights), weights_only=True)
    theta, config, target = saved[epoch], record["config"], _target(about)
    shape = (len(about["features"]), len(about["tasks"]), about["categories"], target.num_classes)
    first = about["format"] == 1
    found = network(config if first else _without_files(config), *shape)
    found = found if first else found.with_constants(saved["constants"])
    drawn = found.init([torch.Generator().manual_seed(0)])
    lacking = [name for name, p in drawn.items() if name not in theta or theta[name].shape != p.shape[1:]]
    require(not lacking, "the weights", lacking[:3], "those of the network that the record describes")
    return OfNetwork(found, theta, record, target)


def _of_library(record: Mapping[str, Any], about: Mapping[str, Any], parts: Mapping[str, bytes]) -> Predictor:
    """The classifiers; of one epoch, so that the chosen is the last."""
    config = record["config"]
    method = build(config["method"], "method")
    shares = about[files.SHARES]
    classifiers = [restore(name, parts[name], len(about["features"])) for name in shares]
    return OfLibrary(method, Fitted(classifiers, [*shares.values()]), config["num_threads"])


def _target(about: Mapping[str, Any]) -> Target:
    return Target(tuple(about["tasks"]), max(2, len(about["classes"])))


def _without_files(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a network that starts from no file: all its numbers are saved."""
    network_class: type[Network] = class_of(config["model"]["_target_"], "model")
    node = copy.deepcopy(config["model"])
    for key in network_class.starts:
        *nodes, name = key.split(".")
        above = functools.reduce(lambda found, inner: found[inner], nodes, node)
        if name in above:
            above[name] = None
    return config | {"model": node}


def _warn_of_few(s: np.ndarray, groups: Sequence[str]) -> None:
    """Warn of groups that have few rows, or none; ``s`` holds the number of each row's group."""
    counts = np.bincount(s, minlength=len(groups))
    if few := [f"{name!r} ({rows})" for name, rows in zip(groups, counts, strict=True) if rows < LEAST_ROWS]:
        said = f"groups of fewer than {LEAST_ROWS} rows, whose metrics are uncertain: {', '.join(few)}"
        warnings.warn(said, stacklevel=3)


def _named(name: str, groups: Sequence[str]) -> str:
    """A metric of a group by the group's name: "accuracy/sex=Female"."""
    head, found, number = name.rpartition("/s=")
    return f"{head}/{groups[int(number)]}" if found else name
