"""Reads and writes the record of each run.  ``python -m fairrun.results FOLDER`` shows the runs below a folder.

Files are the truth: whatever else shows results is a view of them.

A run's folder holds ``history.parquet`` (a row an epoch) and ``record.json``, which is written last and at once, so
that a folder with a record is a finished run.
"""

import functools
import hashlib
import io
import json
import logging
import math
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import fairrun
from fairrun.config.check import InputError
from fairrun.config.keys import BOUND, active_keys, digest, dotted, identity
from fairrun.results.errors import errors

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)
RECORD, HISTORY = "record.json", "history.parquet"
TRAINED = ("finished", "failed")  # the statuses of runs that trained, to their end or not
REFUSED = "refused"  # the status of a run of a sweep that could not be trained: its configuration may be anything
GROUPS = ("method", "dataset", "model", "metric")  # of which a run has chosen a file each
ESTIMATOR = "estimator@method.estimator"  # the choice of Hydra beside them, where a library trains the method
GIVEN = ("csv", "image_folder")  # data sets that are a user's file, or folder
_SUFFIXES = re.compile(r"(\.(csv|tsv|txt|parquet|gz|zip|xz|bz2))+$", re.IGNORECASE)
FIELDS = {  # the fields that every record has, and their types
    "status": str,
    "seed": int,
    "config": dict,
    "choices": dict,
    "metrics": dict,
    "versions": dict,
    "data_sha256": str,
    "key": str,
}

OF_REFUSED = {name: kind for name, kind in FIELDS.items() if name != "seed"}  # which may be no number


def write(folder: Path, record: dict[str, Any], history: pd.DataFrame | None) -> dict[str, Any]:
    """Write a run's files; each appears whole or not at all, the record last -> the record as written.

    No history: the run has none.  The record has the SHA-256 of the history.  The files are on the disk at the end.
    """
    if history is not None:
        content = _parquet(history)
        replace(folder / HISTORY, content)
        record = record | {"history_sha256": hashlib.sha256(content).hexdigest()}
    replace(folder / RECORD, json.dumps(_plain(record), indent=2, allow_nan=False).encode() + b"\n")
    return record


def _parquet(history: pd.DataFrame) -> bytes:
    """A history as Parquet: many short columns, in half the time and a fifth of the bytes of ``to_parquet``."""
    import pyarrow as pa  # here, so that a report starts without it

    floats = history.select_dtypes("float64")
    columns = dict(zip(floats, floats.to_numpy().T, strict=True))
    columns |= {name: history[name].to_numpy() for name in history if name not in columns}
    arrays = {name: pa.array(columns[name], from_pandas=True) for name in history}
    return parquet(pa.table(arrays), use_dictionary=False, write_statistics=False, store_schema=False)


