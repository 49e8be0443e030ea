"""Adds the single-task runs that a sweep of several tasks needs: ARFG and ARE divide by their gaps and errors.

The single-task run of a run is the run of ``stl`` with the same seed, data, optimizer, reduction of the loss and
configuration outside the node ``method``.  So all methods, and all values of their other fields, share it.  An added
run is like any other.  Its record is in the folder ``stl/CODE`` of the sweep, where the same command finds it.
"""

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import fairrun
from fairrun.config.check import InputError
from fairrun.config.keys import digest, dotted, identity
from fairrun.config.names import counted
from fairrun.config.source import WEIGHTS, weights_hash
from fairrun.methods.stl import STL
from fairrun.results.records import RECORD, REFUSED, read
from fairrun.runs.job import Job
from fairrun.runs.runner import Sweep
from fairrun.runs.sweep.outcome import Outcome

log = logging.getLogger(__name__)
NAME = "stl"  # the name of the method and of the folder


def complete(
    jobs: Sequence[Job], known: Mapping[Path, Outcome], sweep: Sweep, folder: Path, earlier: Collection[Path] = ()
) -> tuple[list[Job], dict[Path, Outcome]]:
    """Give the single-task jobs that ``jobs`` of the sweep in ``folder`` lack, and all known outcomes.

    A job does not lack its single-task run if another job, or a record below ``folder``, is a run of ``stl`` with the
    same configuration outside the method, whatever its optimizer.  Nor does it lack one whose folder is in
    ``earlier``: an earlier launch of this command added it.

    The outcomes are those in ``known`` and those of the added jobs.  With ``results.train_missing=false`` no
    single-task run is trained, and jobs that lack theirs are refused.
    """
    place = Path(os.path.abspath(folder), NAME)
    wanted = {place / code: lacking for code, lacking in _wanted(jobs, known, sweep).items()}
    added = {path: _single_task(first, path) for path, (first, *_) in wanted.items() if path not in earlier}
    outcomes = dict(known) | sweep.finished_or_refused(list(added.values()))
    missing = [path for path in added if path not in outcomes]
    elsewhere = _recorded(place, {job.folder for job in jobs}) if missing else set()
    count = 0
    for path in missing:
        first = wanted[path][0]
        data_sha256 = sweep.data.facts(first.config)["data_sha256"]
        if _outside(first.config, data_sha256, weights_hash(first.config)) in elsewhere:
            del added[path]
        elif any(job.config["results"]["train_missing"] for job in wanted[path]):
            count += 1
        else:
            del added[path]
            outcomes |= {job.folder: _refused(job) for job in wanted[path] if job.folder not in known}
    if count:
        log.info("%s added (method=%s): ARFG and ARE divide by them", counted(count, "single-task run"), NAME)
    return list(added.values()), outcomes


def _wanted(jobs: Sequence[Job], known: Mapping[Path, Outcome], sweep: Sweep) -> dict[str, list[Job]]:
    """The jobs that need each single-task run, by the run's code.

    It is left out if a job is a run of ``stl`` with the same configuration outside the method.  Refused jobs do not
    count.
    """
    sound = [job for job in jobs if job.folder not in known or known[job.folder].status == "finished"]
    own: set[str] = set()
    wanted: dict[str, list[Job]] = {}
    outside: dict[str, str] = {}
    for job in sound:
        data = sweep.data.facts(job.config)
        if data["tasks"] and "optimizer" in job.config["method"]:  # the single-task run uses the job's optimizer
            alike = _outside(job.config, data["data_sha256"], weights_hash(job.config))
            code = digest([alike, _method(job.config)])[:16]
            outside[code] = alike
            wanted.setdefault(code, []).append(job)
            if job.choices["method"] == NAME:
                own.add(alike)
    return {code: lacking for code, lacking in wanted.items() if outside[code] not in own}


def _outside(config: dict[str, Any], data_sha256: str, weights: str | None) -> str:
    """A digest that is equal for a run and its single-task run: of the run's identity without the method."""
    kept = {key: value for key, value in identity(dotted(config)).items() if key.split(".")[0] != "method"}
    return digest([kept, fairrun.__version__, data_sha256, *([weights] if weights else [])])


def _method(config: dict[str, Any]) -> dict[str, Any]:
    """The node of ``stl`` with the optimizer and the reduction of a job's configuration."""
    node = config["method"]
    reduction = node.get("reduction", "sum" if node.get("variant") == "authors" else "mean")
    return {"_target_": f"{STL.__module__}.{STL.__name__}", "optimizer": node["optimizer"], "reduction": reduction}


def _single_task(job: Job, folder: Path) -> Job:
    own, public = (config | {"method": _method(config)} for config in (job.config, job.public))
    return Job(own, job.choices | {"method": NAME}, folder, public)


def _recorded(place: Path, here: Collection[Path]) -> set[str]:
    """The digests ``_outside`` of the sweep's finished runs of ``stl``, from their records.

    Records in ``place`` are left out, because each optimizer has a folder of its own there.  So are records in the
    folders ``here``.
    """
    found = set()
    for path in place.parent.rglob(RECORD):
        if path.parent not in here and place not in path.parents:
            try:
                record = read(path.parent)
            except InputError:
                continue
            if record["status"] == "finished" and record["choices"].get("method") == NAME:
                weights = record.get("sources", {}).get(WEIGHTS)
                found.add(_outside(record["config"], record["data_sha256"], weights))
    return found


def _refused(job: Job) -> Outcome:
    like = f"the sweep hold a run of method=stl with seed {job.public['seed']} (same data, split, model, epochs)"
    return Outcome(REFUSED, f"results.train_missing must be true, or {like}, got false")
