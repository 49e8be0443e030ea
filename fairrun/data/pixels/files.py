"""From files of images to arrays of pixels.

Images whose features would take more than half of the memory are decoded once to a file in the cache, and the array is
the pages of that file.
"""

import contextlib
import hashlib
import logging
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image, ImageOps

from fairrun.config.check import InputError
from fairrun.data.memory import memory
from fairrun.data.pixels.stored import mapped
from fairrun.data.sources import cache_folder

log = logging.getLogger(__name__)
MODES = {1: "L", 3: "RGB"}  # Pillow's, by number of channels
DEEP = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}  # Pillow's, of grey images with more than 8 bits a pixel
BLOCK = 2**26  # bytes of images that are decoded before they are written
DECODING = 1  # another number where images are decoded to other pixels


class _Kind(NamedTuple):
    """What all images of a data set have in common."""

    first: Path
    deep: bool  # whether they have more than 8 bits a pixel
    channels: int
    size: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image: (channels, size, size)."""
        return self.channels, self.size, self.size

    @property
    def dtype(self) -> np.dtype:
        """Of a pixel."""
        return np.dtype(np.float32 if self.deep else np.uint8)

    @property
    def num_bytes(self) -> int:
        """Of an image."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_images(files: Sequence[Path], channels: int, size: int) -> np.ndarray:
    """Read images from files and scale the middle square of each, [N, channels, size, size].

    Images with at most 8 bits a pixel become uint8.  Grey images with more bits become float32, with the values in the
    files.  Those that exceed ``memory_bound`` as features are a ``numpy.memmap``.  Raises ``InputError`` for a file
    that is not an image, for a mixture of both kinds, for colours of more than 8 bits, and if the file for the pixels
    cannot be written.
    """
    with _opened(files[0]) as image:
        kind = _Kind(files[0], image.mode in DEEP, channels, size)
    if 4 * len(files) * math.prod(kind.shape) <= memory_bound():
        return _decoded(files, kind)
    path = cache_folder() / f"images-{_identity(files, kind)}.npy"
    if not path.exists():
        _write(path, files, kind)
    return mapped(path)


def memory_bound() -> int:
    """The bytes that features may take in memory: half of what this process may use."""
    return memory() // 2


def _identity(files: Sequence[Path], kind: _Kind) -> str:
    """A digest of what the pixels come from: the files' paths, sizes and times, and how they are decoded."""
    found = hashlib.sha256(f"{DECODING} {PIL.__version__} {kind.shape} {kind.dtype}".encode())
    for file in files:
        with _readable(file):
            known = file.stat()
        found.update(f"{file.absolute()}\n{known.st_size} {known.st_mtime_ns}\n".encode())
    return found.hexdigest()[:16]


def _write(path: Path, files: Sequence[Path], kind: _Kind) -> None:
    """Decode images to a .npy file, which is there when it is whole."""
    need = len(files) * kind.num_bytes
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    header = {"descr": kind.dtype.str, "fortran_order": False, "shape": (len(files), *kind.shape)}
    block = max(1, BLOCK // kind.num_bytes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if need > (free := shutil.disk_usage(path.parent).free):
            raise OSError(f"{free / 1e9:.1f} GB are free")
        log.info("%d images exceed the memory bound: decoded once to %s, %.1f GB", len(files), path, need / 1e9)
        with part.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(files), block):
                file.write(_decoded(files[start : start + block], kind).data)
        os.replace(part, path)
    except OSError as error:
        raise InputError(
            f"the cache folder {path.parent} must take {need / 1e9:.1f} GB of images, which exceed the memory bound "
            f"({error}); set FAIRRUN_CACHE to a folder that can, or take a smaller dataset.rows.size"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _decoded(files: Sequence[Path], kind: _Kind) -> np.ndarray:
    pixels = np.empty((len(files), *kind.shape), dtype=kind.dtype)

    def read(k: int) -> None:
        with _opened(files[k]) as image:
            if (image.mode in DEEP) != kind.deep:
                bits = "more than 8 bits" if kind.deep else "8 bits or fewer"
                raise InputError(
                    f"dataset.path must hold images that are alike, got {files[k]} with mode {image.mode}, but "
                    f"{kind.first} with {bits} a pixel"
                )
            pixels[k] = _square(image, files[k], kind.channels, kind.size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and resizes outside the interpreter's lock
        for _ in pool.map(read, range(len(files))):
            pass
    return pixels


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    """Open the image in ``file``.  Raises ``InputError`` if it cannot be read, also later while it is open."""
    with _readable(file), Image.open(file) as image:
        yield image


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Raise ``InputError`` where ``file`` cannot be read as an image."""
    try:
        yield
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
