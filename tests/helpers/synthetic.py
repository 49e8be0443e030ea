"""Small data sets and methods that tests train on."""

import copy
import functools
from pathlib import Path

import torch
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from bench.composition import composed
from fairrun.about import files
from fairrun.config.build import build
from fairrun.config.keys import is_whole
from fairrun.contract import Subject
from fairrun.contract.samples import HEADS, batch_of, data, data_of_classes, data_of_tasks, rows_for, table
from fairrun.data.table import Data
from fairrun.train import CONF

__all__ = ["HEADS", "batch_of", "data", "data_of_classes", "data_of_tasks", "rows_for", "table"]
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


@functools.cache
def subject(name: str) -> Subject:
    """The method of ``conf/method/NAME.yaml`` as rules of the contract take it."""
    presets = {f"method={other}": method(other) for other in METHODS if type(method(other)) is type(method(name))}
    keys = frozenset({*config(f"method={name}").method} - {"_target_"})
    return Subject(method(name), f"method={name}", keys, presets)


def built(cfg: DictConfig, key: str, **extra: object) -> object:
    """The object of a node of a composed configuration."""
    return build(OmegaConf.to_container(cfg[key], resolve=True), key, **extra)


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
