"""The interfaces of a tracker, which the config group ``tracker`` chooses, and of a run that is open there."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

if TYPE_CHECKING:  # training imports the interface, and needs no report
    from fairrun.trackers.told import Told


class Tracker(ABC):
    """What logs results elsewhere; the main process calls it.

    ``folder`` is a run's, and ``sweep`` the name of the sweep that it is part of, or None.
    """

    live: bool = False  # whether it wants epochs while they are trained

    def check(self, *, single: bool) -> None:  # noqa: B027 - nothing is wrong by default
        """Raise ``InputError`` if the tracker cannot work.  Called before training; ``single``: one run, no sweep."""

    def epochs(  # noqa: B027 - only trackers that are live are told
        self, folder: Path, sweep: str | None, begun: Mapping[str, Any], rows: Sequence[Mapping[str, float]]
    ) -> None:
        """Log epochs of a run that trains, if the tracker is live.

        ``begun`` is the run's record without what only its end shows.  ``rows`` are those of its history that are new.
        """

    def stop(self) -> None:  # noqa: B027 - only trackers that are live have open runs
        """End the runs of which only epochs were logged, as interrupted.  Called when nothing trains any more."""

    @abstractmethod
    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Log a run.  Called when the run's files are written, or were before."""

    @abstractmethod
    def finish(self, folder: Path, sweep: str | None) -> None:
        """Log what is not logged yet of the sweep in ``folder``.  Called when all its files are written."""


class Log(Protocol):
    """A run that is open at a tracker."""

    id: str  # under which the tracker has it

    def rows(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log epochs; each row has its number as ``epoch``."""
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

    def close(self, described: "Told") -> None:
        """Log the summary and what the configuration lacked at the beginning, and end the run."""
        ...

    def interrupt(self) -> None:
        """End the run as one whose training stopped."""
        ...


@dataclass(frozen=True)
class NoTracker(Tracker):
    """Logs nothing: results are in files only."""

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Nothing to do: the run's files are written already."""

    def finish(self, folder: Path, sweep: str | None) -> None:
        """Nothing to do."""
