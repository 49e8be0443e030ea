"""The schema of a user's own table: from what was read to tensors, with an account of every column."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pandas as pd
import torch

from fairrun.config.check import In, InputError, check_values, require
from fairrun.config.values import listed
from fairrun.data.columns import refuse_missing_values, refuse_unknown_columns
from fairrun.data.dataset import Dataset
from fairrun.data.divided import divide
from fairrun.data.encoding import Encoding
from fairrun.data.groups import merged, with_columns
from fairrun.data.own.features import prepared
from fairrun.data.own.guards import grouped, refuse_large, said_of_marks, with_copies, with_few_rows, without_leaks
from fairrun.data.own.preparation import Preparation
from fairrun.data.own.rows import REMEDY, fitted
from fairrun.data.reading.account import Account, Column, say
from fairrun.data.reading.missing import remedy
from fairrun.data.reading.texts import Forms
from fairrun.data.sources import frame_sha256, sha256
from fairrun.data.table import Data

SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val"}
SPLITS |= {"validation": "val", "dev": "val"}


class Readable(Protocol):
    """Rows that come with an account."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row of the table a row."""
        ...

    def read(self, path: str | None, mixed: Collection[str] = ()) -> tuple[pd.DataFrame, Account]:
        """The table, and what was read; ``mixed``: columns that may hold text among numbers."""
        ...

    def forms(self) -> Forms:
        """How values are written, as the configuration says."""
        ...


