"""What is wrong with the choices of groups on a command line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Glob, Override, OverrideType, QuotedString
from hydra.errors import HydraException, MissingConfigException

from fairrun.about import files
from fairrun.about.meant import of_table
from fairrun.command.compose import composed, searched, searchpath
from fairrun.command.mistakes.keys import having
from fairrun.command.words import overrides
from fairrun.config.check import InputError, closest, nearest, unknown
from fairrun.config.keys import CONF
from fairrun.config.metrics import METRICS

NEEDED = {"method": "erm", "dataset": "adult", "model": "mlp", "tracker": "none"}  # groups, and a choice
NEEDED |= {"metric": "demographic_parity_difference"}
WITHIN = ("estimator", "optimizer")  # groups whose choices are for nodes of others
_NAME = (str, QuotedString)


def refuse_missing_groups(arguments: Sequence[str]) -> None:
    """Raise ``InputError`` where a command line takes away a group that a run needs: method=null, ~dataset.

    Or where it chooses what is no name: method=1, tracker=[null].  Or where it gives a name to a node that a group has
    the choices for: method.optimizer=sgd.
    """
    for override in overrides(arguments):
        if choice := _of_node(override, [CONF, *searched(arguments)]):
            raise InputError(f"{override.input_line} makes no choice; did you mean {choice}?")
        if (CONF / str(override.key_or_group)).is_dir() and not _is_choice(override):
            key = f"{override.key_or_group}" + (f"@{override.package}" if override.package else "")
            raise InputError(f"{key} must be the name of a choice, got {override.input_line!r}")
        gone = override.type == OverrideType.DEL or override.value() is None
        if gone and override.package is None and override.key_or_group in NEEDED:
            key = override.key_or_group
            raise InputError(f"{key} must be a choice, as {key}={NEEDED[key]}, got {override.input_line!r}")


def _of_node(override: Override, folders: Sequence[Path]) -> str | None:
    """What is meant by a name for a node: optimizer@method.fairness_optimizer=sgd for method.fairness_optimizer=sgd."""
    key = str(override.key_or_group)
    group = re.split(r"[._]", key)[-1]
    if "." not in key or "/" in key or group not in WITHIN or override.package is not None:
        return None
    said = str(override.input_line).partition("=")[2]
    near = closest(said.partition(",")[0].strip(), files.choices(group, folders))
    return f"{group}@{key}={said if ',' in said else near}" if near else None


def _is_choice(override: Override) -> bool:
    """Whether an override of a group has a name, names, or what Hydra takes for values of the group's keys."""
    value: Any = override.value()
    if isinstance(value, Glob):
        return True
    names = value.list if override.is_choice_sweep() else value if isinstance(value, list) else []
    return value is None or isinstance(value, str | dict) or (bool(names) and all(isinstance(n, _NAME) for n in names))


def wrong_choice(line: str, folders: Sequence[Path]) -> str | None:
    """What is wrong with a choice of a group, as method=erm, with the nearest there is; None where a file has it."""
    choices = _choices(line, folders)
    return None if line in choices else _no_choice(line, choices)


def absent_files(lines: Sequence[str], arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """What a file chooses that is not there, if a choice cannot be composed because of it."""
    for line in lines:
        try:
            composed([*searchpath(arguments), line])
        except MissingConfigException as error:
            group, _, name = str(error.missing_cfg_file or "").rpartition("/")
            what = f"{group}={name}"
            return [f"in {line.replace('=', '/', 1)}: {_no_choice(what, _choices(what, folders))}"]
        except HydraException as error:
            return [f"in {line.replace('=', '/', 1)}: {str(error).splitlines()[0]}"]
    return []


def absent_nodes(
    lines: Sequence[str], plain: Sequence[str], arguments: Sequence[str], folders: Sequence[Path]
) -> list[str]:
    """The choices for nodes that the other choices, the ``plain`` ones, do not have: estimator=lightgbm."""
    config = composed([*searchpath(arguments), *{line.partition("=")[0]: line for line in plain}.values()])
    there = list(config.hydra.runtime.choices)
    return [
        _no_node(line, there, folders) for line in lines if line not in plain and line.partition("=")[0] not in there
    ]


def _no_node(line: str, there: Sequence[str], folders: Sequence[Path]) -> str:
    """What is wrong with a choice for a node that is not ``there``."""
    key, _, name = line.partition("=")
    group = key.partition("@")[0]
    of_group = [place for place in there if place.startswith(f"{group}@")]
    if of_group:
        near = closest(key, of_group) or of_group[0]
        return f"{line} chooses for no node of this run; did you mean {near}={name}?"
    methods = having("method", group, folders)
    place = f"{group}@method.{group}={name}"
    return f"{line} chooses for a node that method={', '.join(methods)} has; did you mean method={methods[0]} {place}?"


def _no_choice(line: str, choices: Sequence[str]) -> str:
    """What is wrong with a choice that no file has."""
    group, _, name = line.partition("=")
    if group == "dataset" and (table := of_table(name)):
        return f"{line} is no choice{table}"
    if group == "metric" and name in METRICS:
        return f"{line} is no choice: {name} has no file; metric.name={name} works"
    if owners := [path.parts[-4] for path in Path.cwd().glob(f"*/conf/{group}/{name}.yaml")]:
        return f"{line} is no choice without its package: plugins=[{owners[0]}]"
    if not choices:
        groups = [path.name for path in CONF.iterdir() if path.is_dir()]
        return f"{group} is no group{nearest(group, groups)}"
    return unknown(line, choices)


def _choices(line: str, folders: Sequence[Path]) -> list[str]:
    """What may stand in place of a choice as method=erm."""
    key = line.partition("=")[0]
    places = [folder / key.partition("@")[0] for folder in folders]
    names = [str(path.relative_to(p).with_suffix("")) for p in places for path in sorted(p.rglob("*.yaml"))]
    return [f"{key}={name}" for name in names if not name.startswith("_")]
