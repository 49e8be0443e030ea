"""Logs each run of a sweep from its files, once, and follows runs that train: what all trackers share."""

import functools
import hashlib
import json
import logging
import secrets
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pandas as pd

from fairrun.config.check import InputError
from fairrun.results.records import RECORD, load, read, read_history, replace
from fairrun.trackers import told
from fairrun.trackers.api import Tracker
from fairrun.trackers.told import Told

log = logging.getLogger(__name__)


class Log(Protocol):
    """A run that is open at a tracker."""

    id: str  # under which the tracker has it

    def row(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch."""
        ...

    def table(self, name: str, table: pd.DataFrame, axes: tuple[str, str], title: str) -> None:
        """Log a table, and where the tracker can draw one the chart of two of its columns."""
        ...

    def picture(self, name: str, path: Path) -> None:
        """Log a PNG file."""
        ...

    def files(self, name: str, paths: Sequence[Path]) -> None:
        """Keep copies of files, where the tracker keeps files, as the artifact ``name``."""
        ...

    def close(self, described: Told) -> None:
        """Log the summary and what the configuration lacked at the beginning, and end the run."""
        ...


@dataclass
class Following:
    """A run that is logged while it trains."""

    log: Log
    rows: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Logger(Tracker):
    """Logs each run from its files, and only once: a file beside its record, such as ``wandb.json``, says that it was.

    That file holds the run's id at the tracker, the place it was logged to, and the hash of the record.  A run is
    logged again, in place of what the tracker has, if its record has changed or if it is not at this place yet.

    With ``live`` the epochs of a run are logged as they are trained.  If some are missing at its end, because an
    earlier command trained them, the run is logged again as a whole.
    """

    live: bool = False
    name: ClassVar[str]  # of the choice: tracker=NAME
    title: ClassVar[str]  # of the tracker, for people
    syncing: ClassVar[Mapping[str, Any]] = {}  # the fields that ``fairrun sync`` sets unless told otherwise

    @functools.cached_property
    def _following(self) -> dict[Path, Following]:
        """The runs that train, by folder."""
        return {}

    @property
    @abstractmethod
    def place(self) -> str:
        """Where runs are logged to."""

    @abstractmethod
    def open(self, described: Told, folder: Path, id: str) -> Log:
        """Begin a run.  Raises ``InputError`` if the tracker refuses it."""

    @abstractmethod
    def forget(self, folder: Path, id: str) -> None:
        """Remove what was logged under ``id``, and nothing else: the folder may be one that a user works in."""

    def covers(self, place: str | None) -> bool:
        """Whether a run that was logged to ``place`` need not be logged again."""
        return place == self.place

    def id_of(self, folder: Path) -> str:
        """The id for the run in ``folder``: the one that it has, or a new one."""
        return self.known_id(folder) or secrets.token_hex(6)

    def known_id(self, folder: Path) -> str | None:
        """The id that the run in ``folder`` has at the tracker; None if it has none yet."""
        found: str | None = _read_mark(self._mark(folder))["id"]
        return found

    def epoch(self, folder: Path, sweep: str | None, begun: Mapping[str, Any], row: Mapping[str, float]) -> None:
        """As ``Tracker.epoch``.  Raises ``InputError`` if the tracker refuses the run."""
        if folder not in self._following:
            self._following[folder] = Following(self._begin(told.of_run(begun, pd.DataFrame(), sweep), folder))
        following, values = self._following[folder], told.named(row, begun.get("groups", []))
        following.rows.append(values)
        following.log.row(int(values["epoch"]), values)

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Log a run at once if it is followed or is not part of a sweep.

        Others are logged by ``finish``, so that training never waits for the tracker.
        """
        following = self._following.pop(folder, None)
        described = told.of_run(record, history, sweep)
        if following is not None and _same(following.rows, described.rows):
            self._end(following.log, described, folder)
            return
        if following is not None:
            following.log.close(described)
        if following is not None or (sweep is None and not self.has(folder)):
            self._log_run(folder, described)

    def finish(self, folder: Path, sweep: str | None) -> None:
        """Log the runs below ``folder`` that the tracker does not have yet, and print how many.

        Log a sweep's summaries too.  Raises ``InputError`` if the tracker cannot be reached.  Runs that were logged
        before that are not logged again.
        """
        frame = load(folder)
        folders = [Path(run) for run in frame.loc[frame["status"] != "corrupt", "folder"]]
        new = [run for run in folders if not self.has(run)]
        for run in new:
            record = read(run)
            self._log_run(run, told.of_run(record, read_history(run, record), sweep))
        if sweep is not None:
            self._log_summaries(folder, sweep)
        number = f"{len(new)} run{'s' * (len(new) != 1)} logged"
        print(f"{self.title}, {self.place}: {number}, {len(folders) - len(new)} already were")

    def has(self, folder: Path) -> bool:
        """Whether the tracker has the run, as its record is now."""
        mark = _read_mark(self._mark(folder))
        return mark["record"] == _record_hash(folder) and self.covers(mark["place"])

    def _log_run(self, folder: Path, described: Told) -> None:
        run = self._begin(described, folder)
        for row in described.rows:
            run.row(int(row["epoch"]), row)
        self._end(run, described, folder)

    def _log_summaries(self, folder: Path, sweep: str) -> None:
        """Log a run for each data set and metric.  The first one also has the files of the report and the records."""
        for k, problem in enumerate(told.problems(folder, sweep)):
            own = folder / problem.folder
            run = self._begin(problem.told, own)
            run.table("front", problem.table, problem.axes, problem.title)
            for name, path in problem.pictures.items():
                run.picture(f"{name} picture", path)
            if k == 0:
                with tempfile.TemporaryDirectory() as scratch:
                    run.files(sweep, told.files(folder, Path(scratch)))
            self._end(run, problem.told, own)

    def _begin(self, described: Told, folder: Path) -> Log:
        """Open a run under the id of ``folder``, which gets a new id if it has none."""
        folder.mkdir(exist_ok=True)
        earlier, id = self.known_id(folder), self.id_of(folder)
        for old in {earlier or id, id}:
            self.forget(folder, old)
        _write_mark(self._mark(folder), id, None, None)  # the id is kept even if this process is killed below
        run = self.open(described, folder, id)
        if run.id != id:  # the tracker chose another one
            _write_mark(self._mark(folder), run.id, None, None)
        return run

    def _end(self, run: Log, described: Told, folder: Path) -> None:
        run.close(described)
        _write_mark(self._mark(folder), run.id, self.place, _record_hash(folder))

    def _mark(self, folder: Path) -> Path:
        return folder / f"{self.name}.json"


def _same(rows: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]]) -> bool:
    """Whether two histories are equal; NaN is NaN."""
    return [json.dumps(row, sort_keys=True) for row in rows] == [json.dumps(row, sort_keys=True) for row in others]


def _read_mark(path: Path) -> dict[str, Any]:
    """What the file ``path`` says of a logged run; without it, the run has no id and is logged nowhere."""
    nothing = {"id": None, "place": None, "record": None}
    if not path.exists():
        return nothing
    try:
        return nothing | json.loads(path.read_text())
    except ValueError:
        raise InputError(f"{path} is damaged: delete it, and the run gets a new id") from None


def _write_mark(path: Path, id: str, place: str | None, record: str | None) -> None:
    replace(path, json.dumps({"id": id, "place": place, "record": record}).encode() + b"\n")


def _record_hash(folder: Path) -> str | None:
    path = folder / RECORD
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
