"""Carries out ``fairrun reproduce``: trains what is not there, tests the claims, writes a page for each paper.

Stored results are in ``FOLDER/BUDGET/PAPER/SOURCE.parquet``, and the pages that are made of them in ``FOLDER``.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from fairrun.claims import frames, index, page, pictures
from fairrun.claims.frames import Runs
from fairrun.claims.judge import has, judged
from fairrun.claims.spec import BUDGETS, Paper, read
from fairrun.claims.told import Told, budgets, counted
from fairrun.command.folders import made
from fairrun.config.check import InputError, one_of
from fairrun.config.ways import shell
from fairrun.report import terminal
from fairrun.results.records import replace, versions


class Order(NamedTuple):
    """What ``fairrun reproduce`` is asked for."""

    budget: str
    seeds: int | None
    table: str | None
    folder: Path | None  # of runs and pages; None: OUTPUTS, or that of stored results for the pages of these
    store: Path | None
    stored: Path | None

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return (self.folder or OUTPUTS) / self.budget

    @property
    def pages(self) -> Path:
        """The folder of the pages."""
        return self.store or (self.runs if self.stored is None else self.folder or self.stored)


OUTPUTS = Path("outputs/reproduce")


def reproduce(names: Sequence[str], order: Order) -> None:
    """Test the claims of papers, one after the other, and say the verdicts.  Raises ``InputError``."""
    papers = [read(name) for name in names]
    if order.table is not None:
        one_of("--table", order.table, {name for paper in papers for name in paper.tables})
        papers = [paper for paper in papers if order.table in paper.tables]
    if order.stored is None:
        made("--folder", str(order.runs))
    made("--store" if order.store else "--folder", str(order.pages))
    console = terminal.console()
    if order.stored is not None:
        _check_stored(order.stored, papers)
    else:
        for paper in papers:
            console.print(_plan(paper, order), highlight=False, soft_wrap=True)
    try:
        _carry_out(papers, order, console)
    except KeyboardInterrupt:
        console.print("stopped: the same command goes on from what is there")
        raise


def _check_stored(folder: Path, papers: Sequence[Paper]) -> None:
    """Raise ``InputError`` where a folder has nothing of any of the papers."""
    if not any((folder / budget / paper.name).is_dir() for budget in BUDGETS for paper in papers):
        names = ", ".join(paper.name for paper in papers)
        keeps = shell("fairrun", "reproduce", "--store", folder)
        raise InputError(f"{folder} has no stored results of {names}: {keeps} keeps them")


def _carry_out(papers: Sequence[Paper], order: Order, console: Console) -> None:
    if order.table is not None:
        for paper in papers:
            _show_table(paper, order.table, _runs(paper, order, console), console)
        return
    all_told = []
    for paper in papers:
        told = _told(paper, _runs(paper, order, console), order)
        all_told.append(told)
        console.print(page.summary(paper, told.verdicts))
        for path in _written(told, order.pages):
            console.print(f"written: {path}", highlight=False, soft_wrap=True)
    if len(all_told) > 1:
        counts = [f"{told.paper.name}: {counted(told.verdicts)}" for told in all_told]
        console.print("\n".join(counts), highlight=False, soft_wrap=True)
        _write(order.pages / "index.md", index.index(all_told).encode())


def _show_table(paper: Paper, name: str, runs: Runs, console: Console) -> None:
    spec = paper.tables[name]
    if not has(runs.frames, spec.source, spec.names):
        raise InputError(f"{spec.source}, which {name} shows, is not stored yet: {runs.remedy}")
    for shown in page.table(spec, runs.frames[spec.source]):
        console.print(shown)


def _told(paper: Paper, runs: Runs, order: Order) -> Told:
    """The verdicts; of stored runs also those of the quick ones among them, where there are full ones."""
    verdicts = judged(paper, runs.frames, runs.remedy)
    kept = order.store or order.stored
    if kept is None or "full" not in budgets(paper, runs):
        return Told(paper, runs, verdicts)
    quick = _kept(paper, list(paper.sources), kept, ["quick"])
    if not quick.frames:
        return Told(paper, runs, verdicts)
    return Told(paper, runs, verdicts, (quick, judged(paper, quick.frames, quick.remedy)))


def _plan(paper: Paper, order: Order) -> str:
    """What will be trained, and how long it takes."""
    sources = _wanted(paper, order)
    minutes = sum(paper.sources[name].minutes.get(order.budget, 0) for name in sources)
    time = f"about {minutes:g} minutes on two cores" if minutes else "a minute or two"
    seeds = "" if order.seeds is None else f", {order.seeds} seeds (the time is for the benchmarks' own)"
    return f"{paper.name}, {order.budget}: {', '.join(sources)}; {time}{seeds}, less for what is done"


def _wanted(paper: Paper, order: Order) -> list[str]:
    """The sources of the order: of its budget, where they are trained."""
    asked = list(paper.sources) if order.table is None else [paper.tables[order.table].source]
    return [name for name in asked if order.stored is not None or order.budget in paper.sources[name].budgets]


def _runs(paper: Paper, order: Order, console: Console) -> Runs:
    """The runs of the sources that are wanted: trained, and stored if that is asked for, or as they were stored."""
    sources = _wanted(paper, order)
    if order.stored is not None:
        return _kept(paper, sources, order.stored, BUDGETS)
    found = Runs({}, {})
    for k, name in enumerate(sources, 1):
        console.print(f"{paper.name}, {k} of {len(sources)}: {name}", highlight=False)
        place = order.runs / paper.name / name
        found.frames[name] = frames.trained(paper.sources[name], order.budget, order.seeds, place)
        found.about[name] = _about(paper, name, order)
        if order.store is not None:
            path = _place(order.store, order.budget, paper, name)
            frames.store(found.frames[name], paper.asked(name), path, **found.about[name])
    return found if order.store is None else _kept(paper, list(paper.sources), order.store, BUDGETS)


def _about(paper: Paper, name: str, order: Order) -> dict[str, Any]:
    """How the runs of a source are made."""
    source = paper.sources[name]
    words = frames.words(source, order.budget, order.seeds)
    seeds = "" if order.seeds is None else f" --seeds {order.seeds}"
    return {
        "command": shell("fairrun", "sweep", *words) if source.benchmark else "",
        "budget": order.budget,
        "again": f"fairrun reproduce {paper.name} --budget {order.budget}{seeds}",
        "versions": versions(),
        "date": date.today().isoformat(),
    }


def _kept(paper: Paper, sources: Sequence[str], folder: Path, budgets: Sequence[str]) -> Runs:
    """The stored runs of sources, each at the last of the ``budgets`` at which there are some."""
    again = shell("fairrun", "reproduce", paper.name, "--budget", "full", "--store", folder.as_posix())
    found = Runs({}, {}, f"`{again}`")
    for name in sources:
        paths = [_place(folder, budget, paper, name) for budget in budgets]
        if there := [path for path in paths if path.exists()]:
            found.frames[name], found.about[name] = frames.stored(there[-1])
    return found


def _place(folder: Path, budget: str, paper: Paper, source: str) -> Path:
    return folder / budget / paper.name / f"{source}.parquet"


def _written(told: Told, folder: Path) -> list[Path]:
    """Write the page of a paper and its pictures."""
    paper, runs = told.paper, told.runs
    files = {f"{paper.name}.md": page.page(told).encode()}
    for name, spec in paper.pictures.items():
        if has(runs.frames, spec.source, spec.names):
            files[page.picture_name(paper, name)] = pictures.png(spec, runs.frames[spec.source])
    for name, content in files.items():
        _write(folder / name, content)
    return [folder / name for name in files]


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
