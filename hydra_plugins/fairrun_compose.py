"""A multirun's configurations, composed once for all jobs that differ in plain values only.

Hydra's own composition takes tens of milliseconds a job, setting a value in a composed configuration microseconds.
"""

import copy
import functools
import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf, base, flag_override, open_dict
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationResolutionError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

import fairrun.command.folders  # noqa: F401 - the resolvers of conf/train.yaml
from fairrun.about import folders
from fairrun.command.compose import absolute, chosen, composed, searched, searchpath, source_of
from fairrun.command.environment import redacted, resolved
from fairrun.command.guard import is_inside
from fairrun.command.mistakes.explain import explain
from fairrun.command.renames import current, entries, never_was, overridden, warn
from fairrun.config.check import InputError, require, unknown
from fairrun.config.keys import GONE, RENAMED, dotted, is_below, is_whole, role
from fairrun.results.again import Started

log = logging.getLogger(__name__)
Shape = tuple[str, ...]  # of a job: its overrides, plain values left out
ELSEWHERE = (InterpolationResolutionError, UnsupportedInterpolationType)  # of a value that is not to be had here
NOWHERE = (InterpolationKeyError, InterpolationToMissingValueError)  # of a key that is not there
FITTED = ("method", "dataset", "model")  # nodes whose keys a job may lack that others of the sweep have


class Base(NamedTuple):
    """A composition for all jobs of a shape, which set their values in it."""

    full: DictConfig
    task: DictConfig  # without the node hydra
    hydra: dict[str, Any]  # that node
    plain: dict[str, Any]  # the task as a container, interpolations as they are


class Composed(NamedTuple):
    """A job's configuration."""

    task: dict[str, Any]  # without the node hydra, interpolations as they are
    resolved: dict[str, Any]  # the same with their values
    recorded: dict[str, Any]  # the same for records, without values from the environment
    hydra: dict[str, Any]  # the node hydra
    folder: Path

    def moved(self, folder: Path) -> "Composed":
        """The same job in another folder, whose name is its number if it is one."""
        if folder == self.folder:
            return self
        runtime = self.hydra["runtime"] | {"output_dir": str(folder)}
        number = {"id": folder.name, "num": int(folder.name)} if folder.name.isdigit() else {}
        hydra = self.hydra | {"runtime": runtime, "job": self.hydra["job"] | number}
        return self._replace(folder=folder, hydra=hydra)

    def save(self) -> None:
        """Write what Hydra's own launchers write into the job's folder before it starts."""
        sections = (_yaml({"hydra": {key: node}}).removeprefix("hydra:\n") for key, node in self.hydra.items())
        texts = {
            "config": "".join(_yaml({key: node}) for key, node in self.task.items()),
            "hydra": "hydra:\n" + "".join(sections),
            "overrides": _dumped(self.hydra["overrides"]["task"]),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{self.hydra['job']['name']}.log").touch()
            if self.hydra["output_subdir"] is not None:
                folder = self.folder / self.hydra["output_subdir"]
                folder.mkdir(exist_ok=True)
                for name, text in texts.items():
                    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.folder} must be a folder that can be written: {error.strerror}") from None


