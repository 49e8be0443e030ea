"""Print the tables of a sweep and write its report: fairrun report outputs/sweeps/SWEEP.

The same as ``python -m fairrun.report``.
"""

from collections.abc import Sequence

from fairrun.cli.folder import say_reading


def main(arguments: list[str]) -> None:
    """The subcommand."""
    say_reading(arguments)
    from fairrun.report.cli import main as report

    report(arguments, prog="fairrun report")


def words(arguments: Sequence[str]) -> list[str]:
    """The options; folders are completed by the shell."""
    if not arguments[-1].startswith("-"):
        return []
    from fairrun.report.cli import parser

    return parser("fairrun report").flags()
