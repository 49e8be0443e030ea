"""From images with labels and groups to tensors; a row of features is the pixels of all channels, in turn."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from fairrun.config.check import InputError, require
from fairrun.data.columns import refuse_missing_values, refuse_unknown_columns
from fairrun.data.corrupt import Outliers
from fairrun.data.divided import Divided, divide
from fairrun.data.labels import labels_of
from fairrun.data.pixels.stored import Features, Stored, scaled
from fairrun.data.sources import write_frame
from fairrun.data.split import Split
from fairrun.data.table import Data

BLOCK = 1024  # images that are looked at together


class Images(Protocol):
    """What a module of ``fairrun.datasets`` provides for images."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each image; an optional column ``split`` (train/test or train/val/test) is the official split."""
        ...

    def pixels(self, frame: pd.DataFrame, path: str | None) -> np.ndarray:
        """The images of ``frame`` as ``read_images`` gives them, [N, channels, size, size]: an array, or a file's."""
        ...


@dataclass(frozen=True)
class ImageDataset:
    """A schema of images; ``load`` makes tensors of it.  Features are pixels in [0, 1], float32.

    With more than 8 bits only the pixels of training images are sure to be in [0, 1].
    """

    rows: Images
    label: str  # column to predict
    positive: str | int | float | bool | None  # the value of ``label`` that is class 1; None: every value is a class
    tasks: Mapping[str, Mapping[str, str | int | float | bool]]  # task name -> label; replaces the one label
    task: str | None  # the one of ``tasks`` to predict; None: all of them
    sensitive: list[str]  # columns of the sensitive attribute; several mean their intersection
    split: Split
    outliers: Outliers  # made of training rows; kind features lets pixels leave [0, 1]
    path: str | None  # the user's folder
    name: str | None  # name of the data in reports

    def __post_init__(self) -> None:
        require(self.sensitive, "sensitive", self.sensitive, "a list of columns: [column]")
        labels_of(self.label, self.positive, self.tasks, self.task)

    def load(self) -> Data:
        """Read, check and split the images.  Raises ``InputError`` if they cannot be trained on."""
        frame = self.rows.frame(self.path)
        divided = self.divided(frame)
        pixels = self.rows.pixels(frame, self.path)
        digest = hashlib.sha256(write_frame(frame))
        digest.update(np.ascontiguousarray(pixels).data)
        features = ["pixel " + ",".join(map(str, at)) for at in np.ndindex(pixels.shape[1:])]
        low, high = _range(pixels, divided.rows["train"])
        x = {name: _features(pixels, rows, low, high - low) for name, rows in divided.rows.items()}
        return divided.data(x, features, digest.hexdigest()).with_outliers(self.outliers)

    def divided(self, frame: pd.DataFrame) -> Divided:
        """Labels, groups and splits of the images of ``frame``.  Raises ``InputError``."""
        labels = labels_of(self.label, self.positive, self.tasks, self.task)
        refuse_unknown_columns(frame, "label", [self.label])
        for label in labels.values():
            refuse_unknown_columns(frame, label.key.removeprefix("dataset."), [label.column])
            if self.tasks and label.column in self.sensitive:
                raise InputError(f"dataset.sensitive must hold no label, got {label.column!r} ({label.key})")
        refuse_unknown_columns(frame, "sensitive", self.sensitive)
        refuse_missing_values(frame, [*(label.column for label in labels.values()), *self.sensitive])
        found = divide(frame, labels, self.sensitive, self.split)
        return found if self.task is None else found.only(self.task)


def _range(pixels: np.ndarray, train: np.ndarray) -> tuple[float, float]:
    """The values that become 0 and 1: of 8 bits those of the type, else the least and the greatest of ``train``."""
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    blocks = (pixels[train[k : k + BLOCK]] for k in range(0, len(train), BLOCK))
    ends = np.array([(block.min(), block.max()) for block in blocks])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    require(high > low, "dataset.path", f"{low:g} everywhere", "training images with more than one value")
    return low, high


def _features(pixels: np.ndarray, rows: np.ndarray, low: float, span: float) -> Features:
    """The scaled pixels of some images, [N, D]; those of a file stay there."""
    if isinstance(pixels, np.memmap):
        return Stored(str(pixels.filename), torch.from_numpy(rows), low, span)
    return scaled(torch.from_numpy(pixels[rows]).flatten(1), low, span)