@dataclass(frozen=True)
class OwnTable(Dataset):
    """A table of the user's own: its columns are typed, checked and, where cells are missing, filled."""

    rows: Readable
    missing: Literal["refuse", "indicator", "impute", "drop"] = (
        "indicator"  # features; without label or group: left out
    )
    most_categories: Annotated[int, In("[2, inf)")] = 200  # of a column; rarer ones are pooled as "other"
    dates: Literal["parts", "days", "drop"] = "parts"  # year, month, day and hour; days since 1970; no features
    drop_columns: list[str] = field(default_factory=list)  # columns that are no features
    keep_columns: list[str] = field(
        default_factory=list
    )  # features though constant, an index, ids or telling the label

    def __post_init__(self) -> None:
        super().__post_init__()
        check_values(self)

    def load(self) -> Data:
        """Read, type, check, split, fill and encode.  Raises ``InputError`` on anything that cannot be trained on."""
        read, account = self.rows.read(self.path, self.categorical or [])
        types = "\n".join(f"{column.name}: {column.type}" for column in account.columns)
        digest = sha256((frame_sha256(read) + types).encode())
        self._refuse_unknown(read)
        frame, account = self._with_split(merged(read, self.merge), account)
        frame, numbers, account = self._with_roles(frame, account)
        rows = prepared(self, frame, numbers, account)
        marks = said_of_marks(self, rows)
        rows = rows._replace(account=rows.account.with_warning(*marks.values()))
        try:
            groups = grouped(self, rows.frame)
            divided = divide(groups, self.labels(), self.sensitive_columns, self.split)
        except InputError as error:
            roles = {*(label.column for label in self.labels().values()), *self.sensitive_columns}
            hints = [said for column, said in marks.items() if column in roles]
            raise InputError("; ".join([str(error), *hints])) from None
        rows, fill = fitted(self, without_leaks(self, rows, groups, divided), divided.rows["train"])
        data = self._encoded(rows.frame, divided, rows.numeric, rows.categorical, digest)
        account = with_copies(rows, with_few_rows(rows.account, divided), divided)
        for remark in refuse_large(data):
            account = account.with_warning(remark)
        say(f"dataset.path={self.path}\n{account}")
        for warning in account.warnings:
            say(f"dataset.path={self.path}: {warning}", logging.WARNING)
        assert data.numbers is not None
        numbered = {split: torch.from_numpy(rows.numbers)[own] for split, own in data.numbers.items()}
        encoder = Preparation.of_table(rows, fill, account, self.rows.forms().decimal).plain() | (data.encoder or {})
        return data._replace(account=account.plain(), encoder=encoder, numbers=numbered)

    def encode(self, frame: pd.DataFrame, encoder: Mapping[str, Any]) -> np.ndarray:
        """The features of new rows, [N, D] float64, as ``Dataset.encode``.

        Cells are read as those of the table were; missing ones are filled by what its training rows told.
        """
        return Encoding.of(encoder["encoding"]).encode(Preparation.of(encoder).apply(self, frame))

    def _typed(self, frame: pd.DataFrame, encoder: Mapping[str, Any]) -> pd.DataFrame:
        return self.merged_again(Preparation.of(encoder).read(self, frame))

    def are_whole(self, frame: pd.DataFrame, columns: Sequence[str], encoder: Mapping[str, Any]) -> np.ndarray:
        """As ``Dataset.are_whole``; of several tasks, the label of one is enough where it is in training.

        With ``missing`` drop, a row must have every label and every feature.
        """
        if self.missing == "refuse":
            return super().are_whole(frame, columns, encoder)
        labels = [label.column for label in self.learned().values()]
        known = self.read_again(frame, [*labels, *columns], encoder).notna()
        whole = known[labels].any(axis=1) & known[list(columns)].all(axis=1)
        if self.missing == "drop":
            features = Preparation.of(encoder).features(self, frame)
            whole &= known[labels].all(axis=1) & features.notna().all(axis=1)
        return whole.to_numpy()

    @property
    def whole_parts(self) -> str:
        """As ``Dataset.whole_parts``."""
        return "a label, a group or a feature" if self.missing == "drop" else super().whole_parts

    @property
    def named(self) -> set[str]:
        """Columns that the user names as features, whatever they hold."""
        return {*(self.numeric or []), *(self.categorical or []), *self.keep_columns}

    def _refuse_unknown(self, frame: pd.DataFrame) -> None:
        for name, label in self.labels().items():
            refuse_unknown_columns(frame, f"tasks.{name}.column" if name else "label", [label.column])
        refuse_unknown_columns(frame, "sensitive", self.sensitive_columns)
        refuse_unknown_columns(frame, "drop_columns", self.drop_columns)
        refuse_unknown_columns(frame, "keep_columns", self.keep_columns)
        if self.split.column != "split":
            refuse_unknown_columns(frame, "split.column", [self.split.column])

    def _with_split(self, frame: pd.DataFrame, account: Account) -> tuple[pd.DataFrame, Account]:
        """With the official split, where there is one, spelt train, val and test."""
        column = self.split.column
        if not self.is_official(frame):
            return frame, account
        frame = with_columns(frame, {column: _words(frame[column]).map(SPLITS)})
        account = account.changed(column, role="split")
        if self.split.test == "official":
            return frame, account
        unused = f"column {column!r} holds an official split, which is not used: dataset.split.test=official uses it"
        return frame, account.changed(column, "not used").with_warning(unused)

    def is_official(self, frame: pd.DataFrame) -> bool:
        """Whether the column of the official split is there, and holds one."""
        if self.split.column not in frame:
            return False
        words = set(_words(frame[self.split.column]))
        return words <= SPLITS.keys() and {"train", "test"} <= {SPLITS[word] for word in words}

    def _with_roles(self, frame: pd.DataFrame, account: Account) -> tuple[pd.DataFrame, np.ndarray, Account]:
        """The rows that have a group and the label of a task (with ``missing`` drop, of every task), and their numbers.

        Raises ``InputError`` where ``missing`` is refuse.
        """
        labels = {label.column: f"task {name}" if name else "label" for name, label in self.labels().items()}
        for column, role in [*labels.items(), *((column, "sensitive") for column in self.sensitive_columns)]:
            account = account.changed(column, role=role)
        needed = list(dict.fromkeys([*labels, *self.sensitive_columns]))
        if self.missing == "refuse":
            refuse_missing_values(frame, needed, REMEDY)
        some = _some_labels(frame[list(labels)]) & (self.missing != "drop")
        for column in needed:
            missing = frame[column].isna()
            if rows := int((missing & ~some).sum()):
                account = account.changed(column, f"{rows} rows without it left out")
                account = account.with_warning(f"{rows} rows without {column!r} are left out")
            if rows := int((missing & some).sum()) if column in labels else 0:
                account = account.changed(column, f"{rows} rows without it left out of {labels[column]}")
                account = account.with_warning(f"{rows} rows without {column!r} are left out of {labels[column]} only")
            if missing.any():
                _refuse_one_value(frame[column], account.column(column), self.rows.forms())
        whole = frame[self.sensitive_columns].notna().all(axis=1) & (some | frame[list(labels)].notna().all(axis=1))
        kept = whole.to_numpy()
        require(kept.any(), "dataset.label", self.label, "a column that has a value where dataset.sensitive has one")
        return frame[kept].reset_index(drop=True), np.flatnonzero(kept), account


def _words(values: pd.Series) -> pd.Series:
    return values.astype(str).str.strip().str.casefold()


def _some_labels(labels: pd.DataFrame) -> pd.Series:
    """Whether each row has the labels of some tasks and not of others."""
    missing = labels.isna()
    return missing.any(axis=1) & ~missing.all(axis=1)


def _refuse_one_value(values: pd.Series, column: Column, forms: Forms) -> None:
    """Raise ``InputError`` where a mark of missing values is the other value of a label or a group."""
    if values.nunique() < 2:
        has = listed(list(values.dropna().unique())) or "none"
        missing = f"{int(values.isna().sum())} missing" + f" ({listed(column.marks)})" * bool(column.marks)
        said = f"column {column.name!r} must have two values or more, got {has} and {missing}"
        raise InputError(f"{said}: where that is a value too, {remedy(forms.missing, column.name, [])} says so")
