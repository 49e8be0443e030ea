"""Objects from configuration nodes: a node with a ``_target_`` names a class, its other keys are the class's fields."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from fairrun.config.check import InputError, check_fields, imported, require
from fairrun.config.plugins import told


def build(node: Mapping[str, Any], key: str, **extra: Any) -> Any:
    """The object that the resolved config node ``key`` describes; ``extra`` are fields that the node leaves out.

    Nodes within it are built first.  Raises ``InputError`` that names the key, the value and what is allowed, also for
    what the class itself raises.
    """
    values = {name: _value(value, f"{key}.{name}") for name, value in node.items() if name != "_target_"}
    cls = class_of(node["_target_"], key)
    check_fields(cls, node, key)
    given = {**values, **extra}
    for field in dataclasses.fields(cls):
        if field.name not in given and field.default is field.default_factory is dataclasses.MISSING:
            raise InputError(f"{key}.{field.name} must be given")
    try:
        return cls(**given)
    except InputError as error:
        raise InputError(f"{key}.{error}") from None
    except Exception as error:  # an abstract class; a class of the user's own raises what it likes
        what = f"{key}._target_ must be a class that can be made, got {node['_target_']}: {told(error)}"
        raise InputError(what) from error


def _value(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return build(value, key) if "_target_" in value else {k: _value(v, f"{key}.{k}") for k, v in value.items()}
    return value


def class_of(target: str, key: str) -> type:
    """The class that the ``_target_`` of node ``key`` names.  Raises ``InputError``."""
    found: type = imported(target, key)
    allowed = "a dataclass, whose fields are the keys of the node"
    require(isinstance(found, type) and dataclasses.is_dataclass(found), f"{key}._target_", target, allowed)
    return found
