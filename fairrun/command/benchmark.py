"""A file of ``conf/benchmark``: methods with their own grids, data sets and seeds, as the jobs of one sweep."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from fairrun.about import files
from fairrun.command.mistakes.choices import wrong_choice
from fairrun.command.mistakes.keys import no_key
from fairrun.command.words import written
from fairrun.config.check import InputError, is_integer, nearest, require, same_end
from fairrun.config.keys import CONF, FREE, GONE, RENAMED, is_below

NODES = ("method", "dataset", "model")  # whose keys a job may lack that another job of the file has
KEYS = ("seeds", "datasets", "common", "grids")
OF_JOBS = ("hydra.job", "hydra.sweep.subdir")  # what Hydra reads for each job


def jobs(node: Any, given: Collection[str] = ()) -> list[list[str]]:
    """The overrides of each job, data set by data set and grid by grid; every combination of a grid's values.

    ``seeds`` is a number, 5 for 0 to 4, or a list; ``datasets`` names choices, or mappings of overrides; ``common``
    holds overrides of all jobs, and each of ``grids`` the values of its own keys.  A list is several values; a list in
    a list is one.  A ``seed`` among them counts before ``seeds``.  Keys that are ``given`` on the command line are left
    out.  Raises ``InputError``.
    """
    _check(node)
    seeds = node.get("seeds") or 1
    numbers = list(range(seeds) if isinstance(seeds, int) else seeds)
    datasets = [{"dataset": own} if isinstance(own, str) else own for own in node.get("datasets") or [{}]]
    found: list[list[str]] = []
    for own, grid in product(datasets, node["grids"]):
        keys = (node.get("common") or {}) | own | grid
        keys["seed"] = keys.pop("seed", numbers)
        found += _combinations({key: value for key, value in keys.items() if key not in given})
    return [list(job) for job in dict.fromkeys(map(tuple, found))]  # with dataset given, all data sets are the same


def check_names(
    file: str,
    jobs: Sequence[Sequence[str]],
    given: Collection[str],
    chosen: Mapping[str, str],
    folders: Sequence[Path],
) -> None:
    """Raise ``InputError``, which names the ``file``, where its jobs choose what no file of ``folders`` has.

    And for a key that none of the methods, data sets and models has that the jobs choose; where they do not say, those
    are the ``chosen`` ones.  Keys that are ``given`` on the command line are not the file's, and what experiments
    choose is left to Hydra.
    """
    said = [dict(override.split("=", 1) for override in job) for job in jobs]
    lines = dict.fromkeys((key, value.strip("'")) for job in said for key, value in job.items() if key not in given)
    for key, value in lines:
        if not _is_group(key, folders) or value == "null":
            continue
        if wrong := wrong_choice(f"{key}={value}", folders):
            raise InputError(f"{file}: {wrong}")
    if any("experiment" in job for job in said):
        return
    choices = {node: dict.fromkeys(job.get(node, chosen.get(node, "")).strip("'") for job in said) for node in NODES}
    for key, value in lines:
        if _is_plain(key, folders) and (wrong := _wrong_key(key, choices, folders)):
            raise InputError(f"{file}: {key}={value}: {wrong}")


def _is_group(key: str, folders: Sequence[Path]) -> bool:
    """Whether a key is a group of ``folders``, at its place or another, as optimizer@method.optimizer."""
    name = key.partition("@")[0]
    return not is_below(name, "hydra") and "/" not in name and any((folder / name).is_dir() for folder in folders)


def _is_plain(key: str, folders: Sequence[Path]) -> bool:
    """Whether a key must be there: it adds nothing, chooses nothing, has no new name, and is not the user's own."""
    others = ("hydra", *FREE, *GONE, *(entry.old for entry in RENAMED))
    marked = key[0] in "+~" or "@" in key or "/" in key
    return not marked and not _is_group(key, folders) and not any(is_below(key, other) for other in others)


