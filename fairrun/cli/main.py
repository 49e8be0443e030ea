"""``fairrun SUBCOMMAND ...``: every module of ``fairrun.cli.subcommands`` is a subcommand, by its name.

A first argument that is no word, such as ``method=penalty`` or ``-m``, starts the command line of ``fairrun.train``.
A module of a subcommand has a docstring, whose first line says what it does, and two functions: ``main(arguments)``
carries it out, and ``words(arguments)`` gives what may stand in the place of the last argument, for completion.  It
imports what takes long inside its functions.
"""

import ast
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

from fairrun.about import completion, version
from fairrun.about.folders import folders
from fairrun.about.meant import hint
from fairrun.config.check import InputError, nearest

FOLDER = Path(__file__).parent / "subcommands"


class Subcommand(Protocol):
    """What a module of ``fairrun.cli.subcommands`` has."""

    main: Callable[[list[str]], None]
    words: Callable[[Sequence[str]], list[str]]


def main() -> None:
    """The command.  What is not done ends it with one message; FAIRRUN_DEBUG=1 shows where."""
    given = sys.argv[1:]
    if (answer := completion.answer(given, words)) is not None:
        sys.stdout.write(answer)
    elif not given:
        print("\n".join(overview()))
    elif version.FLAG in given:
        print(version.text())
    elif not is_word(given[0]):
        if given in (["--help"], ["-h"]):
            print("\n".join(overview()))
        from fairrun.train import main as train

        train()
    elif given[0] not in names():
        meant = nearest(given[0], names()) or hint(given[0], folders()) or f": {listed()}"
        sys.stderr.write(f"fairrun: {given[0]} is no subcommand{meant}\n")
        sys.exit(2)
    else:
        _carry_out(given[0], given[1:])


def words(typed: Sequence[str]) -> list[str]:
    """What may stand in the place of the last of the words behind ``fairrun``."""
    if len(typed) > 1 and typed[0] in names():
        return subcommand(typed[0]).words(typed[1:])
    found = completion.overrides(typed)
    return [*names(), *found] if len(typed) == 1 else found


def names() -> list[str]:
    """The subcommands."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def listed() -> str:
    """For messages."""
    return f"there are {', '.join(names())}"


def subcommand(name: str) -> Subcommand:
    """The module of a subcommand."""
    return cast(Subcommand, importlib.import_module(f"fairrun.cli.subcommands.{name}"))


def summary(name: str) -> str:
    """What a subcommand does: the first line of its docstring."""
    text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def overview() -> list[str]:
    """The lines that name all subcommands."""
    width = max(map(len, names()))
    said = ["usage: fairrun SUBCOMMAND ...   or   fairrun KEY=VALUE ..., which is fairrun train KEY=VALUE ...", ""]
    said += [f"  {name:{width}}  {summary(name)}" for name in names()]
    return [
        *said,
        "",
        "fairrun SUBCOMMAND --help explains one; fairrun help KEY explains a key of the configuration.",
        "",
    ]


def is_word(argument: str) -> bool:
    """Whether an argument can name a subcommand: it is no override, no option."""
    return "=" not in argument and argument[:1] not in ("-", "+", "~")


def _carry_out(name: str, arguments: list[str]) -> None:
    try:
        subcommand(name).main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # of "fairrun list methods | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except InputError as error:
        sys.exit(str(error))
    except Exception as error:
        from fairrun.command.environment import debugging
        from fairrun.command.mistakes.explain import explain

        if debugging():
            raise
        sys.exit(explain(error, []))
