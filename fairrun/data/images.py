"""From images with labels and groups to tensors; a row of features is the pixels of all channels, in turn."""

import contextlib
import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
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
DEEP = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}  # Pillow's, of grey images with more than 8 bits a pixel


class Images(Protocol):
    """What a module of ``fairrun.datasets`` provides for images."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each image; an optional column ``split`` (train/test or train/val/test) is the official split."""
        ...

    def pixels(self, frame: pd.DataFrame, path: str | None) -> np.ndarray:
        """The images of ``frame`` as ``read_images`` gives them, [N, channels, size, size]."""
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
        scaled = _scale(pixels, divided.rows["train"])
        x = {name: scaled(pixels[rows]) for name, rows in divided.rows.items()}
        return divided.data(x, features, digest.hexdigest()).with_outliers(self.outliers)


def _scale(pixels: np.ndarray, train: np.ndarray) -> Callable[[np.ndarray], Tensor]:
    """The function that scales pixels: those of 8 bits by their range, deeper ones by the range of ``train``."""
    low, high = (0, 255) if pixels.dtype == np.uint8 else (pixels[train].min(), pixels[train].max())
    require(high > low, "dataset.path", f"{low:g} everywhere", "training images with more than one value")
    span = float(high) - float(low)
    return lambda images: torch.from_numpy(images).flatten(1).to(torch.float32).sub_(float(low)).div_(span)


def read_images(files: Sequence[Path], channels: int, size: int) -> np.ndarray:
    """Read images from files and scale the middle square of each, [N, channels, size, size].

    Images with at most 8 bits a pixel become uint8.  Grey images with more bits become float32, with the values in the
    files.  Raises ``InputError`` for a file that is not an image, for a mixture of both kinds, for colours of more than
    8 bits, and if the features would take more than half of the memory.
    """
    _refuse_too_large(len(files), channels, size)
    with _opened(files[0]) as first:
        deep = first.mode in DEEP
    pixels = np.empty((len(files), channels, size, size), dtype=np.float32 if deep else np.uint8)

    def read(k: int) -> None:
        with _opened(files[k]) as image:
            if (image.mode in DEEP) != deep:
                bits = "more than 8 bits" if deep else "8 bits or fewer"
                raise InputError(
                    f"dataset.path must hold images that are alike, got {files[k]} with mode {image.mode}, but "
                    f"{files[0]} with {bits} a pixel"
                )
            pixels[k] = _square(image, files[k], channels, size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and resizes outside the interpreter's lock
        for _ in pool.map(read, range(len(files))):
            pass
    return pixels


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    """Open the image in ``file``.  Raises ``InputError`` if it cannot be read, also later while it is open."""
    try:
        with Image.open(file) as image:
            yield image
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"dataset.path must hold every image as a file that Pillow reads, got {file}: {error}"
        ) from None


def _square(image: Image.Image, file: Path, channels: int, size: int) -> np.ndarray:
    """The scaled middle square, [channels, size, size]."""
    if image.mode not in DEEP:
        _refuse_deep_colours(image, file)
        upright = ImageOps.exif_transpose(image).convert(MODES[channels])
        square = np.asarray(ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR))
        return square.reshape(size, size, channels).transpose(2, 0, 1)
    values = np.asarray(ImageOps.exif_transpose(image)).astype(np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"dataset.path must hold images of finite values, got {file}")
    square = np.asarray(ImageOps.fit(Image.fromarray(values), (size, size), Image.Resampling.BILINEAR))
    return np.broadcast_to(square, (channels, size, size))


def _refuse_deep_colours(image: Image.Image, file: Path) -> None:
    """Raise ``InputError`` for colours of 16 bits, of which Pillow drops the lower 8."""
    if any(";16" in str(tile[3]) for tile in getattr(image, "tile", [])):
        raise InputError(
            f"dataset.path must hold colours of 8 bits, got {file} with 16 bits a channel: convert it to 8 bits, or to "
            "grey of 16 bits"
        )


def _refuse_too_large(num_images: int, channels: int, size: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    most = math.isqrt(memory // 2 // (4 * num_images * channels))
    allowed = (
        f"at most {most}, so that {num_images} images with channels={channels} take no more than half of this machine's"
        f" {memory / 1e9:.1f} GB as float32 numbers"
    )
    require(size <= most, "dataset.rows.size", size, allowed)
