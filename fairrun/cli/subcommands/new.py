"""Write a new method with its configuration file and a test that passes: fairrun new method fair_mixup.

Likewise a metric and a section of the report: fairrun new metric least_recall, fairrun new section calibration.
It goes into a package of its own in the current folder; --in names another folder, which may be a package that you
have.  In a checkout of fairrun a method goes to the places that fairrun's methods have.
"""

from collections.abc import Sequence

from fairrun.command.parser import Parser
from fairrun.config.check import one_of

WHAT = ("method", "metric", "section")


def main(arguments: list[str]) -> None:
    """The subcommand."""
    given = _parser().parse_args(arguments)
    one_of("what is new", given.what, WHAT)
    from fairrun.kit import new

    made = {"method": new.method, "metric": new.metric, "section": new.section}[given.what](given.name, given.folder)
    new.write(made)
    for path in made.files:
        print(f"written: {path}")
    print("\n".join(["", *made.next]))


def words(arguments: Sequence[str]) -> list[str]:
    """What can be new, and the options."""
    return [*(WHAT if len(arguments) == 1 else ()), *_parser().flags()]


def _parser() -> Parser:
    parser = Parser(prog="fairrun new", description=__doc__)
    parser.add_argument("what", help=", ".join(WHAT))
    parser.add_argument("name", help="its name: fair_mixup for method=fair_mixup")
    parser.add_argument("--in", dest="folder", metavar="FOLDER", help="the package's folder; by default ./NAME")
    return parser
