"""Objects from configuration nodes: a node with a ``_target_`` names a class, its other keys are the class's fields."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, get_type_hints

from fairrun.config.check import InputError, check_fields, imported, require
from fairrun.config.plugins import told
from fairrun.config.recipe import Recipe


def build(node: Mapping[str, Any], key: str, **extra: Any) -> Any:
    """The object that the resolved config node ``key`` describes; ``extra`` are fields that the node leaves out.

    Nodes within it are built first; one for a field of type ``Recipe`` is kept as a recipe.  Raises ``InputError`` that
    names the key, the value and what is allowed, also for what the class itself raises.
    """
    cls = class_of(node["_target_"], key)
    plain = {name: value for name, value in node.items() if name != "_target_" and name not in recipes(cls)}
    given = {name: _value(value, f"{key}.{name}") for name, value in plain.items()}
    check_fields(cls, plain, key)
    given |= extra
    for field in dataclasses.fields(cls):
        there = field.name in given or field.name in node
        if not there and field.default is field.default_factory is dataclasses.MISSING:
            raise InputError(f"{key}.{field.name} must be given")
    try:
        kept = {name: Recipe(name, node[name]) for name in recipes(cls) if name in node}
        return cls(**given, **kept)
    except InputError as error:
        raise InputError(f"{key}.{error}") from None
    except Exception as error:  # an abstract class; a class of the user's own raises what it likes
        what = f"{key}._target_ must be a class that can be made, got {node['_target_']}: {told(error)}"
        raise InputError(what) from error


def _value(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return build(value, key) if "_target_" in value else {k: _value(v, f"{key}.{k}") for k, v in value.items()}
    return value


@functools.cache
def recipes(cls: type) -> frozenset[str]:
    """The fields of a dataclass that hold a ``Recipe``: their nodes may name any class, with any arguments."""
    hints = get_type_hints(cls)
    return frozenset(field.name for field in dataclasses.fields(cls) if hints[field.name] is Recipe)


def class_of(target: str, key: str) -> type:
    """The class that the ``_target_`` of node ``key`` names.  Raises ``InputError``."""
    found: type = imported(target, key)
    allowed = "a dataclass, whose fields are the keys of the node"
    require(isinstance(found, type) and dataclasses.is_dataclass(found), f"{key}._target_", target, allowed)
    return found
