"""CelebA, faces with 40 attributes (Liu et al. 2015; https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html; for
non-commercial research).

202,599 aligned photographs of 178 x 218 pixels of 10,177 people, with an official split into 162,770 train, 19,867
validation and 19,962 test rows.  fairrun does not fetch it, because its licence forbids redistribution.

Known problems: attributes are what annotators saw in a photograph, also Male and Attractive; nobody was asked.
"""

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, one_of, require
from fairrun.data.pixels.files import MODES, read_images
from fairrun.datasets.image_folder import folder

SPLITS = {0: "train", 1: "val", 2: "test"}
IMAGES, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba", "list_eval_partition"


@dataclass(frozen=True)
class CelebA:
    """The images of the folder at ``dataset.path``, laid out as in the official release (.txt) or at Kaggle (.csv)."""

    channels: int  # 1: grey; 3: red, green and blue
    size: int  # side of the square, in pixels, to which the middle of an image is scaled

    def __post_init__(self) -> None:
        one_of("channels", self.channels, MODES)
        require(self.size >= 1, "size", self.size, ">= 1")

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each image: file name, attributes (1 or -1) and official split."""
        return _rows(path, f"{IMAGES}/, {ATTRIBUTES}").rename_axis("file").reset_index()

    def pixels(self, frame: pd.DataFrame, path: str | None) -> np.ndarray:
        """The images of ``frame``, [N, channels, size, size]."""
        where = folder(path) / IMAGES
        nested = where / IMAGES  # as Kaggle's archive unpacks
        where = nested if nested.is_dir() else where
        return read_images([where / name for name in frame["file"]], self.channels, self.size)


@dataclass(frozen=True)
class CelebAAttributes:
    """The attributes that annotators saw in each face, without the images, of the folder at ``dataset.path``."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each image: attributes (1 or -1) and official split."""
        return _rows(path, ATTRIBUTES).reset_index(drop=True)


def _rows(path: str | None, expected: str) -> pd.DataFrame:
    """Attributes and official split of every image; the index is the file name.

    ``expected`` names what the folder must hold besides the partition; messages quote it.
    """
    attributes = _read(path, ATTRIBUTES, expected, skiprows=1)
    partition = _read(path, PARTITION, expected, header=None).iloc[:, 0]
    _refuse(path, ATTRIBUTES, "1 and -1 alone", ~attributes.isin([-1, 1]).all(axis=1))
    _refuse(path, PARTITION, "0 (train), 1 (val) and 2 (test) alone", ~partition.isin(list(SPLITS)))
    _refuse(path, ATTRIBUTES, f"images that {PARTITION} holds too", _absent(attributes, partition))
    _refuse(path, PARTITION, f"images that {ATTRIBUTES} holds too", _absent(partition, attributes))
    return attributes.assign(split=partition.map(SPLITS).reindex(attributes.index))


def _read(path: str | None, name: str, expected: str, **of_txt: int | None) -> pd.DataFrame:
    """The table ``name``.txt (separated by spaces) or ``name``.csv (with a header); the index is the file name."""
    readers = {
        f"{name}.txt": functools.partial(pd.read_csv, sep=r"\s+", index_col=0, **of_txt),
        f"{name}.csv": functools.partial(pd.read_csv, index_col=0),
    }
    for file, read in readers.items():
        if (folder(path) / file).is_file():
            try:
                frame = read(folder(path) / file)
            except (ValueError, OSError) as error:
                raise InputError(f"dataset.path={path}: {file} cannot be read as a table: {error}") from None
            if not frame.shape[1]:
                raise InputError(f"dataset.path={path}: {file} must have a column beside the file names, got none")
            _refuse(path, file, "every image once", pd.Series(frame.index.duplicated(), index=frame.index))
            return frame
    allowed = f"a folder with {expected} and {PARTITION} (each .txt or .csv)"
    raise InputError(f"dataset.path must be {allowed}, got {path!r} without {name}")


def _absent(rows: pd.DataFrame | pd.Series, others: pd.DataFrame | pd.Series) -> pd.Series:
    return pd.Series(~rows.index.isin(others.index), index=rows.index)


def _refuse(path: str | None, name: str, allowed: str, wrong: pd.Series) -> None:
    if wrong.any():
        raise InputError(f"dataset.path={path}: {name} must hold {allowed}; first wrong image: {wrong.idxmax()}")
