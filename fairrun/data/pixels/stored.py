"""Features that stay in a file, of which batches are read: images that exceed the memory bound."""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fairrun.config.check import InputError


@dataclass(frozen=True)
class Stored:
    """Features [N, D] in a file, whose pages the operating system keeps in memory as far as they fit.

    It has the part of a tensor's interface that tables need; ``in_memory`` makes a tensor of it.
    """

    file: str  # a .npy file of numbers, [M, ...], with D numbers a row
    rows: Tensor  # [N] the place of each row in the file
    low: float  # a feature is (number - low) / span
    span: float
    device: str = "cpu"  # of the tensors that are read
    dtype: torch.dtype = torch.float32

    @property
    def shape(self) -> torch.Size:
        """(N, D)."""
        return torch.Size([len(self.rows), _numbers(self.file).shape[1]])

    @property
    def plain(self) -> dict[str, Any]:
        """The arguments that make it again, on the CPU: a text, numbers and a tensor."""
        return {"file": self.file, "rows": self.rows, "low": self.low, "span": self.span}

    def to(self, device: str, dtype: torch.dtype) -> "Stored":
        """The same features, to be read to another device."""
        return dataclasses.replace(self, device=device, dtype=dtype)

    def __getitem__(self, i: Tensor | slice) -> "Stored":
        """Only the rows ``i``."""
        return dataclasses.replace(self, rows=self.rows[i.cpu() if isinstance(i, Tensor) else i])

    def read(self) -> Tensor:
        """All rows, [N, D].  They are scaled on the CPU, because a GPU divides with other rounding."""
        numbers = torch.index_select(_numbers(self.file), 0, self.rows)  # four times as fast as by []
        return scaled(numbers, self.low, self.span).to(self.device, self.dtype)

    def expand(self, num_runs: int, *_: int) -> "Repeated":
        """The same features for every run, [R, N, D]."""
        return Repeated(self, num_runs)


Features = Tensor | Stored


@dataclass(frozen=True)
class Repeated:
    """Stored features of a batch of all rows, [R, N, D], the same for every run; a slice of rows is a tensor."""

    features: Stored
    num_runs: int

    @property
    def shape(self) -> torch.Size:
        """(R, N, D)."""
        return torch.Size([self.num_runs, *self.features.shape])

    @property
    def dtype(self) -> torch.dtype:
        """Of the tensors that are read."""
        return self.features.dtype

    @property
    def device(self) -> torch.device:
        """Of the tensors that are read."""
        return torch.device(self.features.device)

    def new_zeros(self, *shape: int) -> Tensor:
        """As ``torch.Tensor.new_zeros``."""
        return torch.zeros(*shape, dtype=self.dtype, device=self.device)

    def __getitem__(self, key: tuple[slice, slice]) -> Tensor:
        """Some runs and rows, [R, B, D]."""
        runs, rows = key
        return self.features[rows].read().expand(self.num_runs, -1, -1)[runs]


def in_memory(x: Features) -> Tensor:
    """The features as a tensor."""
    return x.read() if isinstance(x, Stored) else x


def scaled(numbers: Tensor, low: float, span: float) -> Tensor:
    """(number - low) / span in float32.  ``numbers`` of float32 are overwritten."""
    return numbers.to(torch.float32).sub_(low).div_(span)


def mapped(file: Path) -> np.memmap:
    """The array in a file, whose pages are read where they are used.  Raises ``InputError`` if it is not there."""
    try:
        found: np.memmap = np.load(file, mmap_mode="c")  # writing would change a copy; torch wants arrays of that kind
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{file} must be the images that exceed the memory bound, seen by every worker: {error}; delete it to have "
            "it written again"
        ) from None
    return found


@functools.lru_cache(maxsize=4)
def _numbers(file: str) -> Tensor:
    """The numbers in a file, [M, D]."""
    return torch.from_numpy(mapped(Path(file))).flatten(1)
