"""The one entry point: compose, check, build, train, evaluate, write.

``python -m fairrun.train method=penalty method.lam=1 dataset=adult``; ``--help`` lists every key.  Heavy imports wait
until a job runs, so that help and mistakes on the command line are answered at once.
"""

import errno
import fcntl
import functools
import hashlib
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import CompactHydraException, HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import fairrun
from fairrun.config.check import InputError, unknown
from fairrun.config.keys import CONF, GONE, dotted, role
from fairrun.config.metrics import MATCH_RATE, METRICS, default
from fairrun.config.renames import current

if TYPE_CHECKING:
    from rich.table import Table

    from fairrun.sweep.job import Job

log = logging.getLogger(__name__)
SWEPT = ("experiment", "method", "dataset", "model", "metric")  # groups with keys of their own


def sweep_name(overrides: Sequence[str], hydra_overrides: Sequence[str] = ()) -> str:
    """The folder of a sweep, by its command: the same command finds what it has done.

    What was chosen, for people, and a hash of all overrides that matter, the sweeper's but for its ``trials`` among
    them, and of the version.
    """
    given = [re.sub(r"=choice\(([^,]*)\)$", r"=\1", o) for o in overrides]  # see ``later``
    kept = [o for o in given if role(o.split("=")[0].lstrip("+~")).folder]
    chosen = dict(o.split("=", 1) for o in kept if "=" in o)
    words = [chosen[group] for group in ("experiment", "sweep", "method", "dataset") if group in chosen]
    sweeper = re.compile(r"[+~]*hydra[./]sweeper(?!\.trials)")
    kept += [o for o in hydra_overrides if sweeper.match(o)]
    slug = re.sub(r"[^\w.-]+", "-", "_".join(words))[:60]
    code = hashlib.sha256("\n".join([*kept, fairrun.__version__]).encode()).hexdigest()[:8]
    return "_".join(filter(None, [slug, code]))


# Cached, as Hydra's time is: jobs that other launchers compose anew are told the name that the whole sweep has.
OmegaConf.register_new_resolver("sweep_name", sweep_name, use_cache=True, replace=True)
OmegaConf.register_new_resolver("metric", default, replace=True)  # what is known of the metric: conf/train.yaml
OmegaConf.register_new_resolver("sum", lambda *numbers: sum(numbers), replace=True)  # for presets: ${sum:2,${a.key}}


class Refused(CompactHydraException):
    """Shown without a traceback."""


