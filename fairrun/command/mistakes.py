"""What is wrong with a command line when Hydra cannot read it, one line a mistake."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, OverrideType, QuotedString
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fairrun.about import files
from fairrun.about.meant import hint, of_table
from fairrun.command.compose import composed, lines_of, searched, searchpath
from fairrun.command.words import WITH_KEYS, overrides, parsed
from fairrun.config.check import InputError, closest, nearest, same_end, unknown
from fairrun.config.keys import CONF, FREE, dotted, is_below
from fairrun.config.metrics import METRICS

NEEDED = {"method": "erm", "dataset": "adult", "model": "mlp", "tracker": "none"}  # groups, and a choice
NEEDED |= {"metric": "demographic_parity_difference"}
MOST = 8  # choices that a message names
WITHIN = ("estimator", "optimizer")  # groups whose choices are for nodes of others
_NAME = (str, QuotedString)
OF_EXISTING_KEYS = (OverrideType.CHANGE, OverrideType.DEL)  # overrides of keys that must be there


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """What is wrong, in as few lines as it takes: with the command line, a file, the machine, or else the program."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, HydraException):
        return "\n".join(mistakes(arguments)) or _of_hydra(error)
    if isinstance(error, OmegaConfBaseException):
        return "\n".join(mistakes(arguments)) or in_one_line(error)
    if isinstance(error, yaml.YAMLError):
        return f"a configuration file must be YAML: {' '.join(str(error).split())}"
    if isinstance(error, ValueError | TypeError | KeyError) and (said := _mistakes_if_any(arguments)):
        return "\n".join(said)  # OmegaConf's own, of a key below a list
    if isinstance(error, ValueError) and "defaults" in str(error):
        return f"a configuration file cannot be read: {' '.join(str(error).split())}"  # Hydra's own
    if isinstance(error, MemoryError):
        return f"out of memory: {str(error) or 'use a smaller model, batch_size or hydra.launcher.stack_size'}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (FAIRRUN_DEBUG=1 shows where)"


def _mistakes_if_any(arguments: Sequence[str]) -> list[str]:
    """``mistakes``; none where files are such that nothing can be composed to look for them."""
    try:
        return mistakes(arguments)
    except (ValueError, TypeError, KeyError):
        return []


def _of_hydra(error: HydraException) -> str:
    """What Hydra says; where it takes several values for a mistake, that ``fairrun sweep`` takes them."""
    if several := re.match(r"Ambiguous value for argument '(.*?)'\n", str(error)):
        key, _, value = several[1].partition("=")
        ways = f"fairrun sweep {several[1]} trains each (or -m here); '{key}=[{value}]' is one list"
        return f"{several[1]} has several values, and one run takes one: {ways}"
    return str(error)


def in_one_line(error: OmegaConfBaseException) -> str:
    """What OmegaConf says of a value, after its key."""
    what = re.sub(r'^\w+ raised while resolving interpolation: "(.*)"$', r"\1", str(error).partition("\n")[0])
    return f"{error.full_key}: {what}" if error.full_key else what


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


def mistakes(arguments: Sequence[str]) -> list[str]:
    """What is no key, no choice and no folder on a command line, with the nearest ones that there are."""
    folders = [CONF, *searched(arguments)]
    given = OverridesParser.create()
    if unread := [no_override(argument, given, folders) for argument in _words(arguments) if parsed(argument) is None]:
        return unread
    if lost := [folder for folder in folders if not folder.is_dir()]:
        return [f"the search path must hold folders that exist, got {str(folder)!r}" for folder in lost]
    if unlike := [path for folder in folders[1:] for path in sorted(folder.rglob("*.yaml")) if not _is_text(path)]:
        return [f"{path} must be text in UTF-8" for path in unlike]
    lines = list(lines_of(arguments, folders))
    wrong = [said for line in lines if (said := wrong_choice(line, folders))]
    plain = [line for line in lines if re.split("[=@]", line)[0] not in WITHIN]
    return (
        wrong
        or _of_files(plain, arguments, folders)
        or _of_nodes(lines, plain, arguments, folders)
        or _of_keys(lines, arguments, folders)
    )


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeError:
        return False
    return True


