"""Carries out ``fairrun reproduce``: trains what is not there, tests the claims, writes a page for each paper."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from rich.console import Console

from fairrun.analysis.verdict import Found
from fairrun.claims import frames, page
from fairrun.claims.judge import judged
from fairrun.claims.spec import Paper, read
from fairrun.config.check import InputError, one_of
from fairrun.report import terminal
from fairrun.results.records import replace, versions


class Order(NamedTuple):
    """What ``fairrun reproduce`` is asked for."""

    budget: str
    seeds: int | None
    table: str | None
    folder: Path
    store: Path | None
    stored: Path | None


class Runs(NamedTuple):
    """The frames of a paper's sources, and how each was made."""

    frames: dict[str, pd.DataFrame]
    about: dict[str, dict[str, Any]]


def reproduce(names: Sequence[str], order: Order) -> None:
    """Test the claims of papers, one after the other, and say the verdicts.  Raises ``InputError``."""
    papers = [read(name) for name in names]
    if order.table is not None:
        one_of("--table", order.table, {name for paper in papers for name in paper.tables})
        papers = [paper for paper in papers if order.table in paper.tables]
    for place in (order.folder, order.store):
        _check_writable(place)
    console = terminal.console()
    if order.stored is None:
        for paper in papers:
            console.print(_plan(paper, order), highlight=False, soft_wrap=True)
    try:
        _carry_out(papers, order, console)
    except KeyboardInterrupt:
        console.print("stopped: the same command goes on from what is there")
        raise


def _check_writable(folder: Path | None) -> None:
    """Raise ``InputError`` where nothing can be written into a folder, before anything is trained."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} must be a folder that can be written")


def _carry_out(papers: Sequence[Paper], order: Order, console: Console) -> None:
    counts = []
    for paper in papers:
        runs = _runs(paper, order)
        if order.table is not None:
            for shown in page.table(paper.tables[order.table], runs.frames[paper.tables[order.table].source]):
                console.print(shown)
            continue
        verdicts = judged(paper, runs.frames)
        console.print(page.summary(paper, verdicts))
        for path in _written(paper, verdicts, runs, order):
            console.print(f"written: {path}", highlight=False, soft_wrap=True)
        counts.append(f"{paper.name}: {page.counted(verdicts)}")
    if len(counts) > 1:
        console.print("\n".join(counts), highlight=False, soft_wrap=True)


def _plan(paper: Paper, order: Order) -> str:
    """What will be trained, and how long it takes."""
    sources = _wanted(paper, order)
    minutes = sum(paper.sources[name].minutes.get(order.budget, 0) for name in sources)
    time = f"about {minutes:g} minutes on two cores" if minutes else "a minute or two"
    seeds = "" if order.seeds is None else f", {order.seeds} seeds (the time is for the benchmarks' own)"
    return f"{paper.name}, {order.budget}: {', '.join(sources)}; {time}{seeds}, less for what is done"


def _wanted(paper: Paper, order: Order) -> list[str]:
    return list(paper.sources) if order.table is None else [paper.tables[order.table].source]


def _runs(paper: Paper, order: Order) -> Runs:
    found = Runs({}, {})
    for name in _wanted(paper, order):
        source = paper.sources[name]
        if order.stored is not None:
            found.frames[name], found.about[name] = frames.stored(_kept(order.stored, paper, name))
            continue
        place = order.folder / order.budget / paper.name / name
        found.frames[name] = frames.trained(source, order.budget, order.seeds, place)
        said = shlex.join(frames.words(source, order.budget, order.seeds))
        command = f"fairrun sweep {said}" if source.benchmark else ""
        seeds = "" if order.seeds is None else f" --seeds {order.seeds}"
        again = f"fairrun reproduce {paper.name} --budget {order.budget}{seeds}"
        found.about[name] = {"command": command, "budget": order.budget, "again": again, "versions": versions()}
    return found


def _kept(folder: Path, paper: Paper, source: str) -> Path:
    return folder / paper.name / f"{source}.parquet"


def _written(paper: Paper, verdicts: Mapping[str, Found], runs: Runs, order: Order) -> list[Path]:
    """Write the page, and with ``store`` the results that it is made of."""
    text = page.page(paper, verdicts, runs.frames, runs.about)
    paths = []
    if order.store is not None:
        for name, frame in runs.frames.items():
            paths.append(_kept(order.store, paper, name))
            frames.store(frame, paper.asked(name), paths[-1], **runs.about[name])
    place = order.store or (order.folder if order.stored else order.folder / order.budget)
    paths.append(place / f"{paper.name}.md")
    try:
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        replace(paths[-1], text.encode())
    except OSError as error:
        raise InputError(f"{paths[-1]} cannot be written: {error.strerror}") from None
    return paths
