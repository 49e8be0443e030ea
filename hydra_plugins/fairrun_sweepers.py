"""Hydra sweepers ``grid`` and ``search``; both end with a report.

``grid`` is Hydra's own sweeper, but does not compose every job a second time.  ``search`` asks
``fairrun.runs.search`` for trials and launches them in batches.  Hydra imports this file at every start, so functions
that need heavy modules import them themselves.
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from fairrun.command import benchmark
from fairrun.command.renames import current, renamed
from fairrun.config.check import InputError
from fairrun.config.keys import CONF
from hydra_plugins.fairrun_compose import Composer, settle
from hydra_plugins.fairrun_launcher import StackedLauncher

if TYPE_CHECKING:
    from fairrun.runs.search import Search, Setting, Values

log = logging.getLogger(__name__)


class GridSweeper(BasicSweeper):
    """Launches every combination of the values on the command line and, for other keys, in ``hydra.sweeper.params``."""

    config: DictConfig

    def __init__(self, max_batch_size: Any, params: Any, **ranges: Any) -> None:
        super().__init__(max_batch_size, params)
        self.ranges = ranges  # from sweep=NAME

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Launch all jobs, then report on the finished ones.  A job that is refused or failed raises its error then."""
        assert self.launcher is not None
        batches = self.batches(arguments)
        if isinstance(self.launcher, StackedLauncher):
            self.launcher.fit(list(chain(*batches)))
        else:
            batches = self._fitted(batches)
        log.info("loading torch and the data")
        save_command(self.config)
        returns: list[Sequence[JobReturn]] = []
        for batch in batches:
            if not isinstance(self.launcher, StackedLauncher):
                self.validate_batch_is_legal(batch)
            returns.append(self.launcher.launch(batch, initial_job_idx=sum(map(len, returns))))
        complete = all(result.status == JobStatus.COMPLETED for result in chain(*returns))
        wrong = conclude(self.config, complete=complete)
        for result in chain(*returns):
            if result.status != JobStatus.COMPLETED:
                raise result._return_value  # what the job raised; the property would print its overrides first
        if wrong:
            raise InputError(wrong)
        return returns

    def batches(self, arguments: list[str]) -> list[list[list[str]]]:
        """The overrides of every job, in batches.  Raises ``InputError`` if there is no job."""
        assert self.hydra_context is not None
        if self.ranges:
            raise InputError("sweep=NAME must go with hydra/sweeper=search, got hydra/sweeper=grid")
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        given = parser.parse_overrides(arguments)
        own = parser.parse_overrides(current(self._parse_config(), lambda: methods(self.config, given)))
        keys = {override.key_or_group for override in given}
        overrides = [*(override for override in own if override.key_or_group not in keys), *given]
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                key, line = override.get_key_element(), override.input_line
                raise InputError(f"{key} must have values, as in {key}=1,2; got {line!r}, for hydra/sweeper=search")
            if override.is_discrete_sweep() and not list(override.sweep_string_iterator()):
                key, line = override.get_key_element(), override.input_line
                raise InputError(f"{key} must have a value, got none from {line!r}")
        named = [override.get_key_element() for override in overrides]
        if "benchmark" not in named or "benchmark" not in self.config:
            combinations = self.split_arguments(overrides, None)[0]
            return self._batched([list(job) for job in combinations])
        others = [override for override in overrides if override.key_or_group != "benchmark"]
        combinations = self.split_arguments(others, None)[0]
        node: Any = OmegaConf.to_container(self.config.benchmark)  # ${seed} is each job's own
        if isinstance(node, dict):
            node["seeds"] = self.config.benchmark.get("seeds")
        jobs = [[*own, *other] for own in benchmark.jobs(node, set(named)) for other in combinations]
        self._check_names(jobs, set(named))
        return self._batched(jobs)

    def _check_names(self, jobs: list[list[str]], given: set[str]) -> None:
        """Raise ``InputError`` for what a file of ``conf/benchmark`` names and no configuration file has."""
        runtime = self.config.hydra.runtime
        more = [source for source in runtime.config_sources if source.provider.startswith("hydra.searchpath")]
        if any(source.schema != "file" for source in more):  # a package's files are left to Hydra
            return
        folders = [CONF, *(Path(source.path) for source in more)]
        name = f"benchmark/{runtime.choices.benchmark}.yaml"
        file = next(folder / name for folder in folders if (folder / name).exists())
        benchmark.check_names(os.path.relpath(file), jobs, given, runtime.choices, folders)

    def _batched(self, jobs: list[list[str]]) -> list[list[list[str]]]:
        """The jobs in batches, each once: seed=0,0 is one run."""
        once = [list(job) for job in dict.fromkeys(map(tuple, jobs))]
        size = self.max_batch_size or len(once)
        return [once[first : first + size] for first in range(0, len(once), size)]

    def _fitted(self, batches: list[list[list[str]]]) -> list[list[list[str]]]:
        """The batches for a launcher that composes its jobs itself: each job once, without the keys that it lacks."""
        assert self.hydra_context is not None and self.config is not None
        composer = Composer(self.hydra_context.config_loader, self.config)
        jobs = [list(job) for job in dict.fromkeys(map(tuple, composer.fit(list(chain(*batches)))))]
        size = self.max_batch_size or len(jobs)
        return [jobs[first : first + size] for first in range(0, len(jobs), size)]


