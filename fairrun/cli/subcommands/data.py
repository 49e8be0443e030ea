"""Tell facts before training: fairrun data adult, fairrun data my.csv --label repaid --sensitive gender,age.

A table of one's own (CSV or Parquet, a file or a folder) gets roles proposed for the columns that are not named.
"""

import argparse
import contextlib
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairrun.about import files
from fairrun.about.completion import overrides
from fairrun.about.folders import folders
from fairrun.command.parser import Parser
from fairrun.config.check import InputError, nearest, require
from fairrun.config.ways import shell
from fairrun.data.reading.account import RefusedColumns

if TYPE_CHECKING:
    from fairrun.facts.propose import Roles

GROUP, TABLE = "dataset", "csv"


def main(arguments: list[str]) -> None:
    """The subcommand."""
    parser = _parser()
    given = _sorted(parser.parse_intermixed_args(arguments))
    if given.force and given.yaml is None:
        parser.error("--force needs --yaml")
    if given.data is None:
        parser.error("a data set (fairrun list datasets), or a table of your own, must be given")
    known = files.choices(GROUP, folders())
    if given.data in known:
        base, description = given.data, _of_known(given)
        print(f"{base}: {files.read(known[base]).summary}", flush=True)
    elif Path(given.data).expanduser().exists():
        print(f"{given.data}: a table of your own", flush=True)
        base, description = TABLE, {"path": str(Path(given.data).expanduser().absolute())}
    else:
        beside = Path(given.data).expanduser().parent.glob("*")
        near = nearest(given.data, [*known, *map(str, beside)])
        raise InputError(f"{given.data} is no data set and no file{near}")
    with _without_logs():
        try:
            _tell(given, base, description)
        except RefusedColumns as error:
            print(error.account)
            raise


def _sorted(given: argparse.Namespace) -> argparse.Namespace:
    """The options, where --yaml without a name has taken the word behind it: KEY=VALUE, or the only table."""
    words = [word for word in (given.data, *given.overrides) if word is not None]
    if given.yaml and _is_override(given.yaml):
        words, given.yaml = [*words, given.yaml], ""
    tables = [word for word in words if not _is_override(word)]
    if given.yaml and not tables:
        words, tables, given.yaml = [given.yaml, *words], [given.yaml], ""
    given.data = tables[0] if tables else None
    if tables:
        words.remove(tables[0])
    given.overrides = words
    return given


def _is_override(word: str) -> bool:
    """Whether a word is KEY=VALUE or ~KEY, and no file that is there or is to be written."""
    is_file = word.endswith((".yaml", ".yml")) or Path(word).expanduser().exists()
    return not is_file and bool(re.match(r"[^/]+=|~[^/]", word))


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """What training logs of a table is printed here."""
    handler = logging.NullHandler()
    logging.getLogger("fairrun").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("fairrun").removeHandler(handler)


def _tell(given: argparse.Namespace, base: str, description: dict[str, Any]) -> None:
    if base == TABLE and given.data != TABLE:
        roles = _roles(given, description)
        description |= {"label": roles.label, "positive": roles.positive, "sensitive": roles.sensitive}
    if given.yaml is not None:
        from fairrun.facts.written import path_of, refuse_existing

        path = path_of(given.yaml, given.data)
        require(path.stem != base, "--yaml", path.stem, f"another name than that of the data set {base} itself")
    node = _node(base, description, given.overrides)
    _show(node)
    if given.yaml is not None:
        refuse_existing(path, given.force)
        _write(path, base, node, given)
    elif base == TABLE:
        shown = _overrides(base, description | {"path": given.data})
        print(f"\n{shell('fairrun', 'train', *shown, *given.overrides)}")


def words(arguments: Sequence[str]) -> list[str]:
    """Data sets, options and keys; files are completed by the shell."""
    if len(arguments) == 1:
        return [*files.choices(GROUP, folders()), *_parser().flags()]
    return [*_parser().flags(), *(word for word in overrides(arguments) if word.startswith(f"{GROUP}."))]


def _of_known(given: argparse.Namespace) -> dict[str, Any]:
    """What the options say of a data set that has a file."""
    said = {"label": given.label, "positive": given.positive, "sensitive": _named(given) or None}
    return {key: value for key, value in said.items() if value is not None}


def _named(given: argparse.Namespace) -> list[str]:
    """The sensitive columns that are given; an empty name counts as one."""
    return [] if given.sensitive is None else given.sensitive.split(",")


def _roles(given: argparse.Namespace, description: dict[str, Any]) -> "Roles":
    """The roles of a table's columns, and what was proposed, which is printed."""
    from fairrun.config.build import build
    from fairrun.facts.propose import roles

    node = _node(TABLE, description, given.overrides)
    frame, account = build(node["rows"], "dataset.rows").read(node["path"])
    try:
        found = roles(frame, given.label, given.positive, _named(given))
    except InputError:
        print(account)
        raise
    for line in found.said:
        print(f"proposed {line}")
    return found


def _overrides(base: str, description: dict[str, Any]) -> list[str]:
    from fairrun.command.words import written

    return [f"{GROUP}={base}", *(f"{GROUP}.{key}={written(value)}" for key, value in description.items())]


def _node(base: str, description: dict[str, Any], more: Sequence[str]) -> dict[str, Any]:
    """The node ``dataset`` of the configuration.  Raises ``InputError``."""
    from fairrun.command.compose import with_folders
    from fairrun.command.line import composition
    from fairrun.command.words import packages, quoted
    from fairrun.config import plugins

    given = quoted([*_overrides(base, description), *more])
    plugins.allow(packages(given))
    arguments = with_folders(given)
    node: dict[str, Any] = composition(arguments)[0][GROUP]
    return node


def _show(node: dict[str, Any]) -> None:
    from fairrun.config.build import build
    from fairrun.facts.facts import facts_of
    from fairrun.facts.text import lines

    if missing := [key for key, value in node.items() if value == "???"]:
        raise InputError("; ".join(f"dataset.{key} must be given" for key in missing))
    if not node.get("tasks"):
        one = "every value is a class" if node["positive"] is None else f"class 1 is {node['positive']!r}"
        print(f"label {node['label']}, {one}; groups by {_groups(node['sensitive'])}", flush=True)
    print("\n".join(lines(facts_of(build(node, GROUP)))))


def _write(path: Path, base: str, node: dict[str, Any], given: argparse.Namespace) -> None:
    from fairrun.facts.written import command, write

    before = _node(base, {}, [])
    changed = {key: value for key, value in node.items() if before.get(key) != value}
    write(path, base, changed, f"{given.data}: {node['label']} by {_groups(node['sensitive'])}")
    print(f"\nwritten: {path}\n{command(path)}")


def _groups(sensitive: Sequence[Any]) -> str:
    return " and ".join(entry if isinstance(entry, str) else entry["column"] for entry in sensitive)


def _parser() -> Parser:
    parser = Parser(prog="fairrun data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "data", nargs="?", metavar="NAME|FILE", help="a data set (fairrun list datasets), or a table of your own"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="keys of the configuration, as in training")
    parser.add_argument("--label", help="the column to predict")
    parser.add_argument("--positive", help="the label's value that is class 1")
    parser.add_argument("--sensitive", help="columns of the groups, as in gender,age; with cuts of numbers age:25:60")
    text = "write the data set's configuration file, so that dataset=NAME finds it: conf/dataset/NAME.yaml by default"
    parser.add_argument("--yaml", nargs="?", const="", metavar="NAME|FILE", help=text)
    parser.add_argument("--force", action="store_true", help="with --yaml: write anew a file that fairrun data wrote")
    return parser
