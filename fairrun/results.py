"""One record a run.  Files are the truth: whatever else shows results is a view of them.

A run's folder holds ``history.parquet`` (a row an epoch) and ``record.json``, which is written last and at once, so
that a folder with a record is a finished run.
"""

import json
import math
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

import fairrun
from fairrun.check import InputError

RECORD, HISTORY = "record.json", "history.parquet"


def write(folder: Path, record: dict[str, Any], history: pd.DataFrame) -> None:
    """Write a run's files; each appears whole or not at all, the record last."""
    _replace(folder / HISTORY, history.to_parquet(index=False))
    _replace(folder / RECORD, json.dumps(_plain(record), indent=2, allow_nan=False).encode() + b"\n")


def load(folder: Path | str) -> pd.DataFrame:
    """Every record below ``folder``, a tidy frame: a row a run, sorted by folder.

    Columns: ``folder``, ``status``, the chosen groups (``method``, ``dataset``, ``model``, ``metric``), the config by
    dotted key (``method.lam``, ``seed``) and the metrics of the chosen epoch by split (``test/accuracy``).  Raises
    ``InputError`` where there is no record.
    """
    paths = sorted(Path(folder).rglob(RECORD))
    if not paths:
        raise InputError(f"the folder must hold results of runs ({RECORD}), got {str(folder)!r}")
    rows = []
    for path in paths:
        record = json.loads(path.read_text())
        fields = {"folder": str(path.parent), "status": record["status"], **record["choices"]}
        rows.append(fields | _dotted(record["config"]) | record["metrics"])
    return pd.DataFrame(rows)


def versions() -> dict[str, str | None]:
    """What ran: fairrun and, in a checkout, its commit ("-dirty" with uncommitted changes); torch; Python."""
    return {
        "fairrun": fairrun.__version__,
        "commit": _commit(),
        "torch": version("torch"),
        "python": platform.python_version(),
    }


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


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)


def _plain(value: Any) -> Any:
    """JSON has no NaN: a number that is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _dotted(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"method": {"lam": 1}} -> {"method.lam": 1}; lists stay as they are."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= _dotted(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
