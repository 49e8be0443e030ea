"""A multirun's configurations, composed once for all jobs that differ in plain values only.

Hydra's own composition takes tens of milliseconds a job, setting a value in a composed configuration microseconds.
"""

import copy
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, flag_override, open_dict

from fairrun.config.check import InputError
from fairrun.config.keys import GONE
from fairrun.config.renames import entries, overridden, warn

Base = tuple[DictConfig, DictConfig, dict[str, Any]]  # the whole composition, without the node hydra, and that node


class Composed(NamedTuple):
    """A job's configuration."""

    task: dict[str, Any]  # without the node hydra, interpolations as they are
    resolved: dict[str, Any]  # the same with their values
    hydra: dict[str, Any]  # the node hydra
    folder: Path

    def save(self) -> None:
        """Write what Hydra's own launchers write into the job's folder before it starts."""
        overrides = self.hydra["overrides"]["task"]
        contents = {"config": self.task, "hydra": {"hydra": self.hydra}, "overrides": overrides}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{self.hydra['job']['name']}.log").touch()
            if self.hydra["output_subdir"] is not None:
                folder = self.folder / self.hydra["output_subdir"]
                folder.mkdir(exist_ok=True)
                for name, content in contents.items():
                    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
                    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.folder} must be a folder that can be written: {error.strerror}") from None


class Composer:
    """Composes the jobs of the multirun ``master``."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self.loader, self.master = loader, master
        self.parser = OverridesParser.create(config_loader=loader)
        self.parsed: dict[str, Override] = {}
        self.bases: dict[tuple[str, ...], Base] = {}  # by overrides, values left out
        self.groups: set[str] = set()  # that any composition has had
        self.reads_hydra = False  # whether a value is interpolated from Hydra's own configuration

    def all(self, job_overrides: Sequence[Sequence[str]], first: int) -> Iterator[Composed]:
        """The jobs, numbered from ``first``."""
        return (self._job(list(overrides), first + k) for k, overrides in enumerate(job_overrides))

    def _job(self, overrides: list[str], number: int) -> Composed:
        parsed = [self._parse(override) for override in overrides]
        base = None if self.groups else self._base(overrides)  # only a composition tells which groups there are
        shape = tuple(p.key_or_group if self._is_value(p) else o for o, p in zip(overrides, parsed, strict=True))
        full, task, hydra = self.bases[shape] = self.bases.get(shape) or base or self._base(overrides)
        for p in parsed:
            if self._is_value(p):
                OmegaConf.update(full, p.key_or_group, p.value())
                OmegaConf.update(task, p.key_or_group, p.value())
        own = {"id": str(number), "num": number, "override_dirname": self._dirname(parsed, full.hydra.job.config)}
        with flag_override(full.hydra, ["struct", "readonly"], [False, False]):
            full.hydra.job.update(own)
            full.hydra.overrides.task = overrides
        folder = self._folder(full)
        node = hydra | {"job": hydra["job"] | own}
        node["overrides"] = hydra["overrides"] | {"task": overrides}
        node["runtime"] = hydra["runtime"] | {"output_dir": str(folder)}
        plain: Any = OmegaConf.to_container(task, enum_to_str=True)
        resolved: Any = OmegaConf.to_container(task, resolve=True)
        return Composed(plain, resolved, node, folder)

    def _base(self, overrides: list[str]) -> Base:
        full = self.loader.load_sweep_config(self.master, overrides)
        settle(full, full.hydra.runtime.choices.method, overrides)
        task = copy.deepcopy(full)
        with flag_override(task, ["struct", "readonly"], [False, False]):
            del task["hydra"]
        hydra: Any = OmegaConf.to_container(full.hydra, enum_to_str=True)
        self.groups |= full.hydra.runtime.choices.keys()
        sources = (task, OmegaConf.to_container(full.hydra.sweep), overrides)
        self.reads_hydra |= any("${hydra:" in str(source) for source in sources)
        return full, task, hydra

    def _folder(self, full: DictConfig) -> Path:
        if self.reads_hydra:
            HydraConfig.instance().set_config(full)
        subdir = str(OmegaConf.select(full, "hydra.sweep.subdir"))
        folder = Path(os.path.abspath(Path(str(self.master.hydra.sweep.dir), subdir)))
        with flag_override(full.hydra, ["struct", "readonly"], [False, False]):
            full.hydra.runtime.output_dir = str(folder)
        return folder

    def _parse(self, override: str) -> Override:
        if override not in self.parsed:
            self.parsed[override] = self.parser.parse_override(override)
        return self.parsed[override]

    def _is_value(self, override: Override) -> bool:
        """Whether the override sets a plain value, and chooses nothing that is composed."""
        key = override.key_or_group
        plain = override.type == OverrideType.CHANGE and override.package is None and "/" not in key
        value = override.value()
        return plain and key not in self.groups and (value is None or isinstance(value, int | float | str))

    def _dirname(self, overrides: list[Override], config: DictConfig) -> str:
        """As Hydra names a folder after its overrides."""
        rule = config.override_dirname
        lines = sorted(str(o.input_line) for o in overrides if o.key_or_group not in rule.exclude_keys)
        return str(rule.item_sep.join(lines).replace("=", rule.kv_sep))


def settle(config: DictConfig, method: str, overrides: Sequence[str]) -> None:
    """Move the values of old keys, which files have set in the composed ``config``, to their new names.

    What ``overrides``, those of the command line, say of the new key comes first.
    """
    with open_dict(config):
        for entry in entries(method):
            value = OmegaConf.select(config, entry.old, default=_NONE)
            if value is not _NONE:
                warn(entry.old, entry.new)
                node, _, name = entry.old.rpartition(".")
                (OmegaConf.select(config, node) if node else config).pop(name)
                for key, leaf in _leaves(value, entry.new):
                    if not overridden(overrides, key, entry.new):
                        OmegaConf.update(config, key, leaf, force_add=True)
        for key in GONE:
            config.pop(key, None)


_NONE = object()


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, DictConfig) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name!s}")
    else:
        yield key, value


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
