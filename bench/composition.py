"""Compositions of many command lines in one process, in half of Hydra's time."""

import copy
import functools
from collections.abc import Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from fairrun.config.keys import CONF


class _Files(CachingConfigRepository):
    """Configuration files, each read once a process."""

    def __deepcopy__(self, memo: dict[int, Any]) -> IConfigRepository:
        return self  # Hydra copies its repository for every composition

    def load_config(self, config_path: str) -> ConfigResult | None:
        """The content of a file, which Hydra may change."""
        found = super().load_config(config_path)
        if found is None:
            return None
        changed = copy.copy(found)
        changed.config = copy.deepcopy(found.config)
        return changed


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration of overrides with the node ``hydra``, as the command composes it from the files in conf/."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader: Any = GlobalHydra.instance().config_loader()
        if not any("hydra.searchpath" in override for override in overrides):
            loader.repository = _files()
        return compose("train", list(overrides), return_hydra_config=True)


@functools.cache
def _files() -> _Files:
    loader: Any = GlobalHydra.instance().config_loader()
    return _Files(loader.repository)
