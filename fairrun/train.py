"""The one entry point: compose, check, build, train, evaluate, write.

``python -m fairrun.train method=penalty method.lam=1 dataset=adult``; ``--help`` lists every key.  Heavy imports wait
until a job runs, so that help and mistakes on the command line are answered at once.
"""

import functools
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from fairrun.about import completion, version
from fairrun.command import guard, help
from fairrun.command.compose import chosen, with_folders
from fairrun.command.environment import debugging, redact_logs, redacted, resolved
from fairrun.command.folders import locked
from fairrun.command.imports import begin, load
from fairrun.command.mistakes.choices import refuse_missing_groups
from fairrun.command.mistakes.explain import explain, in_one_line
from fairrun.command.renames import current
from fairrun.command.words import later, options_first, packages, quoted
from fairrun.config import plugins
from fairrun.config.check import InputError
from fairrun.config.keys import CONF
from fairrun.config.metrics import LEAST_ROWS, MATCH_RATE
from fairrun.training.stop import Stopped, listen

if TYPE_CHECKING:
    from rich.table import Table

    from fairrun.runs.job import Job

EXAMPLE = 0.05  # the bound of the line that shows how to load one, unless report.bound is another
log = logging.getLogger(__name__)


_locks: list[IO[bytes]] = []  # open as long as this process lives; other launchers pickle the callback without them


