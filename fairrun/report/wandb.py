"""Sends results to Weights & Biases (W&B): a sweep's runs as one group, and summaries of each data set.

``python -m fairrun.report.wandb sync outputs/sweeps/SWEEP`` pushes what W&B does not have yet.  Only this module
imports wandb, and only in the functions that use it.
"""

import argparse
import hashlib
import json
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from fairrun.config.check import InputError, one_of
from fairrun.results.records import RECORD, dataset_name, load, method_name, read, read_history, replace

TAG = 64  # the most characters of a tag
MARK = "wandb.json"  # in the folder of a logged run: its id at W&B, the mode, and the hash of the record logged
# Git and machine data would describe the process that logs, not the one that trained.  Listing the installed packages
# costs as much as all the rest.
LEAN: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_save_requirements": False,
    "disable_git": True,
    "save_code": False,
}


class Tracker(Protocol):
    """The interface of a tracker, which the config group ``tracker`` chooses."""

    def check(self) -> None:
        """Raise ``InputError`` if the tracker cannot work.  Called before training."""
        ...

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Log a run.  Called in the main process when the run's files are written."""
        ...

    def finish(self, folder: Path, sweep: str | None) -> None:
        """Log the sweep whose folder is ``folder``.  Called when all its files are written."""
        ...


@dataclass(frozen=True)
class NoTracker:
    """Logs nothing: results are in files only."""

    def check(self) -> None:
        """Nothing can be wrong."""

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Nothing to do: the run's files are written already."""

    def finish(self, folder: Path, sweep: str | None) -> None:
        """Nothing to do."""


