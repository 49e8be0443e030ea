"""Print the versions of fairrun, Python, torch and Hydra, and where fairrun is installed."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import fairrun
from fairrun.command.parser import Parser


def main(arguments: list[str]) -> None:
    """The subcommand."""
    _parser().parse_args(arguments)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "hydra-core"))
    print(f"fairrun {fairrun.__version__}, Python {platform.python_version()}, {libraries}")
    print(Path(fairrun.__file__).parent)


def words(arguments: Sequence[str]) -> list[str]:
    """The options."""
    return _parser().flags()


def _parser() -> Parser:
    return Parser(prog="fairrun version", description=__doc__)
