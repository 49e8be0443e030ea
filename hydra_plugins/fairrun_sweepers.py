"""Hydra sweeper ``grid``: Hydra's own grid, without composing every job a second time, and with a report at its end."""

import logging
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from fairrun.config.renames import current
from hydra_plugins.fairrun_compose import settle
from hydra_plugins.fairrun_launcher import StackedLauncher

log = logging.getLogger(__name__)


class GridSweeper(BasicSweeper):
    """Every combination of the values given on the command line, and of ``hydra.sweeper.params`` for other keys."""

    config: DictConfig

    def __init__(self, max_batch_size: Any, params: Any, **ranges: Any) -> None:
        super().__init__(max_batch_size, params)
        self.ranges = ranges  # of a sweep=NAME

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Launch them all, then report on what is finished; only then a failed job is an error."""
        assert self.launcher is not None
        batches = self._batches(arguments)
        if isinstance(self.launcher, StackedLauncher):
            self.launcher.fit(list(chain(*batches)))
        save_command(self.config)
        returns: list[Sequence[JobReturn]] = []
        for batch in batches:
            if not isinstance(self.launcher, StackedLauncher):
                self.validate_batch_is_legal(batch)
            returns.append(self.launcher.launch(batch, initial_job_idx=sum(map(len, returns))))
        complete = all(result.status == JobStatus.COMPLETED for result in chain(*returns))
        conclude(self.config, complete=complete)
        for result in chain(*returns):
            _ = result.return_value  # raises what the job raised
        return returns

    def _batches(self, arguments: list[str]) -> list[list[list[str]]]:
        """The overrides of every job, in batches.  Raises ``Refused`` where there is none."""
        from fairrun.train import Refused

        assert self.hydra_context is not None
        if self.ranges:
            raise Refused("sweep=NAME must go with hydra/sweeper=search, got hydra/sweeper=grid")
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        given = parser.parse_overrides(arguments)
        own = parser.parse_overrides(current(self._parse_config(), lambda: methods(self.config, given)))
        keys = {override.key_or_group for override in given}
        overrides = [*(override for override in own if override.key_or_group not in keys), *given]
        for override in overrides:
            if override.is_discrete_sweep() and not list(override.sweep_string_iterator()):
                raise Refused(f"{override.get_key_element()} must have a value, got none from {override.input_line!r}")
        return self.split_arguments(overrides, self.max_batch_size)


def methods(config: DictConfig, given: Sequence[Override]) -> list[str]:
    """The methods of a sweep: those on its command line, or the one of its configuration."""
    named = [override for override in given if override.key_or_group == "method"]
    if not named:
        return [str(config.hydra.runtime.choices.method)]
    sweep = named[-1].is_sweep_override()
    return list(named[-1].sweep_string_iterator()) if sweep else [str(named[-1].value())]


def save_command(config: DictConfig) -> None:
    """Write the sweep's configuration as Hydra does; that of a sweep whose folder this is stays."""
    path = Path(config.hydra.sweep.dir, "multirun.yaml")
    if not path.exists():
        OmegaConf.save(config, path)


def conclude(config: DictConfig, *, complete: bool) -> None:
    """Report on a sweep, if anything of it is finished, and track it; ``complete``: nothing is left to continue.

    The options of this command come before those that the records hold, which may be of an earlier command.
    """
    from fairrun.config.build import build
    from fairrun.config.check import InputError
    from fairrun.report.cli import show
    from fairrun.results.records import load
    from fairrun.sweep.runner import WORK
    from fairrun.sweep.validate import check_report

    folder = Path(config.hydra.sweep.dir)
    settle(config, config.hydra.runtime.choices.method, config.hydra.overrides.task)
    asked: Any = OmegaConf.to_container(config.report, resolve=True)
    tracker: Any = OmegaConf.to_container(config.tracker, resolve=True)
    if complete:
        shutil.rmtree(folder / WORK, ignore_errors=True)
    try:
        show(folder, load(folder), check_report(asked))
        build(tracker, "tracker").finish(folder, folder.name)
    except InputError as error:
        log.warning("%s", error)
