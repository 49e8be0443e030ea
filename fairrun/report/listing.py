"""The runs below a folder as a table for the terminal."""

import math
import os
import sys
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Text

from fairrun.command.parser import of_folder
from fairrun.config.check import InputError
from fairrun.results.records import REFUSED, load, statuses


def main(arguments: list[str] | None = None, prog: str = "python -m fairrun.results") -> None:
    """Print a row for every run below a folder; before them those that are not finished, and why."""
    folder = of_folder(prog, str(main.__doc__)).parse_args(arguments).folder
    try:
        frame = load(folder)
    except InputError as error:
        sys.exit(str(error))
    console = Console()
    for line in unfinished(frame):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    readable = frame[frame["status"].isin(["finished", "failed"])]
    if not readable.empty:
        console.print(as_text(readable, folder))
    console.print(f"{folder}: {statuses(frame)}", soft_wrap=True, highlight=False, markup=False)


def unfinished(frame: pd.DataFrame) -> list[str]:
    """A line for every run that did not finish: its status, its folder, and why; one for all refused alike."""
    rows = frame.loc[frame["status"] != "finished"]
    why = rows["failure"].map(lambda text: (str(text).splitlines() or [""])[-1] if isinstance(text, str) else "")
    alike = rows.groupby([rows["status"], rows["folder"].where(rows["status"] != REFUSED, ""), why], sort=False)
    return [
        f"{status}: {own['folder'].iloc[0]}{f' and {len(own) - 1} more' if len(own) > 1 else ''}: {reason}"
        for (status, _, reason), own in alike
    ]


def as_text(frame: pd.DataFrame, folder: Path) -> Text:
    """Runs as a table for the terminal: what tells them apart, and their metrics on test rows."""
    from fairrun.analysis.front import settings

    names = list(dict.fromkeys(["accuracy", *frame["metric.name"]]))
    apart = list(dict.fromkeys([*settings(frame), "dataset", "seed"]))
    text = Text(box=SIMPLE_HEAD)
    for name in ("run", "status", *(c.removeprefix("method.") for c in apart), *(f"test {n}" for n in names)):
        text.add_column(name.replace("_", " "))
    for _, run in frame.iterrows():
        cells = [os.path.relpath(run["folder"], folder), run["status"]]
        cells += ["" if pd.api.types.is_scalar(run[c]) and pd.isna(run[c]) else str(run[c]) for c in apart]
        text.add_row(*cells, *(f"{run.get(f'test/{name}', math.nan):.4f}" for name in names))
    return text