def parquet(table: "pa.Table", **how: Any) -> bytes:
    """An Arrow table as the content of a Parquet file, written as pyarrow's ``write_table`` is told."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **how)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read(folder: Path) -> dict[str, Any]:
    """The record in ``folder``.  Raises ``InputError`` if there is none, or none that is whole."""
    path = folder / RECORD
    try:
        record = json.loads(path.read_bytes())
        needed = FIELDS if record.get("status") != REFUSED else OF_REFUSED
        lacking = [name for name, kind in needed.items() if not isinstance(record.get(name), kind)]
        if lacking := lacking or (_lacking(record) if needed is FIELDS else []):
            raise ValueError(f"it has no {', '.join(lacking)}")
    except (ValueError, AttributeError, OSError) as error:  # not JSON, JSON of another kind, or not a file
        raise InputError(f"{path} is not the record of a run: {error}") from None
    return record


def _lacking(record: Mapping[str, Any]) -> list[str]:
    """What a record with all ``FIELDS`` lacks below them."""
    lacking = [f"choices.{name}" for name in GROUPS if not isinstance(record["choices"].get(name), str)]
    metric = record["config"].get("metric")
    return lacking if isinstance(metric, dict) and isinstance(metric.get("name"), str) else [*lacking, "config.metric"]


def read_history(folder: Path, record: Mapping[str, Any]) -> pd.DataFrame:
    """The history of the run in ``folder``, a row an epoch; empty if it has none.  Raises ``InputError`` if damaged."""
    path = folder / HISTORY
    if not path.exists() and "history_sha256" not in record:
        return pd.DataFrame()  # its worker died
    try:
        content = path.read_bytes()
        if record.get("history_sha256", digest := hashlib.sha256(content).hexdigest()) != digest:
            raise ValueError("its SHA-256 is not the one in the record")
        return pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); the same command trains the run again") from None


def history_of(folder: Path | str) -> pd.DataFrame:
    """As ``read_history``, for reports: one that is damaged is empty, with a warning."""
    try:
        return read_history(Path(folder), read(Path(folder)))
    except InputError as error:
        log.warning("%s; the report goes without it", error)
        return pd.DataFrame()


def load(folder: Path | str) -> pd.DataFrame:
    """Every record below ``folder``, a tidy frame: a row a run, sorted by folder.

    Columns: ``folder``, ``status`` (finished, failed, refused before training, or corrupt: a file that cannot be read,
    whose other columns are empty), ``failure`` (why, or None), ``data_sha256``, ``dataset`` (the name of the data), the
    other chosen groups (``method``, ``model``, ``metric``), the config by dotted key (``method.lam``, ``seed``),
    ``base_rates.<split>`` (of each group rows, and rows of class 1, 2, ...)
    and the metrics of the chosen epoch by split (``test/accuracy``).  Raises ``InputError`` where there is no record.
    """
    paths = sorted(Path(folder).rglob(RECORD), key=lambda path: _natural(path.parent))
    if not paths:
        why = errors(Path(folder))
        raise InputError(f"the folder must hold results of runs ({RECORD}), got {str(folder)!r}{why and f': {why}'}")
    frame = pd.DataFrame(_alike([_row(path.parent) for path in paths]))
    metrics = [name for name in frame if name.startswith(("train/", "val/", "test/"))]
    return frame.astype(dict.fromkeys(metrics, float))  # one that is undefined in all runs is a column of None


def statuses(frame: pd.DataFrame) -> str:
    """How many runs of a frame have which status, in words: "2 finished, 1 refused"."""
    return ", ".join(f"{count} {status}" for status, count in frame["status"].value_counts().items())


def _alike(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, those of refused runs without values of another type than other runs have: seed abc."""
    types: dict[str, set[type]] = {}
    for key, value in (item for row in rows if row["status"] != REFUSED for item in row.items()):
        types.setdefault(key, set()).update([] if value is None else [_type(value)])
    return [
        {key: v for key, v in row.items() if row["status"] != REFUSED or _type(v) in (types.get(key) or {_type(v)})}
        for row in rows
    ]


