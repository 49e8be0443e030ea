"""``tracker=tensorboard``: event files in each run's folder, which TensorBoard finds below the sweep's."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from PIL import Image

from fairrun.trackers.logger import Logger
from fairrun.trackers.needs import library
from fairrun.trackers.told import SUMMARY, Told

FOLDER = "tensorboard"  # in the run's folder


@dataclass(frozen=True, kw_only=True)
class TensorBoard(Logger):
    """Logs each run's epochs as scalars, and its configuration and summary as hyper-parameters (the HParams tab)."""

    name: ClassVar[str] = "tensorboard"
    title: ClassVar[str] = "TensorBoard"

    @property
    def place(self) -> str:
        """Where runs are logged to."""
        return "event files in the runs' folders"

    def check(self, *, single: bool) -> None:
        """Raise ``InputError`` if tensorboard cannot be imported."""
        library("tensorboard", self.name)

    def open(self, described: Told, folder: Path, id: str) -> "TensorBoardLog":
        """Begin an event file in the folder, whose name ends in the id."""
        from torch.utils.tensorboard import SummaryWriter

        return TensorBoardLog(id, SummaryWriter(str(folder / FOLDER), filename_suffix=f".{id}"))

    def forget(self, folder: Path, id: str) -> None:
        """Remove the event files with this id from the folder."""
        for path in (folder / FOLDER).glob(f"events.out.tfevents.*.{glob.escape(id)}"):
            path.unlink()


@dataclass
class TensorBoardLog:
    """An open event file."""

    id: str
    writer: Any

    def rows(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log epochs."""
        for row in rows:
            for name in row.keys() - {"epoch"}:
                self.writer.add_scalar(name, row[name], int(row["epoch"]))
        self.writer.flush()

    def table(self, name: str, table: pd.DataFrame, axes: tuple[str, str], title: str) -> None:
        """Log a table as text."""
        rows = [list(table), ["---"] * table.shape[1], *table.to_numpy(dtype=object).tolist()]
        self.writer.add_text(name, "\n".join([title, "", *(f"| {' | '.join(map(str, row))} |" for row in rows)]))

    def picture(self, name: str, path: Path) -> None:
        """Log a PNG file."""
        self.writer.add_image(name, np.asarray(Image.open(path).convert("RGB")), dataformats="HWC")

    def files(self, name: str, paths: Sequence[Path]) -> None:
        """Nothing to do: TensorBoard keeps no files, and these lie beside its own."""

    def close(self, described: Told) -> None:
        """Log the summary and the configuration, and end the file."""
        from torch.utils.tensorboard.summary import hparams

        numbers = {f"{SUMMARY}{name}": float(v) for name, v in described.summary.items() if _is_number(v)}
        plain = {name: _plain(value) for name, value in described.config.items()}
        for message in hparams(plain, numbers):
            self.writer.file_writer.add_summary(message)
        for name, value in numbers.items():
            self.writer.add_scalar(name, value)
        self.writer.close()

    def interrupt(self) -> None:
        """End the file."""
        self.writer.close()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)
