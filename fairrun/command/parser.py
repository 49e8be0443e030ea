"""The options of a subcommand; a mistake among them is one line."""

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

from fairrun.config.check import nearest


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one line, with the nearest right spelling, and exit status 2.

    Options are spelt out: a beginning of one is a mistake.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(allow_abbrev=False, **given)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end."""
        wrong = re.search(r"unrecognized arguments: (-\S+)", message)
        hint = nearest(wrong[1].partition("=")[0], self._option_string_actions) if wrong else ""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}{hint} ({self.prog} --help)\n")

    def flags(self) -> list[str]:
        """The options, for completion."""
        return [flag for flag in self._option_string_actions if flag.startswith("--")]


def of_folder(prog: str, does: str) -> Parser:
    """The parser of a command that reads a folder of runs."""
    found = Parser(prog=prog, description=does)
    found.add_argument("folder", type=Path, help="a folder that holds runs, at any depth")
    return found


def of_runs(prog: str, does: str) -> Parser:
    """The parser of the command that lists the runs of a folder."""
    found = of_folder(prog, does)
    found.add_argument("--csv", action="store_true", help="write all columns as CSV: every key and every metric")
    return found
