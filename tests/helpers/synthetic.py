"""Small data sets and methods that tests train on."""

import copy
import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from bench.composition import composed
from fairrun.about import files
from fairrun.config.build import build
from fairrun.config.keys import is_whole
from fairrun.data.split import per_cell
from fairrun.data.table import Data, Table
from fairrun.method.api import Batch
from fairrun.models.shared_bottom import SharedBottom
from fairrun.train import CONF

HEADS = SharedBottom(num_features=6, categories=[2, 1], num_tasks=3, shared=[64], head=[32], embedding_dim=8)
ALL_METHODS = sorted(path.stem for path in (Path(CONF) / "method").glob("*.yaml"))
OF_LIBRARIES = [name for name in ALL_METHODS if is_whole(f"method.{key}" for key in files.composed("method", name))]
METHODS = [name for name in ALL_METHODS if name not in OF_LIBRARIES]  # those with steps


def config(*overrides: str) -> DictConfig:
    """The composed configuration, as ``python -m fairrun.train OVERRIDES`` composes it.

    The choices of groups are composed once a process; the values are set by Hydra's own function.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    choices = [o for o in parsed if o.package is not None or (Path(CONF) / str(o.key_or_group)).is_dir()]
    whole = copy.deepcopy(_composed(*(str(o.input_line) for o in choices)))
    ConfigLoaderImpl._apply_overrides_to_config([o for o in parsed if o not in choices], whole)
    return whole


@functools.cache
def _composed(*overrides: str) -> DictConfig:
    whole = composed(overrides)
    with open_dict(whole):
        del whole["hydra"]
    return whole


@functools.cache
def method(name: str, *overrides: str) -> object:
    """The method of ``conf/method/NAME.yaml``."""
    return built(config(f"method={name}", *overrides), "method")


def built(cfg: DictConfig, key: str, **extra: object) -> object:
    """The object of a node of a composed configuration."""
    return build(OmegaConf.to_container(cfg[key], resolve=True), key, **extra)


def table(num_rows: int, seed: int, num_groups: int = 3, num_features: int = 6) -> Table:
    """Rows of ``num_groups`` groups of unequal size, with labels that depend on features and group."""
    g = torch.Generator().manual_seed(seed)
    share = torch.arange(1, num_groups + 1, dtype=torch.float64)
    s = torch.multinomial(share, num_rows, replacement=True, generator=g)
    x = torch.randn(num_rows, num_features, generator=g, dtype=torch.float64)
    x[:, 0] += s
    y = (x[:, 0] + x[:, 1] + 0.5 * torch.randn(num_rows, generator=g, dtype=torch.float64) > 1.5).double()
    return Table(x, y, s)


def rows_for(method: Any) -> Data:
    """Rows with labels of three tasks for a method that learns several, of one for another."""
    return data_of_tasks() if "tasks" in method.needs else data()


def data_of_tasks(num_tasks: int = 3, num_groups: int = 3) -> Data:
    """The rows of ``data`` with labels of several tasks, the first of them the same."""
    one = data(num_groups)
    tables = {}
    for k, split in enumerate(("train", "val", "test")):
        rows = getattr(one, split)
        g = torch.Generator().manual_seed(100 + k)
        noise = 0.5 * torch.randn(len(rows.y), num_tasks - 1, generator=g, dtype=torch.float64)
        more = (rows.x[:, 2 : num_tasks + 1] + 0.5 * rows.x[:, :1] + noise > 0.5).double()
        tables[split] = rows._replace(y=torch.cat([rows.y.unsqueeze(-1), more], dim=-1))
    return one._replace(**tables, tasks=[f"task{t}" for t in range(num_tasks)])


def without_labels(rows: Data, share: float = 0.3) -> Data:
    """The rows of several tasks without a ``share`` of their labels; every row keeps that of the first task."""
    g = torch.Generator().manual_seed(200)
    tables = {}
    for split in ("train", "val", "test"):
        table = getattr(rows, split)
        missing = torch.rand(table.y.shape, generator=g) < share
        missing[:, 0] = False
        tables[split] = table._replace(y=table.y.masked_fill(missing, torch.nan))
    return rows._replace(**tables)


def data_of_classes(num_classes: int = 3, num_groups: int = 3) -> Data:
    """The rows of ``data`` with a label of several classes, that features and group tell."""
    two = data(num_groups)
    tables = {}
    for k, split in enumerate(("train", "val", "test")):
        rows = getattr(two, split)
        noise = 0.3 * torch.randn(len(rows.y), generator=torch.Generator().manual_seed(k), dtype=torch.float64)
        y = (rows.x[:, 0] + rows.x[:, 1] + noise).div(1.2).round().clamp(0, num_classes - 1)
        tables[split] = rows._replace(y=y)
    return two._replace(**tables, classes=[f"class {c}" for c in range(num_classes)])


def data(num_groups: int = 3) -> Data:
    """150 train rows, which 32 do not divide, and odd numbers of validation and test rows."""
    train, val, test = (table(n, seed, num_groups) for seed, n in enumerate((150, 61, 83)))
    balanced = torch.tensor(per_cell((2 * train.s + train.y.long()).numpy(), 2, np.random.default_rng(0)))
    features, groups = [f"x{k}" for k in range(6)], [f"s={g}" for g in range(num_groups)]
    return Data(train, val, test, features, groups, "synthetic", balanced)


def batch_of(rows, i):
    return Batch(rows.x[i], rows.y[i], i, torch.ones(i.shape, dtype=torch.float64), rows.s[i], num_groups=3)
