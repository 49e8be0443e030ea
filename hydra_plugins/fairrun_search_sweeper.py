"""Hydra sweeper ``search``: trials that ``fairrun.search`` asks for, a batch of them to the launcher at a time.

Hydra imports this file at every start, so what is heavy is imported where it is used.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.fairrun_sweepers import report

if TYPE_CHECKING:
    from fairrun.search import Search, Setting, Values

log = logging.getLogger(__name__)


class SearchSweeper(Sweeper):
    """The keys are explained in conf/hydra/sweeper/search.yaml."""

    def __init__(
        self, trials: Any, batch: Any, sampler: Any, seed: Any, scientific: Any, nuisance: Any, fixed: Any
    ) -> None:
        self.trials, self.batch, self.sampler, self.seed = trials, batch, sampler, seed
        self.headings = {"scientific": scientific, "nuisance": nuisance, "fixed": fixed}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before ``sweep``."""
        self.context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search, then report on whatever is finished; a run that failed is an error at the end."""
        from fairrun.check import InputError
        from fairrun.train import Refused

        folder = Path(self.config.hydra.sweep.dir)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        given, seeds = self._split(arguments)
        try:
            search, fixed = self._search(given)
        except InputError as error:
            raise Refused(str(error)) from None
        runs = Runs(self.launcher, [*fixed, *given.values()], seeds, self.config.metric.name)
        try:
            self._run(search, runs, folder)
        except InputError as error:
            raise Refused(str(error)) from None
        finally:
            report(folder)
        for setting, values in search.front():
            log.info("front: %s", _line(setting, values, self.config.metric.name))
        if runs.failed:
            raise Refused(f"{runs.failed} of {runs.launched} runs failed; each has its reason in its own log")

    def _split(self, arguments: list[str]) -> tuple[dict[str, str], list[list[str]]]:
        """The overrides by key, without that of the seed; and the override, or none, for each seed."""
        from fairrun.train import Refused

        given, seeds = {}, [[]]
        for override in OverridesParser.create(config_loader=self.context.config_loader).parse_overrides(arguments):
            key, line = override.get_key_element(), override.input_line
            if key == "seed" and override.is_discrete_sweep():
                seeds = [[f"seed={value}"] for value in override.sweep_string_iterator()]
            elif override.is_sweep_override():
                raise Refused(f"{key} must have one value in a search, got {line!r}; ranges are for sweep=NAME")
            else:
                given[key] = line
        if not seeds:
            raise Refused("seed must have a value, got none")
        return given, seeds

    def _search(self, given: Mapping[str, str]) -> tuple["Search", list[str]]:
        """The search, and the overrides that its space fixes.  Raises ``InputError``."""
        from fairrun import search
        from fairrun.check import InputError, require
        from fairrun.results import dotted

        search.check(self.trials, self.batch, self.sampler, self.seed)
        ranges: search.Space = {}
        content: Any = OmegaConf.to_container(self.config)
        config = dotted({key: value for key, value in content.items() if key != "hydra"})
        nodes = {}
        for heading, node in self.headings.items():
            plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_dict(node) else node or {}
            require(isinstance(plain, dict), f"hydra.sweeper.{heading}", plain, "a mapping of keys")
            nodes[heading] = {key: value for key, value in search.flat(plain).items() if key not in given}
        for heading in ("scientific", "nuisance"):
            ranges |= search.space(heading, nodes[heading], config)
        search.check_keys("fixed", list(nodes["fixed"]), config)
        if not ranges:
            raise InputError("a search needs a range that the command line leaves open, got none; sweep=NAME has some")
        greater = self.config.metric.greater_is_better
        made = search.Search(ranges, self.sampler, seed=self.seed, batch=self.batch, greater_is_better=greater)
        return made, _overrides(nodes["fixed"])

    def _run(self, search: "Search", runs: "Runs", folder: Path) -> None:
        from fairrun.search import Told

        told = Told(folder, resume=self.config.resume)
        for first in range(0, self.trials, self.batch):
            settings = search.ask(min(self.batch, self.trials - first))
            told.check(first, settings)
            log.info("trials %d to %d of %d", first, first + len(settings) - 1, self.trials)
            search.tell(told.add(first, settings, runs.values(settings)))


class Runs:
    """Every setting with every seed, once."""

    def __init__(self, launcher: Launcher, overrides: list[str], seeds: list[list[str]], metric: str) -> None:
        self.launcher, self.overrides, self.seeds, self.metric = launcher, overrides, seeds, metric
        self.known: dict[str, Values | None] = {}  # by setting
        self.launched = self.failed = 0

    def values(self, settings: Sequence["Setting"]) -> list["Values | None"]:
        """What came of each; those that are not known yet are launched together."""
        new = {json.dumps(s): s for s in settings if json.dumps(s) not in self.known}
        jobs = [[*self.overrides, *seed, *_overrides(s)] for s in new.values() for seed in self.seeds]
        if jobs:
            returns = self.launcher.launch(jobs, initial_job_idx=self.launched)
            self.launched += len(jobs)
            for k, key in enumerate(new):
                self.known[key] = self._values(returns[k * len(self.seeds) : (k + 1) * len(self.seeds)])
        return [self.known[json.dumps(s)] for s in settings]

    def _values(self, returns: Sequence[JobReturn]) -> "Values | None":
        from fairrun.search import values

        failed = sum(r.status != JobStatus.COMPLETED for r in returns)
        self.failed += failed
        folders = [Path(r.hydra_cfg.hydra.runtime.output_dir) for r in returns if r.hydra_cfg is not None]
        return None if failed else values(folders, self.metric)


def _overrides(values: Mapping[str, Any]) -> list[str]:
    """As on the command line; a float to its last digit."""
    return [
        f"{key}={QuotedString(v, Quote.single).with_quotes() if isinstance(v, str) else json.dumps(v)}"
        for key, v in values.items()
    ]


def _line(setting: "Setting", values: "Values", metric: str) -> str:
    chosen = ", ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in setting.items())
    return f"validation accuracy {values[0]:.4f}, {metric} {values[1]:.4f} with {chosen}"
