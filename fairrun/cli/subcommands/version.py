"""Print the versions of fairrun, Python, torch and Hydra, and where fairrun is installed."""

from collections.abc import Sequence

from fairrun.about import version
from fairrun.command.parser import Parser


def main(arguments: list[str]) -> None:
    """The subcommand."""
    _parser().parse_args(arguments)
    print(version.text())


def words(arguments: Sequence[str]) -> list[str]:
    """The options."""
    return _parser().flags()


def _parser() -> Parser:
    return Parser(prog="fairrun version", description=__doc__)