def _wrong_key(key: str, choices: Mapping[str, Collection[str]], folders: Sequence[Path]) -> str | None:
    """What is wrong with a key that is none; of a key in a node of a node, the first of both is looked at."""
    node, _, inner = key.partition(".")
    known = list(files.read(CONF / "train.yaml").keys)
    if key in known:  # also one of every model: model.members
        return None
    if node not in NODES or not inner:
        of_nodes = [own for other in NODES for own in _keys(other, choices[other], folders)]
        return None if node in known or _is_group(node, folders) else no_key(key, known + of_nodes, folders)
    first = inner.partition(".")[0]
    there = files.choices(node, folders)
    if any(first in _fields(node, name, folders) for name in choices[node] if name in there):
        return None
    every = {name: _fields(node, name, folders) for name in there}
    having = [name for name, fields in every.items() if first in fields]
    fields = [f"{node}.{field}" for own in every.values() for field in own]
    ends = " or ".join(same_end(key, _keys(node, choices[node], folders)))
    near = f"; did you mean {ends}?" if ends else nearest(f"{node}.{first}", fields)
    near = f"; it is one of {node}={', '.join(having)}" if having else near
    return f"no key of {node}={', '.join(choices[node])}{near}"


def _keys(node: str, names: Collection[str], folders: Sequence[Path]) -> list[str]:
    """The dotted keys of some choices of a node, of those that there are."""
    there = [name for name in names if name in files.choices(node, folders)]
    return [f"{node}.{key}" for name in there for key in files.composed(node, name, folders)]


def _fields(node: str, name: str, folders: Sequence[Path]) -> set[str]:
    """The keys directly below a node, in one choice of it."""
    return {key.partition(".")[0] for key in files.composed(node, name, folders)}


def _check(node: Any) -> None:
    require(isinstance(node, Mapping), "benchmark", node, f"a file with the keys {', '.join(KEYS)}")
    for name in node:
        if name not in KEYS:
            raise InputError(f"benchmark.{name} is no key{nearest(name, KEYS)}: there are {', '.join(KEYS)}")
    seeds, grids, common = node.get("seeds"), node.get("grids"), node.get("common") or {}
    one = is_integer(seeds) and seeds >= 1
    sound = seeds is None or one or (isinstance(seeds, Sequence) and len(seeds) > 0 and all(map(is_integer, seeds)))
    require(sound, "benchmark.seeds", seeds, "a number >= 1, or a list of seeds")
    sound = isinstance(grids, list) and grids and all(isinstance(grid, Mapping) for grid in grids)
    require(sound, "benchmark.grids", grids, "a list of mappings, as [{method: penalty, method.lam: [0.1, 1]}]")
    require(isinstance(common, Mapping), "benchmark.common", common, "a mapping of overrides")
    require(seeds is None or "seed" not in common, "benchmark.common: seed", common.get("seed"), "left out with seeds")
    datasets = node.get("datasets") or []
    named = isinstance(datasets, list) and all(isinstance(own, str | Mapping) for own in datasets)
    require(named, "benchmark.datasets", datasets, "a list of names, or of mappings of overrides")
    parts = {"common": [common], "datasets": [own for own in datasets if isinstance(own, Mapping)], "grids": grids}
    for part, mappings in parts.items():
        for key, value in (item for mapping in mappings for item in mapping.items()):
            _check_override(f"benchmark.{part}", key, value)


def _check_override(part: str, key: Any, value: Any) -> None:
    """Check a key of a mapping of overrides, and its value.  Raises ``InputError``."""
    if not isinstance(key, str) or not key.strip("+~ ") or "=" in key:
        raise InputError(f"{part} must have keys of the configuration, as method.lam, got {key!r}")
    require(value != [], f"{part}: {key}", value, "a value, or a list of values")
    name = key.lstrip("+~").replace("/", ".")
    whole = any(is_below(name, node) for node in ("hydra", "benchmark", "plugins"))
    if whole and not any(is_below(name, node) for node in OF_JOBS):
        raise InputError(f"{part}: {key} is of the whole sweep: give it on the command line")


def _combinations(keys: Mapping[str, Any]) -> Iterator[list[str]]:
    lists = [value if isinstance(value, list) else [value] for value in keys.values()]
    for values in product(*lists):
        yield [f"{key}={written(value)}" for key, value in zip(keys, values, strict=True)]