def _words(arguments: Sequence[str]) -> list[str]:
    """The arguments that are to be overrides: no options, nor the values of options."""
    words: list[str] = get_args_parser().parse_intermixed_args(list(arguments)).overrides
    return words


def no_override(argument: str, parser: OverridesParser, folders: Sequence[Path]) -> str:
    """What is wrong with an argument that is no override."""
    if "=" not in argument:
        return f"{argument!r} is no override, KEY=VALUE{hint(argument, folders)}"
    try:
        parser.parse_override(argument)
    except HydraException as error:
        return f"{argument!r} cannot be read: {str(error).splitlines()[0]}"
    raise AssertionError(argument)


def _of_files(lines: Sequence[str], arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
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


def _of_nodes(
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
    having = _having("method", group, folders)
    place = f"{group}@method.{group}={name}"
    return f"{line} chooses for a node that method={', '.join(having)} has; did you mean method={having[0]} {place}?"


def _of_keys(lines: Sequence[str], arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """The keys that no choice of the command line has."""
    groups = {line.partition("=")[0]: line for line in lines}
    try:
        config = composed([*searchpath(arguments), *groups.values()])
    except HydraException:
        return []
    plain: Any = OmegaConf.to_container(config)
    hydra = plain.pop("hydra")
    choices, of_hydra = hydra["runtime"]["choices"], [*dotted({"hydra": hydra}), "hydra"]
    flat = dotted(plain)
    known = [key for key in flat if not key.endswith("._target_") or _is_free(key)]
    there = {*known, *plain, *(key.rpartition(".")[0] for key in flat)}
    wrong = []
    for override in overrides(arguments):
        key = str(override.key_or_group)
        plain_key = override.package is None and key not in groups and not key.startswith("hydra")
        parts = key.split(".")
        if lists := [node for n in range(1, len(parts)) if isinstance(flat.get(node := ".".join(parts[:n])), list)]:
            wrong.append(f"{lists[0]} is a list: give it whole, as {lists[0]}=[...]; got {override.input_line!r}")
            continue
        if override.type in OF_EXISTING_KEYS and plain_key and key not in there:
            wrong.append(_no_key(key, [*known, *plain], choices, folders))
        elif override.type in OF_EXISTING_KEYS and key.startswith("hydra.") and OmegaConf.select(config, key) is None:
            wrong += [unknown(key, of_hydra)] if key not in of_hydra else []
    return wrong


def _no_key(key: str, known: Sequence[str], choices: dict[str, Any], folders: Sequence[Path]) -> str:
    if _is_free(key) and any(is_below(name, key.rpartition(".")[0]) for name in known):
        return f"{key} is no key yet: a plus sign adds it, +{key}=VALUE"
    group, _, name = key.partition(".")
    if group in choices and (having := _having(group, name, folders)):
        return f"{key} is no key with {group}={choices[group]}; it is one with {group}={', '.join(having)}"
    return no_key(key, known, folders)


def no_key(key: str, known: Collection[str], folders: Sequence[Path]) -> str:
    """As ``unknown``; of a key that ends as one of choices that are not chosen does, that one and the choices."""
    if not same_end(key, known):
        for group in WITH_KEYS[1:]:
            every = {name: list(files.composed(group, name, folders)) for name in files.choices(group, folders)}
            having = [name for name, own in every.items() if same_end(key, own)]
            if having:
                meant = same_end(key, every[having[0]])[0]
                more = f" and {len(having) - MOST} more" if len(having) > MOST else ""
                of = f"{group}={', '.join(having[:MOST])}{more}"
                return f"{key} is no key: did you mean {group}.{meant}? It is one with {of}"
    return unknown(key, known)


def _having(group: str, key: str, folders: Sequence[Path]) -> list[str]:
    """The choices of a group that have a key, which may be a node."""
    there = files.choices(group, folders) if key else {}
    return [name for name in there if any(is_below(own, key) for own in files.composed(group, name, folders))]


def _is_free(key: str) -> bool:
    """Whether a key stands in a node whose keys the user names."""
    return any(is_below(key, free) for free in FREE)


def wrong_choice(line: str, folders: Sequence[Path]) -> str | None:
    """What is wrong with a choice of a group, as method=erm, with the nearest there is; None where a file has it."""
    choices = _choices(line, folders)
    return None if line in choices else _no_choice(line, choices)


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
