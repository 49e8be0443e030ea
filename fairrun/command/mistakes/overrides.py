"""What is wrong with a command line when Hydra cannot read it, one line a mistake."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from fairrun.about.meant import hint
from fairrun.command.compose import lines_of, searched
from fairrun.command.mistakes.choices import WITHIN, absent_files, absent_nodes, wrong_choice
from fairrun.command.mistakes.keys import absent_keys
from fairrun.command.words import parsed
from fairrun.config.keys import CONF


def mistakes(arguments: Sequence[str]) -> list[str]:
    """What is no key, no choice and no folder on a command line, with the nearest ones that there are."""
    folders = [CONF, *searched(arguments)]
    given = OverridesParser.create()
    if unread := [no_override(argument, given, folders) for argument in _words(arguments) if parsed(argument) is None]:
        return unread
    if lost := [folder for folder in folders if not folder.is_dir()]:
        return [f"the search path must hold folders that exist, got {str(folder)!r}" for folder in lost]
    if unlike := [path for folder in folders[1:] for path in sorted(folder.rglob("*.yaml")) if not _is_text(path)]:
        return [f"{path} must be text in UTF-8" for path in unlike]
    lines = list(lines_of(arguments, folders))
    wrong = [said for line in lines if (said := wrong_choice(line, folders))]
    plain = [line for line in lines if re.split("[=@]", line)[0] not in WITHIN]
    return (
        wrong
        or absent_files(plain, arguments, folders)
        or absent_nodes(lines, plain, arguments, folders)
        or absent_keys(lines, arguments, folders)
    )


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeError:
        return False
    return True


def _words(arguments: Sequence[str]) -> list[str]:
    """The arguments that are to be overrides: no options, nor the values of options."""
    words: list[str] = get_args_parser().parse_intermixed_args(list(arguments)).overrides
    return words


def no_override(argument: str, parser: OverridesParser, folders: Sequence[Path]) -> str:
    """What is wrong with an argument that is no override."""
    if "=" not in argument:
        return f"{argument!r} is no override, KEY=VALUE{hint(argument, folders)}"
    try:
        parser.parse_override(argument)
    except HydraException as error:
        return f"{argument!r} cannot be read: {str(error).splitlines()[0]}"
    raise AssertionError(argument)
