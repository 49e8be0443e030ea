"""A file of ``conf/benchmark``: methods with their own grids, data sets and seeds, as the jobs of one sweep."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from fairrun.command.line import written
from fairrun.config.check import InputError, is_integer, nearest, require

KEYS = ("seeds", "datasets", "common", "grids")


def jobs(node: Any, given: Collection[str] = ()) -> list[list[str]]:
    """The overrides of each job, data set by data set and grid by grid; every combination of a grid's values.

    ``seeds`` is a number, 5 for 0 to 4, or a list; ``datasets`` names choices, or mappings of overrides; ``common``
    holds overrides of all jobs, and each of ``grids`` the values of its own keys.  A list is several values; a list in
    a list is one.  Keys that are ``given`` on the command line are left out.  Raises ``InputError``.
    """
    _check(node)
    seeds = node.get("seeds", 1)
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    datasets = [{"dataset": own} if isinstance(own, str) else own for own in node.get("datasets") or [{}]]
    found: list[list[str]] = []
    for own, grid in product(datasets, node["grids"]):
        keys = {**node.get("common", {}), **own, **grid, "seed": list(numbers)}
        found += _combinations({key: value for key, value in keys.items() if key not in given})
    return [list(job) for job in dict.fromkeys(map(tuple, found))]  # with dataset given, all data sets are the same


def _check(node: Any) -> None:
    require(isinstance(node, Mapping), "benchmark", node, f"a file with the keys {', '.join(KEYS)}")
    for name in node:
        if name not in KEYS:
            raise InputError(f"benchmark.{name} is no key{nearest(name, KEYS)}: there are {', '.join(KEYS)}")
    seeds, grids, common = node.get("seeds", 1), node.get("grids"), node.get("common", {})
    one = is_integer(seeds) and seeds >= 1
    sound = one or (isinstance(seeds, Sequence) and len(seeds) > 0 and all(map(is_integer, seeds)))
    require(sound, "benchmark.seeds", seeds, "a number >= 1, or a list of seeds")
    mappings = isinstance(grids, list) and grids and all(isinstance(grid, Mapping) for grid in grids)
    require(mappings, "benchmark.grids", grids, "a list of mappings, as [{method: penalty, method.lam: [0.1, 1]}]")
    for key, value in ((key, value) for grid in grids for key, value in grid.items()):
        require(value != [], f"benchmark.grids: {key}", value, "a value, or a list of values")
    require(isinstance(common, Mapping), "benchmark.common", common, "a mapping of overrides")
    datasets = node.get("datasets") or []
    named = isinstance(datasets, list) and all(isinstance(own, str | Mapping) for own in datasets)
    require(named, "benchmark.datasets", datasets, "a list of names, or of mappings of overrides")


def _combinations(keys: Mapping[str, Any]) -> Iterator[list[str]]:
    lists = [value if isinstance(value, list) else [value] for value in keys.values()]
    for values in product(*lists):
        yield [f"{key}={written(value)}" for key, value in zip(keys, values, strict=True)]
