"""Training rows in each run's own order, as padded batches."""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Generator, Tensor

from fairrun.data.pixels.stored import Stored
from fairrun.method.api import Batch
from fairrun.models.network import Network
from fairrun.training.native.parts import gather
from fairrun.training.tables import ROWS_MULTIPLE, Tables


class Batches:
    """The training rows in each run's own order, as padded batches."""

    def __init__(
        self,
        tables: Tables,
        val: Batch | None,
        network: Network,
        streams: dict[str, list[Generator]],
        batch_size: int,
        num_groups: int,
        num_classes: int,
        sees_s: bool,
        native: bool,
    ) -> None:
        self.tables, self.val, self.network, self.streams = tables, val, network, streams
        y, known = _labels(tables.y)
        self.y, self.s = tables.one_after_another(y), tables.one_after_another(tables.s)
        self.known = None if known is None else tables.one_after_another(known)
        self.x = tables.x if isinstance(tables.x, Stored) else tables.one_after_another(tables.x)
        self.num_groups, self.num_classes, self.sees_s = num_groups, num_classes, sees_s
        self.size = min(batch_size, len(tables))
        self.padded = -(-self.size // ROWS_MULTIPLE) * ROWS_MULTIPLE
        self.num_runs, self.generators = len(streams["shuffle"]), tuple(streams["method"])
        self.buffer = self.y.new_empty(self.num_runs * self.padded, self.x.shape[1])
        self.gather = gather if native else _gather
        everywhere = self.y.new_ones(()).expand(self.num_runs, len(tables))
        self.real = self._padded(everywhere)  # [steps, R, B]

    def __len__(self) -> int:
        """The steps of an epoch."""
        return len(self.real)

    def epoch(self, epoch: int, weights: Tensor | None = None) -> Iterator[Batch]:
        """The batches of one epoch: all rows once or, with ``weights`` [R, N], as many rows drawn by weight.

        ``x`` is one buffer, which every batch overwrites.
        """
        rows = self._padded(self._order(weights)).to(self.y.device)  # [steps, R, B]
        places = self.tables.places(rows)
        y = self.y[places]
        known = None if self.known is None else self.known[places]
        s = self.s[places] if self.sees_s else None
        for step, i in enumerate(rows):
            self._read(places[step].view(-1))
            yield Batch(
                x=self.buffer.view(self.num_runs, self.padded, -1),
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
        num_rows, generators = len(self.tables), self.streams["shuffle"]
        if weights is None:
            return torch.stack([torch.randperm(num_rows, generator=g) for g in generators])
        total = weights[:, :num_rows].double().cpu().cumsum(-1)
        even = torch.arange(1, num_rows + 1).to(total)  # for a run none of whose rows has a weight
        total = torch.where(total[:, -1:] > 0, total, even)
        u = torch.stack([torch.rand(num_rows, generator=g, dtype=torch.float64) for g in generators])
        return torch.searchsorted(total, u * total[:, -1:], right=True).clamp_(max=num_rows - 1)

    def _read(self, places: Tensor) -> None:
        if isinstance(self.x, Stored):
            self.buffer.copy_(self.x[places].read())
        else:
            self.gather(self.x, places, self.buffer)

    def _masks(self, num_rows: int) -> tuple[Tensor, ...]:
        return tuple(mask.to(self.y) for mask in self.network.masks(self.streams["dropout"], num_rows))

    def _padded(self, rows: Tensor) -> Tensor:
        """[R, N] -> [steps, R, B], with zeros after the rows of each batch."""
        (num_runs, num_rows), size = rows.shape, self.size
        full, rest = divmod(num_rows, size)
        out = rows.new_zeros(full + (rest > 0), num_runs, self.padded)
        out[:full, :, :size] = rows[:, : full * size].unflatten(1, (full, size)).transpose(0, 1)
        out[full:, :, :rest] = rows[:, full * size :]
        return out


def _labels(y: Tensor) -> tuple[Tensor, Tensor | None]:
    """Labels with 0 for those that are missing, and which are not: 1.0, else 0.0; None if all are."""
    missing = y.isnan()
    return (y.nan_to_num(nan=0.0), (~missing).to(y)) if missing.any() else (y, None)


def _gather(table: Tensor, rows: Tensor, out: Tensor) -> None:
    torch.index_select(table, 0, rows, out=out)


def whole_table(tables: Tables, num_groups: int, num_classes: int) -> Batch:
    """All rows as one batch."""
    labels, known = _labels(tables.y)
    i = torch.arange(len(tables), device=tables.y.device).expand(tables.num_runs, -1)
    w = tables.y.new_ones(()).expand(i.shape)
    y, s = tables.by_run(labels), tables.by_run(tables.s)
    known = None if known is None else tables.by_run(known)
    return Batch(tables.features(), y, i, w, s, num_groups=num_groups, num_classes=num_classes, known=known)


def padded_table(tables: Tables, num_groups: int, num_classes: int) -> Batch:
    """All rows as one batch, followed by rows of weight 0."""
    padded = tables.padded()
    batch = whole_table(padded, num_groups, num_classes)
    return batch._replace(x=padded.by_run(cast(Tensor, padded.x)), w=(batch.i < len(tables)).to(tables.y))


def all_rows(tables: Tables, num_groups: int, num_classes: int) -> Batch:
    """As ``padded_table``, but the features are not padded, because they are too many to be copied."""
    rows = padded_table(tables.without_features(), num_groups, num_classes)
    return rows._replace(x=tables.features())
