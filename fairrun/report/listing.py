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
from fairrun.results.records import load


def main(arguments: list[str] | None = None, prog: str = "python -m fairrun.results") -> None:
    """Print a row for every run below a folder, those that are not finished first, and why."""
    folder = of_folder(prog, str(main.__doc__)).parse_args(arguments).folder
    try:
        frame = load(folder)
    except InputError as error:
        sys.exit(str(error))
    console = Console()
    for _, run in frame[frame["status"] != "finished"].iterrows():
        reason = str(run["failure"]).splitlines()[-1]
        console.print(f"{run['status']}: {run['folder']}: {reason}", soft_wrap=True, highlight=False, markup=False)
    readable = frame[frame["status"] != "corrupt"]
    if not readable.empty:
        console.print(as_text(readable, folder))
    counts = ", ".join(f"{count} {status}" for status, count in frame["status"].value_counts().items())
    console.print(f"{folder}: {counts}", soft_wrap=True, highlight=False, markup=False)


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
