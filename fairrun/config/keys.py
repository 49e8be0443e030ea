"""What each key of the configuration means for a run: one table of roles, and one of keys with new names."""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_PACKAGE = Path(__file__).parent.parent
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").exists() else _PACKAGE.parent / "conf"  # in a wheel; in a checkout


class Role(NamedTuple):
    """What changes where a key has another value."""

    identity: bool = True  # the run: a finished one with another value is not this one (``runs.job.Job.key``)
    stack: bool = True  # the runs side by side with it: all of a stack have one value (``runs.plan``)
    folder: bool = True  # the folder of a sweep that is given it on its command line, and of a single run
    setting: bool = True  # the configuration that a report takes the run for; else runs differ in it as in seeds
    switch: str = ""  # the key that, where it is null, makes this one say nothing
    steps: bool = False  # says nothing where a library trains the method, without steps
    problem: bool = False  # the rows, labels or groups: runs that differ in it are on no Pareto front together


SETTING = Role()
PROBLEM = Role(problem=True)
STEPS = Role(steps=True)
REPETITION = Role(stack=False, setting=False)
MACHINE = Role(setting=False)
PLACE = Role(identity=False, setting=False)
IGNORED = Role(identity=False, stack=False, folder=False, setting=False)

_FEATURES = ("numeric", "categorical", "drop_categories", "scale", "numbers", "bins", "include_sensitive", "proxies")
_OPTIMIZERS = ("optimizer", "fairness_optimizer", "adversary_optimizer")
MEMBERS = "members"  # the key of every node ``model`` that makes it an ensemble; no network has such a field
BOUND = "postprocess.bound"  # no key, but a column of results: runs with postprocess=frontier have a row for each bound
# By key; it holds for all keys below it that have no line of their own.
# Of the method's node, fields that hold one value per run differ within a stack: their type says so (``runs.plan``).
ROLES = {
    "seed": REPETITION,
    "epochs": STEPS,
    "batch_size": STEPS,
    "selection": STEPS,
    "patience": STEPS._replace(switch="patience"),
    "schedule": STEPS._replace(switch="schedule.every"),
    "schedule.warmup": STEPS._replace(switch="schedule.warmup"),
    "schedule.cosine_to": STEPS._replace(switch="schedule.cosine_to"),
    "averaging": STEPS._replace(switch="averaging.kind"),
    "postprocess": REPETITION,  # a report has it in the method's name: "erm + demographic_parity thresholds"
    BOUND: SETTING,
    "fairness_bound": SETTING,
    "device": MACHINE._replace(steps=True),
    "dtype": SETTING,
    "engine": STEPS,
    "num_threads": MACHINE,
    "resume": IGNORED,
    "checkpoint_minutes": IGNORED,
    "results": IGNORED,
    "report": IGNORED,
    "tracker": IGNORED,
    "plugins": IGNORED,
    "method": SETTING,
    "method.optimizer": STEPS,
    **{f"method.{name}.decay": SETTING._replace(switch=f"method.{name}.decay_every") for name in _OPTIMIZERS},
    **{key: SETTING._replace(switch=key) for key in (f"method.{name}.decay_every" for name in _OPTIMIZERS)},
    "model": STEPS,
    **{key: STEPS._replace(switch=key) for key in (f"model.{MEMBERS}", "model.embedding_dim")},
    "metric": SETTING,
    "dataset": PROBLEM,
    "dataset.name": PLACE,
    "dataset.path": PLACE,
    "dataset.task": PROBLEM._replace(switch="dataset.task"),
    "dataset.outliers": SETTING._replace(switch="dataset.outliers.kind"),
    **{f"dataset.{key}": SETTING for key in _FEATURES},
    "dataset.split.seed": PROBLEM._replace(stack=False),
    "dataset.split.balanced": SETTING,
}
ESTIMATOR = "method.estimator"  # the node that every method has which a library trains, and no other
# Columns of a frame of records that are no keys, beside metrics (test/accuracy) and numbers of rows (base_rates.train)
FACTS = ("folder", "status", "failure", "data_sha256", "frontier")


@functools.cache
def role(key: str) -> Role:
    """The role of a dotted key: that of the longest key in ``ROLES`` that it is or stands below."""
    parts = key.split(".")
    names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((ROLES[name] for name in names if name in ROLES), SETTING)


@functools.cache
def switch_of(key: str) -> str | None:
    """The other key that, where it is null, makes ``key`` say nothing."""
    switch = role(key).switch
    return switch if switch not in ("", key) else None


def active_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Drop keys that say nothing from a configuration by dotted key.

    Those are keys whose switch is null (``outliers.rate`` when ``kind`` is null), and keys of steps where a library
    trains the method.
    """
    off = {switch for switch in map(switch_of, config) if switch is not None and config.get(switch, "") is None}
    whole = is_whole(config)
    return {key: v for key, v in config.items() if switch_of(key) not in off and not (whole and role(key).steps)}


def is_whole(keys: Iterable[str]) -> bool:
    """Whether a library trains the method of a configuration, given its dotted keys: on all rows, without steps."""
    return any(is_below(key, ESTIMATOR) for key in keys)


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the keys that make a run another run.  A switch that is null counts as one that is absent."""
    kept = {key: value for key, value in active_keys(config).items() if role(key).identity}
    return {key: value for key, value in kept.items() if value is not None or role(key).switch != key}


