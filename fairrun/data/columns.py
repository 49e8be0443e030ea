"""Columns that a frame must have, without missing values, or else it is refused."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, nearest
from fairrun.config.values import listed

MOST_NAMES = 40  # a message lists at most so many columns


def refuse_unknown_columns(frame: pd.DataFrame, key: str, columns: list[str]) -> None:
    """Raise ``InputError`` unless ``frame`` has all ``columns``, the value of ``dataset.key``, and none is repeated."""
    for column in columns:
        if columns.count(column) > 1 and key != "proxies":
            raise InputError(f"dataset.{key} must hold a column once, got {column!r} twice")
        if column not in frame.columns:
            names = list(map(str, frame.columns))
            shown = ", ".join(names[:MOST_NAMES]) + (
                f" and {len(names) - MOST_NAMES} more" if names[MOST_NAMES:] else ""
            )
            hint = "; has the file a header?" if any(map(str.isdecimal, names)) else nearest(column, names)
            hint = hint or ("; is dataset.rows.separator right?" if len(names) == 1 else "")
            raise InputError(f"dataset.{key} must hold columns of the data ({shown}), got {column!r}{hint}")


def need_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise ``InputError``, which names them and the nearest column, if the frame lacks any of ``columns``."""
    twice = [column for column in columns if (frame.columns == column).sum() > 1]
    if twice:
        raise InputError(f"the rows must have every column once, got several named {listed(twice)}")
    lacking = [column for column in columns if column not in frame]
    if lacking:
        hint = nearest(lacking[0], [str(column) for column in frame if column not in columns])
        raise InputError(f"the rows must have the columns of the training rows, got none named {listed(lacking)}{hint}")


def refuse_missing_values(
    frame: pd.DataFrame, columns: list[str], remedy: str = "fill them or drop their rows"
) -> None:
    """Raise ``InputError`` if a value in ``columns`` is missing or infinite."""
    for column in columns:
        values = frame[column]
        missing = values.isna()
        if pd.api.types.is_numeric_dtype(values):
            missing |= ~np.isfinite(values.astype(np.float64))
        if missing.any():
            raise InputError(
                f"column {column!r} must have no missing or infinite value, got {int(missing.sum())} (first in row "
                f"{int(missing.to_numpy().argmax())}); {remedy}"
            )
