"""Which jobs train side by side."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

from fairrun.config.build import class_of
from fairrun.config.keys import active_keys, digest, dotted, role
from fairrun.method.api import PerRun, PerTask
from fairrun.method.library import LibraryMethod
from fairrun.models.network import Network
from fairrun.runs.job import Job

CACHE_BYTES = 2**20  # the part of the second-level cache that the activations of one layer may fill
MOST_RUNS = {"cpu": 32, "cuda": 512}  # the most runs in a stack; more gain nothing on a CPU, the GPU's is not tuned


def plan(
    jobs: Sequence[Job], stack_size: int | None, workers: int, built: Callable[[dict[str, Any]], Network]
) -> list[list[Job]]:
    """Divide ``jobs`` into stacks, the largest first.

    ``stack_size`` is the most runs in a stack.  If it is None, a stack has as many runs as the cache holds, and there
    is a stack for each worker if the runs suffice.  A run that a library trains is alone.  ``built`` builds the network
    of a configuration for the shapes of its data, because the size of activations may depend on them.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(_shape(job.config), []).append(job)
    stacks = []
    for group in groups.values():
        alone = _is_alone(group[0].config)
        size = 1 if alone else stack_size
        size = size or min(_fitting(group[0].config, built), max(2, math.ceil(len(jobs) / workers)))
        count = math.ceil(len(group) / size)
        if stack_size is None and count > 1 and not alone:
            count = min(math.ceil(count / workers) * workers, math.ceil(len(group) / 2))
        cuts = [k * len(group) // count for k in range(count + 1)]
        stacks += [group[a:b] for a, b in itertools.pairwise(cuts)]
    return sorted(stacks, key=len, reverse=True)


def _is_alone(config: dict[str, Any]) -> bool:
    """Whether a library trains the run, which no other run's training would speed up."""
    return issubclass(class_of(config["method"]["_target_"], "method"), LibraryMethod)


def _shape(config: dict[str, Any]) -> str:
    """A digest that is equal for configurations that can train side by side."""
    shared = active_keys(dotted(config | {"method": _static(config["method"])}))
    return digest({key: value for key, value in shared.items() if role(key).stack})


def _static(node: dict[str, Any]) -> dict[str, Any]:
    """The node of a method or an optimizer, without the fields that may differ between the runs of a stack."""
    hints = get_type_hints(class_of(node["_target_"], "method"))
    kept = {key: value for key, value in node.items() if hints.get(key) not in (PerRun, PerTask, float)}
    return {key: _static(v) if isinstance(v, dict) and "_target_" in v else v for key, v in kept.items()}


def _fitting(config: dict[str, Any], built: Callable[[dict[str, Any]], Network]) -> int:
    """How many runs fit in a stack: the cache holds their activations of one layer.

    It is at least the network's ``least_stack``.  On a GPU it is ``MOST_RUNS``.
    """
    most = MOST_RUNS[config["device"]]
    if config["device"] != "cpu":
        return most
    model = built(config)
    return max(model.least_stack, min(most, CACHE_BYTES // (4 * config["batch_size"] * model.widest)))
