"""List the runs below a folder with their test metrics: fairrun results outputs/sweeps/SWEEP.

The same as ``python -m fairrun.results``.
"""

from collections.abc import Sequence

from fairrun.cli.folder import say_reading
from fairrun.command.parser import of_runs

PROG = "fairrun results"


def main(arguments: list[str]) -> None:
    """The subcommand."""
    say_reading(of_runs(PROG, str(__doc__)).parse_args(arguments).folder)
    from fairrun.report.listing import main as results

    results(arguments, PROG)


def words(arguments: Sequence[str]) -> list[str]:
    """The options; folders are completed by the shell."""
    return of_runs(PROG, "").flags()