class OutputFolder(Callback):
    """Refuses a folder that cannot be written, or that another process writes to, before Hydra makes files there."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before a single run; the folder is this process's until it ends, however it ends."""
        _take("hydra.run.dir", config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before a sweep; the folder is this process's until it ends, however it ends."""
        _take("hydra.sweep.dir", config.hydra.sweep.dir)


def _take(key: str, folder: str) -> None:
    try:
        _locks.append(locked(key, folder))
    except InputError as error:
        sys.exit(str(error))  # Hydra would log an exception of a callback and go on


def main() -> None:
    """The command.  What is not done ends it with one message and exit status 1; FAIRRUN_DEBUG=1 shows where."""
    if (answer := completion.answer(sys.argv[1:], completion.overrides)) is not None:
        sys.stdout.write(answer)
        return
    if version.FLAG in sys.argv[1:]:
        print(version.text())
        return
    given = quoted(options_first(sys.argv[1:]))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what it would print
    try:
        listen()
        redact_logs()
        plugins.allow(packages(given))
        given = with_folders(given)
        guard.install(given)
        refuse_missing_groups(given)
        if help.FLAGS & set(given):
            sys.stdout.write(help.text(given))
            return
        sys.argv[1:] = later(current(given, functools.cache(lambda: chosen("method", given))))
        begin(given)
        task()
    except Stopped as stop:
        sys.stderr.write(f"stopped by {stop}; the same command goes on from what is saved\n")
        sys.exit(128 + stop.number)
    except Exception as error:
        if debugging():
            raise
        sys.exit(redacted(explain(error, sys.argv[1:])))


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def task(cfg: DictConfig) -> float:
    """Train one run; returns its validation score, for sweepers that optimise it."""
    redact_logs()
    try:
        return run(cfg)
    except (InputError, OmegaConfBaseException) as error:
        said = redacted(str(error) if isinstance(error, InputError) else in_one_line(error))
        log.error("%s", said)
        if HydraConfig.get().mode == RunMode.RUN:
            sys.exit(1)
        raise InputError(said) from None  # the other jobs of the sweep go on


def run(cfg: DictConfig) -> float:
    """Train one run, if its folder does not hold it yet, and return its validation score.  Raises ``InputError``."""
    _say_start(cfg)
    load("fairrun.runs.runner")
    from fairrun.results.records import choices_of
    from fairrun.runs.checks.keys import check_keys
    from fairrun.runs.job import Job
    from fairrun.runs.runner import Sweep
    from fairrun.runs.single_task import complete
    from hydra_plugins.fairrun_compose import settle

    hydra_config = HydraConfig.get()
    settle(cfg, hydra_config.runtime.choices["method"], hydra_config.overrides.task)
    config, recorded = resolved(cfg)
    check_keys(config)
    job = Job(config, choices_of(hydra_config.runtime.choices), Path(hydra_config.runtime.output_dir), recorded)
    whole = Path(hydra_config.runtime.cwd, hydra_config.sweep.dir) if hydra_config.mode == RunMode.MULTIRUN else None
    sweep = Sweep(job.folder, whole.name if whole else None)
    known = sweep.finished_or_refused([job])
    added, known = complete([job], known, sweep, whole) if whole else ([], known)
    outcomes = dict(sweep.run([job, *added], known))
    for folder in (single.folder for single in added if outcomes[single.folder].status != "finished"):
        log.error("%s %s: %s", folder, outcomes[folder].status, outcomes[folder].failure)
    outcome = outcomes[job.folder]
    if outcome.record is None:
        raise InputError(str(outcome.failure))
    _show(job, outcome.record)
    if outcome.status != "finished":
        raise InputError(f"the run failed: {outcome.failure}")
    return float(outcome.record["score"])


def _say_start(cfg: DictConfig) -> None:
    """Say at once what is trained; torch takes seconds to import."""
    choices = HydraConfig.get().runtime.choices
    log.info("%s on %s, seed %s: loading torch and the data", choices["method"], choices["dataset"], cfg.seed)


def _show(job: "Job", record: dict[str, Any]) -> None:
    """Short tables on the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from fairrun.runs.model import has_weights

    metrics = {name: float("nan") if value is None else value for name, value in record["metrics"].items()}
    if not metrics:
        return
    table = Table(title=f"{job.name}, epoch {record['epoch']}")
    table.add_column("metric", overflow="fold")
    for split in ("val", "test"):
        table.add_column(split, justify="right")
    shown = dict.fromkeys(("accuracy", "roc_auc", "worst_group_accuracy", job.config["metric"]["name"]))
    for name in (name for name in shown if record["metrics"].get(f"test/{name}") is not None):
        table.add_row(name, *(f"{metrics[f'{split}/{name}']:.4f}" for split in ("val", "test")))
    tasks = record.get("tasks", [])
    per_group = Table(title="test rows by group" + (", mean over tasks" if tasks else ""))
    rates = () if record.get("classes") else ("selection_rate", "true_positive_rate", "false_positive_rate")
    names = ("accuracy", *rates)
    for name in ("group", *names):
        per_group.add_column(name.replace("_", " "), justify="left" if name == "group" else "right", overflow="fold")
    cells = [record["base_rates"][key] for key in ([f"{task}/test" for task in tasks] or ["test"])]
    for g, group in enumerate(record["groups"]):
        rows = min(of_task[g][0] for of_task in cells)
        few = f" ({rows} rows)" if rows < LEAST_ROWS else ""
        per_group.add_row(escape(group + few), *(f"{metrics[f'test/{name}/s={g}']:.4f}" for name in names))
    console = Console()
    points = record.get("frontier", [])
    console.print(table, *([_by_task(tasks, metrics)] if tasks else []), per_group)
    if points:
        console.print(_by_bound(points, job.config["metric"]["name"], job.config["postprocess"]))
    if points and has_weights(record):
        asked = job.config["report"]["bound"]
        bound = asked if asked in [point["bound"] for point in points] else EXAMPLE
        line = f"fairrun.load({str(job.folder)!r}, bound={bound:g})  # decides within a bound; the first tables do not"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(f"{job.folder}", soft_wrap=True, highlight=False, markup=False)


def _by_task(tasks: Sequence[str], metrics: dict[str, float]) -> "Table":
    """A table of the tasks, at both thresholds."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="test rows by task: decisions at 0.5, and at the match-rate threshold")
    names = ("accuracy", "false_positive_rate_difference")
    table.add_column("task", overflow="fold")
    for name in (*names, *(f"{MATCH_RATE}{name}" for name in names)):
        table.add_column(name.replace("_", " "), justify="right")
    for task in tasks:
        row = (metrics[f"test/{prefix}{name}/{task}"] for prefix in ("", MATCH_RATE) for name in names)
        table.add_row(escape(task), *(f"{value:.4f}" for value in row))
    return table


def _by_bound(points: Sequence[dict[str, Any]], metric: str, constraint: str) -> "Table":
    """A table of the curve of a run: what decisions within each bound of the metric do."""
    from rich.table import Table

    caption = "val: of rows that did not choose the rules"
    table = Table(title=f"decisions within a bound of {metric}, by postprocess={constraint}", caption=caption)
    columns = [f"{split}/{name}" for name in ("accuracy", metric) for split in ("val", "test")]
    for name in ("bound", *columns):
        table.add_column(name.replace("_", " ").replace("/", " "), justify="right")
    for point in points:
        values = (point["metrics"][column] for column in columns)
        table.add_row(f"{point['bound']:g}", *(f"{float('nan') if v is None else v:.4f}" for v in values))
    return table


if __name__ == "__main__":
    main()
