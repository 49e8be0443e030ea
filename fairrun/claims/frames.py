"""The runs that claims are tested on, as one frame a source: trained where they are not, or as they were stored."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fairrun.analysis.relative import relative
from fairrun.analysis.tradeoff import AOPAC
from fairrun.api.run import sweep
from fairrun.claims import measures
from fairrun.claims.spec import FRONT, Source, columns_of
from fairrun.config.check import InputError
from fairrun.results.records import history_of, parquet, replace
from fairrun.results.selection import BALANCED, SELECTED

ALWAYS = (
    "method",
    "dataset",
    "model",
    "seed",
    "status",
    "failure",
    "data_sha256",
    "metric.name",
    "metric.greater_is_better",
)
ABOUT = b"fairrun"  # the key of what is said of a stored frame: command, budget, versions


class Runs(NamedTuple):
    """The frames of a paper's sources, how each was made, and what measures a source that is lacking."""

    frames: dict[str, pd.DataFrame]
    about: dict[str, dict[str, Any]]
    remedy: str = ""  # no source is lacking


def trained(source: Source, budget: str, seeds: int | None, folder: Path) -> pd.DataFrame:
    """The runs of a source at a budget, from ``folder``, where those that are not there are trained.

    ``seeds``: how many in the place of those that its benchmark names.  Raises ``InputError`` if no run finishes.
    """
    if source.program is not None:
        return measures.measured(source.program)
    results = sweep(*words(source, budget, seeds), folder=folder)
    asked = {path.resolve() for path in results.asked}  # not the runs of an earlier command
    found = results.frame[[Path(own).resolve() in asked for own in results.frame["folder"]]]
    done = found[found["status"] == "finished"]
    more = relative(done)
    found = found.join(more[[column for column in more if column not in found]])
    return with_histories(found.reset_index(drop=True), source)


def words(source: Source, budget: str, seeds: int | None) -> list[str]:
    """The words of ``fairrun sweep`` that train a source's runs."""
    return [*source.words(budget), *([f"seed={','.join(map(str, range(seeds)))}"] if seeds else [])]


def with_histories(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """With a column ``history/NAME`` for each reduced column of the runs' histories."""
    if not source.history:
        return frame
    histories = [history_of(folder) for folder in frame["folder"]]
    found = {
        f"history/{name}": [_reduced(history, *entry) for history in histories]
        for name, entry in source.history.items()
    }
    return pd.concat([frame, pd.DataFrame(found, frame.index)], axis="columns")


def _reduced(history: pd.DataFrame, column: str, how: str, by: str = "") -> float:
    """A column of a history as one number; NaN without the column."""
    values = history.get(column, pd.Series(dtype=float)).dropna()
    if values.empty:
        return float("nan")
    if how in ("first", "last"):
        return float(values.iloc[0 if how == "first" else -1])
    return float(values[history[by].idxmax()] if how == "at_max" else values.agg(how))


def small(frame: pd.DataFrame, asked: Collection[str]) -> pd.DataFrame:
    """The columns that are asked for, and the keys that tell the settings of a method on a data set apart."""
    metrics = {*AOPAC.values(), *frame.get("metric.name", [])}
    needed = {column for name in asked for column in columns_of(name, metrics)}
    needed |= {"base_rates.val", f"val/{BALANCED}", f"val/{SELECTED}"}  # tell which runs are degenerate
    needed |= {"base_rates.test"} if any(name.startswith(FRONT) for name in asked) else set()
    keys = [c for c in frame if not c.startswith(("train/", "val/", "test/", "history/", "base_rates.", "folder"))]
    telling = {c for c in keys if c in ALWAYS or tells_apart(frame, c)}
    found = frame[[c for c in frame if c in needed | telling]]
    mixed = [c for c in found if found[c].dropna().map(type).nunique() > 1]  # 1 and ">50K": Parquet has no such column
    return found.assign(**{c: found[c].map(str, na_action="ignore") for c in mixed})


def tells_apart(frame: pd.DataFrame, key: str) -> bool:
    """Whether a key varies among the runs of a method on a data set."""
    cells = frame[key].astype(str).groupby([frame["method"], frame.get("dataset", frame["method"])])
    return bool((cells.nunique(dropna=False) > 1).any())


def store(frame: pd.DataFrame, asked: Collection[str], path: Path, **about: Any) -> None:
    """Write a frame with what is said of it, small."""
    table = pa.Table.from_pandas(small(frame, asked), preserve_index=False)
    table = table.replace_schema_metadata({ABOUT: json.dumps(about).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, parquet(table, compression="zstd", write_statistics=False))


def stored(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A stored frame and what is said of it.  Raises ``InputError``."""
    try:
        table = pq.read_table(path)
        lists = {c: table[c].to_pylist() for c in table.column_names if pa.types.is_list(table.schema.field(c).type)}
        return table.to_pandas().assign(**lists), json.loads((table.schema.metadata or {})[ABOUT])
    except (OSError, ValueError, KeyError):
        raise InputError(f"{path} must be a stored result of fairrun reproduce, and is another file") from None
