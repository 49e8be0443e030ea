"""The tables of measurements in pages, made of files: scripts/docs tables.

Between ``<!-- table NAME -->`` and ``<!-- /table -->`` of a page stand the rows of docs/measured/NAME.csv; several
names are rows below each other.  A file has a line for each value: columns that tell its row apart, the column of the
table that it is in, its value, low and high as they are shown, and how it was measured.  ``verdicts`` are the counts
of docs/reproduced, and ``goals`` the values that have a goal.
"""

import csv
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.goals import goal
from website import markdown

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs" / "measured"
INDEX = ROOT / "docs" / "reproduced" / "index.md"
COMMAND = "scripts/docs tables"

COLUMN = "column"
VALUES = ("value", "low", "high")
HOW = ("shows", "n", "command", "versions", "date", "machine")

MARKED = re.compile(r"(<!-- table ([\w ]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def main() -> None:
    """Put the tables into the pages.  Ends with one message where a file of measurements is not as it must be."""
    for path in pages():
        before = path.read_text(encoding="utf-8")
        try:
            after = filled(before)
        except ValueError as error:
            sys.exit(str(error))
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written anew")


def pages() -> list[Path]:
    """The pages in which tables may stand."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str) -> str:
    """The text of a page with its tables made anew.  Raises ``FileNotFoundError`` and ``ValueError``, for its files."""
    return MARKED.sub(lambda match: f"{match[1]}{made(match[2].split())}{match[3]}", text)


def made(names: Sequence[str]) -> str:
    """The lines between the marks."""
    if names == ["verdicts"]:
        return f"\n{counts(INDEX.read_text(encoding='utf-8'))}\n\n"
    if names == ["goals"]:
        return "\n".join([*goals(), "", ""])
    files = {MEASURED / f"{name}.csv": read(MEASURED / f"{name}.csv") for name in names}
    keys = _keys(files)
    lines = [line for of_file in files.values() for line in of_file]
    columns = list(dict.fromkeys(line[COLUMN] for line in lines))
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for line in lines:
        rows.setdefault(tuple(line[key] for key in keys), {})[line[COLUMN]] = _cell(line)
    cells = [[*row, *(values.get(column, "") for column in columns)] for row, values in rows.items()]
    return "\n".join([*markdown.table([*keys, *columns], cells), caption(lines), "", ""])


def goals() -> list[str]:
    """A row for each value of docs/measured that has a goal: the goal, and whether it is reached."""
    rows = []
    for path in sorted(MEASURED.glob("*.csv")):
        for line in read(path):
            row = [line[key] for key in keys_of(line)]
            if aim := goal(path.stem, row, line[COLUMN]):
                place = ", ".join([*row, line[COLUMN]])
                rows.append([path.stem.partition("_")[0], place, line["value"], str(aim), aim.outcome(line["value"])])
    return markdown.table(["`scripts/benchmark`", "value", "measured", "goal", ""], rows)


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a file of measurements.  Raises ``ValueError`` for a file that lacks a line, a column or a value."""
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        lines, header = list(table), list(table.fieldnames or ())
    if lacking := [name for name in (COLUMN, *VALUES, *HOW) if name not in header]:
        raise ValueError(
            f"{path}: the header must have the column {lacking[0]!r}, got {', '.join(header) or 'nothing'}"
        )
    if not lines:
        raise ValueError(f"{path}: there must be a line for each value, got none")
    if wrong := [k for k, line in enumerate(lines, 2) if None in line or None in line.values()]:
        raise ValueError(f"{path}: line {wrong[0]} must have {len(header)} values, as the header has")
    return lines


def keys_of(line: Mapping[str, str]) -> list[str]:
    """The columns of a file that tell its rows apart."""
    return [name for name in line if name not in (COLUMN, *VALUES, *HOW)]


def _keys(files: Mapping[Path, Sequence[Mapping[str, str]]]) -> list[str]:
    """The columns that tell the rows of a table apart, in all its files the same.  Raises ``ValueError``."""
    (first, keys), *others = ((path, keys_of(lines[0])) for path, lines in files.items())
    for path, own in others:
        if own != keys:
            expected = f"the columns before {COLUMN!r} must be those of {first.name}, {', '.join(map(repr, keys))}"
            raise ValueError(f"{path}: {expected}; got {', '.join(map(repr, own))}")
    return keys


def counts(index: str) -> str:
    """The first table of the index of papers."""
    return "\n".join(line for line in index.partition("\n## ")[0].splitlines() if line.startswith("|"))


def _cell(line: Mapping[str, str]) -> str:
    return f"{line['value']} [{line['low']}, {line['high']}]" if line["low"] else line["value"]


def caption(lines: Iterable[Mapping[str, str]]) -> str:
    """How the values were measured, in a sentence: what all share, then behind a colon in which ways they differ."""
    commands = _merged([_parts(line) for line in lines], "command", ", ")
    ways = _merged(commands, "version", " and ")  # of the same commands
    same = {name: text for name, text in ways[0].items() if all(way[name] == text for way in ways)}
    differ = [_said({name: text for name, text in way.items() if name not in same}, ", ") for way in ways]
    text = ": ".join(filter(None, [_said(same), "; ".join(filter(None, differ))]))
    return f"{text[:1].upper()}{text[1:]}."


def _parts(line: Mapping[str, str]) -> dict[str, str]:
    """What a caption says of a line."""
    version, _, torch = line["versions"].partition(", ")
    said = {"command": f"`{line['command']}`", "version": version, "torch": torch}
    return {name: line[name] for name in ("shows", "n", "date", "machine")} | said


def _merged(ways: Iterable[Mapping[str, str]], name: str, by: str) -> list[dict[str, str]]:
    """The ways, those that differ in one part only as one with all values of that part."""
    found: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for way in ways:
        found.setdefault(tuple(text for key, text in way.items() if key != name), []).append(way)
    return [{**alike[0], name: by.join(dict.fromkeys(way[name] for way in alike))} for alike in found.values()]


def _said(way: Mapping[str, str], between: str = "; ") -> str:
    """Parts of a way in words: what is shown, and ``between`` how it came about."""
    texts = {"n": "n = {}", "command": "by {}"}
    what, how = (
        ", ".join(texts.get(name, "{}").format(way[name]) for name in names if way.get(name))
        for names in (("shows", "n"), ("command", "version", "torch", "date", "machine"))
    )
    return between.join(filter(None, [what, how]))


if __name__ == "__main__":
    main()
