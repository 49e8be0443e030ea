"""What is told of a paper: its verdicts in the terminal, and a page of Markdown with its tables and pictures."""

import math
from collections.abc import Iterator, Mapping

import pandas as pd
from rich.table import Table

from fairrun.analysis.front import counts
from fairrun.analysis.interval import interval
from fairrun.analysis.verdict import Found, Verdict
from fairrun.claims.frames import Runs, tells_apart
from fairrun.claims.judge import cells_of, has, keys_of, picked
from fairrun.claims.pictures import CAPTIONS
from fairrun.claims.spec import Paper, PictureSpec, TableSpec
from fairrun.claims.told import (
    VERDICTS,
    Told,
    budgets,
    changed,
    counted,
    datasets,
    effect,
    number,
    sources_of,
    verdict_of,
)
from fairrun.config.metrics import bounds
from fairrun.report.tables import grid
from fairrun.results import records
from fairrun.results.selection import degenerate

PROTOCOLS = {
    "published": "as published: the paper's own split and selection, also where it selects on test rows",
    "honest": "honest: settings are chosen on validation rows, and test rows are looked at once",
    "exact": "a measurement",
}
LESS = {  # what a budget has less of
    "tiny": "runs that are too short to decide anything",
    "quick": "fewer seeds, data sets or epochs than full",
}


def summary(paper: Paper, verdicts: Mapping[str, Found]) -> Table:
    """A row a claim."""
    table = Table(title=f"{paper.name}: {counted(verdicts)}", title_justify="left")
    for column in ("claim", "verdict", "effect [95% interval]", "why"):
        table.add_column(column, overflow="fold")
    for name, found in verdicts.items():
        table.add_row(paper.claims[name].claim, str(found.verdict), effect(found), found.why)
    return table


def page(told: Told) -> str:
    """The page of a paper."""
    paper, runs, verdicts = told.paper, told.runs, told.verdicts
    parts = [
        f"# {paper.title}",
        f"{paper.note} ([paper]({paper.link}))",
        f"**{counted(verdicts)}.** {_budget(paper, runs)}",
        _claims(told),
        VERDICTS,
        *(_picture(paper, name, spec, runs) for name, spec in paper.pictures.items()),
        *(_table(paper, spec, runs) for spec in paper.tables.values()),
        *_changes(told),
        "## Every part of a claim",
        *_parts(paper, verdicts),
        "## The runs",
        "\n".join(_sources(paper, runs)),
    ]
    return "\n\n".join(parts) + "\n"


def _budget(paper: Paper, runs: Runs) -> str:
    """How much was trained, and on which data sets."""
    found = budgets(paper, runs)
    several = len(found) > 1
    said = "; ".join(f"{budget} for {', '.join(names)}" if several else budget for budget, names in found.items())
    smaller = "".join(f"; {budget} has {LESS[budget]}" for budget in found if budget in LESS)
    marked = ", and claims that rest on it are marked" if smaller else ""
    data = ", ".join(datasets(runs.frames.values()))
    again = ", ".join(dict.fromkeys(f"`{runs.about[name]['again']}`" for names in found.values() for name in names))
    return f"Budget {said}{smaller}{marked}. Data sets: {data}. Tested again by {again}."


def _claims(told: Told) -> str:
    rows = []
    for name, found in told.verdicts.items():
        claim = told.paper.claims[name]
        rows.append([claim.claim, claim.where, verdict_of(told, name), effect(found), found.why])
    return grid(["claim", "where", "verdict", "effect [95% interval], seeds", "why"], rows)


def _changes(told: Told) -> Iterator[str]:
    """What differs between the budgets quick and full, of sources of which both are stored."""
    quick, before = told.quick or (Runs({}, {}), {})
    sources = [name for name in quick.frames if told.runs.about[name]["budget"] == "full"]
    if not sources:
        return
    yield "## Quick and full"
    yield (
        "A verdict may differ because full has more seeds, so that intervals are narrower, more data sets, so that a "
        "claim of all of them has more parts, or longer training."
    )
    rows = [[name, _size(quick, name), _size(told.runs, name)] for name in sources]
    yield grid(["runs", "quick", "full"], rows)
    differ = [name for name in changed(told.verdicts, before) if sources_of(told.paper.claims[name]) & {*sources}]
    if not differ:
        yield "No verdict differs."
        return
    names = [(name, told.paper.claims[name].claim) for name in differ]
    rows = [[claim, *(_both(own[name]) for own in (before, told.verdicts))] for name, claim in names]
    yield grid(["claim whose verdict differs", "quick", "full"], rows)


def _both(found: Found) -> str:
    return f"**{found.verdict}**: {effect(found)}"


def _size(runs: Runs, name: str) -> str:
    frame, command = runs.frames[name], runs.about[name]["command"].removeprefix("fairrun sweep ")
    parts = [f"{len(frame)} runs", f"{frame['seed'].nunique()} seeds", *datasets([frame])]
    return ", ".join(parts) + (f"; `{command}`" if command else "")


def _parts(paper: Paper, verdicts: Mapping[str, Found]) -> Iterator[str]:
    for name, found in verdicts.items():
        parts = found.parts or [found] * (not math.isnan(found.effect))
        if parts:
            yield f"### {paper.claims[name].claim}"
            values = ", ".join(dict.fromkeys(f"`{test.value}` of {test.source}" for test in paper.claims[name].tests))
            yield f"By {values}."
            yield grid(["part", "measured", "claimed", "verdict", "effect", "margin", "p", "why"], map(_part, parts))


