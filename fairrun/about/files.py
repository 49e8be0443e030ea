"""What configuration files say of themselves: their comments, and their keys as they are written.

Neither Hydra nor the classes that files name are imported, so that help is there at once.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from fairrun.config.keys import CONF

_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_COMMENT = re.compile(r"(?:^|\s)#\s?(.*)$")
TARGET, OVERRIDE = "_target_", "override "


class Key(NamedTuple):
    """A key of a configuration file."""

    value: str  # as the file writes it
    comment: str = ""


class File(NamedTuple):
    """A configuration file."""

    head: tuple[str, ...]  # the lines of the comment that it begins with, without those for programs: # @package
    defaults: tuple[Any, ...]
    keys: dict[str, Key]  # by dotted key, nodes included

    @property
    def summary(self) -> str:
        """The first sentence of its comment; sentences are two spaces apart."""
        text = " ".join(f"{line} " if line.endswith((".", "?")) else line for line in self.head)
        return text.partition("  ")[0].rstrip(":. ")


def choices(group: str, folders: Sequence[Path] = (CONF,)) -> dict[str, Path]:
    """The files of a group by name, ``irw/adult``, in the order of their names; those that begin with _ are parts."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / group).rglob("*.yaml")):
            found.setdefault(str(path.relative_to(folder / group).with_suffix("")), path)
    return {name: path for name, path in found.items() if not path.name.startswith("_")}


@functools.cache
def read(path: Path) -> File:
    """The file at ``path``."""
    text = path.read_text(encoding="utf-8")
    comments = _comments(text.splitlines())
    head = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        head += [line.lstrip("# ").rstrip()] if line.startswith("#") and not line.startswith("# @") else []
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return File(tuple(head), (), {})
    defaults = (yaml.safe_load(text) or {}).get("defaults", [])
    return File(tuple(head), tuple(defaults), dict(_keys(root, text, comments, "")))


def _comments(lines: Sequence[str]) -> dict[int, str]:
    """The comment of every line that has one after its content, with the lines below it that continue it."""
    found: dict[int, str] = {}
    last, column = None, 0
    for number, line in enumerate(lines):
        plain = _QUOTED.sub(lambda match: "x" * len(match[0]), line)
        match = _COMMENT.search(plain)
        if match is None:
            last = None
        elif line[: match.start(1)].strip(" #"):
            last, column = number, line.index("#", match.start())
            found[number] = line[match.start(1) :].strip()
        elif last is not None and line.index("#") == column:
            found[last] += " " + line[match.start(1) :].strip()
        else:
            last = None
    return found


def _keys(node: yaml.MappingNode, text: str, comments: dict[int, str], prefix: str) -> Iterator[tuple[str, Key]]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if name in ("defaults", "hydra"):
            continue
        block = isinstance(value, yaml.CollectionNode) and not value.flow_style
        lines = (key.start_mark.line,) if block else (key.start_mark.line, value.end_mark.line)
        comment = "" if node.flow_style else next((comments[line] for line in lines if line in comments), "")
        written = "" if block else " ".join(text[value.start_mark.index : value.end_mark.index].split())
        yield name, Key(written, comment)
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, text, comments, f"{name}.")


def composed(
    group: str,
    name: str,
    folders: Sequence[Path] = (CONF,),
    package: str = "",
    overrides: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Key]:
    """The keys of a choice below its ``package``, with those of the files that its ``defaults`` name.

    A later file's value counts, and its comment where it has one.  ``overrides``: choices that a file which names this
    one makes in the place of its own, by how they are written: /optimizer@optimizer.
    """
    path = next(folder / group / f"{name}.yaml" for folder in folders if (folder / group / f"{name}.yaml").exists())
    file = read(path)
    entries = file.defaults if "_self_" in file.defaults else (*file.defaults, "_self_")
    nodes = [item for entry in entries if isinstance(entry, Mapping) for item in entry.items()]
    own = {what.removeprefix(OVERRIDE): choice for what, choice in nodes if what.startswith(OVERRIDE)}
    overrides = {**own, **overrides}
    found: dict[str, Key] = {}
    for entry in entries:
        if entry == "_self_":
            found = _over(found, {f"{package}{key}": value for key, value in file.keys.items()})
        elif isinstance(entry, str):
            found = _over(found, composed(group, entry, folders, package, overrides))
        else:
            for what, choice in entry.items():
                chosen = overrides.get(what, choice)
                if not what.startswith(OVERRIDE) and chosen is not None:
                    other, _, at = what.partition("@")
                    below = composed(other.lstrip("/"), chosen, folders, f"{package}{at or other}.")
                    found = _over(found, below)
    return found


def target(keys: Mapping[str, Key], key: str) -> str:
    """The class or function that the node of ``key`` is made of; "" where it is of none."""
    node, _, _ = key.rpartition(".")
    found = keys.get(f"{node}.{TARGET}" if node else TARGET)
    return found.value if found and found.value != "null" else ""


def leaves(keys: Mapping[str, Key]) -> dict[str, Key]:
    """The keys without nodes and without ``_target_``."""
    nodes = {key.rpartition(".")[0] for key in keys}
    return {key: found for key, found in keys.items() if found.value and key not in nodes and not key.endswith(TARGET)}


def _over(below: dict[str, Key], above: dict[str, Key]) -> dict[str, Key]:
    for key, new in above.items():
        old = below.get(key)
        if old is not None:
            new = new._replace(comment=new.comment or old.comment)
        below[key] = new
    return below
