"""Stratified splits of rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, is_integer, is_number, require
from fairrun.config.values import listed


def stratified(cells: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Choose ``fraction`` of the rows of every cell at random, bool [N].

    ``cells`` [N] holds each row's stratum.  This is systematic sampling: cells are in random order, rows are in random
    order within their cell, and a row is chosen if the running total ``fraction * rank`` passes a half.  From a cell of
    n rows n * fraction rows are chosen, rounded up or down; from all rows their share, rounded.
    """
    _, cell = np.unique(cells, return_inverse=True)
    order = np.lexsort((rng.random(len(cells)), rng.random(cell.max(initial=0) + 1)[cell]))
    total = np.floor(0.5 + fraction * np.arange(len(cells) + 1))
    chosen = np.zeros(len(cells), dtype=bool)
    chosen[order] = np.diff(total) > 0
    return chosen


def per_cell(cells: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """The positions [M] of ``number`` random rows of each cell, sorted by cell.

    A cell never gives more than half of its rows, rounded up, so a small cell gives fewer.
    """
    members = (rng.permutation(np.flatnonzero(cells == cell)) for cell in np.unique(cells))
    return np.concatenate([rows[: min(number, (len(rows) + 1) // 2)] for rows in members])


def per_cell_with_replacement(cells: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """The positions of ``number`` rows of each cell, where a row may be drawn more than once, sorted by cell -> [M]."""
    return np.concatenate([rng.choice(np.flatnonzero(cells == cell), number) for cell in np.unique(cells)])


@dataclass(frozen=True)
class Split:
    """The division of rows into train, validation and test, stratified by label and sensitive attribute."""

    test: str | float  # "official", or the fraction of all rows in (0, 1)
    balance_test: bool  # draw that fraction with replacement, equally many rows of each cell of group and label
    val: float  # fraction of the rows that are not test rows, in (0, 1)
    balanced: int  # training rows of each cell of group and label for methods that validate on some, >= 1
    seed: int  # independent of the training seed, so that runs of all seeds share their rows
    column: str = "split"  # column of the official split: train, test and perhaps val

    def __post_init__(self) -> None:
        fractions = {"val": self.val} if self.test == "official" else {"test": self.test, "val": self.val}
        for name, value in fractions.items():
            allowed = "a fraction between 0 and 1" + (", or official" if name == "test" else "")
            require(is_number(value) and 0 < float(value) < 1, name, value, allowed)
        require(
            not self.balance_test or self.test != "official", "balance_test", True, "false for an official test set"
        )
        require(self.balanced >= 1, "balanced", self.balanced, ">= 1")
        require(is_integer(self.seed) and self.seed >= 0, "seed", self.seed, "an integer >= 0")

    def rows(
        self, frame: pd.DataFrame, y: np.ndarray, s: np.ndarray, classes: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """The rows of train, val and test, and the ``balanced`` rows of train; ``classes``: names of more than two."""
        rng, apart = (np.random.default_rng(seed) for seed in (self.seed, [self.seed, 1]))
        num_states = max(2, len(classes)) + bool(np.isnan(y).any())  # of a label: its classes, and missing
        cells, none = _cells(s, y, num_states), np.array([], dtype=np.int64)
        balanced = per_cell(cells, self.balanced, apart) if self.balance_test else none
        others = _without(len(frame), balanced)
        if self.balance_test:
            _refuse_single_rows(cells, others, y, s, classes)
        test = self._test(frame, cells, others, rng)
        rest = _without(len(frame), test, balanced)
        in_val = self._val(frame, cells, rest, rng)
        train = np.sort(np.concatenate([rest[~in_val], balanced]))
        split = {"train": train, "val": rest[in_val], "test": test}
        for name, rows in split.items():
            if not len(rows):
                raise InputError(f"dataset.split leaves no row for {name}: {len(frame)} rows, {self}")
        if not len(balanced):
            balanced = split["train"][per_cell(cells[split["train"]], self.balanced, apart)]
        return split | {"balanced": balanced}

    def _test(self, frame: pd.DataFrame, cells: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The test rows, from ``rows``; a balanced test set may contain a row more than once."""
        if self.test == "official":
            if self.column not in frame or set(frame[self.column].unique()) - {"val"} != {"train", "test"}:
                has = sorted(frame[self.column].unique(), key=str) if self.column in frame else []
                raise InputError(
                    f"dataset.split.test=official needs a column {self.column} with train and test"
                    f"{f', got {listed(has)}' if has else ''}; give a fraction instead, or the column's name as "
                    "dataset.split.column"
                )
            return np.flatnonzero(frame[self.column] == "test")
        fraction = float(self.test)
        if self.balance_test:
            number = int(fraction * len(frame) / len(np.unique(cells)))
            return rows[per_cell_with_replacement(cells[rows], number, rng)]
        return rows[stratified(cells[rows], fraction, rng)]

    def _val(self, frame: pd.DataFrame, cells: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Whether each of ``rows`` is a validation row; the official ones, if any, with the official test rows."""
        if self.test == "official" and (frame[self.column] == "val").any():
            return (frame[self.column].iloc[rows] == "val").to_numpy()
        return stratified(cells[rows], self.val, rng)


def _without(num_rows: int, *apart: np.ndarray) -> np.ndarray:
    """The rows that are in none of ``apart``, ascending."""
    kept = np.ones(num_rows, dtype=bool)
    for rows in apart:
        kept[rows] = False
    return np.flatnonzero(kept)


def _cells(s: np.ndarray, y: np.ndarray, num_classes: int) -> np.ndarray:
    """The cell of group and labels of each row, [N], for one label C s + y; ``y`` is [N] or [N, T].

    A missing label counts as the last of the ``num_classes``.
    """
    for labels in np.nan_to_num(y, nan=num_classes - 1).reshape(len(y), -1).astype(np.int64).T:
        s = num_classes * s + labels
    return s


def _refuse_single_rows(
    cells: np.ndarray, rows: np.ndarray, y: np.ndarray, s: np.ndarray, classes: Sequence[str]
) -> None:
    """Raise ``InputError`` for a cell that is not among those of ``rows``."""
    for cell in np.setdiff1d(cells, cells[rows]):
        row = np.flatnonzero(cells == cell)[0]
        labels = "".join("?" if np.isnan(label) else f"{label:.0f}" for label in np.atleast_1d(y[row]))
        raise InputError(
            "dataset.split.balance_test=true needs two rows or more of every group and label, got one with "
            f"label {classes[int(labels)] if classes else labels} in group {s[row]} "
            "(of dataset.sensitive, sorted, from 0)"
        )
