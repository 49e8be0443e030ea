"""Single-task runs beside a sweep's runs of several tasks: the denominators of their ARFG and ARE.

The reference of a run is the run of ``stl`` with the same configuration outside the node ``method``, the same seed and
data, so all methods and all values of their fields share it.  One that is added is a run as any other, with its record
in the folder ``stl/CODE`` of the sweep, where the same command finds it.
"""

import contextlib
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import fairrun
from fairrun.check import InputError
from fairrun.job import Job, digest, effective
from fairrun.methods.stl import STL
from fairrun.results import RECORD, read
from fairrun.stacking import Outcome, Sweep

log = logging.getLogger(__name__)
NAME = "stl"  # of the method, and of the folder


def complete(
    jobs: Sequence[Job], known: Mapping[Path, Outcome], sweep: Sweep, folder: Path, earlier: Collection[Path] = ()
) -> tuple[list[Job], dict[Path, Outcome]]:
    """The references to be run with ``jobs`` of the sweep in ``folder``; and what is known, now of them too.

    None where one of the jobs is it, where a record below ``folder`` is, or where it is of an ``earlier`` folder: that
    of a reference that this command has had.  With ``results.train_missing=false`` those that would have to be trained
    are left out, and the jobs that want them are refused.
    """
    wanted = _wanted(jobs, known, sweep)
    place = Path(os.path.abspath(folder), NAME)
    references = {code: _reference(first, place / code) for code, (first, *_) in wanted.items()}
    references = {code: job for code, job in references.items() if job.folder not in earlier}
    outcomes = dict(known) | sweep.known(list(references.values()))
    missing = [code for code, job in references.items() if job.folder not in outcomes]
    here = {job.folder for job in (*jobs, *references.values())}
    elsewhere = _recorded(place.parent, here) if missing else set()
    trained = 0
    for code in missing:
        if code in elsewhere:
            del references[code]
        elif any(job.config["results"]["train_missing"] for job in wanted[code]):
            trained += 1
        else:
            del references[code]
            outcomes |= {job.folder: _refused(job) for job in wanted[code] if job.folder not in known}
    if trained:
        log.info("%d runs of %s added: the denominators of ARFG and ARE", trained, NAME)
    return list(references.values()), outcomes


def _wanted(jobs: Sequence[Job], known: Mapping[Path, Outcome], sweep: Sweep) -> dict[str, list[Job]]:
    """Of the references that are not among ``jobs`` themselves, the jobs that want each.  Refused jobs do not count."""
    sound = [job for job in jobs if job.folder not in known or known[job.folder].status == "finished"]
    own: set[str] = set()
    wanted: dict[str, list[Job]] = {}
    for job in sound:
        data = sweep.facts(job.config)
        if data["tasks"] and "optimizer" in job.config["method"]:  # a reference takes it over
            code = _code(job.config, data["data_sha256"])
            wanted.setdefault(code, []).append(job)
            if job.choices["method"] == NAME:
                own.add(code)
    return {code: lacking for code, lacking in wanted.items() if code not in own}


def _code(config: dict[str, Any], data_sha256: str) -> str:
    """Equal for a run and its reference: of what makes a run, all but the method."""
    kept = {key: value for key, value in effective(config).items() if key.split(".")[0] != "method"}
    return digest([kept, fairrun.__version__, data_sha256])[:16]


def _reference(job: Job, folder: Path) -> Job:
    """The reference of a job: as ``folder`` has it already, else with the job's optimizer and kind of loss."""
    node = job.config["method"]
    summed = node.get("variant") == "authors"
    reduction = node.get("reduction", "sum" if summed else "mean")
    own = {"_target_": f"{STL.__module__}.{STL.__name__}", "optimizer": node["optimizer"], "reduction": reduction}
    with contextlib.suppress(InputError):  # there is none yet, or one that is corrupt and will be trained again
        own = read(folder)["config"]["method"]
    return Job(job.config | {"method": own}, job.choices | {"method": NAME}, folder)


def _recorded(folder: Path, here: Collection[Path]) -> set[str]:
    """The codes of finished runs of ``stl`` below ``folder`` that are not in the folders ``here``."""
    codes = set()
    for path in folder.rglob(RECORD):
        if path.parent not in here:
            try:
                record = read(path.parent)
            except InputError:
                continue
            if record["status"] == "finished" and record["choices"].get("method") == NAME:
                codes.add(_code(record["config"], record["data_sha256"]))
    return codes


def _refused(job: Job) -> Outcome:
    like = f"the sweep hold a run of method=stl with seed {job.config['seed']} (same data, split, model, epochs)"
    return Outcome("refused", f"results.train_missing must be true, or {like}, got false")
