"""Send finished results to a tracker: fairrun sync outputs/sweeps/SWEEP tracker=wandb.

Logs what the tracker does not have: of a sweep that ran without it, offline, or that still trains.  The tracker is the
one that the runs were configured with, or must be given.  It sends runs to W&B online, over the network, also those
that trained with tracker.mode=offline; tracker.mode=offline writes files only.  The first line says where runs are
sent.  Values of the tracker's configuration are given as in training: tracker.project=fairness.
"""

import sys
from collections.abc import Sequence

from fairrun.about import completion
from fairrun.cli.folder import say_reading
from fairrun.command.parser import of_folder

PROG = "fairrun sync"


def main(arguments: list[str]) -> None:
    """The subcommand."""
    parser = of_folder(PROG, str(__doc__))
    parser.add_argument("overrides", nargs="*", metavar="tracker=NAME", help="or tracker.KEY=VALUE")
    given = parser.parse_args(arguments)
    say_reading(given.folder)
    from fairrun.config.check import InputError
    from fairrun.trackers.sync import sync

    try:
        sync(given.folder, given.overrides)
    except InputError as error:
        sys.exit(str(error))


def words(arguments: Sequence[str]) -> list[str]:
    """The options and the trackers; folders are completed by the shell."""
    return ["--help", *(word for word in completion.overrides(arguments) if word.startswith("tracker"))]
