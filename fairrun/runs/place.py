"""Where the runs of a sweep are: a run that is done stays in its folder, whatever number the command gives it now."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from fairrun.config.check import InputError
from fairrun.results.records import RECORD, REFUSED, identity_of, read, recorded_identity
from fairrun.runs.job import Job
from fairrun.runs.runner import Sweep
from fairrun.runs.single_task import NAME


def places(jobs: Sequence[Job], folder: Path, sweep: Sweep) -> dict[Path, Path]:
    """By the folder of each job: the folder of its record below ``folder``, if there is one; else its own.

    Where its own is a number that holds another run's record, it is the next number that is free.  So a sweep may grow
    by a seed or a method, and its jobs may come in another order.
    """
    records = dict(_records(folder))
    found = {job.folder: place for job in jobs if (place := _recorded(job, records, sweep)) is not None}
    known = set(found.values())
    others = {path: run for path, run in records.items() if path not in known}
    taken = {*records, *(job.folder for job in jobs)}
    free = (path for path in (folder / str(number) for number in count()) if path not in taken)
    for job in jobs:
        if job.folder not in found:
            occupied = job.folder in records and _is_number(job.folder, folder) and job.config["resume"]
            other_data = job.folder in others and others[job.folder][0] == identity_of(job.config)
            found[job.folder] = next(free) if occupied and not other_data else job.folder
    return found


def _records(folder: Path) -> Iterator[tuple[Path, tuple[str, str]]]:
    """The folders of whole records below ``folder``, and of each run its identity and the hash of its data."""
    for path in sorted(folder.rglob(RECORD)):
        if path.parent.parent != folder / NAME:
            try:
                record = read(path.parent)
            except InputError:
                continue
            if record["status"] != REFUSED:  # nothing was trained there
                yield path.parent, (recorded_identity(record), record["data_sha256"])


def _recorded(job: Job, records: dict[Path, tuple[str, str]], sweep: Sweep) -> Path | None:
    """The folder that holds the record of a job, its own before others."""
    if not records or not job.config["resume"]:
        return None
    try:
        run = (identity_of(job.config), str(sweep.data.facts(job.config)["data_sha256"]))
    except Exception:  # a plug-in raises what it likes; the job is refused with the reason where it is checked
        return None
    same = [path for path, other in records.items() if other == run]
    return job.folder if job.folder in same else next(iter(same), None)


def _is_number(path: Path, folder: Path) -> bool:
    return path.name.isdigit() and path.parent == folder
