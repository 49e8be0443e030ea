"""A node of the configuration that says how something is made, by a class or function of anyone's."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairrun.config.check import InputError, imported, require
from fairrun.config.plugins import is_allowed, told

FUNCTIONS = ("torchvision.models",)  # whose functions make modules; of a package that the user names, all may be called


@dataclass(frozen=True)
class Recipe:
    """What ``_target_`` names and its arguments; it is called later, and as often as needed.

    The other keys of the node are arguments; ``_args_``, if given, is the list of those without a name.  An argument
    that is itself a node with a ``_target_`` is made first.  Of fairrun and ``torch.nn`` only modules may be made: a
    configuration may come from a stranger, and other functions write files.
    """

    key: str  # for messages
    node: Mapping[str, Any]

    def __post_init__(self) -> None:
        sound = isinstance(self.node, Mapping) and isinstance(self.node.get("_target_"), str)
        require(sound, self.key, self.node, "a mapping with _target_, the path of a class or function")
        _maker(self.node["_target_"], self.key)

    def made(self, **offered: Any) -> Any:
        """What the call returns.  It gets those of the ``offered`` arguments that it names and the node leaves out.

        Raises ``InputError``, also for what the call itself raises.
        """
        return _called(self.key, self.node, offered)


def _called(key: str, node: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    make = _maker(node["_target_"], key)
    arguments = {name: _made(f"{key}.{name}", value) for name, value in node.items() if name != "_target_"}
    unnamed = arguments.pop("_args_", [])
    require(isinstance(unnamed, list), f"{key}._args_", unnamed, "a list")
    try:
        taken = {name: value for name, value in offered.items() if name in _parameters(make) and name not in arguments}
        return make(*unnamed, **arguments, **taken)
    except Exception as error:  # a class of the user's own raises what it likes
        raise InputError(
            f"{key} must have arguments that {node['_target_']} takes, got {arguments}: {told(error)}"
        ) from error


def _maker(target: str, key: str) -> Any:
    """The class or function that a recipe may call.  Raises ``InputError``."""
    from torch import nn  # here, so that the command line's help starts without it

    found = imported(target, key)
    sound = is_allowed(found.__module__, FUNCTIONS) or (isinstance(found, type) and issubclass(found, nn.Module))
    require(sound, f"{key}._target_", target, "a class that derives from torch.nn.Module")
    return found


def _made(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_made(f"{key}.{k}", part) for k, part in enumerate(value)]
    return _called(key, value, {}) if isinstance(value, Mapping) and "_target_" in value else value


def _parameters(make: Any) -> set[str]:
    """The names of the parameters of a class or function; none where Python cannot tell."""
    try:
        return set(inspect.signature(make).parameters)
    except ValueError:
        return set()
