"""List the runs below a folder with their test metrics: fairrun results outputs/sweeps/SWEEP.

The same as ``python -m fairrun.results``.
"""

from collections.abc import Sequence

from fairrun.cli.folder import say_reading


def main(arguments: list[str]) -> None:
    """The subcommand."""
    say_reading(arguments)
    from fairrun.report.listing import main as results

    results(arguments, prog="fairrun results")


def words(arguments: Sequence[str]) -> list[str]:
    """The options; folders are completed by the shell."""
    return ["--help"]