class Composer:
    """Composes the jobs of the multirun ``master``.

    A key of a method that another method of the sweep lacks is left out of this other one's jobs; so are keys of data
    sets and models, choices for a node of theirs (``estimator@method.estimator=lightgbm``), and keys of steps where a
    library trains the method.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        _remember_interpolations()
        self.loader, self.master = loader, master
        self.parser = OverridesParser.create(config_loader=loader)
        self.parsed: dict[str, Override] = {}
        self.groups = set(loader.list_groups(""))
        self.bases: dict[Shape, Base] = {}
        self.lacking: dict[Shape, frozenset[str]] = {}  # keys that the chosen method, data set or model has not
        self.left_out: dict[str, set[str]] = {}  # of these keys, the choices that have not
        self.kept: set[str] = set()  # keys that some job has
        self.known: set[str] = set()  # by other names, for messages
        self.several = False  # whether the sweep has more than one job
        self.reads_hydra = False  # whether a value is interpolated from Hydra's own configuration

    def all(self, job_overrides: Sequence[Sequence[str]], first: int) -> Iterator[Composed]:
        """The jobs, numbered from ``first``."""
        fitted = self.fit(job_overrides)
        return (self.job(overrides, first + k) for k, overrides in enumerate(fitted))

    def fit(self, job_overrides: Sequence[Sequence[str]]) -> list[list[str]]:
        """The overrides of each job that its method, data set and model have the keys of.

        Raises ``InputError`` for a key that none of the jobs has.
        """
        before = self.left_out.keys() | set()
        self.several |= len(job_overrides) > 1
        fitted = []
        for overrides in job_overrides:
            methods = functools.partial(self._methods, overrides)
            renamed = current(list(overrides), methods, one_of_several=self.several)
            changed = (old for old, new in zip(overrides, renamed, strict=True) if old != new)
            self.kept |= {old.partition("=")[0].lstrip("+") for old in changed}  # another method may lack it
            fitted.append(self._fitted(renamed))
        if wrong := sorted(self.left_out.keys() - self.kept):
            raise InputError("\n".join(unknown(key, sorted(self.known)) for key in wrong))
        for key in sorted(self.left_out.keys() - before):
            _say_left_out(key, ", ".join(sorted(self.left_out[key])))
        return fitted

    def _fitted(self, overrides: list[str]) -> list[str]:
        shape = self._shape(overrides)
        if shape not in self.lacking:
            self.lacking[shape] = self._lacking(overrides, shape)
            self.kept |= {self._key(override) for override in overrides} - self.lacking[shape]
        lacking = self.lacking[shape]
        return [o for o in overrides if self._key(o) not in lacking] if lacking else overrides

    def _lacking(self, overrides: list[str], shape: Shape) -> frozenset[str]:
        try:
            composed = self.bases[shape] = self._base(overrides)
            full = composed.full
            lacking: set[str] = set()
        except ConfigCompositionException:
            keys = {self._key(o) for o in overrides if self._sets(self._parse(o))}
            nodes = {self._key(o): str(self._parse(o).package) for o in overrides if self._parse(o).package}
            full = self._base([o for o in overrides if self._key(o) not in keys | nodes.keys()]).full
            lacking = {choice for choice, node in nodes.items() if not _has(full, node)}
            if nodes:
                full = self._base([o for o in overrides if self._key(o) not in keys | lacking]).full
            lacking |= {key for key in keys if not _has(full, key)}
            if not lacking:
                raise
        known = _names(full) if lacking else set()
        self.known |= known
        for key in lacking:
            node = key.rpartition("@")[2].split(".")[0]
            if node not in FITTED:
                raise InputError(unknown(key, sorted(known)))
            self._leave_out(key, node, full)
        named = {self._key(o) for o in overrides} if _is_whole(full) else set()
        of_steps = {key for key in named if role(key.rpartition("@")[2]).steps}
        for key in of_steps - lacking:
            self._leave_out(key, "method", full)
            self.kept.add(key)
        return frozenset(lacking | of_steps)

    def _leave_out(self, key: str, node: str, full: DictConfig) -> None:
        self.left_out.setdefault(key, set()).add(f"{node}={full.hydra.runtime.choices[node]}")

    def job(self, overrides: list[str], number: int) -> Composed:
        """The job of overrides that fit, under its number."""
        parsed = [self._parse(override) for override in overrides]
        shape = self._shape(overrides)
        if shape not in self.bases:
            self.bases[shape] = self._base(overrides)
        full, task, hydra, _ = composed = self.bases[shape]
        values = {p.key_or_group: p.value() for p in parsed if self._is_value(p)}
        for key, value in values.items():
            OmegaConf.update(full, key, value)
            OmegaConf.update(task, key, value)
        own = {"id": str(number), "num": number, "override_dirname": self._dirname(parsed, full.hydra.job.config)}
        with flag_override(full.hydra, ["struct", "readonly"], [False, False]):
            full.hydra.job.update(own)
            full.hydra.overrides.task = overrides
        folder = self._folder(full)
        node = hydra | {"job": hydra["job"] | own}
        node["overrides"] = hydra["overrides"] | {"task": overrides}
        node["runtime"] = hydra["runtime"] | {"output_dir": str(folder)}
        plain = _changed(composed, values)
        return Composed(plain, *resolved(task, plain), node, folder)

    def _shape(self, overrides: list[str]) -> Shape:
        parsed = [self._parse(override) for override in overrides]
        return tuple(p.key_or_group if self._is_value(p) else o for o, p in zip(overrides, parsed, strict=True))

    def _methods(self, overrides: Sequence[str]) -> list[str]:
        named = [override.removeprefix("method=") for override in overrides if override.startswith("method=")]
        return named[-1:] or [str(self.master.hydra.runtime.choices.method)]

    def _base(self, overrides: list[str]) -> Base:
        full = self.loader.load_sweep_config(self.master, overrides)
        settle(full, full.hydra.runtime.choices.method, overrides)
        task = copy.deepcopy(full)
        with flag_override(task, ["struct", "readonly"], [False, False]):
            del task["hydra"]
        hydra: Any = OmegaConf.to_container(full.hydra, enum_to_str=True)
        sources = (task, OmegaConf.to_container(full.hydra.sweep), overrides)
        self.reads_hydra |= any("${hydra:" in str(source) for source in sources)
        plain: Any = OmegaConf.to_container(task, enum_to_str=True)
        return Base(full, task, hydra, plain)

    def _folder(self, full: DictConfig) -> Path:
        if self.reads_hydra:
            HydraConfig.instance().set_config(full)
        subdir = str(OmegaConf.select(full, "hydra.sweep.subdir"))
        require(is_inside(subdir), "hydra.sweep.subdir", subdir, "a path inside the folder of the sweep")
        folder = Path(os.path.abspath(Path(str(self.master.hydra.sweep.dir), subdir)))
        with flag_override(full.hydra, ["struct", "readonly"], [False, False]):
            full.hydra.runtime.output_dir = str(folder)
        return folder

    def _parse(self, override: str) -> Override:
        if override not in self.parsed:
            self.parsed[override] = self.parser.parse_override(override)
        return self.parsed[override]

    def _key(self, override: str) -> str:
        """What an override sets: a key, a group, or a group for a node as estimator@method.estimator."""
        parsed = self._parse(override)
        return parsed.key_or_group + (f"@{parsed.package}" if parsed.package else "")

    def _is_value(self, override: Override) -> bool:
        """Whether the override sets a plain value, and chooses nothing that is composed."""
        value = override.value()
        return self._sets(override) and (value is None or isinstance(value, int | float | str))

    def _sets(self, override: Override) -> bool:
        """Whether the override sets a key that must be there."""
        key = override.key_or_group
        plain = override.type == OverrideType.CHANGE and override.package is None and "/" not in key
        return plain and key not in self.groups

    def _dirname(self, overrides: list[Override], config: DictConfig) -> str:
        """As Hydra names a folder after its overrides."""
        rule = config.override_dirname
        lines = sorted(str(o.input_line) for o in overrides if o.key_or_group not in rule.exclude_keys)
        return str(rule.item_sep.join(lines).replace("=", rule.kv_sep))


def _changed(composed: Base, values: dict[str, Any]) -> dict[str, Any]:
    """The container of a composition whose task has the ``values`` now; what they do not change is not copied."""
    plain: Any = composed.plain
    for key, value in values.items():
        names = key.split(".")
        nodes = [plain]
        for name in names[:-1]:
            nodes.append(nodes[-1].get(name) if isinstance(nodes[-1], dict) else None)
        if not isinstance(nodes[-1], dict):  # a list, or an interpolation of another node
            plain = OmegaConf.to_container(composed.task, enum_to_str=True)
            return dict(plain)
        for name, node in zip(reversed(names), reversed(nodes), strict=True):
            plain = value = node | {name: value}
    return dict(plain)


def _has(config: DictConfig, key: str) -> bool:
    """Whether there is a dotted key, whatever its value."""
    node, _, name = key.rpartition(".")
    parent = OmegaConf.select(config, node) if node else config
    return isinstance(parent, DictConfig) and name in list(parent)  # "name in parent" is false of a value "???"


def _is_whole(config: DictConfig) -> bool:
    """Whether a library trains the method of a composed configuration."""
    plain: Any = OmegaConf.to_container(config.method)
    return is_whole(dotted({"method": plain}))


def _names(config: DictConfig) -> set[str]:
    """Every dotted key outside Hydra's own configuration."""
    whole: Any = OmegaConf.to_container(config)
    own = {key: node for key, node in whole.items() if key != "hydra"}
    return {*own, *(key for key in dotted(own) if not key.endswith("._target_"))}


