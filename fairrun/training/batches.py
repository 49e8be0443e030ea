"""Training rows in each run's own order, as padded batches."""

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.data.pixels.stored import Features, Stored, in_memory
from fairrun.data.table import Table
from fairrun.method.api import Batch
from fairrun.models.network import Network
from fairrun.training.native.parts import gather

ROWS_MULTIPLE = 32  # two vectors of 16 float32: elementwise functions round the rest of a row differently


class Batches:
    """The training rows in each run's own order, as padded batches."""

    def __init__(
        self,
        table: Table,
        val: Batch | None,
        network: Network,
        streams: dict[str, list[Generator]],
        batch_size: int,
        num_groups: int,
        num_classes: int,
        sees_s: bool,
        native: bool,
    ) -> None:
        self.table, self.val, self.network, self.streams = table, val, network, streams
        self.y, self.known = _labels(table.y)
        self.num_groups, self.num_classes, self.sees_s = num_groups, num_classes, sees_s
        self.size = min(batch_size, len(table.y))
        self.padded = -(-self.size // ROWS_MULTIPLE) * ROWS_MULTIPLE
        self.num_runs, self.generators = len(streams["shuffle"]), tuple(streams["method"])
        self.x = table.y.new_empty(self.num_runs * self.padded, table.x.shape[1])
        self.gather = gather if native else _gather
        everywhere = table.y.new_ones(()).expand(self.num_runs, len(table.y))
        self.real = self._padded(everywhere)  # [steps, R, B]

    def __len__(self) -> int:
        """The steps of an epoch."""
        return len(self.real)

    def epoch(self, epoch: int, weights: Tensor | None = None) -> Iterator[Batch]:
        """The batches of one epoch: all rows once or, with ``weights`` [R, N], as many rows drawn by weight.

        ``x`` is one buffer, which every batch overwrites.
        """
        table, device = self.table, self.table.y.device
        rows = self._padded(self._order(weights)).to(device)  # [steps, R, B]
        y = self.y[rows]
        known = None if self.known is None else self.known[rows]
        s = table.s[rows] if self.sees_s else None
        for step, i in enumerate(rows):
            self._read(i.view(-1))
            yield Batch(
                x=self.x.view(self.num_runs, self.padded, -1),
                y=y[step],
                i=i,
                w=self.real[step],
                sensitive=None if s is None else s[step],
                masks=self._masks(self.padded),
                generators=self.generators,
                val=None if self.val is None else self.val._replace(masks=self._masks(self.val.y.shape[1])),
                num_groups=self.num_groups,
                num_classes=self.num_classes,
                epoch=epoch,
                known=None if known is None else known[step],
            )

    def _order(self, weights: Tensor | None) -> Tensor:
        """The order of each run's rows, [R, N]."""
        num_rows, generators = len(self.table.y), self.streams["shuffle"]
        if weights is None:
            return torch.stack([torch.randperm(num_rows, generator=g) for g in generators])
        total = weights[:, :num_rows].double().cpu().cumsum(-1)
        even = torch.arange(1, num_rows + 1).to(total)  # for a run none of whose rows has a weight
        total = torch.where(total[:, -1:] > 0, total, even)
        u = torch.stack([torch.rand(num_rows, generator=g, dtype=torch.float64) for g in generators])
        return torch.searchsorted(total, u * total[:, -1:], right=True).clamp_(max=num_rows - 1)

    def _read(self, rows: Tensor) -> None:
        x = self.table.x
        if isinstance(x, Stored):
            self.x.copy_(x[rows].read())
        else:
            self.gather(x, rows, self.x)

    def _masks(self, num_rows: int) -> tuple[Tensor, ...]:
        return tuple(mask.to(self.table.y) for mask in self.network.masks(self.streams["dropout"], num_rows))

    def _padded(self, rows: Tensor) -> Tensor:
        """[R, N] -> [steps, R, B], with zeros after the rows of each batch."""
        (num_runs, num_rows), size = rows.shape, self.size
        full, rest = divmod(num_rows, size)
        out = rows.new_zeros(full + (rest > 0), num_runs, self.padded)
        out[:full, :, :size] = rows[:, : full * size].unflatten(1, (full, size)).transpose(0, 1)
        out[full:, :, :rest] = rows[:, full * size :]
        return out


def _labels(y: Tensor) -> tuple[Tensor, Tensor | None]:
    """Labels [N] or [N, T] with 0 for those that are missing, and which are not: 1.0, else 0.0; None if all are."""
    missing = y.isnan()
    return (y.nan_to_num(nan=0.0), (~missing).to(y)) if missing.any() else (y, None)


def _gather(table: Tensor, rows: Tensor, out: Tensor) -> None:
    torch.index_select(table, 0, rows, out=out)


def whole_table(table: Table, num_runs: int, num_groups: int, num_classes: int) -> Batch:
    """A table as one batch; every run sees the same rows."""
    i = torch.arange(len(table.y), device=table.y.device)
    w = table.y.new_ones(len(table.y))
    labels, known = _labels(table.y)
    y, i, w, s = (v.expand(num_runs, *v.shape) for v in (labels, i, w, table.s))
    x = _repeated(table.x, num_runs)
    known = None if known is None else known.expand(num_runs, *known.shape)
    return Batch(x, y, i, w, s, num_groups=num_groups, num_classes=num_classes, known=known)


def padded_table(table: Table, num_runs: int, num_groups: int, num_classes: int) -> Batch:
    """A table as one batch, followed by rows of weight 0."""
    more = -len(table.y) % ROWS_MULTIPLE
    x = in_memory(table.x)
    x = torch.cat([x, x.new_zeros(more, *x.shape[1:])])  # F.pad refuses no features in torch 2.6
    padded = Table(x, F.pad(table.y, (0, more)), F.pad(table.s, (0, more)))
    batch = whole_table(padded, num_runs, num_groups, num_classes)
    return batch._replace(w=(batch.i < len(table.y)).to(table.y))


def all_rows(table: Table, num_runs: int, num_groups: int, num_classes: int) -> Batch:
    """As ``padded_table``, but the features are not padded, because they are too many to be copied."""
    rows = padded_table(table.without_features(), num_runs, num_groups, num_classes)
    return rows._replace(x=_repeated(table.x, num_runs))


def _repeated(x: Features, num_runs: int) -> Tensor:
    """The features of all rows for every run, [R, N, D]; what is stored is read by ``parts`` of the batch."""
    return cast(Tensor, x.expand(num_runs, *x.shape))
