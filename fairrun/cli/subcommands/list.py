"""List methods, datasets, metrics, models, estimators, experiments, sweeps: fairrun list methods --knows-groups no."""

from collections.abc import Sequence

from fairrun.about import catalogue
from fairrun.about.folders import folders
from fairrun.command.parser import Parser
from fairrun.config.check import one_of

KNOWS = (catalogue.TRAINING, catalogue.VALIDATION, catalogue.NO)
FLAG = "--knows-groups"


def main(arguments: list[str]) -> None:
    """The subcommand."""
    given = _parser().parse_args(arguments)
    if given.knows_groups is not None:
        one_of(FLAG, given.knows_groups, KNOWS)
        one_of(f"what is listed with {FLAG}", given.what, ("methods",))
    if given.what is None:
        for what in catalogue.GROUPS:
            print(f"fairrun list {what:12} {len(catalogue.entries(what, folders()))}")
        return
    one_of("what is listed", given.what, catalogue.GROUPS)
    entries = catalogue.entries(given.what, folders())
    _print([entry for entry in entries if given.knows_groups in (None, entry.groups)])


def words(arguments: Sequence[str]) -> list[str]:
    """What can be listed, and the options."""
    if FLAG in arguments[-2:-1]:
        return [*KNOWS]
    return [*([FLAG] if "methods" in arguments[:-1] else catalogue.GROUPS), "--help"]


def _print(entries: Sequence[catalogue.Entry]) -> None:
    width = max((len(entry.name) for entry in entries), default=0)
    if any(entry.groups for entry in entries):
        print(f"{'':{width}}  reads group labels in training (validation: those of a balanced validation batch alone)")
    for entry in entries:
        groups = f"{entry.groups:{len(catalogue.VALIDATION)}}  " if entry.groups else ""
        print(f"{entry.name:{width}}  {groups}{entry.does}" + (f" [{entry.paper}]" if entry.paper else ""))


def _parser() -> Parser:
    parser = Parser(prog="fairrun list", description=__doc__)
    parser.add_argument("what", nargs="?", help=", ".join(catalogue.GROUPS))
    text = "only methods that read group labels in training (yes), of a balanced validation batch alone, or not (no)"
    parser.add_argument(FLAG, metavar="|".join(KNOWS), help=text)
    return parser
