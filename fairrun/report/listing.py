"""The runs below a folder as a table for the terminal."""

import math
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fairrun.command.parser import of_runs
from fairrun.config.check import InputError
from fairrun.config.names import counted
from fairrun.config.values import value
from fairrun.results.records import REFUSED, TRAINED, load, statuses
from fairrun.results.selection import DEGENERATE, degenerate

GAP = 2  # between the columns of the table
BROKEN, NARROWEST = ("run", "method", "dataset"), 10  # columns that a narrow terminal breaks, and what they keep
MARK = " *"  # behind the status of a degenerate run


def main(arguments: list[str] | None = None, prog: str = "python -m fairrun.results") -> None:
    """Print a row for every run below a folder; before them those that are not finished, and why."""
    given = of_runs(prog, str(main.__doc__)).parse_args(arguments)
    folder = given.folder
    try:
        frame = load(folder)
    except InputError as error:
        sys.exit(str(error))
    if given.csv:
        frame.to_csv(sys.stdout, index=False)
        return
    console = Console()
    for line in unfinished(frame):
        _say(console, line)
    readable = frame[frame["status"].isin(TRAINED)]
    if not readable.empty:
        from fairrun.report.tradeoffs import by_problem

        _show(console, by_problem(readable), folder)
    _say(console, f"{folder}: {statuses(frame)}")


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def _show(console: Console, frame: pd.DataFrame, folder: Path) -> None:
    """Print the table, and what its mark means and what it leaves out."""
    constant = _degenerate(frame)
    marked = frame.assign(status=frame["status"] + np.where(constant, MARK, ""))
    width = console.width
    parts, left = shown(marked, folder, width)
    for k, columns in enumerate(parts):
        if k:
            console.print()
        console.width = max(width, sum(map(_least, columns)))
        console.print(_table(columns))
    if any(constant):
        why = f"{DEGENERATE} on validation rows, so that small differences are not fairness"
        _say(console, f"{MARK.strip()} degenerate: {why}")
    if left:
        more = counted(left, "more column")
        _say(console, f"{more} left out for width, of metrics or data sets: --csv writes all columns")


def unfinished(frame: pd.DataFrame) -> list[str]:
    """A line for every run that did not finish: its status, its folder, and why; one for all refused alike."""
    rows = frame.loc[frame["status"] != "finished"]
    why = rows["failure"].map(lambda text: (str(text).splitlines() or [""])[-1] if isinstance(text, str) else "")
    alike = rows.groupby([rows["status"], rows["folder"].where(rows["status"] != REFUSED, ""), why], sort=False)
    return [
        f"{status}: {own['folder'].iloc[0]}{f' and {len(own) - 1} more' if len(own) > 1 else ''}: {reason}"
        for (status, _, reason), own in alike
    ]


def shown(frame: pd.DataFrame, folder: Path, width: int) -> tuple[list[list[list[str]]], int]:
    """The columns of each part of the table for a terminal of ``width``, and how many have no room in it.

    What a run is, its accuracy and its fairness metric are in the first part, whole; a narrow terminal breaks the names
    of runs and methods.  The names of data sets are shortened before a key in which runs differ goes into another part.
    Other metrics, and the name of the only data set, are left out where the first part has no room.
    """
    from fairrun.analysis.front import settings

    metrics = [f"test/{name}" for name in dict.fromkeys(["accuracy", *frame["metric.name"].value_counts().index])]
    runs = frame["folder"].map(lambda path: os.path.relpath(path, folder))
    one = frame["dataset"].nunique() == 1  # which a narrow terminal need not show
    names = [name for name in ("status", "method", "dataset", "seed") if not (one and name == "dataset")]
    always = [_column("run", runs), *(_column(name, frame[name]) for name in names)]
    always += [_of_metric(name, frame) for name in metrics[:2]]
    keys = [key for key in settings(frame) if key not in ("method", "dataset", "metric", "metric.name")]
    must = [_column(key, frame[key]) for key in keys]
    others = [_column(key, frame[key]) for key in (["dataset"] if one else [])]
    others += [_of_metric(name, frame) for name in metrics[2:]]
    found, left = list(always), list[list[str]]()
    for column in [*must, *others]:
        fits = sum(_width(_short(name, NARROWEST)) for name in [*found, column]) <= width
        (found if fits else left).append(column)
    room = width - sum(_width(column) for column in found if column[0] != "dataset") - GAP
    first = [_short(column, max(room, NARROWEST)) for column in found]
    more = [column for column in left if column in must]
    return [first, *_more_parts(always[0], more, width)], len(left) - len(more)


def _more_parts(run: list[str], columns: Sequence[list[str]], width: int) -> list[list[list[str]]]:
    """The columns in parts of ``width``, each behind that of the runs."""
    parts: list[list[list[str]]] = []
    for column in columns:
        if not parts or sum(map(_least, [*parts[-1], column])) > width:
            parts.append([run])
        parts[-1].append(column)
    return parts


def _short(column: list[str], width: int) -> list[str]:
    """The column of data sets with names of ``width``, or as much more as tells them apart; any other as it is."""
    if column[0] != "dataset":
        return column
    tries = ([_ends(name, most) for name in column] for most in range(width, _width(column)))
    return next((cells for cells in tries if len(set(cells)) == len(set(column))), column)


def _ends(text: str, width: int) -> str:
    """The text, or both of its ends."""
    end = width // 2
    return text if cell_len(text) <= width else f"{text[: width - end - 1]}…{text[-end:]}"


def _degenerate(frame: pd.DataFrame) -> np.ndarray:
    """Whether each run has a nearly constant prediction, by the labels of its own validation rows."""
    from fairrun.analysis.front import counts

    found = np.zeros(len(frame), dtype=bool)
    labels = frame.get("base_rates.val", pd.Series("", index=frame.index)).map(str)
    for alike in frame.groupby(labels).indices.values():
        runs = frame.iloc[alike]
        found[alike] = degenerate(runs, counts(runs, "val"))
    return found


def _of_metric(name: str, frame: pd.DataFrame) -> list[str]:
    values = frame.get(name, pd.Series(math.nan, index=frame.index))
    return _column(name.replace("/", " "), values.map("{:.4f}".format))


def _column(name: str, values: pd.Series) -> list[str]:
    """A column's cells below its name, which is broken to their width where it can be."""
    cells = [*map(value, values)]
    words = name.removeprefix("method.").replace("_", " ")
    widest = max(map(cell_len, [*cells, *words.split()]))
    return ["\n".join(textwrap.wrap(words, widest)), *cells]


def _least(column: Sequence[str]) -> int:
    """As ``_width``, of a column that may be broken what it keeps."""
    return min(NARROWEST + GAP, _width(column)) if column[0] in BROKEN else _width(column)


def _width(column: Sequence[str]) -> int:
    """How many columns of the terminal the cells take, with the gap."""
    return max(cell_len(line) for cell in column for line in cell.splitlines() or [""]) + GAP


def _table(columns: Sequence[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for column in columns:
        breaks = column[0] in BROKEN
        table.add_column(
            column[0], no_wrap=not breaks, overflow="fold", min_width=_least(column) - GAP if breaks else None
        )
    for cells in list(zip(*columns, strict=True))[1:]:
        table.add_row(*map(Text, cells))
    return table
