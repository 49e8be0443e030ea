"""What a key, a group or a choice means: ``fairrun help KEY``, from configuration files and sources, without torch."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from fairrun.about import catalogue, declared, files
from fairrun.config.check import InputError, nearest
from fairrun.config.keys import CONF, RENAMED, role, switch_of

# The nodes of the configuration that are taken from groups
NODES = {"method.estimator": "estimator"}  # before the node that it is in
NODES |= {node: node for node in ("method", "dataset", "model", "metric", "tracker")}
NODES |= {"hydra.launcher": "hydra/launcher", "hydra.sweeper": "hydra/sweeper"}
OTHERS = ("benchmark", "experiment", "sweep", "optimizer", "estimator")  # groups that set keys of other nodes
KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "text", list: "a list", dict: "a mapping"}
WIDTH = 24  # of the values in a table of keys; longer ones push the rest of the line


class About(NamedTuple):
    """What is known of a key in one choice of its group."""

    comment: str
    kind: str
    allowed: str
    per_run: bool


def lines(word: str, folders: Sequence[Path] = (CONF,)) -> list[str]:
    """The lines of help on a key, a group, a choice as ``method=irw``, or the name of a choice.

    Raises ``InputError``, with the nearest right spelling.
    """
    key, _, name = word.lstrip("+~").partition("=")
    key = key.partition("@")[0]  # optimizer@method.adversary_optimizer is the group optimizer
    if name and key in groups():
        if name not in files.choices(key, folders):
            raise InputError(f"{word} is no choice{nearest(name, files.choices(key, folders))}")
        return list(_choice(key, name, folders))
    if key in groups():
        return list(_group(key, folders))
    plain = files.read(CONF / "train.yaml").keys
    if key in plain:
        return _plain_node(key)
    if found := _of_group(key, folders):
        return found
    if new := next((entry.new for entry in RENAMED if entry.old == key), None):
        return [f"{key} is now {new}", *lines(new, folders)]
    if homes := [group for group in groups() if word in files.choices(group, folders)]:
        return [line for group in homes for line in _choice(group, word, folders)]
    if named := [key for key, found in files.leaves(plain).items() if _names(found.comment, word)]:
        return [line for key in named for line in _plain_node(key)]
    raise InputError(f"{word} is no key, group or choice{nearest(word, words(folders))}")


def _names(comment: str, word: str) -> bool:
    """Whether a comment has the word among the values that it lists: behind a colon, or before a comma or a colon."""
    return re.search(rf"(?:^|[\s,;:]){re.escape(word)}(?:[,;:]|$)", comment) is not None


def groups() -> list[str]:
    """The groups that help knows."""
    return [*(group for node, group in NODES.items() if node == group), *OTHERS]


def words(folders: Sequence[Path] = (CONF,)) -> list[str]:
    """All that ``lines`` knows."""
    found = dict.fromkeys([*groups(), *files.read(CONF / "train.yaml").keys])
    for node, group in NODES.items():
        for name in files.choices(group, folders):
            found |= dict.fromkeys(f"{node}.{key}" for key in files.leaves(files.composed(group, name, folders)))
    found |= {f"{group}={name}": None for group in groups() for name in files.choices(group, folders)}
    return list(found)


def _of_group(key: str, folders: Sequence[Path]) -> list[str]:
    """Help on a key that choices of a group have."""
    node = next((node for node in NODES if key.startswith(f"{node}.")), None)
    if node is None:
        return []
    group, inner = NODES[node], key.removeprefix(f"{node}.")
    found = of_choices(group, inner, folders)
    composed = [files.composed(group, name, folders) for name in files.choices(group, folders)]
    below = dict.fromkeys(k for keys in composed for k in files.leaves(keys) if k.startswith(f"{inner}."))
    if not found:
        return [key, *(f"  {node}.{k}" for k in below)] if below else []
    said = [key]
    for each, defaults in found.items():
        values = set(defaults.values())
        if len(values) == 1:
            said += ["", f"  with     {group}={', '.join(defaults)}", *_block(each, values.pop())]
        else:
            chosen = ", ".join(f"{name} ({value or '...'})" for name, value in defaults.items())
            said += ["", f"  with     {group}={chosen}: its default", *_block(each, None)]
    said += ["", *(f"  {node}.{k}" for k in below)] if below else [""]
    return [*said, *_effect(key, per_run=any(each.per_run for each in found))]


def of_choices(group: str, inner: str, folders: Sequence[Path] = (CONF,)) -> dict[About, dict[str, str]]:
    """What the choices of a group say of the key ``inner`` below its node: who says the same, with their defaults."""
    found: dict[About, dict[str, str]] = {}
    for name in files.choices(group, folders):
        keys = files.composed(group, name, folders)
        if inner in keys:
            found.setdefault(about(keys, inner), {})[name] = keys[inner].value
    return found


def about(keys: Mapping[str, files.Key], key: str) -> About:
    """What the file says of a key, and else what the field of the class says."""
    target = files.target(keys, key)
    field = declared.fields(target).get(key.rpartition(".")[2]) if target else None
    comment = keys[key].comment
    if field is None:
        return About(comment, _kind(keys[key].value), "", False)
    return About(comment or field.comment.replace("``", ""), field.kind, field.allowed, field.per_run)


def _kind(value: str) -> str:
    """The type of a key that no class declares, by its value."""
    return KINDS.get(type(yaml.safe_load(value)), "") if value and "${" not in value else ""


def _block(said: About, default: str | None) -> Iterator[str]:
    if said.comment:
        yield f"  means    {said.comment}"
    if said.kind:
        yield f"  type     {said.kind}"
    if said.allowed:
        yield f"  range    {said.allowed}"
    if default:
        yield f"  default  {default}"


def _plain_node(key: str) -> list[str]:
    """Help on a key of conf/train.yaml, and on those below it."""
    keys = files.read(CONF / "train.yaml").keys
    below = {name: found for name, found in files.leaves(keys).items() if name.startswith(f"{key}.")}
    said = [key, *_block(about({key: keys[key]}, key), keys[key].value)]
    return [*said, *_table(below)] if below else [*said, *_effect(key, per_run=False)]


def _table(keys: dict[str, files.Key], prefix: str = "") -> Iterator[str]:
    """A line for each key: its name, its value, what it means."""
    leaves = files.leaves(keys)
    name_width = max((len(prefix + key) for key in leaves), default=0)
    for key, found in leaves.items():
        said = about(keys, key)
        allowed = f" [{said.allowed}]" if said.allowed and said.allowed not in said.comment else ""
        yield f"  {prefix + key:{name_width}}  {found.value:{WIDTH}}  {said.comment}{allowed}".rstrip()


def _effect(key: str, *, per_run: bool) -> Iterator[str]:
    if said := effects(key, per_run=per_run):
        yield f"  effect   {'; '.join(said)}"


def effects(key: str, *, per_run: bool) -> list[str]:
    """What another value of a key changes."""
    found = role(key)
    said: list[str] = []
    if not found.identity:
        said.append("a finished run with another value is not trained again")
    if found.problem:
        said.append("runs that differ in it are on no Pareto front together")
    elif found.setting:
        said.append("reports tell configurations apart by it")
    if per_run or not found.stack:
        said.append("runs that differ in it train side by side")
    if switch := switch_of(key):
        said.append(f"no effect where {switch} is null")
    return [] if key.startswith("hydra.") else said


def _group(group: str, folders: Sequence[Path]) -> Iterator[str]:
    """Help on a group: its choices."""
    chosen = next(
        (e[group] for e in files.read(CONF / "train.yaml").defaults if isinstance(e, dict) and group in e), ""
    )
    yield f"{group}: a group; {group}=NAME chooses" + (f", by default {chosen}" if chosen else "")
    paths = files.choices(group, folders)
    width = max(map(len, paths))
    for name, path in paths.items():
        yield f"  {name:{width}}  {files.read(path).summary}".rstrip()


def _choice(group: str, name: str, folders: Sequence[Path]) -> Iterator[str]:
    """Help on a choice: its file's comment and its keys."""
    path = files.choices(group, folders)[name]
    yield f"{group}={name}"
    yield from (f"  {line}" for line in files.read(path).head)
    node = next((node for node, other in NODES.items() if other == group), "")
    if group == "method":
        yield f"  group labels  {catalogue.knows_groups(name, folders)}"
        if paper := catalogue.paper(name, folders):
            yield f"  paper         {paper}"
    if node:
        keys = files.composed(group, name, folders)
        yield f"  made of       {files.target(keys, '')}"
    yield f"  file          {path}"
    if node:
        yield from _table(keys, f"{node}.")
