"""Runs and sweeps from Python, with the words of the command line.

    fairrun.run("method=penalty", "method.lam=1", "dataset=german", seed=3)
    fairrun.sweep("method=erm,penalty", "dataset=german", seed=range(5))

Both write the folders that the same command writes, and go on from what is there.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import RunMode

from fairrun.analysis.recommend import Recommendation, recommend
from fairrun.analysis.tradeoff import Tradeoff
from fairrun.api.model import Model, load
from fairrun.api.session import overrides_of, session, task_of, threads_kept, words
from fairrun.command.folders import locked
from fairrun.command.words import written
from fairrun.config.check import InputError, one_of, require
from fairrun.config.keys import BOUND, dotted
from fairrun.config.plugins import can_be_saved
from fairrun.report import ReportOptions, report
from fairrun.report.rerun import otherwise
from fairrun.report.sections.recommend import sentences_of
from fairrun.report.tradeoffs import complete, tradeoffs
from fairrun.results import again, records
from fairrun.runs import model as files
from fairrun.runs.job import Job, forget_data
from fairrun.runs.runner import Sweep
from fairrun.training.stop import listening

DATA = Path("outputs/data")  # frames that are given as data


@dataclass(frozen=True)
class Result:
    """A finished run."""

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """The record: configuration, data, versions and metrics."""
        return records.read(self.folder)

    @property
    def metrics(self) -> "pd.Series[float]":
        """Every metric of the epoch that counts, by its name: "test/accuracy"."""
        return pd.Series(self.record["metrics"], dtype=float)

    @property
    def history(self) -> pd.DataFrame:
        """A row an epoch."""
        return records.read_history(self.folder, self.record)

    @property
    def scores(self) -> pd.DataFrame:
        """The scores of validation and test rows, before post-processing, with row numbers, groups and labels."""
        return pd.read_parquet(io.BytesIO(files.read_file(self.folder, files.SCORES, self.record)))

    def model(self, bound: float | None = None) -> Model:
        """The saved model; ``bound`` as in ``fairrun.load``.  Raises ``InputError`` where the run left none."""
        return load(self.folder, bound=bound)


@dataclass(frozen=True)
class Results:
    """The runs of a sweep."""

    folder: Path
    asked: tuple[Path, ...] = ()  # the folders of the runs that were asked for; others are of earlier calls

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row a run below the folder: its configuration by dotted key, its status and its metrics."""
        return records.load(self.folder)

    @cached_property
    def _options(self) -> ReportOptions:
        return complete(self.frame)

    @cached_property
    def _trades(self) -> list[Tradeoff]:
        return tradeoffs(self.frame, self._options)

    @cached_property
    def settings(self) -> pd.DataFrame:
        """A row a configuration: means over seeds with intervals, as in the report; one data set after another."""
        tables = [trade.settings.assign(dataset=trade.dataset) for trade in self._trades]
        return pd.concat(tables, ignore_index=True)

    def front(self) -> pd.DataFrame:
        """The configurations on the Pareto front that validation rows choose."""
        return self.settings[self.settings["front"]].reset_index(drop=True)

    def report(self, options: ReportOptions = ReportOptions()) -> list[Path]:  # noqa: B008 - it is frozen
        """Write the report into the folder -> its files."""
        return report(self.folder, options)

    def best(self, bound: float | None = None, dataset: str | None = None) -> "Best":
        """The configuration to take: the most accurate one that keeps the bound on validation rows, or else the knee.

        ``bound``: by default the ``fairness_bound`` of the runs, if they have one.  ``dataset`` names the data set,
        where the sweep has several.  Raises ``InputError`` where there is no choice.
        """
        trades = {trade.dataset: trade for trade in self._trades}
        if dataset is None and len(trades) == 1:
            (dataset,) = trades
        one_of("dataset", dataset, list(trades))
        trade = trades[str(dataset)]
        found = trade.recommended if bound is None else recommend(trade, bound, self._options.compare)
        if found is None:
            raise InputError("there is one configuration only, or all are degenerate: none is to be recommended")
        return Best(found)

    def runs(self) -> list[Result]:
        """The finished runs."""
        return [Result(Path(path)) for path in self.frame.loc[self.frame["status"] == "finished", "folder"]]

    def __repr__(self) -> str:
        finished = int((self.frame["status"] == "finished").sum())
        return f"<{finished} of {len(self.frame)} runs finished, in {self.folder}>"


@dataclass(frozen=True)
class Best:
    """A configuration that is recommended."""

    found: Recommendation

    @property
    def result(self) -> Result:
        """One of its runs."""
        return Result(self.found.folder)

    @property
    def command(self) -> str | None:
        """The command that trains that run alone and saves its model; None where none makes that run any more."""
        return None if otherwise(self.found.folder) else again.command(self.found.folder, saves=self._saves)

    @property
    def _saves(self) -> bool:
        return can_be_saved(dotted(self.result.record["config"]))

    def model(self) -> Model:
        """Its model; a run of a sweep that left none is trained again, in a folder of its own.

        Raises ``InputError`` where that would be another run, also of other rows, before it trains.
        """
        bound = self.found.setting.get(BOUND)
        if files.has_weights(self.result.record) or not self._saves:
            return self.result.model(bound)  # or it says that there is none
        if text := otherwise(self.found.folder):
            raise InputError(f"{self.found.folder} must hold its model, as {text}")
        overrides = again.overrides(self.found.folder)
        if overrides is None:
            raise InputError(f"{self.found.folder} must have {again.OVERRIDES}, to train its run again")
        return _trained(words(overrides, {}), of=self.result).model(bound)

    def __str__(self) -> str:
        return " ".join(sentences_of(self.found))

    def __repr__(self) -> str:
        return f"<{self}>"


