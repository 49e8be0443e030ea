"""Which jobs train side by side."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from fairrun.config.build import class_of
from fairrun.config.keys import active_keys, digest, dotted, role
from fairrun.method.api import PerRun, PerTask
from fairrun.method.library import LibraryMethod
from fairrun.models.network import Network
from fairrun.runs.job import Job

CACHE_BYTES = 2**20  # the part of the second-level cache that the activations of one layer may fill
TABLES_BYTES = 2**30  # the most that the tables of a stack may take whose runs have rows of their own
BYTES = {"float32": 4, "float64": 8}  # of a feature
SHAPES = ("groups", "tasks", "features", "categories", "classes", "rows")  # facts that must be equal in a stack
MOST_RUNS = {"cpu": 32, "cuda": 512}  # the most runs in a stack; more gain nothing on a CPU, the GPU's is not tuned


def plan(
    jobs: Sequence[Job],
    stack_size: int | None,
    workers: int,
    built: Callable[[dict[str, Any]], Network],
    facts: Callable[[dict[str, Any]], Mapping[str, Any]],
) -> list[list[Job]]:
    """Divide ``jobs`` into stacks, the largest first.

    ``stack_size`` is the most runs in a stack.  If it is None, a stack has as many runs as the cache holds, and there
    is a stack for each worker if the runs suffice.  A run that a library trains is alone.  ``built`` builds the network
    of a configuration for the shapes of its data, because the size of activations may depend on them.  ``facts`` gives
    the facts about its data that a record holds: runs with other rows are side by side where the shapes are equal, up
    to ``TABLES_BYTES`` of tables.
    """
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        key = _shape(job.config), _tables(job.config, facts(job.config))
        groups.setdefault(key, []).append(job)
    stacks = []
    for group in map(_by_data, groups.values()):
        alone = _is_alone(group[0].config)
        size = 1 if alone else stack_size
        size = size or min(_fitting(group[0].config, built), max(2, math.ceil(len(jobs) / workers)))
        count = math.ceil(len(group) / size)
        if stack_size is None and count > 1 and not alone:
            count = min(math.ceil(count / workers) * workers, math.ceil(len(group) / 2))
        stacks += _cut(group, count, _most_tables(group[0].config, facts(group[0].config)))
    return sorted(stacks, key=len, reverse=True)


def _is_alone(config: dict[str, Any]) -> bool:
    """Whether a library trains the run, which no other run's training would speed up."""
    return issubclass(class_of(config["method"]["_target_"], "method"), LibraryMethod)


def _shape(config: dict[str, Any]) -> str:
    """A digest that is equal for configurations that can train side by side, if their tables can (``_tables``)."""
    shared = active_keys(dotted(config | {"method": _static(config["method"])}))
    return digest({key: value for key, value in shared.items() if role(key).stack})


def _tables(config: dict[str, Any], facts: Mapping[str, Any]) -> str:
    """A digest that is equal for tables of the same shapes, as ``fit`` takes them."""
    shapes = {key: facts[key] for key in SHAPES}
    shapes["balanced"] = [sum(rows for rows, *_ in of) for name, of in facts["base_rates"].items() if _balanced(name)]
    if facts.get("streamed") or facts.get("unlabelled"):  # features in a file, and labels that some rows lack
        shapes["data"] = _data(config)
    return digest(shapes)


def _balanced(name: str) -> bool:
    """Whether an entry of the facts ``base_rates`` is of the balanced rows: of the label, or of a task."""
    return name.rpartition("/")[-1] == "balanced"


def _data(config: dict[str, Any]) -> str:
    return digest(config["dataset"])


def _by_data(group: list[Job]) -> list[Job]:
    """The jobs with those that share their data one after another, in the order of the first of each."""
    of_data: dict[str, list[Job]] = {}
    for job in group:
        of_data.setdefault(_data(job.config), []).append(job)
    return [job for jobs in of_data.values() for job in jobs]


def _most_tables(config: dict[str, Any], facts: Mapping[str, Any]) -> int:
    """How many data sets may be in a stack whose runs have rows of their own, so that their tables fit in memory."""
    table = BYTES[config["dtype"]] * facts["features"] * sum(facts["rows"].values())
    return max(1, TABLES_BYTES // max(1, table))


def _cut(group: Sequence[Job], count: int, most: int) -> list[list[Job]]:
    """The jobs in ``count`` stacks of about one size, or in the fewest with at most so many data sets in each."""
    data = [_data(job.config) for job in group]
    for number in range(count, len(group) + 1):
        cuts = list(itertools.pairwise(k * len(group) // number for k in range(number + 1)))
        if all(len(set(data[a:b])) <= most for a, b in cuts):
            break
    return [list(group[a:b]) for a, b in cuts]


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
