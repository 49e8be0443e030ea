"""Results -> Weights & Biases.  The only module that imports wandb, and only where it is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from fairrun.check import InputError, one_of


class Tracker(Protocol):
    """What a choice of the config group ``tracker`` provides."""

    def check(self) -> None:
        """Raise ``InputError`` where the tracker cannot work; called before training."""
        ...

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Show a finished run."""
        ...


@dataclass(frozen=True)
class NoTracker:
    """Files only."""

    def check(self) -> None:
        """Nothing can be wrong."""

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Nothing to do: the run's files are written already."""

    def finish(self, folder: Path, sweep: str | None) -> None:
        """Nothing to do."""


@dataclass(frozen=True)
class Wandb:
    """One W&B run a run: config as nested keys, history by epoch, the chosen epoch's metrics as the summary."""

    project: str
    entity: str | None  # null: your default
    mode: str  # offline: files in the run's folder, for `wandb sync`; online: needs a key

    def __post_init__(self) -> None:
        one_of("mode", self.mode, ("offline", "online"))

    def check(self) -> None:
        """Online needs a key."""
        import wandb

        if self.mode == "online" and not wandb.login(prompt=False, verify=False):
            raise InputError(
                "tracker.mode=online needs a W&B key: run `wandb login`, set WANDB_API_KEY, or use tracker.mode=offline"
            )

    def log(self, folder: Path, sweep: str | None, record: Mapping[str, Any], history: pd.DataFrame) -> None:
        """Log a finished run in one go; its group is the sweep, its tags the method, data set and model."""
        import wandb

        choices = record["choices"]
        run = wandb.init(
            project=self.project,
            entity=self.entity,
            mode="online" if self.mode == "online" else "offline",
            dir=str(folder),
            name=f"{choices['method']} {choices['dataset']} seed={record['seed']}",
            group=sweep,
            tags=[choices[group] for group in ("method", "dataset", "model")],
            config=dict(record["config"]),
            reinit="finish_previous",
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )
        for row in history.to_dict("records"):
            run.log(row, step=int(row["epoch"]))
        run.summary.update({**record["metrics"], "status": record["status"], "epoch": record["epoch"]})
        run.finish(exit_code=0 if record["status"] == "finished" else 1)
