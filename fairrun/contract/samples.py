"""Small data sets that methods and networks are checked on."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from fairrun.data.pixels.stored import in_memory
from fairrun.data.split import per_cell
from fairrun.data.table import Data, Table
from fairrun.method.api import AnyMethod, Batch
from fairrun.models.mlp import MLP
from fairrun.models.shared_bottom import SharedBottom

NUM_FEATURES = 6
NETWORK = MLP(
    num_features=NUM_FEATURES,
    num_classes=2,
    width=16,
    depth=2,
    fairness_layers=1,
    fairness_position=None,
    dropout=0.0,
)
DROPPING = dataclasses.replace(NETWORK, dropout=0.3)
HEADS = SharedBottom(num_features=NUM_FEATURES, categories=[2, 1], num_tasks=3, shared=[64], head=[32], embedding_dim=8)


def table(num_rows: int, seed: int, num_groups: int = 3, num_features: int = NUM_FEATURES) -> Table:
    """Rows of ``num_groups`` groups of unequal size, with labels that depend on features and group."""
    g = Generator().manual_seed(seed)
    share = torch.arange(1, num_groups + 1, dtype=torch.float64)
    s = torch.multinomial(share, num_rows, replacement=True, generator=g)
    x = torch.randn(num_rows, num_features, generator=g, dtype=torch.float64)
    x[:, 0] += s
    y = (x[:, 0] + x[:, 1] + 0.5 * torch.randn(num_rows, generator=g, dtype=torch.float64) > 1.5).double()
    return Table(x, y, s)


def data(num_groups: int = 3, num_features: int = NUM_FEATURES) -> Data:
    """150 train rows, which 32 do not divide, and odd numbers of validation and test rows."""
    train, val, test = (table(n, seed, num_groups, num_features) for seed, n in enumerate((150, 61, 83)))
    balanced = torch.tensor(per_cell((2 * train.s + train.y.long()).numpy(), 2, np.random.default_rng(0)))
    features, groups = [f"x{k}" for k in range(num_features)], [f"s={g}" for g in range(num_groups)]
    return Data(train, val, test, features, groups, "synthetic", balanced)


def data_of_tasks(num_tasks: int = 3, num_groups: int = 3) -> Data:
    """The rows of ``data`` with labels of several tasks, the first of them the same."""
    one = data(num_groups)
    tables: dict[str, Any] = {}
    for k, split in enumerate(("train", "val", "test")):
        rows: Table = getattr(one, split)
        g = Generator().manual_seed(100 + k)
        noise = 0.5 * torch.randn(len(rows.y), num_tasks - 1, generator=g, dtype=torch.float64)
        x = in_memory(rows.x)
        more = (x[:, 2 : num_tasks + 1] + 0.5 * x[:, :1] + noise > 0.5).double()
        tables[split] = rows._replace(y=torch.cat([rows.y.unsqueeze(-1), more], dim=-1))
    return one._replace(**tables, tasks=[f"task{t}" for t in range(num_tasks)])


def data_of_classes(num_classes: int = 3, num_groups: int = 3) -> Data:
    """The rows of ``data`` with a label of several classes, that features and group tell."""
    two = data(num_groups)
    tables: dict[str, Any] = {}
    for k, split in enumerate(("train", "val", "test")):
        rows: Table = getattr(two, split)
        noise = 0.3 * torch.randn(len(rows.y), generator=Generator().manual_seed(k), dtype=torch.float64)
        x = in_memory(rows.x)
        y = (x[:, 0] + x[:, 1] + noise).div(1.2).round().clamp(0, num_classes - 1)
        tables[split] = rows._replace(y=y)
    return two._replace(**tables, classes=[f"class {c}" for c in range(num_classes)])


def divided_again(rows: Data, seed: int) -> Data:
    """The rows of all splits, divided anew into splits of the same sizes, as ``dataset.split.seed`` does."""
    splits = {split: getattr(rows, split) for split in ("train", "val", "test")}
    x, y, s = (torch.cat([in_memory(part) for part in parts]) for parts in zip(*splits.values(), strict=True))
    order = torch.randperm(len(s), generator=Generator().manual_seed(seed))
    places = order.split([len(table.y) for table in splits.values()])
    tables: dict[str, Any] = {split: Table(x[i], y[i], s[i]) for split, i in zip(splits, places, strict=True)}
    cells = 2 * tables["train"].s + tables["train"].y.reshape(len(places[0]), -1)[:, 0].long()
    balanced = torch.tensor(per_cell(cells.numpy(), 2, np.random.default_rng(0)))
    return rows._replace(**tables, balanced=balanced)


def rows_for(method: AnyMethod, num_groups: int = 3) -> Data:
    """Rows with labels of three tasks for a method that learns several, of one for another."""
    return data_of_tasks(num_groups=num_groups) if "tasks" in method.needs else data(num_groups)


def batch_of(rows: Table, i: Tensor, num_groups: int = 3) -> Batch:
    """The rows ``i`` [R, B] as a batch, all of weight 1."""
    w = torch.ones(i.shape, dtype=torch.float64)
    return Batch(in_memory(rows.x[i]), rows.y[i], i, w, rows.s[i], num_groups=num_groups)


def seeded(seeds: Sequence[int]) -> list[Generator]:
    """A generator for each seed."""
    return [Generator().manual_seed(seed) for seed in seeds]
