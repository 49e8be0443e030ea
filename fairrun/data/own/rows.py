"""The rows of a user's own table that are trained on, without missing cells."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, require
from fairrun.data.dataset import refuse_missing_values
from fairrun.data.groups import with_columns
from fairrun.data.own.fill import filled, pooled
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
    source: dict[str, str]  # feature -> the table's column, where it has another name

    def of(self, feature: str) -> str:
        """The table's column that a feature is made from."""
        return self.source.get(feature, feature)


def refuse_infinite(rows: Prepared) -> None:
    """Raise ``InputError`` for a number that is infinite, or whose square is."""
    for feature in rows.numeric:
        largest = rows.frame[feature].abs().max()
        if largest > LARGEST:
            raise InputError(
                f"column {rows.of(feature)!r} must hold finite numbers up to {LARGEST:g}, got {largest:g}: correct it, "
                f"or leave it out by 'dataset.drop_columns=[{rows.of(feature)}]'"
            )


def without_rows(rows: Prepared, how: str) -> Prepared:
    """Without rows with a missing cell, where they are to go.  Raises ``InputError`` where there must be none."""
    features = [*rows.numeric, *rows.categorical]
    if how == "refuse":
        refuse_missing_values(rows.frame, features, REMEDY)
    missing = rows.frame[features].isna().sum()
    if how != "drop" or not missing.any():
        return rows
    whole = rows.frame.dropna(subset=features).reset_index(drop=True)
    what = f"indicator or impute: every row has a missing cell, most in {missing.idxmax()!r}"
    require(len(whole), "dataset.missing", how, what)
    left = f"{len(rows.frame) - len(whole)} of {len(rows.frame)} rows"
    account = rows.account.with_warning(f"dataset.missing=drop leaves out {left}; most miss {missing.idxmax()!r}")
    return rows._replace(frame=whole, account=account)


def fitted(own: "OwnTable", rows: Prepared, train: np.ndarray) -> Prepared:
    """With rare categories pooled and missing cells filled, as the rows ``train`` tell."""
    frame, account = rows.frame, rows.account
    for name in rows.categorical:
        distinct = frame[name].nunique()
        if distinct > own.most_categories:
            frame = with_columns(frame, {name: pooled(frame[name], train, own.most_categories)})
            said = f'the {own.most_categories} most frequent of {distinct} categories, others pooled as "other"'
            account = account.changed(name, said).with_warning(f"column {name!r}: {said}")
    done = filled(frame, train, rows.numeric, rows.categorical, own.missing)
    for column, said in done.done.items():
        account = account.changed(rows.of(column), said)
    return rows._replace(frame=done.frame, numeric=done.numeric, account=account)
