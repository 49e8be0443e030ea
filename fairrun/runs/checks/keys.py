"""Refuses keys that nothing reads."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import yaml

from fairrun.config.build import class_of, recipes
from fairrun.config.check import InputError, unknown
from fairrun.config.keys import CONF, MEMBERS, ROLES

GROUP = "a group"  # in the place of a node that conf/train.yaml takes from one


def check_keys(config: dict[str, Any]) -> None:
    """Refuse keys that nothing reads: neither conf/train.yaml nor the class of their node has them.

    Raises one ``InputError`` that names them all.
    """
    if "experiment" in config:
        raise InputError("the file of the experiment must begin with the line # @package _global_")
    if "benchmark" in config:
        raise InputError("benchmark=NAME must go with -m, which trains its jobs as one sweep")
    if wrong := list(_not_text(config, "")):
        raise InputError("\n".join(wrong))
    wrong = list(_unknown_plain(config, _plain_keys(), ""))
    for name, node in config.items():
        if name != "metric":  # its _target_ is a function; its keys are those of conf/train.yaml
            wrong += _unknown_fields(node, name)
    if wrong:
        raise InputError("\n".join(wrong))


@functools.cache
def _plain_keys() -> dict[str, Any]:
    """The keys of conf/train.yaml with their values, and the nodes that it takes from groups, as ``GROUP``."""
    own = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    groups = {key: GROUP for key in ROLES if "." not in key}
    found = groups | {key: node for key, node in own.items() if key not in ("defaults", "hydra")}
    return found | {"model": GROUP}  # whose fields its class has, but for MEMBERS


def _not_text(node: dict[Any, Any], prefix: str) -> Iterator[str]:
    """A message for every key that is no text."""
    for name, value in node.items():
        if not isinstance(name, str):
            yield f"keys must be text, got {name!r} in {prefix.rstrip('.') or 'the configuration'}"
        elif isinstance(value, dict):
            yield from _not_text(value, f"{prefix}{name}.")


def _unknown_plain(node: dict[str, Any], known: dict[str, Any], prefix: str) -> Iterator[str]:
    """A message for every key that conf/train.yaml does not have, or that only it has, and for what is no node."""
    yield from (f"{prefix}{name} must be given" for name in known if name not in node)
    for name, value in node.items():
        key = f"{prefix}{name}"
        if name not in known:
            yield unknown(key, [f"{prefix}{other}" for other in known])
        elif known[name] == GROUP:
            if not (isinstance(value, dict) and isinstance(value.get("_target_"), str)):
                yield f"{key} must be a mapping with _target_, as a choice of the group {name} gives it, got {value!r}"
        elif isinstance(known[name], dict) and known[name]:  # users choose the keys of an empty mapping
            if isinstance(value, dict):
                yield from _unknown_plain(value, known[name], f"{key}.")
            else:
                yield f"{key} must be a mapping with the keys {', '.join(known[name])}, got {value!r}"


def _unknown_fields(node: Any, key: str) -> Iterator[str]:
    """A message for every key that the class of its node does not have."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            cls = class_of(node["_target_"], key)
            fields = [f"{key}.{field.name}" for field in dataclasses.fields(cls)]
            fields += [f"{key}.{MEMBERS}"] if key == "model" else []
            keys = [f"{key}.{name}" for name in node if name != "_target_"]
            yield from (unknown(name, fields) for name in keys if name not in fields)
            node = {name: value for name, value in node.items() if name not in recipes(cls)}
        for name, value in node.items():
            yield from _unknown_fields(value, f"{key}.{name}")
