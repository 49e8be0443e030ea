"""``tracker=wandb``: a sweep's runs at Weights & Biases (W&B) as one group, with a summary of each data set.

A sweep agent of W&B starts a command and names the W&B run in ``WANDB_RUN_ID``.  The one run of the command is logged
under that id.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fairrun.config.check import InputError, one_of
from fairrun.trackers.logger import Logger
from fairrun.trackers.needs import flat, library
from fairrun.trackers.told import Told

ANSWER_S = 15  # seconds in which W&B must answer, when it is asked whether it does
TAG = 64  # the most characters of a tag
KILLED = 255  # the exit code of an interrupted run
ARTIFACT = 128  # and of an artifact's name
ONLINE = "online"
HOMES = ("wandb", ".wandb")  # the folders of its files; W&B takes the second one where it is there
AGENT, RUN_ID = "WANDB_SWEEP_ID", "WANDB_RUN_ID"  # what a sweep agent sets
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


@dataclass(frozen=True, kw_only=True)
class Wandb(Logger):
    """Logs each run as one W&B run: flat config, history by epoch, summary from the epoch that counts.

    A run that W&B has offline is logged again if the mode is online.  It overwrites itself, under its id.  Delete its
    file ``wandb.json`` if you deleted the run at W&B.
    """

    project: str
    entity: str | None  # None means your default entity
    mode: str  # "offline" writes files to the run's folder, for ``fairrun sync``; "online" needs a key
    name: ClassVar[str] = "wandb"
    title: ClassVar[str] = "W&B"
    syncing: ClassVar[Mapping[str, Any]] = {"mode": ONLINE}

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("mode", self.mode, ("offline", ONLINE))

    @property
    def place(self) -> str:
        """The mode.  Projects are not told apart: a run stays where it was logged first."""
        return self.mode

    @property
    def address(self) -> str:
        """The mode and the project."""
        return f"{self.mode}, project {'/'.join(filter(None, [self.entity, self.project]))}"

    def answers(self) -> bool:
        """Whether W&B answers and takes the key.  Files can always be written."""
        import wandb

        try:
            return self.mode != ONLINE or bool(wandb.Api(timeout=ANSWER_S).viewer)
        except Exception:  # wandb's own, and those of its requests
            return False

    def covers(self, place: str | None) -> bool:
        """Whether a run that was logged to ``place`` need not be logged again."""
        return place in (self.mode, ONLINE)

    def has(self, folder: Path) -> bool:
        """Whether W&B has the run, as its record is now, under the id that a sweep agent gives it."""
        given = os.environ.get(RUN_ID)
        return super().has(folder) and given in (None, "", self.known_id(folder))

    def id_of(self, folder: Path) -> str:
        """The id for the run in ``folder``: that of a sweep agent, the one that it has, or a new one."""
        return os.environ.get(RUN_ID) or super().id_of(folder)

    def check(self, *, single: bool) -> None:
        """Raise ``InputError`` if wandb cannot be imported, or if the project's name, the key or the id will not do."""
        wandb = library("wandb", self.name)
        if os.environ.get(RUN_ID) and not single:
            raise InputError(f"{RUN_ID}={os.environ[RUN_ID]} names one W&B run: train a single run, without -m")
        if os.environ.get(AGENT) and self.mode != ONLINE:
            raise InputError(f"tracker.mode must be online with a sweep agent of W&B, got {self.mode!r}")
        try:
            wandb.Settings(run_id=os.environ.get(RUN_ID) or None)
        except Exception as error:  # wandb's own, and pydantic's
            raise InputError(
                f"{RUN_ID} must be an id that W&B takes, got {os.environ[RUN_ID]!r}: {flat(error)}"
            ) from None
        for key, value in (("project", self.project), ("entity", self.entity)):
            try:
                wandb.Settings(**{key: value})
            except Exception as error:  # wandb's own, and pydantic's
                message = f"tracker.{key} must be a name that W&B takes, got {value!r}: {flat(error)}"
                raise InputError(message) from error
        try:
            known = self.mode == "offline" or wandb.login(prompt=False, verify=False)
        except Exception as error:  # a key of another length
            raise InputError(f"tracker.mode=online needs a W&B key of the right form: {flat(error)}") from error
        if not known:
            raise InputError(
                "tracker.mode=online needs a W&B key: run `wandb login`, set WANDB_API_KEY, or choose offline"
            )

    def open(self, described: Told, folder: Path, id: str) -> "WandbLog":
        """Begin a W&B run in the folder."""
        import wandb

        run = wandb.init(
            id=id,
            project=self.project,
            entity=self.entity,
            mode="online" if self.mode == ONLINE else "offline",
            dir=str(folder),
            reinit="create_new",
            settings=wandb.Settings(**LEAN),
            name=described.name,
            group=described.group,
            job_type=described.job_type,
            tags=[tag[:TAG] for tag in described.tags],
            config=described.config,
        )
        return WandbLog(id, run, frozenset(described.config))

    def forget(self, folder: Path, id: str) -> None:
        """Remove the files of the W&B run with this id from the folder."""
        own = re.compile(rf"(offline-)?run-\d{{8}}_\d{{6}}-{re.escape(id)}")
        for path in [path for home in HOMES for path in (folder / home).glob("*run-*") if own.fullmatch(path.name)]:
            shutil.rmtree(path, ignore_errors=True)


@dataclass
class WandbLog:
    """An open W&B run."""

    id: str
    run: Any
    known: frozenset[str]  # the keys of its configuration

    def rows(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log epochs."""
        for row in rows:
            self.run.log(dict(row), step=int(row["epoch"]))

    def table(self, name: str, table: pd.DataFrame, axes: tuple[str, str], title: str) -> None:
        """Log a table and its scatter chart."""
        import wandb

        points = wandb.Table(dataframe=table[list(axes)])
        self.run.log(
            {
                "configurations": wandb.Table(dataframe=table, allow_mixed_types=True),
                name: wandb.plot.scatter(points, *axes, title),
            }
        )

    def picture(self, name: str, path: Path) -> None:
        """Log a PNG file."""
        import wandb

        self.run.log({name: wandb.Image(str(path))})

    def files(self, name: str, paths: Sequence[Path]) -> None:
        """Log copies of the files as an artifact of type sweep."""
        import wandb

        artifact = wandb.Artifact(_artifact_name(name), type="sweep")
        for path in paths:
            artifact.add_file(str(path))
        self.run.log_artifact(artifact)

    def close(self, described: Told) -> None:
        """Log the summary and what the configuration lacked at the beginning, and end the run."""
        if more := {key: value for key, value in described.config.items() if key not in self.known}:
            self.run.config.update(more)
        self.run.summary.update(described.summary)
        self.run.finish(exit_code=0 if described.finished else 1)

    def interrupt(self) -> None:
        """End the run; W&B shows it as killed."""
        self.run.finish(exit_code=KILLED)


def _artifact_name(name: str) -> str:
    """W&B takes letters, digits and a few signs, at most 128.  Another name ends in a hash: no two become the same."""
    taken = re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:ARTIFACT]
    if taken == name:
        return name
    end = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return taken[: ARTIFACT - len(end)] + end
