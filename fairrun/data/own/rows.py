"""The rows of a user's own table that are trained on, without missing cells."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, require
from fairrun.config.ways import override
from fairrun.data.columns import refuse_missing_values
from fairrun.data.own.fill import Fill
from fairrun.data.reading.account import Account

if TYPE_CHECKING:
    from fairrun.data.own.table import OwnTable

REMEDY = "fill them, or take dataset.missing=indicator, impute or drop"
LARGEST = 1e100  # of a number; its square must be one


class Prepared(NamedTuple):
    """The rows that are trained on."""

    frame: pd.DataFrame
    numeric: list[str]
    categorical: list[str]
    account: Account
    become: dict[str, dict[str, str]]  # the table's column -> its parts -> the features that they are
    numbers: np.ndarray  # [N] the number of each row in the table, from 0

    def of(self, feature: str) -> str:
        """The table's column that a feature is made from."""
        return column_of(self.become, feature)


def column_of(become: Mapping[str, Mapping[str, str]], feature: str) -> str:
    """The column one of whose parts is ``feature``; ``become`` as in ``Prepared``."""
    return next((column for column, parts in become.items() if feature in parts.values()), feature)


def refuse_infinite(
    frame: pd.DataFrame,
    numeric: Sequence[str],
    of: Callable[[str], str],
    remedy: str | None = None,
) -> None:
    """Raise ``InputError`` for a number that is infinite, or whose square is; ``of`` gives a feature's column.

    ``remedy`` says what to do; by default that the column can be left out.
    """
    for feature in numeric:
        largest = frame[feature].abs().max()
        if largest > LARGEST:
            said = f"column {of(feature)!r} must hold finite numbers up to {LARGEST:g}, got {largest:g}"
            out = override("dataset.drop_columns", [of(feature)])
            raise InputError(f"{said}: {remedy or f'correct it, or leave it out by {out}'}")


def without_rows(rows: Prepared, how: str) -> Prepared:
    """Without rows with a missing cell, where they are to go.  Raises ``InputError`` where there must be none."""
    features = [*rows.numeric, *rows.categorical]
    if how == "refuse":
        refuse_missing_values(rows.frame, features, REMEDY)
    missing = rows.frame[features].isna().sum()
    if how != "drop" or not missing.any():
        return rows
    kept = rows.frame[features].notna().all(axis=1).to_numpy()
    whole = rows.frame[kept].reset_index(drop=True)
    what = f"indicator or impute: every row has a missing cell, most in {missing.idxmax()!r}"
    require(len(whole), "dataset.missing", how, what)
    left = f"{len(rows.frame) - len(whole)} of {len(rows.frame)} rows"
    account = rows.account.with_warning(f"dataset.missing=drop leaves out {left}; most miss {missing.idxmax()!r}")
    return rows._replace(frame=whole, account=account, numbers=rows.numbers[kept])


def fitted(own: "OwnTable", rows: Prepared, train: np.ndarray) -> tuple[Prepared, Fill]:
    """With rare categories pooled and missing cells filled, as the rows ``train`` tell."""
    frame, account = rows.frame, rows.account
    fill = Fill.fit(frame, train, rows.numeric, rows.categorical, own.missing, own.most_categories)
    for name in fill.pools:
        said = (
            f'the {own.most_categories} most frequent of {frame[name].nunique()} categories, others pooled as "other"'
        )
        account = account.changed(name, said).with_warning(f"column {name!r}: {said}")
    for column, said in fill.told(frame, rows.numeric, own.missing).items():
        account = account.changed(rows.of(column), said)
    return rows._replace(frame=fill.apply(frame), numeric=[*rows.numeric, *fill.indicators], account=account), fill
