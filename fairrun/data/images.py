"""From images with labels and groups to tensors; a row of features is the pixels of all channels, in turn."""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from fairrun.config.check import require
from fairrun.data.corrupt import Outliers
from fairrun.data.dataset import divide, refuse_missing_values, refuse_unknown_columns
from fairrun.data.labels import Label
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
    sensitive: list[str]  # columns of the sensitive attribute; several mean their intersection
    split: Split
    outliers: Outliers  # made of training rows; kind features lets pixels leave [0, 1]
    path: str | None  # the user's folder
    name: str | None  # name of the data in reports

    def __post_init__(self) -> None:
        require(self.sensitive, "sensitive", self.sensitive, "a list of columns: [column]")

    def load(self) -> Data:
        """Read, check and split the images.  Raises ``InputError`` if they cannot be trained on."""
        frame = self.rows.frame(self.path)
        refuse_unknown_columns(frame, "label", [self.label])
        refuse_unknown_columns(frame, "sensitive", self.sensitive)
        refuse_missing_values(frame, [self.label, *self.sensitive])
        divided = divide(frame, {"": Label(self.label, self.positive)}, self.sensitive, self.split)
        pixels = self.rows.pixels(frame, self.path)
        digest = hashlib.sha256(write_frame(frame))
        digest.update(np.ascontiguousarray(pixels).data)
        features = ["pixel " + ",".join(map(str, at)) for at in np.ndindex(pixels.shape[1:])]
        low, high = _range(pixels, divided.rows["train"])
        x = {name: _features(pixels, rows, low, high - low) for name, rows in divided.rows.items()}
        return divided.data(x, features, digest.hexdigest()).with_outliers(self.outliers)


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
