"""A plug-in's class as the rules of the contract take it: with the configuration files that name it.

A plain ``torch.nn.Module`` is checked as ``model=module`` trains it.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from torch import nn

import fairrun.command.folders  # noqa: F401 - the resolvers of conf/train.yaml
from fairrun.about import files
from fairrun.about.folders import folders
from fairrun.command.compose import composed, searchpath, with_folders
from fairrun.command.environment import resolved
from fairrun.config import plugins
from fairrun.config.build import build, class_of
from fairrun.config.check import InputError, located, require
from fairrun.config.keys import MEMBERS
from fairrun.contract import METHOD, NETWORK, Rule, Subject
from fairrun.contract.samples import HEADS, NUM_FEATURES
from fairrun.method.api import Method
from fairrun.models.module import Module
from fairrun.models.network import Network
from fairrun.training.optim import Adam

# groups, and what their classes derive from
KINDS: Mapping[str, tuple[type, ...]] = {"method": (Method,), "model": (Network, nn.Module)}
ALLOWED = "a class that derives from fairrun.method.Method, fairrun.models.network.Network or torch.nn.Module"
KEY = "what is checked"
RATE = 0.01  # learning rate of a method without a file
FEATURES = (NUM_FEATURES, 16 * 16, 3 * 16 * 16)  # that a network is told, one after the other: a table, images
ROWS: dict[
    str, tuple[dict[str, Any], int]
] = {  # the keys of what a plain module takes as a row, one after the other, and the number of features
    "input: flat": ({"input": "flat"}, NUM_FEATURES),
    "input: image": ({"input": "image", "channels": 3}, 3 * 16 * 16),
    "input: image, channels: 1": ({"input": "image", "channels": 1}, 16 * 16),
}


def rules_of_class(cls: type) -> tuple[Rule, ...]:
    """The rules for a class of methods, or of networks.  Raises ``InputError`` for another class."""
    return METHOD if group_of(cls) == "method" else NETWORK


def group_of(cls: type) -> str:
    """The group whose choices a class makes: method or model.  Raises ``InputError``."""
    found = [group for group, kinds in KINDS.items() if issubclass(cls, kinds)]
    require(found, KEY, cls.__name__, ALLOWED)
    return found[0]


@functools.cache
def subject_of(path: str, file: str = "") -> Subject:
    """The class of a dotted path, made as its configuration ``file`` says; by default, the first that names it.

    The package of the path counts as named by the user.  Raises ``InputError``.
    """
    cls = _class(path)
    group = group_of(cls)
    made = {name: _made(group, name) for name in _choices(group, cls)}
    if not made:
        return _of_module(path) if issubclass(cls, nn.Module) else Subject(_of_defaults(cls))
    chosen = file or next(iter(made))
    if chosen not in made:
        raise InputError(f"--file must be one of {', '.join(made)}, got {file!r}")
    presets = {f"{group}={name}": value for name, (value, _) in made.items()}
    return Subject(made[chosen][0], f"{group}={chosen}", made[chosen][1], presets)


def _class(path: str) -> type:
    require("." in path, KEY, path, "a class by its dotted path, as mypkg.FairMixup")
    plugins.allow([path.partition(".")[0]])
    found: type = located(path, KEY)
    sound = isinstance(found, type) and (is_dataclass(found) or issubclass(found, nn.Module))
    require(sound, KEY, path, f"{ALLOWED}, and but for modules a dataclass")
    return found


def _choices(group: str, cls: type) -> Iterator[str]:
    """The choices of a group that name a class, which may be imported from elsewhere than where it is defined."""
    top = cls.__module__.partition(".")[0]
    key = "module.hidden" if issubclass(cls, nn.Module) else "optimizer"  # one beside the _target_ that names the class
    for name in files.choices(group, folders()):
        target = files.target(files.composed(group, name, folders()), key)
        if target.partition(".")[0] == top and located(target, f"{group}={name}: _target_") is cls:
            yield name


def _made(group: str, name: str) -> tuple[Any, frozenset[str]]:
    """What a choice makes, and the keys of its node."""
    node = _node(group, f"{group}={name}")
    keys = frozenset(node) - {"_target_"}
    if group == "method":
        return build(node, group), keys
    cls = class_of(node["_target_"], group)
    for num_features in FEATURES[:-1]:
        with contextlib.suppress(InputError):
            return build(node, group, **_told(cls, num_features)), keys
    return build(node, group, **_told(cls, FEATURES[-1])), keys


def _node(group: str, *words: str) -> dict[str, Any]:
    """The node of a group that words of the command line make, without what is no field of its class."""
    line = with_folders([*words])
    node = resolved(composed([*searchpath(line), *line[: len(words)]])[group])[0]
    return {key: value for key, value in node.items() if (group, key) != ("model", MEMBERS)}


def _of_module(path: str) -> Subject:
    """A plain module that no file names, as ``model=module`` makes it for the first rows that it takes.

    Raises ``InputError`` for one that takes none.
    """
    words = ("model=module", f"model.module._target_={path}")
    node = _node("model", *words)
    wrong: list[str] = []
    for rows, (keys, num_features) in ROWS.items():
        try:
            made = build(node | keys, "model", **_told(Module, num_features))
        except InputError as error:
            wrong += [f"with {rows}: {error}"] if all(str(error) not in other for other in wrong) else []
        else:
            return Subject(made, " ".join(words), frozenset(node) - {"_target_"})
    file = f"{path.partition('.')[0]}/conf/model/NAME.yaml"
    raise InputError(f"{'; '.join(wrong)}; rows or arguments of its own stand in {file} (defaults: [module, _self_])")


def _told(cls: type, num_features: int = NUM_FEATURES) -> dict[str, Any]:
    """What the data of the contract say to a network."""
    tasks = {"num_tasks": HEADS.num_tasks, "categories": HEADS.categories}
    told = {"num_features": num_features, "num_classes": 2, **tasks}
    return {field.name: told[field.name] for field in fields(cls) if field.name in told}


def _of_defaults(cls: type) -> Any:
    """A class that no file names, made of its defaults.  Raises ``InputError``."""
    given = {"optimizer": Adam(RATE)} if issubclass(cls, Method) else _told(cls)
    lacking = [f.name for f in fields(cls) if f.name not in given and f.default is f.default_factory is MISSING]
    if lacking:
        raise InputError(f"{cls.__name__} needs a configuration file, or defaults of {', '.join(lacking)}")
    return cls(**given)
