"""The rows of a split as the runs of a stack have them: one table for all runs, or several of the same shapes.

K tables, R runs, N rows of a table, D features, T tasks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from fairrun.data.pixels.stored import Features, Stored, in_memory
from fairrun.data.table import Table

ROWS_MULTIPLE = 32  # two vectors of 16 float32: elementwise functions round the rest of a row differently
EVALUATION_ROWS = 512  # rows of a split that are evaluated at once, so that the activations of 16 runs stay in cache


@dataclass(frozen=True)
class Tables:
    """The tables of one split, and which of them each run has; a single table has no axis K."""

    x: Features  # [K, N, D]
    y: Tensor  # [K, N] labels, with several tasks [K, N, T], as in ``Table``
    s: Tensor  # [K, N]
    of: Tensor  # [R] the number of each run's table, on the CPU
    single: bool  # K = 1

    @classmethod
    def joined(cls, tables: Sequence[Table], of: Sequence[int]) -> "Tables":
        """Tables of the same shapes; a single one is not copied, and only its features may stay in a file."""
        if len(tables) == 1:
            return cls(*tables[0], torch.tensor(of), True)
        x, y, s = (torch.stack([in_memory(part) for part in parts]) for parts in zip(*tables, strict=True))
        return cls(x, y, s, torch.tensor(of), False)

    def __len__(self) -> int:
        """N."""
        return self.y.shape[0 if self.single else 1]

    @property
    def num_runs(self) -> int:
        """R."""
        return len(self.of)

    def by_run(self, v: Tensor) -> Tensor:
        """Values of the rows of the tables, [K, N, ...], as each run has them, [R, N, ...]."""
        return v.expand(self.num_runs, *v.shape) if self.single else v[self.of.to(v.device)]

    def features(self) -> Tensor:
        """The features of all rows for every run, [R, N, D]; ``parts`` of a batch reads what is no tensor yet."""
        repeated = self.x.expand(self.num_runs, *self.x.shape) if self.single else OfRuns(cast(Tensor, self.x), self.of)
        return cast(Tensor, repeated)

    def parts(self) -> Iterator[Tensor]:
        """The features of all rows for every run, part by part, [R, B, D]; the last part is padded."""
        return map(self.by_run, padded_parts(self.x))

    def each(self) -> Iterator[tuple[Table, Tensor]]:
        """Every table, without its features, and the runs that have it, [R']."""
        for k in range(1 if self.single else len(self.y)):
            y, s = (self.y, self.s) if self.single else (self.y[k], self.s[k])
            yield Table(y.new_empty(len(y), 0), y, s), (self.of == k).nonzero().squeeze(-1)

    def one_after_another(self, v: Tensor) -> Tensor:
        """Values of the rows of the tables, [K, N, ...] -> [K N, ...]."""
        return v if self.single else v.flatten(0, 1)

    def places(self, rows: Tensor) -> Tensor:
        """The places of ``rows`` [..., R, B] of each run's table where tables stand one after another."""
        return rows if self.single else rows + (len(self) * self.of).unsqueeze(-1).to(rows)

    def padded(self) -> "Tables":
        """With rows of features, labels and groups 0 after those of each table, up to a multiple of 32."""
        x, y, s = (self._padded(v) for v in (in_memory(self.x), self.y, self.s))
        return Tables(x, y, s, self.of, self.single)

    def without_features(self) -> "Tables":
        """The same rows, with D = 0."""
        return Tables(self.y.new_empty(*self.s.shape, 0), self.y, self.s, self.of, self.single)

    def _padded(self, v: Tensor) -> Tensor:
        axis = 0 if self.single else 1
        more = v.new_zeros(*v.shape[:axis], -len(self) % ROWS_MULTIPLE, *v.shape[axis + 1 :])
        return torch.cat([v, more], dim=axis)  # F.pad refuses no features in torch 2.6


@dataclass(frozen=True)
class OfRuns:
    """Features of a batch of all rows, [R, N, D], of which several runs may share a table; a slice is a tensor."""

    x: Tensor  # [K, N, D]
    of: Tensor  # [R]

    @property
    def shape(self) -> torch.Size:
        """(R, N, D)."""
        return torch.Size([len(self.of), *self.x.shape[1:]])

    @property
    def dtype(self) -> torch.dtype:
        """Of the features."""
        return self.x.dtype

    @property
    def device(self) -> torch.device:
        """Of the features."""
        return self.x.device

    def new_zeros(self, *shape: int) -> Tensor:
        """As ``torch.Tensor.new_zeros``."""
        return self.x.new_zeros(*shape)

    def __getitem__(self, key: tuple[slice, slice]) -> Tensor:
        """Some runs and rows, [R, B, D]."""
        runs, rows = key
        return self.x[:, rows][self.of[runs].to(self.x.device)]


def padded_parts(x: Features) -> Iterator[Tensor]:
    """The rows of ``x`` [..., N, D] in parts, [..., B, D], the last of which is padded."""
    num_rows = x.shape[-2]
    for start in range(0, max(1, num_rows), EVALUATION_ROWS):
        rows = slice(start, start + EVALUATION_ROWS)
        part = x[rows].read() if isinstance(x, Stored) else x[..., rows, :]
        missing = -part.shape[-2] % ROWS_MULTIPLE
        yield F.pad(part, (0, 0, 0, missing)) if missing else part