def run(*overrides: str, data: pd.DataFrame | None = None, folder: Path | str | None = None, **keys: Any) -> Result:
    """Train one run, or find it where it is done -> its result, with a saved model.

    ``overrides`` and ``keys`` are those of the command line: "method.lam=1", seed=3.  ``data`` is a frame to train on
    in the place of ``dataset.path``; its label and sensitive attribute are ``dataset.label`` and so on.  ``folder`` is
    where the results go, by default below ``outputs/runs``, named by the configuration.

    Raises ``InputError`` for what the command would refuse, and if the run fails.
    """
    return _trained(words([*_of_data(data), *overrides, *_at("hydra.run.dir", folder)], keys))


def _trained(given: list[str], of: Result | None = None) -> Result:
    """As ``run``, of a checked command line.  Raises ``InputError`` where the data have not the rows of the run ``of``.

    That is found before anything is trained.
    """
    with session(given, RunMode.RUN) as (_, config):
        choices = records.choices_of(config.hydra.runtime.choices)
        place = Path(config.hydra.run.dir)
        values, recorded = task_of(config, given)
        job = Job(values, choices, place, recorded)
        with locked("folder", str(place)), threads_kept(), listening():
            forget_data()
            trainer = Sweep(place)
            known = trainer.finished_or_refused([job])
            refused = place in known and known[place].status == records.REFUSED
            if of and not refused and trainer.data.facts(values)["data_sha256"] != of.record["data_sha256"]:
                raise InputError(f"{of.folder} must hold its model, as its data have other rows now")
            outcome = dict(trainer.run([job], known))[place]
    if outcome.status != "finished":
        raise InputError(("the run failed: " * (outcome.status == "failed")) + str(outcome.failure))
    return Result(place)


def sweep(*overrides: str, data: pd.DataFrame | None = None, folder: Path | str | None = None, **keys: Any) -> Results:
    """Train every combination of the values given, side by side, or find what is done -> the runs' results.

    As ``run``; a key may have several values: "method.lam=0.1,1", seed=range(5).  A run that is refused or fails stops
    no other one; its reason stands in ``frame``.  Raises ``InputError`` for what the command would refuse, and if no
    run finishes.
    """
    given = words([*_of_data(data), *overrides, *_at("hydra.sweep.dir", folder)], keys, several=True)
    with session(given, RunMode.MULTIRUN) as (context, config):
        place = Path(config.hydra.sweep.dir)
        arguments = overrides_of(config)
        sweeper = Plugins.instance().instantiate_sweeper(hydra_context=context, task_function=_nothing, config=config)
        with locked("folder", str(place)), threads_kept(), listening():
            forget_data()
            returns = _launch(sweeper, arguments)
    failed = [found for found in returns if found.status != JobStatus.COMPLETED]
    if failed and len(failed) == len(returns):
        raise InputError(f"no run finished; the first says: {failed[0]._return_value}")
    configs = [found.hydra_cfg for found in returns if found.hydra_cfg is not None]
    return Results(place, tuple(Path(config.hydra.runtime.output_dir) for config in configs))


def _launch(sweeper: Sweeper, arguments: list[str]) -> list[JobReturn]:
    """What became of every job; of a search, which says it itself, nothing."""
    from hydra_plugins.fairrun_launcher import StackedLauncher  # here: Hydra has imported them anew
    from hydra_plugins.fairrun_sweepers import GridSweeper, save_command

    if not isinstance(sweeper, GridSweeper):
        sweeper.sweep(arguments)
        return []
    launcher = sweeper.launcher
    if not isinstance(launcher, StackedLauncher):
        raise InputError("hydra/launcher must be stacked, ray, dask or slurm from Python")
    batches = sweeper.batches(arguments)
    launcher.fit(list(chain(*batches)))
    save_command(sweeper.config)
    returns: list[JobReturn] = []
    for batch in batches:
        returns += launcher.train(batch, len(returns))
    return returns


def _nothing(config: Any) -> JobReturn:
    raise InputError("hydra/launcher must be stacked from Python")


def _at(key: str, folder: Path | str | None) -> list[str]:
    return [] if folder is None else [f"{key}={written(str(folder))}"]


def _of_data(frame: pd.DataFrame | None) -> list[str]:
    """Keep a frame as a file that its content names -> the overrides that name it."""
    if frame is None:
        return []
    require(isinstance(frame, pd.DataFrame), "data", type(frame).__name__, "a pandas.DataFrame")
    unnamed = [name for name in frame if not isinstance(name, str)]
    require(not unnamed, "data", unnamed[:3], "a frame whose columns have texts as names")
    try:
        content = frame.to_parquet(index=False)
    except Exception as error:  # pyarrow raises errors of many types
        raise InputError(f"data must be a frame that Parquet can hold: {error}") from None
    path = DATA.absolute() / f"{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        records.replace(path, content)
    return ["dataset=csv", f"dataset.path={written(str(path))}", "dataset.name=data"]