class OutputFolder(Callback):
    """Refuses a folder that cannot be written with one message, before Hydra would with a traceback."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before a single run."""
        _make_folder("hydra.run.dir", config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before a sweep; the folder is this process's until it ends, however it ends."""
        _make_folder("hydra.sweep.dir", config.hydra.sweep.dir)
        self.lock = _lock("hydra.sweep.dir", config.hydra.sweep.dir)


def _make_folder(key: str, folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
        reason = "permission denied"
    except OSError as error:
        writable, reason = False, str(error.strerror)
    if not writable:
        sys.exit(f"{key} must be a folder that can be written, got {folder!r} ({reason})")


def _lock(key: str, folder: str) -> IO[bytes]:
    lock = Path(folder, ".lock").open("ab")  # noqa: SIM115 - open as long as this process lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{key} must not be in use, got {folder!r}, which another process is writing to")
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        log.warning("%s cannot be locked (%s): do not start this sweep twice", folder, error.strerror)
    return lock


def main() -> None:
    """The command."""
    given = sys.argv[1:]
    try:
        sys.argv[1:] = later(current(given, functools.cache(lambda: chosen("method", given))))
    except (InputError, HydraException) as error:
        sys.exit(str(error))
    try:
        task()
    except SystemExit as stop:
        if stop.code == 1:  # after Hydra's own message
            sys.stderr.writelines(f"{line}\n" for line in mistakes(sys.argv[1:]))
        raise


def mistakes(arguments: Sequence[str]) -> list[str]:
    """What is no key and no choice on a command line, with the nearest ones that there are."""
    parsed = [override for override in map(_parsed, arguments) if override and not override.is_sweep_override()]
    groups = [o for o in parsed if (CONF / str(o.key_or_group)).is_dir() or o.package is not None]
    chosen = [str(override.input_line) for override in groups]
    searchpath = _searchpath(arguments)
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config: Any = OmegaConf.to_container(compose("train", [*searchpath, *chosen]))
    except HydraException:
        return [_no_choice(line, choices) for line in chosen if line not in (choices := _choices(line))]
    known = dotted(config)
    there = {*known, *(key.rpartition(".")[0] for key in known)}
    keys = [
        str(o.key_or_group) for o in parsed if o not in groups and o.type in (OverrideType.CHANGE, OverrideType.DEL)
    ]
    return [unknown(key, list(known)) for key in keys if key not in there and not key.startswith("hydra")]


def _no_choice(line: str, choices: Sequence[str]) -> str:
    """What is wrong with a choice that no file has."""
    group, _, name = line.partition("=")
    if group == "metric" and name in METRICS:
        return f"{line} is no choice: {name} has no file; metric.name={name} works"
    return unknown(line, choices)


def _choices(line: str) -> list[str]:
    """What may stand in place of a choice as method=erm."""
    key = line.partition("=")[0]
    folder = CONF / key.partition("@")[0]
    return [f"{key}={path.relative_to(folder).with_suffix('')}" for path in sorted(folder.rglob("*.yaml"))]


def _searchpath(arguments: Sequence[str]) -> list[str]:
    """Where else a command line looks for configuration files, as one override or none."""
    path = [argument for argument in arguments if argument.startswith("hydra.searchpath=")]
    for argument, after in zip(arguments, [*arguments[1:], ""], strict=True):
        flag, _, value = argument.partition("=")
        if flag in ("--config-dir", "-cd"):
            path = path or [f"hydra.searchpath=[file://{Path(value or after).absolute()}]"]
    return path


def _parsed(argument: str) -> Override | None:
    """An override; None for what is none, or none that Hydra understands."""
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        return None


def chosen(group: str, arguments: Sequence[str]) -> list[str]:
    """The choices of a group that a command line makes, itself or by its experiments."""
    if named := _values(group, arguments):
        return named
    composed: list[str] = []
    searchpath = _searchpath(arguments)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for experiment in [[f"experiment={name}"] for name in _values("experiment", arguments)] or [[]]:
            config: Any = compose("train", [*searchpath, *experiment], return_hydra_config=True)
            composed.append(config.hydra.runtime.choices[group])
    return composed


def _values(group: str, arguments: Sequence[str]) -> list[str]:
    """What the command line says of a group: one choice or several."""
    found: list[str] = []
    for argument in arguments:
        if argument.startswith(f"{group}="):
            override = OverridesParser.create().parse_override(argument)
            found += override.sweep_string_iterator() if override.is_choice_sweep() else [str(override.value())]
    return found


def later(arguments: list[str]) -> list[str]:
    """The command line of a sweep with keys of a group that is swept, as in ``method=a,b method.key=1``, as sweeps of
    one value.

    Hydra sets what is not swept before it comes to the sweep, in a configuration that still has the group's default,
    and that may not have the key.  A key with different new names for the methods of the sweep is renamed job by job.
    """
    if not {"-m", "--multirun"} & set(arguments):
        return arguments
    sweeps = {argument: _is_sweep(argument) for argument in arguments}
    swept = {argument.partition("=")[0] for argument in arguments if sweeps[argument]} & set(SWEPT)
    swept |= set(SWEPT) if "experiment" in swept else set()
    old = re.compile(rf"\+?({'|'.join(GONE)})[.=]")
    alone = {a for a in arguments if sweeps[a] is False and (a.partition(".")[0] in swept or old.match(a))}
    return [re.sub(r"=(.+)", r"=choice(\1)", a, count=1) if a in alone else a for a in arguments]


def _is_sweep(argument: str) -> bool | None:
    """Whether an override has several values; None for what is no override, or none that Hydra understands."""
    override = _parsed(argument)
    return None if override is None else override.is_sweep_override()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def task(cfg: DictConfig) -> float:
    """Train one run; returns its validation score, for sweepers that optimise it."""
    try:
        return run(cfg)
    except (InputError, OmegaConfBaseException) as error:
        log.error("%s", error)
        if HydraConfig.get().mode == RunMode.RUN:
            sys.exit(1)
        raise Refused(str(error)) from None  # the other jobs of the sweep go on


def run(cfg: DictConfig) -> float:
    """Train one run, if its folder does not hold it yet, and return its validation score.  Raises ``InputError``."""
    from fairrun.sweep.job import GROUPS, Job
    from fairrun.sweep.runner import Sweep
    from fairrun.sweep.single_task import complete
    from fairrun.sweep.validate import check_keys
    from hydra_plugins.fairrun_compose import settle

    hydra_config = HydraConfig.get()
    settle(cfg, hydra_config.runtime.choices["method"], hydra_config.overrides.task)
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    check_keys(config)
    choices = {group: hydra_config.runtime.choices[group] for group in GROUPS}
    job = Job(config, choices, Path(hydra_config.runtime.output_dir))
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


def _show(job: "Job", record: dict[str, Any]) -> None:
    """A short table on the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    metrics = {name: float("nan") if value is None else value for name, value in record["metrics"].items()}
    if not metrics:
        return
    table = Table(title=f"{job.name}, epoch {record['epoch']}")
    table.add_column("metric")
    for split in ("val", "test"):
        table.add_column(split, justify="right")
    shown = dict.fromkeys(("accuracy", "roc_auc", "worst_group_accuracy", job.config["metric"]["name"]))
    for name in (name for name in shown if f"test/{name}" in metrics):
        table.add_row(name, *(f"{metrics[f'{split}/{name}']:.4f}" for split in ("val", "test")))
    tasks = record.get("tasks", [])
    per_group = Table(title="test rows by group" + (", mean over tasks" if tasks else ""))
    rates = () if record.get("classes") else ("selection_rate", "true_positive_rate", "false_positive_rate")
    names = ("accuracy", *rates)
    for name in ("group", *names):
        per_group.add_column(name.replace("_", " "), justify="left" if name == "group" else "right")
    for g, group in enumerate(record["groups"]):
        per_group.add_row(escape(group), *(f"{metrics[f'test/{name}/s={g}']:.4f}" for name in names))
    console = Console()
    console.print(table, *([_by_task(tasks, metrics)] if tasks else []), per_group)
    console.print(f"{job.folder}", soft_wrap=True, highlight=False, markup=False)


def _by_task(tasks: Sequence[str], metrics: dict[str, float]) -> "Table":
    """A table of the tasks, at both thresholds."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="test rows by task: decisions at 0.5, and at the match-rate threshold")
    names = ("accuracy", "false_positive_rate_difference")
    table.add_column("task")
    for name in (*names, *(f"{MATCH_RATE}{name}" for name in names)):
        table.add_column(name.replace("_", " "), justify="right")
    for task in tasks:
        row = (metrics[f"test/{prefix}{name}/{task}"] for prefix in ("", MATCH_RATE) for name in names)
        table.add_row(escape(task), *(f"{value:.4f}" for value in row))
    return table


if __name__ == "__main__":
    main()