def settle(config: DictConfig, method: str, overrides: Sequence[str]) -> None:
    """Move the values of old keys, which files have set in the composed ``config``, to their new names.

    What ``overrides``, those of the command line, say of the new key comes first.  A method that a library trains loses
    the optimizer that an experiment has for all methods.  Where several labels are tasks, the one label, which nothing
    learns then, is the first of them unless it is given.  Raises ``InputError`` for a key below an old top-level one
    that never was.
    """
    old = [entry.old for entry in RENAMED]
    for node in GONE:
        for key, _ in _leaves(config.get(node), node) if node in config else ():
            if not any(is_below(key, name) for name in old):
                raise never_was(key)
    with open_dict(config):
        for entry in entries(method):
            value = OmegaConf.select(config, entry.old, default=_NONE)
            if value is not _NONE:
                node, _, name = entry.old.rpartition(".")
                (OmegaConf.select(config, node) if node else config).pop(name)
                for key, leaf in _leaves(value, entry.new):
                    if key == "method":  # a choice, which comes before values
                        new = dict(entry.values).get(leaf, leaf)
                        raise InputError(f"{entry.old}={leaf} is now method={new}: choose it on the command line")
                    warn(entry.old + key.removeprefix(entry.new), key)
                    if not overridden(overrides, key, entry.new):
                        OmegaConf.update(config, key, dict(entry.values).get(leaf, leaf), force_add=True)
        for key in GONE:
            config.pop(key, None)
        if "optimizer" in config.method and _is_whole(config):
            config.method.pop("optimizer")
            _say_left_out("method.optimizer", f"method={method}")
    if tasks := OmegaConf.select(config, "dataset.tasks"):
        first = next(iter(tasks.values())) if isinstance(tasks, DictConfig) else None
        for key, of_task, none in (("label", "column", None), ("positive", "positive", True)):  # True: above a number
            if OmegaConf.is_missing(config.dataset, key):  # tasks that are none are refused later
                config.dataset[key] = first.get(of_task, none) if isinstance(first, DictConfig) else ""


