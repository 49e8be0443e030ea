"""Published points, to draw beside those of a sweep.

``report.published`` names files of ``fairrun/report/published``, or the user's own CSV files.  A file has one of two
sets of columns: ``COLUMNS``, accuracy against a demographic parity difference; or ``TASK_COLUMNS``, error against gap
of each of several tasks, and ARE against ARFG.
"""

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, require

FOLDER = Path(__file__).parents[1] / "report" / "published"
COLUMNS = ("method", "accuracy", "demographic_parity", "kind", "source")
TASK_COLUMNS = ("dataset", "method", "task", "error", "gap", "source")
KINDS = {"hard": "demographic_parity_difference", "soft": "soft_demographic_parity_difference"}
SHARE = "a number between 0 and 1"
RELATIVE = "relative"  # instead of a task's number: then error is ARE and gap is ARFG


@functools.cache
def read(source: str, key: str = "report.published") -> pd.DataFrame:
    """Read the points of a shipped file, given its name, or of a CSV file, given its path.  Messages name ``key``.

    Columns: ``COLUMNS``, of which accuracy and demographic parity are in [0, 1] and kind is hard or soft, and
    ``dataset``, if the file has it, the data set that a point is of.  Or, of a file that has the column ``task``,
    ``TASK_COLUMNS``: task is "1" for the first task of the data set and so on, or ``RELATIVE``; error and gap are in
    [0, 1], or else at least 0.  Raises ``InputError``.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.csv"))
    path = FOLDER / f"{source}.csv" if source in names else Path(source)
    allowed = f"null, {', '.join(names)} or a CSV file that exists"
    require(path.is_file(), key, source, allowed)
    try:
        points = pd.read_csv(path, dtype={"task": str})
    except (ValueError, OSError) as error:
        raise InputError(f"{key} must be {allowed}, got {source!r}, which cannot be read: {error}") from None
    columns = TASK_COLUMNS if "task" in points else COLUMNS
    missing = [name for name in columns if name not in points]
    require(not missing, key, source, f"a CSV with the columns {', '.join(columns)}; {', '.join(missing)} missing")
    (_check_tasks if "task" in points else _check)(points, f"of {key}={source}")
    text = {name: points[name].fillna("").astype(str) for name in ("method", "source")}
    return points.assign(**text)


def _check(points: pd.DataFrame, of: str) -> None:
    for name in ("accuracy", "demographic_parity"):
        _refuse(points[name], pd.to_numeric(points[name], errors="coerce").between(0, 1), f"{name} {of}", SHARE)
    _refuse(points["kind"], points["kind"].isin(list(KINDS)), f"kind {of}", f"one of {', '.join(KINDS)}")


def _check_tasks(points: pd.DataFrame, of: str) -> None:
    known = points["task"].str.fullmatch(rf"[1-9]\d*|{RELATIVE}").fillna(False).astype(bool)
    _refuse(points["task"], known, f"task {of}", f"a task's number, from 1 on, or {RELATIVE}")
    of_task = points["task"] != RELATIVE
    for name in ("error", "gap"):
        numbers = pd.to_numeric(points[name], errors="coerce")
        _refuse(points[name], numbers.between(0, 1) | ~of_task, f"{name} {of}", SHARE)
        _refuse(points[name], (numbers >= 0) & np.isfinite(numbers), f"{name} {of}", "a number >= 0")


def _refuse(values: pd.Series, right: pd.Series, key: str, allowed: str) -> None:
    wrong = values[~right].tolist()
    require(not wrong, key, wrong[:1], allowed)


def of(points: pd.DataFrame, dataset: str, metric: str) -> pd.DataFrame:
    """The points on ``dataset`` by ``metric``.  There are none unless it is a demographic parity difference.

    Columns ``method``, ``number`` (of the method on the data set, by which it is drawn), ``source``, ``test/accuracy``
    and ``test/<metric>``, as a table of settings has them.
    """
    known = _on(points, dataset, COLUMNS, "kind")
    known = known[known["kind"].map(KINDS) == metric]
    names = {"accuracy": "test/accuracy", "demographic_parity": f"test/{metric}"}
    return known[["method", "number", "source", *names]].rename(columns=names).reset_index(drop=True)


def of_tasks(points: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """The figures of tasks on ``dataset``: columns ``method``, ``number`` (as in ``of``), ``source``, ``task``,
    ``error`` and ``gap``.
    """
    known = _on(points, dataset, TASK_COLUMNS, "task")
    return known[["method", "number", "source", "task", "error", "gap"]].reset_index(drop=True)


def _on(points: pd.DataFrame, dataset: str, columns: tuple[str, ...], kind: str) -> pd.DataFrame:
    """The points with a value in column ``kind`` that are on ``dataset``, or in a file that names no data set."""
    known = points.reindex(columns=list({"dataset": 0} | dict.fromkeys(columns))).dropna(subset=kind)
    known = known[known["dataset"].isna() | (known["dataset"] == dataset)]
    return known.assign(number=pd.factorize(known["method"])[0])
