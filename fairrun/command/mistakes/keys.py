"""What is wrong with the keys on a command line."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import OmegaConf

from fairrun.about import files
from fairrun.command.compose import composed, searchpath
from fairrun.command.words import WITH_KEYS, overrides
from fairrun.config.check import same_end, unknown
from fairrun.config.keys import FREE, dotted, is_below

MOST = 8  # choices that a message names
OF_EXISTING_KEYS = (OverrideType.CHANGE, OverrideType.DEL)  # overrides of keys that must be there


def absent_keys(lines: Sequence[str], arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
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
    if group in choices and (others := having(group, name, folders)):
        return f"{key} is no key with {group}={choices[group]}; it is one with {group}={', '.join(others)}"
    return no_key(key, known, folders)


def no_key(key: str, known: Collection[str], folders: Sequence[Path]) -> str:
    """As ``unknown``; of a key that ends as one of choices that are not chosen does, that one and the choices."""
    if not same_end(key, known):
        for group in WITH_KEYS[1:]:
            every = {name: list(files.composed(group, name, folders)) for name in files.choices(group, folders)}
            owners = [name for name, own in every.items() if same_end(key, own)]
            if owners:
                meant = same_end(key, every[owners[0]])[0]
                more = f" and {len(owners) - MOST} more" if len(owners) > MOST else ""
                of = f"{group}={', '.join(owners[:MOST])}{more}"
                return f"{key} is no key: did you mean {group}.{meant}? It is one with {of}"
    return unknown(key, known)


def having(group: str, key: str, folders: Sequence[Path]) -> list[str]:
    """The choices of a group that have a key, which may be a node."""
    there = files.choices(group, folders) if key else {}
    return [name for name in there if any(is_below(own, key) for own in files.composed(group, name, folders))]


def _is_free(key: str) -> bool:
    """Whether a key stands in a node whose keys the user names."""
    return any(is_below(key, free) for free in FREE)