def _type(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _row(folder: Path) -> dict[str, Any]:
    try:
        record = read(folder)
    except InputError as error:
        return {"folder": str(folder), "status": "corrupt", "failure": str(error)}
    fields = {"folder": str(folder), "status": record["status"], "failure": record.get("failure")}
    fields |= {"data_sha256": record["data_sha256"]}
    fields |= {"frontier": record["frontier"]} if "frontier" in record else {}
    rates = {f"base_rates.{split}": cells for split, cells in record.get("base_rates", {}).items()}
    return fields | described(record) | rates | record["metrics"]


def with_points(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of ``load`` with a row for each bound of a run with postprocess=frontier, in place of the run's own.

    The column ``BOUND`` tells them apart; the column ``frontier`` is left out.
    """
    if "frontier" not in frame:
        return frame
    frame = frame.reset_index(drop=True)
    has = frame["frontier"].map(lambda points: isinstance(points, list))
    places = [(k, point) for k, points in frame.loc[has, "frontier"].items() for point in points]
    metrics = pd.DataFrame([{BOUND: point["bound"], **point["metrics"]} for _, point in places])
    own = frame.loc[[k for k, _ in places]].reset_index(drop=True).drop(columns=metrics.columns, errors="ignore")
    points = own.join(metrics.astype(float))
    return pd.concat([frame[~has], points], ignore_index=True).drop(columns="frontier")


def described(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was, by flat names: ``method``, ``dataset``, ``model``, ``metric``, and the config by dotted key."""
    choices, config = record["choices"], record["config"]
    fields = choices | {"method": method_name(choices, config), "dataset": dataset_name(choices, config)}
    if fields.pop("estimator", None):
        fields["model"] = None  # the estimator is the model
    return fields | active_keys(dotted(config))


def identity_of(config: dict[str, Any]) -> str:
    """A digest of what makes a run of this configuration another run."""
    return digest(identity(dotted(config)))


def recorded_identity(record: Mapping[str, Any]) -> str:
    """The digest ``identity_of`` the run of a record, whose configuration may lack values from the environment."""
    return str(record.get("identity") or identity_of(record["config"]))


def method_name(choices: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """The method of a run, with its post-processing: "erm + demographic_parity thresholds".

    With the estimator: "lightgbm" for method=estimator, "grid_search of lightgbm".
    """
    method, constraint = choices["method"], config.get("postprocess")
    if estimator := choices.get("estimator"):
        path = config["method"]["estimator"].get("classifier", "")  # of one without a file
        estimator = path.rpartition(".")[2] or estimator
        method = estimator if method == "estimator" else f"{method} of {estimator}"
    return method if constraint is None else f"{method} + {constraint} thresholds"


def choices_of(chosen: Mapping[str, Any]) -> dict[str, str]:
    """What a record keeps of Hydra's choices: those of ``GROUPS``, and the estimator's if there is one."""
    estimator = chosen.get(ESTIMATOR)
    return {group: chosen[group] for group in GROUPS} | ({"estimator": str(estimator)} if estimator else {})


def dataset_name(choices: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """The name of a run's data set: its ``name``; of files that a user gave, the file's; else the group's choice."""
    node = config.get("dataset", {})
    if node.get("name"):
        return str(node["name"])
    if choices["dataset"] in GIVEN and node.get("path"):
        return _SUFFIXES.sub("", Path(node["path"]).name) or choices["dataset"]
    return choices["dataset"]


def by_class(cell: Sequence[int]) -> list[int]:
    """The rows of each class, from an entry of ``base_rates``: all rows, and those of class 1, 2, ..."""
    rows, *others = cell
    return [rows - sum(others), *others]


def _natural(path: Path) -> list[tuple[int, str]]:
    """A sort key that puts job 2 before job 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.parts]


@functools.cache
def versions() -> dict[str, str | None]:
    """Versions of fairrun, torch and Python, and in a checkout the commit ("-dirty" with uncommitted changes)."""
    return {
        "fairrun": fairrun.__version__,
        "commit": _commit(),
        "torch": version("torch"),
        "python": platform.python_version(),
    }


def in_words(found: Mapping[str, str | None]) -> str:
    """The ``versions`` of fairrun and torch: "fairrun 1.0 at 0123456789-dirty, torch 2.0"."""
    commit, dirty, _ = (found.get("commit") or "").partition("-dirty")
    ours, torch = (found.get(name) or "unknown" for name in ("fairrun", "torch"))
    return f"fairrun {ours}{f' at {commit[:10]}{dirty}' if commit else ''}, torch {torch}"


def _commit() -> str | None:
    checkout = Path(fairrun.__file__).parent.parent
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):  # no git on this machine
        return None
    return done.stdout.strip() or None


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; it is on the disk at the end."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _plain(value: Any) -> Any:
    """The value without numbers that JSON lacks: one that is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
