"""Print the tables of a sweep and write its report: fairrun report outputs/sweeps/SWEEP.

The same as ``python -m fairrun.report``.
"""

from collections.abc import Sequence

from fairrun.cli.folder import say_reading

PROG = "fairrun report"


def main(arguments: list[str]) -> None:
    """The subcommand."""
    from fairrun.report.options import parser

    say_reading(parser(PROG).parse_args(arguments).folder)
    from fairrun.report.cli import main as report

    report(arguments, PROG)


def words(arguments: Sequence[str]) -> list[str]:
    """The options; folders are completed by the shell."""
    from fairrun.report.options import parser

    return parser(PROG).flags()
