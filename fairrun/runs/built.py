"""What a configuration describes beside its method: the network, how learning rates change, means of parameters."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fairrun.config.build import build, class_of, recipes
from fairrun.config.check import InputError, is_integer, is_number, null_or_one_of, require
from fairrun.config.keys import MEMBERS
from fairrun.data.memory import memory
from fairrun.models.ensemble import Ensemble
from fairrun.models.network import Network
from fairrun.training.kept.averages import KINDS, Averaging
from fairrun.training.schedule import Schedule

SMALL = 10**7  # numbers in a layer of a network that every machine can hold
COPIES = 6  # of the parameters, at least: as drawn, in training, their gradient, the optimizer's, after a step


def network(
    config: dict[str, Any],
    num_features: int,
    num_tasks: int = 0,
    categories: Sequence[int] = (),
    num_classes: int = 2,
) -> Network:
    """Build the network of a configuration for data of the given shape.

    Its class gets only the arguments that it has fields for.  ``num_tasks`` 0 means one label.  Raises ``InputError``.
    """
    told = {
        "num_features": num_features,
        "num_tasks": max(1, num_tasks),
        "categories": list(categories),
        "num_classes": num_classes,
    }
    node = {key: value for key, value in config["model"].items() if key != MEMBERS}
    model = build(_with_told(node, "model", told), "model")
    allowed = "a class that derives from fairrun.models.network.Network"
    require(isinstance(model, Network), "model._target_", config["model"]["_target_"], allowed)
    found: Network = model
    members = config["model"].get(MEMBERS)
    if members is None:
        return found
    require(is_integer(members) and members >= 2, "model.members", members, "null, or an integer >= 2")
    return Ensemble(found, members, num_classes)


def network_of(config: dict[str, Any], data: dict[str, Any]) -> Network:
    """Build the network of a configuration from the facts about its data."""
    return network(config, *_told(data))


def _told(data: dict[str, Any]) -> tuple[int, int, list[int], int]:
    """What ``network`` is told of the data: features, tasks, categories and classes."""
    return data["features"], len(data["tasks"]), data["categories"], max(2, len(data["classes"]))


def _with_told(node: dict[str, Any], key: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The node of a network, and those of networks in it, with what their classes are ``told`` of the data."""
    cls = class_of(node["_target_"], key)
    inner = {
        name: _with_told(value, f"{key}.{name}", told)
        for name, value in node.items()
        if isinstance(value, dict) and "_target_" in value and name not in recipes(cls)
    }
    return node | inner | {field.name: told[field.name] for field in dataclasses.fields(cls) if field.name in told}


def layers_of(config: dict[str, Any], data: dict[str, Any]) -> list[str]:
    """The names of the parameters of a configuration's network.  Raises ``InputError`` if memory cannot hold them."""
    return list(_layers(json.dumps([config["model"], _told(data)])))


@functools.lru_cache
def _layers(described: str) -> tuple[str, ...]:
    """The same for the node ``model`` and what the network is told of the data, as JSON, which many runs share.

    Large parameters are not made.
    """
    node, told = json.loads(described)
    model = network({"model": node}, *told)
    size, model = (model.size, model.member) if isinstance(model, Ensemble) else (1, model)
    small = model.widest * max(model.widest, told[0]) < SMALL
    with contextlib.nullcontext() if small else torch.device("meta"):  # shapes alone, which takes torch a second
        theta = model.init([torch.Generator()])
    needed = COPIES * size * sum(4 * p.numel() for p in theta.values()) / 2**30
    there = memory() / 2**30
    if needed > there:
        raise InputError(
            f"model must be smaller: its parameters, their gradients and the optimizer's numbers need {needed:.0f} GB "
            f"for one run, this process may use {there:.0f} GB"
        )
    return tuple(theta)


def schedule(config: dict[str, Any]) -> Schedule:
    """How learning rates change.  Raises ``InputError``."""
    every, factor, warmup, low = _values(config, "schedule", "every", "factor", "warmup", "cosine_to")
    allowed = "null, or epochs, an integer >= 1"
    for key, value in (("every", every), ("warmup", warmup)):
        require(value is None or (is_integer(value) and value >= 1), f"schedule.{key}", value, allowed)
    require(is_number(factor) and factor > 0, "schedule.factor", factor, "a number > 0")
    require(low is None or (is_number(low) and 0 <= low < 1), "schedule.cosine_to", low, "null, or a number in [0, 1)")
    fewer = f"null, or less than epochs={config['epochs']}"
    require(warmup is None or warmup < config["epochs"], "schedule.warmup", warmup, fewer)
    return Schedule(every, factor, warmup, low)


def averaging(config: dict[str, Any]) -> Averaging | None:
    """Which mean of parameters is evaluated, or None for those of the last step.  Raises ``InputError``."""
    kind, decay, start = _values(config, "averaging", "kind", "decay", "start")
    null_or_one_of("averaging.kind", kind, KINDS)
    require(is_number(decay) and 0 <= decay < 1, "averaging.decay", decay, "a number in [0, 1)")
    require(is_number(start) and 0 <= start < 1, "averaging.start", start, "a number in [0, 1)")
    return None if kind is None else Averaging(kind, decay, start)


def _values(config: dict[str, Any], name: str, *keys: str) -> list[Any]:
    """The values of the ``keys`` of a node, which has no others."""
    node = config[name]
    require(isinstance(node, dict) and set(node) == set(keys), name, node, f"the keys {', '.join(keys)}")
    return [node[key] for key in keys]
