"""From images with labels and groups to tensors: a row of features is the pixels of one channel behind the other's."""

import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch import Tensor

from fairrun.config.check import InputError, require
from fairrun.data.corrupt import Outliers
from fairrun.data.dataset import divide, refuse_missing_values, refuse_unknown_columns
from fairrun.data.labels import Label
from fairrun.data.sources import write_frame
from fairrun.data.split import Split
from fairrun.data.table import Data

MODES = {1: "L", 3: "RGB"}  # Pillow's, by number of channels


class Images(Protocol):
    """What a module of ``fairrun.datasets`` provides for images."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """A row an image; an optional column ``split`` (train/test, or train/val/test) is the official split."""
        ...

    def pixels(self, frame: pd.DataFrame, path: str | None) -> np.ndarray:
        """The images of ``frame``, uint8 [N, channels, size, size]."""
        ...


@dataclass(frozen=True)
class ImageDataset:
    """A schema of images; ``load`` makes tensors of it.  Features are pixels in [0, 1], float32."""

    rows: Images
    label: str  # column to predict
    positive: str | int | float | None  # the value of ``label`` that is class 1; None: every value is a class
    sensitive: list[str]  # columns of the sensitive attribute; several mean their intersection
    split: Split
    outliers: Outliers  # put into training rows; of features, whose pixels leave [0, 1]
    path: str | None  # the folder that the user has
    name: str | None  # of the data, for reports

    def __post_init__(self) -> None:
        require(self.sensitive, "sensitive", self.sensitive, "a list of columns: [column]")

    def load(self) -> Data:
        """Read, check and split.  Raises ``InputError`` on anything that cannot be trained on."""
        frame = self.rows.frame(self.path)
        refuse_unknown_columns(frame, "label", [self.label])
        refuse_unknown_columns(frame, "sensitive", self.sensitive)
        refuse_missing_values(frame, [self.label, *self.sensitive])
        divided = divide(frame, {"": Label(self.label, self.positive)}, self.sensitive, self.split)
        pixels = self.rows.pixels(frame, self.path)
        digest = hashlib.sha256(write_frame(frame))
        digest.update(np.ascontiguousarray(pixels).data)
        features = ["pixel " + ",".join(map(str, at)) for at in np.ndindex(pixels.shape[1:])]
        x = {name: _features(pixels[rows]) for name, rows in divided.rows.items()}
        return divided.data(x, features, digest.hexdigest()).with_outliers(self.outliers)


def _features(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).flatten(1).to(torch.float32).div_(255)


def read_images(files: Sequence[Path], channels: int, size: int) -> np.ndarray:
    """Images from files, the middle square of each brought to ``size`` x ``size`` -> uint8 [N, channels, size, size].

    Raises ``InputError`` for a file that is no image, and where the features would take more than half of the memory.
    """
    _refuse_too_large(len(files), channels, size)
    pixels = np.empty((len(files), channels, size, size), dtype=np.uint8)

    def read(k: int) -> None:
        pixels[k] = _read(files[k], channels, size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and resizes outside the interpreter's lock
        for _ in pool.map(read, range(len(files))):
            pass
    return pixels


def _read(file: Path, channels: int, size: int) -> np.ndarray:
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image).convert(MODES[channels])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"dataset.path must hold every image as a file that Pillow reads, got {file}: {error}"
        ) from None
    square = np.asarray(ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR))
    return square.reshape(size, size, channels).transpose(2, 0, 1)


def _refuse_too_large(num_images: int, channels: int, size: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    most = math.isqrt(memory // 2 // (4 * num_images * channels))
    allowed = (
        f"at most {most}, so that {num_images} images with channels={channels} take no more than half of this machine's"
        f" {memory / 1e9:.1f} GB as float32 numbers"
    )
    require(size <= most, "dataset.rows.size", size, allowed)