def task_of(config: DictConfig, given: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration of one run that Hydra has composed of ``given``, and what records have of it."""
    settle(config, str(config.hydra.runtime.choices["method"]), given)
    with open_dict(config):
        del config["hydra"]
    return resolved(config)


def today(given: Sequence[str], start: Started) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """As ``task_of``, of the command line of one run that was started so, by what the files say now.

    What belongs to the run alone, as the folder of its results, stays what it was.  No package is imported.  None where
    a value comes from what is not here: the environment, or a package's resolver.  Raises ``InputError``.
    """
    given = absolute(given, start.place)
    if lost := [folder for folder in searched(given) if not folder.is_dir()]:
        raise InputError(f"the search path must hold folders that exist, got {str(lost[0])!r}")
    found = [folders.own(start.place), *(folder for folder in start.plug_ins if folder.is_dir())]
    sources = [] if searchpath(given) else [source_of(folder) for folder in found if folder is not None]
    line = [*searchpath(given), *(o for o in given if not o.startswith(("-", "hydra.searchpath=")))]
    line += [f"hydra.searchpath=[{','.join(sources)}]"] if sources else []
    hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg  # of a sweep that ends
    GlobalHydra.instance().clear()
    try:
        line = current(line, functools.cache(lambda: chosen("method", line)))
        return task_of(_started(start, _composed(line)), line)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        if isinstance(error, ELSEWHERE) and not isinstance(error, NOWHERE):
            return None
        raise InputError(redacted(explain(error, line))) from None
    finally:
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = hydra, config


def _composed(line: Sequence[str]) -> DictConfig:
    """What the line composes.  Raises ``InputError`` for files of which Hydra lets Python's own errors pass."""
    try:
        return composed(line)
    except (ValueError, TypeError, OSError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(redacted(explain(error, line))) from None


def _started(start: Started, config: DictConfig) -> DictConfig:
    """The configuration, in which ``${hydra:...}`` is from now on what it was to the run that was started so."""
    with flag_override(config.hydra, ["struct", "readonly"], [False, False]):
        config.hydra.runtime.cwd = str(start.place)
        if start.output_dir is not None:
            config.hydra.runtime.output_dir = start.output_dir
        config.hydra.job.update(start.job)
    HydraConfig.instance().set_config(config)
    return config


@functools.cache
def _say_left_out(key: str, choices: str) -> None:
    log.info("%s: left out with %s, which has no such key", key, choices)


_NONE = object()


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, DictConfig) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name!s}")
    else:
        yield key, value


def _yaml(node: dict[str, Any]) -> str:
    """A node as YAML.  Most nodes of a sweep's jobs are alike, and pickling takes a hundredth of the time."""
    return _of_pickle(pickle.dumps(node))


@functools.lru_cache(maxsize=1000)
def _of_pickle(content: bytes) -> str:
    return _dumped(pickle.loads(content))


def _remember_interpolations() -> None:
    """Make OmegaConf parse an interpolation once: jobs of a sweep have the same, and parsing is half of their time."""
    if not hasattr(base.parse, "cache_info"):  # type: ignore[attr-defined]
        base.parse = functools.lru_cache(maxsize=1000)(base.parse)  # type: ignore[attr-defined]


def _dumped(content: Any) -> str:
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


class _Dumper(yaml.CSafeDumper):  # type: ignore[misc] # no types in yaml
    """Writes YAML that OmegaConf reads back as it was: it takes "1e-3" for a number, other readers for a string."""


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    try:
        float(value)
        style = "'"
    except ValueError:
        style = None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _string)
