"""Logs each run of a sweep from its files, once, and follows runs that train: what all trackers share."""

import contextlib
import functools
import json
import logging
import secrets
import tempfile
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

import pandas as pd

from fairrun.command.environment import debugging
from fairrun.command.folders import InUse, locked
from fairrun.config.check import InputError
from fairrun.config.names import counted
from fairrun.results.records import TRAINED, load, read, read_history
from fairrun.trackers import told
from fairrun.trackers.api import Log, Tracker
from fairrun.trackers.mark import Mark, record_hash
from fairrun.trackers.needs import Refused, flat
from fairrun.trackers.told import Told

log = logging.getLogger(__name__)
KNOWN, NEW, BUSY, REFUSED, DAMAGED = "known", "new", "busy", "refused", "damaged"  # what becomes of a run to log
UNTRIED = "untried"
REASONS = 10  # the most that are said at the end
AFTER = "its files are complete, sync them later"
AGAIN = "it is logged when the same command goes on"


@dataclass
class Following:
    """A run that is logged while it trains."""

    log: Log
    lock: IO[bytes]  # of its folder
    rows: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Logger(Tracker):
    """Logs each run from its files, and only once: its ``Mark`` says that it was.

    A run is logged again, in place of what the tracker has, if its record has changed or if it is not at this place
    yet.  A process that logs a run holds a lock in its folder, such as ``.wandb.lock``: no two log it at a time.

    With ``live`` the epochs of a run are logged as they are trained.  If some are missing at its end, because an
    earlier command trained them, the run is logged again as a whole.
    """

    live: bool = False
    name: ClassVar[str]  # of the choice: tracker=NAME
    title: ClassVar[str]  # of the tracker, for people
    syncing: ClassVar[Mapping[str, Any]] = {}  # the fields that ``fairrun sync`` sets unless told otherwise

    def __post_init__(self) -> None:
        _ = self._following  # made at once: the thread that waits and the one that tells epochs share it

    @functools.cached_property
    def _following(self) -> dict[Path, Following]:
        """The runs that train, by folder."""
        return {}

    @property
    @abstractmethod
    def place(self) -> str:
        """Where runs are logged to."""

    @property
    def address(self) -> str:
        """Where runs are sent to, for people."""
        return self.place

    @abstractmethod
    def open(self, described: Told, folder: Path, id: str) -> Log:
        """Begin a run.  Raises ``InputError`` if the tracker refuses it."""

    @abstractmethod
    def forget(self, folder: Path, id: str) -> None:
        """Remove what was logged under ``id``, and nothing else: the folder may be one that a user works in."""

    def answers(self) -> bool:
        """Whether the tracker can be reached; it is asked when it has refused a run.  Files always can."""
        return True

    def covers(self, place: str | None) -> bool:
        """Whether a run that was logged to ``place`` need not be logged again."""
        return place == self.place

    def id_of(self, folder: Path) -> str:
        """The id for the run in ``folder``: the one that it has, or a new one."""
        return self.known_id(folder) or secrets.token_hex(6)

    def known_id(self, folder: Path) -> str | None:
        """The id that the run in ``folder`` has at the tracker; None if it has none yet."""
        return Mark.read(self._mark(folder)).id

    def epochs(
        self, folder: Path, sweep: str | None, begun: Mapping[str, Any], rows: Sequence[Mapping[str, float]]
    ) -> None:
        """As ``Tracker.epochs``.  Raises ``InputError`` if the tracker refuses the run."""
        with self._refusals(folder, "it is logged when it is trained"):
            if folder not in self._following:
                self._following[folder] = self._follow(folder, told.of_run(begun, pd.DataFrame(), sweep))
            following, values = self._following[folder], [told.named(row, begun.get("groups", [])) for row in rows]
            following.rows += values
            following.log.rows(values)

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Log a run at once if it is followed or is not part of a sweep.

        Others are logged by ``finish``, so that training never waits for the tracker.  Raises ``InputError`` if the
        tracker refuses it.
        """
        following = self._following.pop(folder, None)
        if following is None and (sweep is not None or self.has(folder)):
            return
        with self._refusals(folder, AFTER), following.lock if following else self._locked(folder):
            known, described = record_hash(folder), told.of_run(record, history, sweep)
            if following is None:
                self._log_run(folder, described, known)
            elif _same(following.rows, described.rows):
                self._end(following.log, described, folder, known)
            else:
                following.log.interrupt()
                self._log_run(folder, described, known)

    def stop(self) -> None:
        """As ``Tracker.stop``.  A later command that trains such a run to its end logs it as a whole, under its id."""
        while self._following:
            folder, following = self._following.popitem()
            try:
                with self._refusals(folder, AGAIN), following.lock:
                    following.log.interrupt()
            except InputError as error:
                log.warning("%s", error)

    def finish(self, folder: Path, sweep: str | None) -> None:
        """Log the runs below ``folder`` that the tracker does not have yet, and print how many.

        Log a sweep's summaries too.  A run that the tracker refuses, or whose files are damaged, stops no other; once
        the tracker does not answer, no other is tried.  Raises ``InputError`` at the end if some are not logged.  What
        was logged before that is not logged again.
        """
        frame = load(folder)
        became: list[str] = []  # of each run
        refused: list[str] = []
        answers = True
        for run in frame.loc[frame["status"].isin(TRAINED), "folder"]:
            try:
                became.append(self._log_new(Path(run), sweep, answers))
            except InputError as error:
                became.append(REFUSED if isinstance(error, Refused) else DAMAGED)
                refused.append(str(error))
                answers = answers and (became[-1] == DAMAGED or self.answers())
        if sweep is not None and answers:
            refused += self._log_summaries(folder, sweep)
        print(f"{self.title}, {self.place}: {_counted(Counter(became))}")
        if refused:
            raise InputError("\n".join(_shortened(list(dict.fromkeys(refused)))))

    def _log_new(self, folder: Path, sweep: str | None, answers: bool) -> str:
        """Log a run if the tracker does not have it, and answers -> what became of it.  Raises ``InputError``."""
        if self.has(folder):
            return KNOWN
        if not answers:
            return UNTRIED
        with self._refusals(folder, AFTER):
            try:
                lock = self._locked(folder)
            except InUse:
                return BUSY
            with lock:
                if self.has(folder):
                    return KNOWN
                known = record_hash(folder)  # before it is read: a record written meanwhile is logged next time
                record = read(folder)
                self._log_run(folder, told.of_run(record, read_history(folder, record), sweep), known)
                return NEW

    def has(self, folder: Path) -> bool:
        """Whether the tracker has the run, as its record is now."""
        mark = Mark.read(self._mark(folder))
        return mark.record == record_hash(folder) and self.covers(mark.place)

    def _log_run(self, folder: Path, described: Told, record: str | None) -> None:
        """Log a whole run; ``record`` is the hash of the record that it is described from."""
        run = self._begin(described, folder)
        run.rows(described.rows)
        self._end(run, described, folder, record)

    def _log_summaries(self, folder: Path, sweep: str) -> list[str]:
        """Log a run for each data set and metric -> what was refused, each in words.

        The first one also has the files of the report and the records.
        """
        refused = []
        for k, problem in enumerate(told.problems(folder, sweep)):
            own = folder / problem.folder
            try:
                with self._refusals(own, "sync the sweep later"), self._locked(own):
                    self._log_summary(problem, own, sweep if k == 0 else None)
            except InputError as error:
                refused.append(str(error))
        return refused

    def _log_summary(self, problem: told.Problem, own: Path, sweep: str | None) -> None:
        """Log the summary of a problem to the folder ``own``, with the files of the sweep if it is named."""
        run = self._begin(problem.told, own)
        run.table("front", problem.table, problem.axes, problem.title)
        for name, path in problem.pictures.items():
            run.picture(f"{name} picture", path)
        if sweep is not None:
            with tempfile.TemporaryDirectory() as scratch:
                run.files(sweep, told.files(own.parent, Path(scratch)))
        self._end(run, problem.told, own, None)

    def _follow(self, folder: Path, described: Told) -> Following:
        lock = self._locked(folder)
        try:
            return Following(self._begin(described, folder), lock)
        except BaseException:
            lock.close()
            raise

    def _begin(self, described: Told, folder: Path) -> Log:
        """Open a run under the id of ``folder``, which gets a new id if it has none."""
        id = self.id_of(folder)
        earlier = self.known_id(folder) or id
        Mark(earlier).write(self._mark(folder))  # logged no more, even if this process is killed below
        for old in {earlier, id}:
            self.forget(folder, old)
        if id != earlier:
            Mark(id).write(self._mark(folder))
        run = self.open(described, folder, id)
        if run.id != id:  # the tracker chose another one
            Mark(run.id).write(self._mark(folder))
        return run

    def _end(self, run: Log, described: Told, folder: Path, record: str | None) -> None:
        run.close(described)
        Mark(run.id, self.place, record).write(self._mark(folder))

    def _locked(self, folder: Path) -> IO[bytes]:
        """The lock of what logs the run in ``folder``.  Raises ``InUse`` if another process has it."""
        try:
            return locked("folder", str(folder), f".{self.name}.lock")
        except InUse:
            raise InUse(f"{folder} is being logged to {self.title} by another process; sync it later") from None

    @contextlib.contextmanager
    def _refusals(self, folder: Path, then: str) -> Iterator[None]:
        """Raise ``Refused`` for what the tracker's library raises: an answer, a lost connection, a full disk."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            if debugging():
                raise
            what = f"{type(error).__name__}: {flat(error)}"
            raise Refused(f"{self.title} did not take {folder}; {then}: {what}") from error

    def _mark(self, folder: Path) -> Path:
        return folder / f"{self.name}.json"


def _same(rows: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]]) -> bool:
    """Whether two histories are equal; NaN is NaN."""
    return [json.dumps(row, sort_keys=True) for row in rows] == [json.dumps(row, sort_keys=True) for row in others]


def _counted(became: Counter[str]) -> str:
    """How many runs are logged, in words."""
    new = f"{counted(became[NEW], 'run')} logged, {became[KNOWN]} already were"
    others = {BUSY: "being logged by another process", REFUSED: "refused", DAMAGED: "with damaged files"}
    others |= {UNTRIED: "not tried"}
    return ", ".join([new, *(f"{became[end]} {words}" for end, words in others.items() if became[end])])


def _shortened(reasons: list[str]) -> list[str]:
    """The first reasons, and how many others there are."""
    more = len(reasons) - REASONS
    return [*reasons[:REASONS], f"and {more} more"] if more > 0 else reasons
