"""Explain a key, a group or a choice: fairrun help method.lam, fairrun help metric, fairrun help method=irw."""

from collections.abc import Sequence

from fairrun.about import explain
from fairrun.about.folders import folders
from fairrun.cli.main import is_word, names, overview, subcommand
from fairrun.command.parser import Parser
from fairrun.config.check import InputError, nearest


def main(arguments: list[str]) -> None:
    """The subcommand."""
    given = _parser().parse_args(arguments)
    if not given.word:
        print("\n".join(overview()))
    for word in given.word:
        _explain(word)


def words(arguments: Sequence[str]) -> list[str]:
    """Keys, groups, choices and subcommands."""
    return [*names(), *explain.words(folders())]


def _explain(word: str) -> None:
    try:
        print("\n".join(explain.lines(word, folders())))
        if word in names():
            print(f"There is a subcommand of this name too: fairrun {word} --help")
    except InputError:
        if word not in names():
            if is_word(word) and (hint := nearest(word, [*names(), *explain.words(folders())])):
                raise InputError(f"{word} is no key, group, choice or subcommand{hint}") from None
            raise
        subcommand(word).main(["--help"])


def _parser() -> Parser:
    parser = Parser(prog="fairrun help", description=__doc__)
    parser.add_argument("word", nargs="*", metavar="KEY", help="a key, group, choice (method=irw) or subcommand")
    return parser
