"""The schema of a table: from its rows to tensors, and the same way again for new rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch

from fairrun.config.check import is_integer, one_of, require
from fairrun.config.values import spelt
from fairrun.data.columns import need_columns, refuse_missing_values
from fairrun.data.corrupt import Outliers
from fairrun.data.divided import Divided, divide
from fairrun.data.encoding import SCALES, Encoding
from fairrun.data.groups import Merge, binned, merged, numbered_again, parse_sensitive, with_columns
from fairrun.data.labels import Label, labels_of
from fairrun.data.memory import refuse_too_large
from fairrun.data.numeric import NUMBERS
from fairrun.data.roles import features
from fairrun.data.sources import frame_sha256
from fairrun.data.split import Split
from fairrun.data.table import Data


class Rows(Protocol):
    """What a module of ``fairrun.datasets`` provides."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """Raw rows; an optional column ``split`` (train/test) is the official split."""
        ...


@dataclass(frozen=True)
class Dataset:
    """The schema of a data set; ``load`` reads the rows and makes tensors."""

    rows: Rows
    label: str  # column to predict
    positive: str | int | float | bool | None  # the value of ``label`` that is class 1; None: every value is a class
    tasks: Mapping[
        str, Mapping[str, str | int | float | bool]
    ]  # task name -> label; replaces the one label: fairrun.data.labels
    task: str | None  # the one of ``tasks`` to predict; None: all of them
    sensitive: list[str | Mapping[str, Any]]  # columns, or entries of fairrun.data.groups; several: their intersection
    binarize: Mapping[str, str | int | float | bool]  # sensitive column -> the value that stays; all others become one
    include_sensitive: bool  # whether the sensitive columns, and those that state them, are features
    proxies: Mapping[str, list[str]]  # sensitive column -> other columns that state its value
    numeric: list[str] | None  # null: every column of numbers that has no other role
    categorical: list[str] | None  # null: every other column that has no other role
    drop_categories: Mapping[
        str, list[str | int | float | bool]
    ]  # column of categories -> categories that get no feature
    scale: str  # one of SCALES; fitted on training rows
    split: Split
    outliers: Outliers  # put into training rows
    path: str | None  # the user's file, or the folder of the user's files
    name: str | None  # name of the data in reports
    merge: Merge = field(default_factory=dict, kw_only=True)  # column -> new level -> levels that become it
    numbers: str = field(default="scale", kw_only=True)  # one of NUMBERS: how columns of numbers become features
    bins: int = field(default=48, kw_only=True)  # of each column of numbers, or pieces, or waves

    def __post_init__(self) -> None:
        require(
            isinstance(self.sensitive, list) and len(self.sensitive) > 0,
            "sensitive",
            self.sensitive,
            "a list of columns: [column]",
        )
        parse_sensitive(self.sensitive)
        for key in ("numeric", "categorical"):
            columns = getattr(self, key)
            require(columns is None or isinstance(columns, list), key, columns, "a list of columns, or null")
        one_of("scale", self.scale, SCALES)
        one_of("numbers", self.numbers, NUMBERS)
        require(is_integer(self.bins) and self.bins >= 2, "bins", self.bins, "an integer >= 2")
        alone = self.numbers == "scale" or self.scale == "numbers"
        require(alone, "scale", self.scale, f"numbers with dataset.numbers={self.numbers}, whose features need none")
        self.labels()

    @property
    def sensitive_columns(self) -> list[str]:
        """Names of the sensitive columns."""
        return [entry.column for entry in parse_sensitive(self.sensitive)]

    def load(self) -> Data:
        """Read, check, split and encode the rows.  Raises ``InputError`` if they cannot be trained on."""
        read = self.rows.frame(self.path)
        frame = merged(read, self.merge)
        numeric, categorical = features(self, frame)
        labels = self.labels()
        columns = [label.column for label in labels.values()]
        refuse_missing_values(frame, [*numeric, *categorical, *columns, *self.sensitive_columns])
        divided = divide(self.grouped(frame), labels, self.sensitive_columns, self.split)
        return self._encoded(frame, divided, numeric, categorical, frame_sha256(read))

    def _encoded(
        self, frame: pd.DataFrame, divided: Divided, numeric: list[str], categorical: list[str], digest: str
    ) -> Data:
        """Encode a frame without missing values as tensors."""
        divided = divided if self.task is None else divided.only(self.task)
        train = frame.iloc[divided.rows["train"]]
        each = self.bins if self.numbers in ("bins", "piecewise", "periodic") else 1
        refuse_too_large(len(frame), len(numeric), each, train[categorical].nunique().to_dict())
        dropped = {
            (column, spelt(value, frame[column].unique()))
            for column, values in self.drop_categories.items()
            for value in values
        }
        encoding = Encoding.fit(train, numeric, categorical, self.scale, dropped, self.numbers, self.bins)
        require(encoding.features, "dataset.numeric and dataset.categorical", [], "a feature that is not constant")
        x = {name: torch.from_numpy(encoding.encode(frame.iloc[rows])) for name, rows in divided.rows.items()}
        data = divided.data(x, encoding.features, digest)
        known = {name: label.known(frame) for name, label in self.learned().items()}
        encoder = {"encoding": encoding.plain(), "labels": known}
        return data._replace(categories=encoding.sizes, encoder=encoder).with_outliers(self.outliers)

    def encode(self, frame: pd.DataFrame, encoder: Mapping[str, Any]) -> np.ndarray:
        """The features of new rows, [N, D] float64; ``encoder`` is that of the data that a model was trained on.

        A category that training rows lack is encoded as all zeros.  Raises ``InputError`` for a column that is not
        there, and for missing numbers.
        """
        encoding = Encoding.of(encoder["encoding"])
        columns = [*encoding.numeric, *encoding.categories]
        need_columns(frame, columns)
        refuse_missing_values(frame, columns)
        for column in encoding.numeric:
            numbers = pd.api.types.is_numeric_dtype(frame[column])
            require(numbers, f"column {column!r}", str(frame[column].dtype), "of numbers, as in the training rows")
        return encoding.encode(self._typed(frame[columns], encoder))

    def labels_again(self, frame: pd.DataFrame, encoder: Mapping[str, Any]) -> np.ndarray:
        """The labels of new rows, as ``Table.y``: of several tasks, a row may lack some.

        Raises ``InputError`` for a column that is not there, for a row without any label, and for a label that no
        training row has.
        """
        labels = self.learned()
        columns = list(dict.fromkeys(label.column for label in labels.values()))
        rows = self.read_again(frame, columns, encoder)
        if rows.isna().all(axis=1).any():
            refuse_missing_values(rows, columns)
        y = np.full((len(rows), len(labels)), np.nan)
        for t, (name, label) in enumerate(labels.items()):
            known = rows[label.column].notna().to_numpy()
            y[known, t] = label.again(rows.loc[known, label.column], encoder["labels"][name])
        return y if "" not in labels else y[:, 0]

    def grouped_again(self, frame: pd.DataFrame, encoder: Mapping[str, Any], groups: Sequence[str]) -> np.ndarray:
        """The numbers of the groups of new rows, [N].

        Raises ``InputError`` for a column that is not there, and for a group that no training row has.
        """
        return numbered_again(self.groups_again(frame, self.sensitive_columns, encoder), groups)

    def groups_again(self, frame: pd.DataFrame, columns: Sequence[str], encoder: Mapping[str, Any]) -> pd.DataFrame:
        """``columns`` of new rows as groups: those of the sensitive attribute are made as in training.

        Raises ``InputError`` for a column that is not there, and for missing values.
        """
        rows = self.read_again(frame, columns, encoder)
        refuse_missing_values(rows, list(rows))
        return self.grouped(rows, known=False)

    @property
    def whole_parts(self) -> str:
        """For messages: what ``are_whole`` asks of a row."""
        return "a label or a group"

    def are_whole(self, frame: pd.DataFrame, columns: Sequence[str], encoder: Mapping[str, Any]) -> np.ndarray:
        """Whether each new row has a label and the groups of ``columns``, [N], where training leaves out those without.

        Here it leaves out none: they are refused, of several tasks for the label of any.  Raises ``InputError`` for
        these, and for a column that is not there.
        """
        named = list(dict.fromkeys([*(label.column for label in self.learned().values()), *columns]))
        refuse_missing_values(self.read_again(frame, named, encoder), named)
        return np.ones(len(frame), dtype=bool)

    def read_again(self, frame: pd.DataFrame, columns: Sequence[str], encoder: Mapping[str, Any]) -> pd.DataFrame:
        """Columns of new rows with levels merged, and cells read as those of training rows were.

        Raises ``InputError`` for a column that is not there.
        """
        named = list(dict.fromkeys(columns))
        need_columns(frame, named)
        return self._typed(frame[named].reset_index(drop=True), encoder)

    def _typed(self, frame: pd.DataFrame, encoder: Mapping[str, Any]) -> pd.DataFrame:
        """New rows with cells read as those of training rows were, and levels merged."""
        return self.merged_again(frame)

    def merged_again(self, frame: pd.DataFrame) -> pd.DataFrame:
        """New rows with levels merged; they need not have every level."""
        return merged(frame, {c: levels for c, levels in self.merge.items() if c in frame}, known=False)

    def is_official(self, frame: pd.DataFrame) -> bool:
        """Whether the frame has the column of the official split."""
        return self.split.column in frame

    def labels(self) -> dict[str, Label]:
        """The labels of the data, by task name; the name of a single label is ""."""
        return labels_of(self.label, self.positive, self.tasks, self.task)

    def learned(self) -> dict[str, Label]:
        """The labels that are predicted: all, or with ``task`` that one, whose name is "" then."""
        return self.labels() if self.task is None else {"": self.labels()[self.task]}

    def grouped(self, frame: pd.DataFrame, *, known: bool = True) -> pd.DataFrame:
        """The frame with its sensitive columns merged, binned and binarized as in training; ``known`` as ``merged``."""
        for entry in (entry for entry in parse_sensitive(self.sensitive) if entry.column in frame):
            if entry.merge is not None:
                frame = merged(frame, {entry.column: entry.merge}, "dataset.sensitive.merge", known=known)
            if entry.bins is not None:
                frame = with_columns(frame, {entry.column: binned(frame[entry.column], entry.bins, known=known)})
        columns = {}
        for column in self.binarize.keys() & set(self.sensitive_columns) & set(frame):
            value = spelt(self.binarize[column], frame[column].unique())
            value = self.binarize[column] if value is None and not known else value
            columns[column] = frame[column].astype(str).where(frame[column] == value, f"not {value}")
        return with_columns(frame, columns)
