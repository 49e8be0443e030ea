"""How a job of a sweep ended, and what its folder says of it."""

import logging
from typing import Any, NamedTuple

from fairrun.config.check import InputError
from fairrun.results.records import RECORD, REFUSED, read, read_history, write
from fairrun.runs.job import Job, refused

log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """How a job ended."""

    status: str  # finished; failed in training; refused before training
    failure: str | None = None
    record: dict[str, Any] | None = None
    trained: bool = False  # whether this command trained it, not an earlier one


def earlier_record(job: Job) -> dict[str, Any] | None:
    """The record in the job's folder; None if there is none or, with a warning, if it cannot be read."""
    if not (job.folder / RECORD).exists():
        return None
    try:
        record = read(job.folder)
        read_history(job.folder, record)
        return record
    except InputError as error:
        log.warning("%s; the run is trained again", error)
        return None


def write_refused(job: Job, reason: str) -> None:
    """Write the record of a refused job, unless its folder holds that of a run that was trained."""
    if (earlier := earlier_record(job)) is not None and earlier["status"] != REFUSED:
        return
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        write(job.folder, refused(job, reason), None)
    except OSError as error:
        log.warning("%s was refused, which could not be written there: %s", job.folder, error)
