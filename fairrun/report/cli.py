"""``python -m fairrun.report FOLDER``: print the tables of a sweep and write its report."""

import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from fairrun.config import plugins
from fairrun.config.check import InputError
from fairrun.config.ways import shell
from fairrun.report import page, tables, terminal
from fairrun.report.charts import picture
from fairrun.report.kinds import allow_packages
from fairrun.report.listing import unfinished
from fairrun.report.options import ReportOptions, parser
from fairrun.report.section import Chapter
from fairrun.report.sections import chapters
from fairrun.report.tradeoffs import NOTHING, check, complete, suffix, tradeoffs
from fairrun.results.records import load

ABANDONED_S = 3600  # the age of an unfinished report from which on nobody is writing it
PART = ".report-"  # the folder of a report that is being written: this and some letters
DPI = 300  # of a picture 3.25 in wide
UNDATED = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}  # kinds of files, and no date in them
LISTING = ".report.json"  # the files of the report in a folder


def main(arguments: list[str] | None = None, prog: str = "python -m fairrun.report") -> None:
    """The command."""
    given = parser(prog).parse_args(arguments)
    try:
        plugins.allow([])  # those of the environment may lie in the current folder
        options = ReportOptions.from_args(given)
        frame = load(given.folder)
        check(frame, options)
        show(given.folder, frame, options)
    except InputError as error:
        sys.exit(str(error))


def report(folder: Path, given: ReportOptions = NOTHING) -> list[Path]:
    """Write the report on the runs below ``folder`` into it; returns the files.

    What ``given`` does not say, the records of the runs do.  Raises ``InputError``: no finished run below the folder,
    or an option names what no run has.
    """
    frame = load(folder)
    allow_packages(given.sections or ())
    check(frame, given)
    return write(folder, frame, _chapters(frame, given))


def show(folder: Path, frame: pd.DataFrame, given: ReportOptions = NOTHING) -> None:
    """Print the tables of the runs in ``frame``, which runs did not finish, the choice, and where the page is.

    What no run has is left out with a warning.  Raises ``InputError``: no finished run, or a folder that cannot be
    written.
    """
    found = _chapters(frame, given)
    console = terminal.console()
    for chapter in found:
        for table in (table for section in chapter.sections for table in section.terminal):
            console.print(table)
            console.print()
        if chapter.footnote:
            console.print(chapter.footnote, highlight=False, markup=False)
    for line in unfinished(frame):
        console.print(line, style="red", soft_wrap=True, markup=False)
    try:
        paths = write(folder, frame, found)
    except OSError as error:
        raise InputError(f"the report must be able to write into {str(folder)!r}: {error}") from None
    for chapter in found:
        for warning in chapter.warnings:
            console.print(warning, style="yellow", highlight=False, markup=False)
    for section in (section for chapter in found for section in chapter.sections):
        for sentence in section.sentences:
            console.print(sentence, highlight=False, markup=False)
        for command in section.commands:
            console.print(f"  {command}", soft_wrap=True, highlight=False, markup=False)
    console.print(shell("open", paths[-1]), soft_wrap=True, highlight=False, markup=False)


def _chapters(frame: pd.DataFrame, given: ReportOptions) -> list[Chapter]:
    options = complete(frame, given)
    return chapters(tradeoffs(frame, options), options)


def write(folder: Path, frame: pd.DataFrame, found: Sequence[Chapter]) -> list[Path]:
    """Write the pictures, tables and page of the chapters.  An earlier report stays whole until this one is.

    A picture is ``NAME.png``, ``.pdf`` and ``.svg``, with several data sets ``NAME_DATASET``.  Files of the earlier
    report that this one does not have are removed.
    """
    _remove_abandoned(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=PART) as part:
        paths, pngs = [], {}
        for chapter in found:
            dataset = suffix(chapter.trade.dataset, several=len(found) > 1)
            for section in chapter.sections:
                for name, chart in section.charts.items():
                    paths += _save(picture.draw(chart), Path(part, f"{name}{dataset}"))
                for name, figure in section.pictures.items():
                    pictures = _save(figure, Path(part, f"{name}{dataset}"))
                    pngs[chapter.trade.dataset, name] = pictures[0].read_bytes()
                    paths += pictures
        paths += tables.write(Path(part), found)
        html = Path(part, "report.html")
        html.write_text(page.render(folder, frame, found, pngs), encoding="utf-8")
        written = [path.replace(folder / path.name) for path in (*paths, html)]
    _remove_earlier(folder, {path.name for path in written})
    return written


def _remove_abandoned(folder: Path) -> None:
    """Remove the parts of reports that were killed."""
    for part in folder.glob(f"{PART}*"):
        if time.time() - part.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(part, ignore_errors=True)


def _remove_earlier(folder: Path, names: Collection[str]) -> None:
    """Remove what an earlier report wrote and this one, which wrote ``names``, did not."""
    listing = folder / LISTING
    with contextlib.suppress(FileNotFoundError, ValueError):  # the first report; a damaged list
        for name in set(json.loads(listing.read_bytes())) - set(names):
            (folder / Path(str(name)).name).unlink()
    listing.write_text(json.dumps(sorted(names)), encoding="utf-8")


def _save(figure: Figure, stem: Path) -> list[Path]:
    """Save as PNG, PDF and SVG, the same bytes for the same figure."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in UNDATED]
    with matplotlib.rc_context(picture.RC):
        for path, undated in zip(paths, UNDATED.values(), strict=True):
            figure.savefig(path, dpi=DPI, metadata=undated)
    return paths
