"""Hydra sweeper ``grid``: Hydra's own grid, without composing every job a second time, and with a report at its end."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

log = logging.getLogger(__name__)


class GridSweeper(BasicSweeper):
    """Every combination of the values given on the command line."""

    def __init__(self, max_batch_size: Any, params: Any, **ranges: Any) -> None:
        super().__init__(max_batch_size, params)
        self.ranges = ranges  # of a sweep=NAME

    def sweep(self, arguments: list[str]) -> Any:
        """Launch them; then report on whatever is finished."""
        self._refuse_nothing(arguments)
        assert self.config is not None
        try:
            return super().sweep(arguments)
        finally:
            conclude(self.config)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Hydra composes every job here to see whether it can; the launcher composes them all before it starts any."""

    def _refuse_nothing(self, arguments: list[str]) -> None:
        from fairrun.train import Refused

        if self.ranges:
            raise Refused("sweep=NAME must go with hydra/sweeper=search, got hydra/sweeper=grid")
        for override in OverridesParser.create().parse_overrides([*self._parse_config(), *arguments]):
            if override.is_discrete_sweep() and not list(override.sweep_string_iterator()):
                raise Refused(f"{override.get_key_element()} must have a value, got none from {override.input_line!r}")


def conclude(config: DictConfig) -> None:
    """Report on a sweep, if anything of it is finished, and track it."""
    from fairrun.build import build
    from fairrun.check import InputError
    from fairrun.report import show

    folder = Path(config.hydra.sweep.dir)
    tracker: Any = OmegaConf.to_container(config.tracker, resolve=True)
    try:
        show(folder)
        build(tracker, "tracker").finish(folder, folder.name)
    except InputError as error:
        log.warning("%s", error)
