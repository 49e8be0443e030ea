"""Completion in bash, zsh and fish: ``eval "$(fairrun -sc install=bash)"``, as Hydra's own is installed.

Hydra's does not know choices in folders (``experiment=irw/adult``), nor ``python -m fairrun.train``.  Words come from
the configuration files and the classes that they name, so that neither Hydra nor torch is imported.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fairrun.about import declared, explain, files
from fairrun.about.folders import folders
from fairrun.config.keys import CONF

SCRIPTS = {f"install={path.suffix[1:]}": path for path in Path(__file__).parent.glob("completion.*sh")}
FLAGS = {"-sc", "--shell-completion"}
PATHS = ("dataset.path", "hydra.run.dir", "hydra.sweep.dir")
GROUPS = (*explain.groups(), "hydra/launcher", "hydra/sweeper")
UNINSTALL = "complete -r fairrun python python3; unset -f _fairrun_completion\n"


def answer(given: Sequence[str], words: Callable[[Sequence[str]], list[str]]) -> str | None:
    """What a shell that completes is answered; None where ``given`` is no question of a shell, or one for Hydra.

    ``words`` gives the words that may stand in the place of the last of several.
    """
    if not FLAGS & set(given):
        return None
    asked = next((argument for argument in given if argument not in FLAGS), "")
    if asked in SCRIPTS:
        return SCRIPTS[asked].read_text(encoding="utf-8")
    if asked == "uninstall=bash":
        return UNINSTALL
    if not asked.startswith("query="):
        return None
    typed = _typed(os.environ.get("COMP_LINE", ""))
    fitting = (_step(word, typed[-1]) for word in words(typed) if word.startswith(typed[-1]))
    return "".join(f"{word}\n" for word in dict.fromkeys(fitting))


def _step(word: str, typed: str) -> str:
    """A key up to the dot that follows what is typed, so that nodes are completed first."""
    dot = word.partition("=")[0].find(".", len(typed))
    return word if dot < 0 else word[: dot + 1]


def _typed(line: str) -> list[str]:
    """The words of a line behind the command, up to the one that is completed, which may be empty."""
    typed = line.split() + ([""] if not line or line[-1].isspace() else [])
    if re.fullmatch(r"python[\d.]*", Path(typed[0]).name) and "-m" in typed[1:2]:
        return typed[3:] or [""]
    return typed[1:] or [""]


def overrides(typed: Sequence[str]) -> list[str]:
    """What may stand in the place of the last of ``typed``: keys and groups, or behind = the values of one."""
    *before, last = typed
    sign = re.match(r"[+~]*", last)[0]  # type: ignore[index] # it matches always
    key, equals, value = last.removeprefix(sign).partition("=")
    if not equals:
        return [*(f"{sign}{word}" for word in _keys(before)), *(["-m", "--help"] if not sign else [])]
    start = value.rpartition(",")[0]  # of several values
    stem = f"{sign}{key}={start}," if start else f"{sign}{key}="
    return [f"{stem}{choice}" for choice in _values(key, value, before)]


def _keys(before: Sequence[str]) -> Iterator[str]:
    """The groups, and the keys that a command line has; those of a method, data set or model where it is chosen."""
    yield from (f"{group}=" for group in GROUPS)
    yield from (f"{key}=" for key in files.leaves(files.read(CONF / "train.yaml").keys))
    for node, group in explain.NODES.items():
        for name in _chosen(group, before):
            yield from (f"{node}.{key}=" for key in files.leaves(files.composed(group, name, folders())))


def _chosen(group: str, before: Sequence[str]) -> list[str]:
    """The choices of a group that the words ``before`` make; all, where an experiment makes one, or no word does."""
    known = files.choices(group, folders())
    named = [word.partition("=")[2].split(",") for word in before if word.startswith(f"{group}=")]
    return [name for name in named[-1] if name in known] if named else list(known)


def _values(key: str, value: str, before: Sequence[str]) -> list[str]:
    group = key.partition("@")[0]
    if group in GROUPS:
        return list(files.choices(group, folders()))
    if key in PATHS:
        folder = value.rpartition("/")[0]
        below = sorted(Path(folder or ".").expanduser().glob("[!.]*"))
        return [f"{folder}/{path.name}".removeprefix("/" if not folder else "") for path in below]
    return list(dict.fromkeys(_of_key(key, before)))


def _of_key(key: str, before: Sequence[str]) -> Iterator[str]:
    """The values that the type of a key allows, and its default."""
    plain = files.read(CONF / "train.yaml").keys
    if key in plain:
        yield plain[key].value
        yield from (("true", "false") if plain[key].value in ("true", "false") else ())
    for node, group in explain.NODES.items():
        inner = key.removeprefix(f"{node}.")
        for name in _chosen(group, before) if inner != key else ():
            keys = files.composed(group, name, folders())
            if inner in keys:
                field = declared.fields(files.target(keys, inner)).get(inner.rpartition(".")[2])
                kind = field.kind if field else ""
                yield from (("true", "false") if "true or false" in kind else ())
                yield from (
                    re.sub(r"^one of |, or the path.*| or null", "", kind).split(", ") if "one of" in kind else ()
                )
                yield from ([keys[inner].value] if " " not in keys[inner].value else [])
