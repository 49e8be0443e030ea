"""The runs that claims are tested on, as one frame a source: trained where they are not, or as they were stored."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fairrun.analysis.relative import relative
from fairrun.analysis.tradeoff import AOPAC
from fairrun.api.run import sweep
from fairrun.claims import measures
from fairrun.claims.spec import FRONT, Source
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
    """The columns that tests and tables ask for, and those that tell configurations apart."""
    of_fronts = ("accuracy", *AOPAC.values(), *frame.get("metric.name", []))
    fronts = [c for c in frame if c.startswith("base_rates.") or c.partition("/")[2] in of_fronts]
    needed = ("base_rates.val", f"val/{BALANCED}", f"val/{SELECTED}")  # tell which runs are degenerate
    values = [*(fronts if any(name.startswith(FRONT) for name in asked) else [])]
    values += [c for c in frame if c in asked or c in needed]
    keys = [c for c in frame if not c.startswith(("train/", "val/", "test/", "history/", "base_rates.", "folder"))]
    varying = [c for c in keys if c in ALWAYS or frame[c].astype(str).nunique(dropna=False) > 1]
    return frame[list(dict.fromkeys([*varying, *values]))]


def store(frame: pd.DataFrame, asked: Collection[str], path: Path, **about: Any) -> None:
    """Write a frame with what is said of it, small."""
    table = pa.Table.from_pandas(small(frame, asked), preserve_index=False)
    said = {ABOUT: json.dumps(about).encode()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **said})
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, parquet(table, compression="zstd"))


def stored(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A stored frame and what is said of it.  Raises ``InputError``."""
    if not path.exists():
        raise InputError(f"{path} is not there: fairrun reproduce --store FOLDER keeps it")
    try:
        table = pq.read_table(path)
        return table.to_pandas(), json.loads((table.schema.metadata or {})[ABOUT])
    except (OSError, ValueError, KeyError):
        raise InputError(f"{path} must be a stored result of fairrun reproduce, and is another file") from None