def of_folder(config: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the keys that give a single run another folder: those of its identity, and where its data are."""
    places = {key: v for key, v in config.items() if role(key).folder and not role(key).identity}
    return identity(config) | places


def digest(value: Any) -> str:
    """SHA-256 of ``value`` as JSON.  1 and 1.0 have the same digest."""
    return hashlib.sha256(json.dumps(_canonical(value), sort_keys=True).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def is_setting(column: str) -> bool:
    """Whether a column of a frame of records tells configurations apart where it varies."""
    inner = any(is_below(column, node) for node in ("model.module", "model.trunk"))
    named = "_target_" in column and not inner  # the choice of the group says it
    return is_key(column) and role(column).setting and not named


def is_problem(column: str) -> bool:
    """Whether runs that differ in a column of a frame of records solve different problems."""
    return is_key(column) and role(column).problem


def is_key(column: str) -> bool:
    """Whether a column of a frame of records is a key of the configuration, or a group of which one was chosen."""
    return column not in FACTS and "/" not in column and not column.startswith("base_rates.")


def dotted(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"method": {"lam": 1}} -> {"method.lam": 1}; lists stay as they are."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= dotted(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


class Renamed(NamedTuple):
    """A key that has a new name, and with it all keys below it.  The old name works for one more version."""

    old: str
    new: str
    methods: tuple[str, ...] = ()  # choices of group ``method`` that the entry is limited to; (): it holds for all
    values: tuple[tuple[str, str], ...] = ()  # values that have new names too, old and new


_IRW = ("irw", "irwo", "irw_global", "irw_resampled")
_TUNED = (*_IRW, "arl", "bpf", "chi2_dro", "cvar_dro", "group_dro", "jtt", "vfair")  # had keys in ``tuned``
_FAIRBINN = ("fairbinn", "fairbinn_sgd", "fairbinn_authors")
_SCOPE = (("batch", "irw"), ("reweighted", "irw_global"), ("resampled", "irw_resampled"))  # a field, now a choice
_REDUCTION = (("algorithm1", "mean"), ("authors", "sum"))
# To rename a key, add a line: the first entry that fits a key counts.  ``fairrun.command.renames`` applies the table to
# the command line, to the ranges of a sweep and to configuration files.
RENAMED = (
    Renamed("dataset.states", "dataset.proxies"),
    Renamed("dataset.merged", "dataset.binarize"),
    Renamed("dataset.omitted", "dataset.drop_categories"),
    Renamed("report.reference", "report.published"),
    Renamed("report.methods_by", "report.split_by"),
    Renamed("report.over_seeds", "report.seed_summary"),
    Renamed("report.curves", "report.histories"),
    # Top-level keys that reached one method or model: its own field now
    Renamed("tuned.arl.adversary_lr", "method.adversary_optimizer.lr", ("arl",)),
    *(Renamed(f"tuned.{name}", "method", (name,)) for name in _TUNED),
    Renamed("bargain_epochs", "method.bargain_epochs", ("nash_ltr", "nash_forml", "nash_meta_gdro")),
    Renamed("dro_variant", "method.variant", ("dro",)),
    Renamed("mtaf_variant", "method.variant", ("mtaf",)),
    Renamed("mtaf_variant", "method.reduction", ("mtl_fair",), _REDUCTION),
    Renamed("task_reduction", "method.reduction", ("stl", "mtl", "greedy_fmt", "fbgrad")),
    Renamed("fairbinn_loss", "method.fairness_loss", ("fairbinn_authors", "lagrangian")),
    *(Renamed(f"shared_bottom.{key}", f"model.{key}") for key in ("shared", "head", "embedding_dim")),
    # Fields of methods
    Renamed("method.eta", "method.lam", ("lagrangian",)),
    Renamed("method.scope", "method", ("irw",), _SCOPE),
    Renamed("method.scope", "method", ("irwo",), (("batch", "irwo"),)),
    Renamed("method.variant", "method.reduction", ("mtl_fair",), _REDUCTION),
    Renamed("method.decay", "method.optimizer.decay", (*_FAIRBINN, "lagrangian")),
    Renamed("method.fairness_decay", "method.fairness_optimizer.decay", _FAIRBINN),
    Renamed("method.decay_epochs", "method.optimizer.decay_every", (*_FAIRBINN, "lagrangian")),
)
# Old top-level keys.  What files say of other methods there is dropped.
GONE = ("tuned", "bargain_epochs", "dro_variant", "mtaf_variant", "task_reduction", "fairbinn_loss", "shared_bottom")
# Keys whose values are mappings that the user names the keys of: +dataset.tasks.NAME=... adds one.
FREE = (
    "dataset.tasks",
    "dataset.binarize",
    "dataset.proxies",
    "dataset.drop_categories",
    "dataset.merge",
    "model.module",
    "model.trunk.module",
    "report.compare",
)


def is_below(key: str, node: str) -> bool:
    """Whether a dotted ``key`` is ``node`` or stands below it."""
    return key == node or key.startswith(f"{node}.")
