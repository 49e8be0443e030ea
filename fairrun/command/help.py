"""``--help``: every key of the configuration that a command line composes, with its value and its comment."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from fairrun.about import files
from fairrun.about.explain import NODES
from fairrun.command.line import composition
from fairrun.config.keys import CONF

FLAGS = {"--help", "-h"}
COLUMN = 44  # of the comments; longer lines push them
HEAD = """KEY=VALUE sets a key, GROUP=NAME makes a choice, -m KEY=V1,V2 trains every combination.
fairrun help KEY explains a key with its type and range; --hydra-help lists Hydra's own options.
"""


def text(arguments: Sequence[str]) -> str:
    """The help of a command line.  Raises ``InputError`` where it cannot be composed."""
    plain, chosen, known = composition(arguments)
    lines = ["== Groups ==", *_groups(known), "", "== Keys ==", *_lines(plain, _comments(chosen, known), "")]
    return "\n".join([HEAD, *lines, ""])


def _groups(known: Sequence[Path]) -> Iterator[str]:
    """The choices of every group, those in folders by folder."""
    for group in sorted({path.name for folder in known for path in folder.iterdir() if path.is_dir()} - {"hydra"}):
        inside: dict[str, list[str]] = {}
        for name in files.choices(group, known):
            where, _, last = name.rpartition("/")
            inside.setdefault(f"{group}/{where}".rstrip("/"), []).append(last)
        yield from (f"{place}: {', '.join(names)}" for place, names in inside.items())


def _comments(chosen: dict[str, Any], known: Sequence[Path]) -> dict[str, str]:
    """The comment of every key that has one, by dotted key."""
    found = {key: entry.comment for key, entry in files.read(CONF / "train.yaml").keys.items()}
    for node, group in NODES.items():
        if chosen.get(group) in files.choices(group, known):
            keys = files.composed(group, chosen[group], known)
            found |= {f"{node}.{key}": entry.comment for key, entry in keys.items() if entry.comment}
    return found


def _lines(node: dict[str, Any], comments: dict[str, str], prefix: str) -> Iterator[str]:
    indent = "  " * prefix.count(".")
    for name, value in node.items():
        nested = isinstance(value, dict) and bool(value)
        comment = comments.get(f"{prefix}{name}", "")
        line = f"{indent}{name}:" + ("" if nested else f" {_written(value)}")
        yield f"{line:{COLUMN}} # {comment}" if comment else line
        if nested:
            yield from _lines(value, comments, f"{prefix}{name}.")


def _written(value: Any) -> str:
    """A value as YAML has it, on one line."""
    if isinstance(value, str):
        written = yaml.safe_dump(value, width=10**6, allow_unicode=True).removesuffix("...\n").strip()
        return written if "\n" not in written else json.dumps(value)
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("...\n").strip()