@dataclass(frozen=True)
class Wandb:
    """Logs each run as one W&B run: config as nested keys, history by epoch, summary from the selected epoch.

    A run is logged from its files, and only once: the file ``wandb.json`` beside its record says that it was.  A run is
    logged again, under its id, if its record has changed since, or if the mode is online and it has only offline files.
    It then overwrites itself.  Without ``wandb.json`` a run gets a new id; delete that file if you deleted the run at
    W&B.
    """

    project: str
    entity: str | None  # None means your default entity
    mode: str  # "offline" writes files to the run's folder, for ``sync``; "online" needs a key

    def __post_init__(self) -> None:
        one_of("mode", self.mode, ("offline", "online"))

    def check(self) -> None:
        """Raise ``InputError`` if wandb cannot be imported, or refuses the project's name or the key."""
        try:
            import wandb
        except Exception as error:  # a broken installation raises what it likes
            what = f"{type(error).__name__}: {_flat(error)}"
            raise InputError(f"tracker=wandb needs the package wandb, which cannot be imported: {what}") from error
        try:
            wandb.Settings(project=self.project, entity=self.entity)
        except Exception as error:  # wandb's own, and pydantic's
            message = f"tracker.project must be a name that W&B takes, got {self.project!r}: {_flat(error)}"
            raise InputError(message) from error
        try:
            known = self.mode == "offline" or wandb.login(prompt=False, verify=False)
        except Exception as error:  # a key of another length
            raise InputError(f"tracker.mode=online needs a W&B key of the right form: {_flat(error)}") from error
        if not known:
            raise InputError(
                "tracker.mode=online needs a W&B key: run `wandb login`, set WANDB_API_KEY, or choose offline"
            )

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Log a run that is not part of a sweep.

        Runs of a sweep are logged by ``finish``, so that training never waits for W&B.
        """
        if sweep is None:
            self._log_run(folder, None, record, history)

    def finish(self, folder: Path, sweep: str | None) -> None:
        """Log the runs below ``folder`` that W&B does not have yet, and print how many.  Log a sweep's summaries too.

        Raises ``InputError`` if W&B cannot be reached.  Runs that were logged before that are not logged again.
        """
        frame = load(folder)
        folders = [Path(run) for run in frame.loc[frame["status"] != "corrupt", "folder"]]
        new = [run for run in folders if not self._has(run)]
        for run in new:
            record = read(run)
            self._log_run(run, sweep, record, read_history(run, record))
        if sweep is not None:
            self._log_summaries(folder, sweep)
        print(f"W&B, {self.mode}: {len(new)} runs logged, {len(folders) - len(new)} already were")

    def _has(self, folder: Path) -> bool:
        mark = _read_mark(folder)
        return mark["record"] == _record_hash(folder) and mark["mode"] in (self.mode, "online")

    def _log_run(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        choices, dataset = record["choices"], dataset_name(record["choices"], record["config"])
        self._log(
            folder,
            history.to_dict("records"),
            {**record["metrics"], "status": record["status"], "epoch": record["epoch"]},
            exit_code=0 if record["status"] == "finished" else 1,
            name=f"{method_name(choices, record['config'])} {dataset} seed={record['seed']}",
            group=sweep,
            tags=[name[:TAG] for name in (choices["method"], dataset, choices["model"])],
            config=record["config"] | {"data_sha256": record["data_sha256"]},
        )

    def _log_summaries(self, folder: Path, sweep: str) -> None:
        """Log a W&B run for each data set and fairness metric.

        It holds the table of configurations, the plot of accuracy against the metric, and the hypervolume.
        """
        import wandb

        from fairrun.analysis.front import hypervolume
        from fairrun.analysis.tradeoff import tradeoff
        from fairrun.report import few
        from fairrun.report.tradeoffs import by_problem

        frame = load(folder)
        finished = by_problem(frame[frame["status"] == "finished"])
        for key, runs in finished.groupby(["dataset", "metric.name", "metric.greater_is_better"]):
            dataset, metric, greater_is_better = str(key[0]), str(key[1]), bool(key[2])
            trade = tradeoff(runs, metric, greater_is_better=greater_is_better)
            table, names = trade.settings, ["test/accuracy", f"test/{metric}"]
            front = table.loc[table["front"], names].to_numpy(dtype=float)
            area = hypervolume(front, trade.hypervolume_point, greater_is_better=greater_is_better)
            points = table[[f"test/{metric}", "test/accuracy"]].set_axis([metric, "accuracy"], axis="columns")
            title = f"{dataset}: accuracy against {metric}, test rows"
            media = {
                "settings": wandb.Table(dataframe=table, allow_mixed_types=True),
                "front": wandb.plot.scatter(wandb.Table(dataframe=points), metric, "accuracy", title),
            }
            self._log(
                folder / f"summary_{dataset}_{metric}".replace("/", "_"),
                [media],
                {"hypervolume": area, "reference": trade.hypervolume_point, "runs": len(runs)} | few.column(trade),
                name=f"summary {dataset} {metric}",
                group=sweep,
                job_type="summary",
                tags=[dataset[:TAG]],
                config={"dataset": dataset, "metric": metric},
            )

    def _log(self, folder: Path, rows: Any, summary: dict[str, Any], exit_code: int = 0, **description: Any) -> None:
        """Log one W&B run under the id of ``folder``, which gets a new id if it has none."""
        import wandb

        folder.mkdir(exist_ok=True)
        mark = _read_mark(folder) | {"mode": None, "record": _record_hash(folder)}
        _write_mark(folder, mark)  # the id is kept even if this process is killed below
        shutil.rmtree(folder / "wandb", ignore_errors=True)  # the files logged under this id are overwritten
        try:
            run = wandb.init(
                id=mark["id"],
                project=self.project,
                entity=self.entity,
                mode="online" if self.mode == "online" else "offline",
                dir=str(folder),
                reinit="finish_previous",
                settings=wandb.Settings(**LEAN),
                **description,
            )
        except wandb.Error as error:
            raise InputError(f"W&B did not take {folder}; its files are complete, sync them later: {error}") from None
        for row in rows:
            run.log(row, step=row.get("epoch"))
        run.summary.update(summary)
        run.finish(exit_code=exit_code)
        _write_mark(folder, mark | {"mode": self.mode})


def _flat(error: Exception) -> str:
    """The message on one line."""
    return " ".join(str(error).split())


def _read_mark(folder: Path) -> dict[str, str | None]:
    """The contents of the file ``wandb.json`` in ``folder``.  Without it: a new id, and nothing logged."""
    path = folder / MARK
    if not path.exists():
        return {"id": secrets.token_hex(6), "mode": None, "record": None}
    try:
        return json.loads(path.read_text())
    except ValueError:
        raise InputError(f"{path} is damaged: delete it, and the run gets a new id") from None


def _write_mark(folder: Path, mark: Mapping[str, str | None]) -> None:
    replace(folder / MARK, json.dumps(mark).encode() + b"\n")


def _record_hash(folder: Path) -> str | None:
    path = folder / RECORD
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _stored(folder: Path) -> dict[str, Any]:
    """The tracker that the runs below ``folder`` were configured with, or the defaults for runs without W&B."""
    frame = load(folder)
    trackers = (read(Path(run))["config"]["tracker"] for run in frame.loc[frame["status"] != "corrupt", "folder"])
    default = {"project": "fairrun", "entity": None}
    return next((tracker for tracker in trackers if tracker["_target_"] == "fairrun.report.wandb.Wandb"), default)


def main(arguments: list[str] | None = None) -> None:
    """Push the results of a sweep or a run."""
    parser = argparse.ArgumentParser(prog="python -m fairrun.report.wandb", description="Results to Weights & Biases.")
    command = parser.add_subparsers(required=True).add_parser("sync", help="push what W&B does not have yet")
    command.add_argument("folder", type=Path, help="the folder of a sweep, or of a run")
    command.add_argument("--project", help="default: as the runs were configured, or fairrun")
    command.add_argument("--entity", help="default: as the runs were configured, or your own")
    command.add_argument("--mode", choices=["online", "offline"], default="online", help="default: %(default)s")
    given = parser.parse_args(arguments)
    group = None if (given.folder / RECORD).exists() else given.folder.resolve().name
    try:
        stored = _stored(given.folder)
        tracker = Wandb(given.project or stored["project"], given.entity or stored["entity"], given.mode)
        tracker.check()
        tracker.finish(given.folder, group)
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
