"""A user's own images: a folder with a CSV file that names each image, its label and its group."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, one_of, require
from fairrun.data.columns import refuse_missing_values
from fairrun.data.pixels.files import MODES, read_images


@dataclass(frozen=True)
class ImageFolder:
    """The images of the folder at ``dataset.path``; a column ``split`` (train/test, or train/val/test), if there is
    one, is the official split.
    """

    csv: str  # the file, in the folder, with a header
    file: str  # its column of file names, relative to the folder
    channels: int  # 1: grey; 3: red, green and blue
    size: int  # side of the square, in pixels, to which the middle of an image is scaled

    def __post_init__(self) -> None:
        one_of("channels", self.channels, MODES)
        require(self.size >= 1, "size", self.size, ">= 1")

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each image, with all columns of the file."""
        table = folder(path) / self.csv
        require(table.is_file(), "dataset.rows.csv", self.csv, f"a CSV file in dataset.path={path}")
        options = {"dtype": {self.file: str}, "keep_default_na": False, "na_values": [""], "low_memory": False}
        try:
            frame = pd.read_csv(table, **options)
        except (ValueError, OSError) as error:
            raise InputError(f"dataset.rows.csv={self.csv!r} cannot be read as a table: {error}") from None
        columns = ", ".join(frame.columns)
        require(self.file in frame.columns, "dataset.rows.file", self.file, f"a column of {self.csv} ({columns})")
        refuse_missing_values(frame, [self.file])
        return frame

    def pixels(self, frame: pd.DataFrame, path: str | None) -> np.ndarray:
        """The images of ``frame``, [N, channels, size, size]."""
        return read_images([folder(path) / name for name in frame[self.file]], self.channels, self.size)


def folder(path: str | None) -> Path:
    """The folder at ``dataset.path``.  Raises ``InputError`` where there is none."""
    require(path is not None and Path(path).expanduser().is_dir(), "dataset.path", path, "a folder that exists")
    return Path(str(path)).expanduser()