def _part(part: Found) -> list[str]:
    measured = "" if math.isnan(part.measured) else number(part.measured)
    margin = "" if math.isnan(part.margin) else f"{part.margin:g}"
    return [part.name, measured, part.asked, str(part.verdict), effect(part), margin, _p(part.p), part.why]


def _sources(paper: Paper, runs: Runs) -> Iterator[str]:
    for name in paper.sources:
        if name not in runs.frames:
            yield f"- **{name}**: {_unmeasured(runs)}."
            continue
        said = runs.about[name]
        made = f"{records.in_words(said['versions'])}, {said['date']}"
        rows, command = len(runs.frames[name]), _made_by(paper, name, runs)
        yield f"- **{name}**: {rows} rows by {command} ({made}). {_how(paper, name)}"


def _made_by(paper: Paper, name: str, runs: Runs) -> str:
    """The command of a source, with its budget."""
    said = runs.about[name]
    if not said["command"]:
        return f"the measurement `{paper.sources[name].program}`"
    return f"`{said['command']}`, budget {said['budget']}"


def _how(paper: Paper, name: str) -> str:
    """The protocol of a source, and where its settings come from."""
    source = paper.sources[name]
    tuning = f" Tuning: {source.tuning}." if source.tuning else ""
    return f"Protocol: {PROTOCOLS[source.protocol]}.{tuning}"


def _grid(frame: pd.DataFrame) -> str:
    """The values of the keys that vary among the settings of each method."""
    found: list[str] = []
    alone: list[str] = []  # methods of one setting
    for method, own in frame.groupby("method", sort=False):
        keys = [c for c in own if c.startswith(("method.", "model.")) and tells_apart(own, c)]
        values = [f"{key.partition('.')[2]} {', '.join(map(_short, dict.fromkeys(own[key].dropna())))}" for key in keys]
        if keys:
            found.append(f"{method} ({'; '.join(values)})")
        else:
            alone.append(str(method))
    return "; ".join([*found, *([f"one setting of {', '.join(alone)}"] if alone else [])])


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _picture(paper: Paper, name: str, spec: PictureSpec, runs: Runs) -> str:
    if not has(runs.frames, spec.source, spec.names):
        return f"## {spec.title}\n\n{_unmeasured(runs)}."
    budget = f" Budget {runs.about[spec.source]['budget']}, protocol {paper.sources[spec.source].protocol}."
    return f"## {spec.title}\n\n![{spec.title}]({picture_name(paper, name)})\n\n{CAPTIONS[spec.kind]}{budget}"


def _unmeasured(runs: Runs) -> str:
    return f"{Verdict.UNMEASURED}: {runs.remedy or 'it is trained at a larger budget'}"


def picture_name(paper: Paper, name: str) -> str:
    """The file of a picture, beside the page."""
    return f"{paper.name}_{name}.png"


def _table(paper: Paper, spec: TableSpec, runs: Runs) -> str:
    if not has(runs.frames, spec.source, spec.names):
        return f"## {spec.title}\n\n{_unmeasured(runs)}."
    frame = runs.frames[spec.source]
    found = [
        f"## {spec.title}",
        "Mean over seeds [95% interval; from five seeds on by the bootstrap] (seeds)."
        + " The paper's number, where we know it, is below ours." * bool(spec.paper),
    ]
    columns = cells_of(frame, spec.columns)
    for value in spec.values:
        found += [f"`{value}`", grid([spec.rows, *dict.fromkeys(columns)], _rows(spec, value, frame, columns))]
    chosen = f" Each cell is the setting with the best mean {spec.pick} over seeds." if spec.pick else ""
    made = f"By {_made_by(paper, spec.source, runs)}. {_how(paper, spec.source)}"
    return "\n\n".join([*found, f"{made} Settings that were run: {_grid(frame)}.{chosen}"])


def table(spec: TableSpec, frame: pd.DataFrame) -> Iterator[Table]:
    """The tables of a paper for the terminal, one for each value."""
    columns = cells_of(frame, spec.columns)
    for value in spec.values:
        shown = Table(title=f"{spec.title}: {value}", title_justify="left")
        for column in (spec.rows, *dict.fromkeys(columns)):
            shown.add_column(column)
        for row in _rows(spec, value, frame, columns):
            shown.add_row(*(cell.replace("<br>", "\n") for cell in row))
        yield shown


def _rows(spec: TableSpec, value: str, frame: pd.DataFrame, columns: "pd.Series[str]") -> Iterator[list[str]]:
    for row in dict.fromkeys(frame[spec.rows].dropna()):
        cells = []
        for column in dict.fromkeys(columns):
            own = frame[(frame[spec.rows] == row) & (columns == column)]
            own = picked(own[own["status"] == "finished"], spec.pick)
            published = (spec.paper.get(value, {}).get(row) or {}).get(column)
            cells.append(_cell(own, value) + ("" if published is None else f"<br>paper: {published}"))
        yield [str(row), *cells]


def _cell(runs: pd.DataFrame, value: str) -> str:
    values = runs.get(value, pd.Series(dtype=float)).dropna().to_numpy(dtype=float)
    if not len(values):
        return "-"
    if keys_of(runs):
        return "several settings"
    low, high = interval(values, bounds(value.partition("/")[2]))
    constant = int(degenerate(runs, counts(runs, "val")).sum())
    said = f"{len(values)}, of which {constant} degenerate" if constant else str(len(values))
    ends = "" if math.isnan(low) else f" [{number(low)}, {number(high)}]"
    return f"{number(float(values.mean()))}{ends} ({said})"


def _p(p: float) -> str:
    return "" if math.isnan(p) else "< .001" if p < 0.001 else f"{p:.3f}"
