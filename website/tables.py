"""The tables of measurements in pages, made of files: scripts/docs tables.

Between ``<!-- table NAME -->`` and ``<!-- /table -->`` of a page stand the rows of docs/measured/NAME.csv; several
names are rows below each other.  A file has a line for each value: columns that tell its row apart, the column of the
table that it is in, its value, low and high as they are shown, and how it was measured.  ``verdicts`` are the counts
of docs/reproduced.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

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
    """Put the tables into the pages."""
    for path in pages():
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written anew")


def pages() -> list[Path]:
    """The pages in which tables may stand."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str) -> str:
    """The text of a page with its tables made anew.  Raises ``FileNotFoundError`` for a table without a file."""
    return MARKED.sub(lambda match: f"{match[1]}{made(match[2].split())}{match[3]}", text)


def made(names: Sequence[str]) -> str:
    """The lines between the marks."""
    if names == ["verdicts"]:
        return f"\n{counts(INDEX.read_text(encoding='utf-8'))}\n\n"
    lines = [line for name in names for line in read(MEASURED / f"{name}.csv")]
    keys = list(lines[0])[: list(lines[0]).index(COLUMN)]
    columns = list(dict.fromkeys(line[COLUMN] for line in lines))
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for line in lines:
        rows.setdefault(tuple(line[key] for key in keys), {})[line[COLUMN]] = _cell(line)
    cells = [[*row, *(values.get(column, "") for column in columns)] for row, values in rows.items()]
    return "\n".join([*markdown.table([*keys, *columns], cells), *_how(lines), "", ""])


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a file of measurements."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def counts(index: str) -> str:
    """The first table of the index of papers."""
    return "\n".join(line for line in index.partition("\n## ")[0].splitlines() if line.startswith("|"))


def _cell(line: Mapping[str, str]) -> str:
    return f"{line['value']} [{line['low']}, {line['high']}]" if line["low"] else line["value"]


def _how(lines: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """A sentence for each way in which some of the values were measured."""
    ways: dict[tuple[str, ...], list[str]] = {}
    for line in lines:
        ways.setdefault(tuple(line[key] for key in HOW if key != "command"), []).append(line["command"])
    for (shows, n, versions, date, machine), commands in ways.items():
        by = ", ".join(f"`{command}`" for command in dict.fromkeys(commands))
        yield f"{shows[:1].upper()}{shows[1:]}, n = {n}; by {by}, {versions}, {date}, {machine}."


if __name__ == "__main__":
    main()
