"""Encoded data sets in the cache, so that the next command need not read and encode the same rows again."""

import contextlib
import hashlib
import io
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from fairrun.config.check import InputError
from fairrun.data.sources import cache_folder, write_cache
from fairrun.data.table import SPLITS, Data

FOLDER = "encoded"  # in the cache
LEAST, MOST = 2**22, 2**28  # bytes of a data set that is kept: a smaller one is encoded as fast as it is read
ALL = 2**30  # bytes of all that are kept; those that were used longest ago go first
HASH_BYTES = 32  # of SHA-256, at the beginning of each file
log = logging.getLogger(__name__)


def kept(identity: str, make: Callable[[], Data]) -> Data:
    """The data set of this identity from the cache, or what ``make`` gives, which is kept there.

    The identity says all that the data depend on.  A file appears whole; one that is damaged is made again.  In a cache
    that cannot be written nothing is kept.
    """
    path = cache_folder() / FOLDER / f"{identity}.pt"
    if (found := _read(path)) is not None:
        return found
    data = make()
    features = [getattr(data, split).x for split in SPLITS]
    if LEAST <= sum(x.nbytes for x in features if isinstance(x, Tensor)) <= MOST:
        _write(path, data)
    return data


def _read(path: Path) -> Data | None:
    try:
        content = memoryview(path.read_bytes())
        if hashlib.sha256(content[HASH_BYTES:]).digest() != content[:HASH_BYTES]:
            return None
        data = Data.of(torch.load(io.BytesIO(content[HASH_BYTES:]), weights_only=True))
    except (OSError, pickle.UnpicklingError):  # not there; of a type that is not safe to load
        return None
    with contextlib.suppress(OSError):  # of a cache that cannot be written
        os.utime(path)
    return data


def _write(path: Path, data: Data) -> None:
    content = io.BytesIO()
    torch.save(data.plain, content)
    try:
        write_cache(path, hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())
    except InputError as error:
        log.info("the encoded data are not kept: %s", error)
        return
    _tidy(path.parent)


def _tidy(folder: Path) -> None:
    """Remove the files that were used longest ago where all of them take more than ``ALL``."""
    total = 0
    with contextlib.suppress(OSError):  # another process does the same
        for used, file in sorted(((file.stat(), file) for file in folder.iterdir()), key=lambda f: -f[0].st_mtime):
            total += used.st_size
            if total > ALL:
                file.unlink()
