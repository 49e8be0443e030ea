"""The file beside a run's record that says where the run was logged, such as ``wandb.json``."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from fairrun.config.check import InputError
from fairrun.results.records import RECORD, replace


@dataclass(frozen=True)
class Mark:
    """What a tracker has of a run."""

    id: str | None = None  # the run's at the tracker; None: it has none yet
    place: str | None = None  # where the run was logged to; None: it is not logged
    record: str | None = None  # the hash of the record that was logged

    @classmethod
    def read(cls, path: Path) -> Self:
        """The mark in a file; without the file, that of a run without an id, which is logged nowhere.

        Raises ``InputError`` for a file that is no mark.  It stays: it may be another program's, or hold an id.
        """
        if not path.exists():
            return cls()
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            found = None
        values = {name: found.get(name) for name in ("id", "place", "record")} if isinstance(found, dict) else {}
        if not values.get("id") or not all(isinstance(value, str | None) for value in values.values()):
            raise InputError(f"{path} is damaged, or not fairrun's: move it elsewhere, and the run gets a new id")
        return cls(**values)

    def write(self, path: Path) -> None:
        """Write the mark to a file."""
        replace(path, json.dumps(asdict(self)).encode() + b"\n")


def record_hash(folder: Path) -> str | None:
    """The hash of the record in a run's folder; None without one."""
    path = folder / RECORD
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