def methods(config: DictConfig, given: Sequence[Override]) -> list[str]:
    """The methods of a sweep: those on its command line, or the one of its configuration."""
    named = [override for override in given if override.key_or_group == "method"]
    if not named:
        return [str(config.hydra.runtime.choices.method)]
    sweep = named[-1].is_sweep_override()
    return list(named[-1].sweep_string_iterator()) if sweep else [str(named[-1].value())]


def save_command(config: DictConfig) -> None:
    """Write the sweep's configuration as Hydra does.  A configuration that the folder already has stays."""
    path = Path(config.hydra.sweep.dir, "multirun.yaml")
    if not path.exists():
        OmegaConf.save(config, path)


def conclude(config: DictConfig, *, complete: bool) -> str | None:
    """Report on a sweep, if any of its runs is finished, and track it -> what could not be done, or None.

    ``complete`` says that nothing is left to continue.  Options of this command count before those in the records,
    which may be from an earlier command.
    """
    from fairrun.config.build import build
    from fairrun.report.cli import show
    from fairrun.results.records import RECORD, load
    from fairrun.runs.checks.alone import check_report
    from fairrun.runs.runner import WORK

    folder = Path(config.hydra.sweep.dir)
    settle(config, config.hydra.runtime.choices.method, config.hydra.overrides.task)
    asked: Any = OmegaConf.to_container(config.report, resolve=True)
    tracker: Any = OmegaConf.to_container(config.tracker, resolve=True)
    if complete:
        shutil.rmtree(folder / WORK, ignore_errors=True)
    if not any(folder.rglob(RECORD)):
        return None
    try:
        frame = load(folder)
        if (frame["status"] == "finished").any():
            show(folder, frame, check_report(asked, config.metric.name))
            build(tracker, "tracker").finish(folder, folder.name)
    except InputError as error:
        return str(error)
    return None


class SearchSweeper(Sweeper):
    """Launches the trials of a search.  conf/hydra/sweeper/search.yaml explains the keys."""

    def __init__(self, trials: Any, batch: Any, sampler: Any, seed: Any, **headings: Any) -> None:
        self.trials, self.batch, self.sampler, self.seed = trials, batch, sampler, seed
        self.headings = headings  # scientific, nuisance, fixed

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before ``sweep``."""
        self.job = config
        settle(config, config.hydra.runtime.choices.method, config.hydra.overrides.task)
        self.parser = OverridesParser.create(config_loader=hydra_context.config_loader)
        plugins = Plugins.instance()
        self.runner = plugins.instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search, then report on the finished runs.  One that did not finish raises an error at the end."""
        folder = Path(self.job.hydra.sweep.dir)
        log.info("search for settings: loading torch and the data")
        save_command(self.job)
        given, seeds = self._split(arguments)
        search, fixed = self._search(given)
        runs = Runs(self.runner, [*fixed, *given.values()], seeds, self.job.metric.name)
        self._run(search, runs, folder)
        wrong = conclude(self.job, complete=not runs.unfinished)
        for setting, values in search.front():
            log.info("front: %s", _line(setting, values, runs.metric))
        if runs.unfinished:
            many = f"{runs.unfinished} of {runs.launched} runs"
            raise InputError(f"{many} were refused or failed; each has its reason in its own log")
        if wrong:
            raise InputError(wrong)

    def _split(self, arguments: list[str]) -> tuple[dict[str, str], list[list[str]]]:
        """The overrides by key, without those of several seeds, and a list with the override of each seed."""
        given: dict[str, str] = {}
        seeds: list[list[str]] = [[]]
        for line, override in zip(arguments, self.parser.parse_overrides(arguments), strict=True):
            key = override.get_key_element()
            if key == "seed" and override.is_discrete_sweep():
                seeds = [[f"seed={value}"] for value in override.sweep_string_iterator()]
            elif override.is_sweep_override():
                raise InputError(f"{key} must have one value in a search, got {line!r}; ranges are for sweep=NAME")
            else:
                given[key] = line
        if not seeds:
            raise InputError("seed must have a value, got none")
        return given, seeds

    def _search(self, given: Mapping[str, str]) -> tuple["Search", list[str]]:
        """The search, and the overrides of its fixed values.  Raises ``InputError``."""
        from fairrun.config.check import is_integer, require
        from fairrun.config.keys import dotted
        from fairrun.runs.search import Search, divide

        for key, value, least in (("trials", self.trials, 1), ("batch", self.batch, 1), ("seed", self.seed, 0)):
            require(is_integer(value) and value >= least, f"hydra.sweeper.{key}", value, f"an integer >= {least}")
        method = self.job.hydra.runtime.choices.method
        headings = {heading: _current(_plain(node), method) for heading, node in self.headings.items()}
        own = OmegaConf.masked_copy(self.job, [str(key) for key in self.job if key != "hydra"])
        config: Any = OmegaConf.to_container(own, resolve=True)
        space, fixed = divide(headings, given, dotted(config))
        greater = self.job.metric.greater_is_better
        search = Search(space, self.sampler, seed=self.seed, batch=self.batch, greater_is_better=greater)
        return search, _overrides(fixed)

    def _run(self, search: "Search", runs: "Runs", folder: Path) -> None:
        from fairrun.runs.search import History

        history = History(folder, resume=self.job.resume)
        for first in range(0, self.trials, self.batch):
            settings = search.ask(min(self.batch, self.trials - first))
            history.check(first, settings)
            log.info("trials %d to %d of %d", first + 1, first + len(settings), self.trials)
            search.tell(history.add(first, settings, runs.values(settings)))


class Runs:
    """Trains every configuration with every seed, once, and remembers its values."""

    def __init__(self, launcher: Launcher, overrides: list[str], seeds: list[list[str]], metric: str) -> None:
        self.launcher, self.overrides, self.seeds, self.metric = launcher, overrides, seeds, metric
        self.known: dict[str, Values | None] = {}  # the values of each configuration
        self.launched = self.unfinished = 0

    def values(self, settings: Sequence["Setting"]) -> list["Values | None"]:
        """The values of each configuration.  Those not known yet are launched together."""
        new = {json.dumps(s): s for s in settings if json.dumps(s) not in self.known}
        jobs = [[*self.overrides, *seed, *_overrides(s)] for s in new.values() for seed in self.seeds]
        if jobs:
            returns = self.launcher.launch(jobs, initial_job_idx=self.launched)
            self.launched += len(jobs)
            for k, key in enumerate(new):
                self.known[key] = self._values(returns[k * len(self.seeds) : (k + 1) * len(self.seeds)])
        return [self.known[json.dumps(s)] for s in settings]

    def _values(self, returns: Sequence[JobReturn]) -> "Values | None":
        from fairrun.runs.search import measured

        unfinished = sum(r.status != JobStatus.COMPLETED for r in returns)
        self.unfinished += unfinished
        folders = [Path(r.hydra_cfg.hydra.runtime.output_dir) for r in returns if r.hydra_cfg is not None]
        return None if unfinished else measured(folders, self.metric)


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else {} if node is None else node


def _current(node: Any, method: str) -> Any:
    """Ranges by dotted key, with today's names of keys."""
    from fairrun.runs.search import leaves

    if not isinstance(node, dict):
        return node
    return {renamed(key, lambda: [method]): value for key, value in leaves(node).items()}


def _overrides(values: Mapping[str, Any]) -> list[str]:
    """The overrides as on the command line.  A float keeps all its digits."""
    return [
        f"{key}={QuotedString(value, Quote.single).with_quotes() if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    ]


def _line(setting: "Setting", values: "Values", metric: str) -> str:
    chosen = [f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in setting.items()]
    return f"validation accuracy {values[0]:.4f}, {metric} {values[1]:.4f} with {', '.join(chosen)}"
