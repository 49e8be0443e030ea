"""What is told of a paper: its verdicts in the terminal, and a page of Markdown with its tables."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from rich.table import Table

from fairrun.analysis.interval import interval
from fairrun.analysis.verdict import Found, Verdict
from fairrun.claims.judge import Frames, picked
from fairrun.claims.spec import Paper, TableSpec
from fairrun.config.metrics import bounds

PROTOCOLS = {
    "published": "as published: the paper's own split and selection, also where it selects on test rows",
    "honest": "honest: settings are chosen on validation rows, and test rows are looked at once",
    "exact": "a measurement",
}
RULES = """
An effect is turned so that the claim says it is above 0. *Shows*: its 95% interval over seeds is above 0, and Holm's
correction for the claims of this page leaves it so. *Contradicted*: the interval is below 0, likewise. *Does not show*:
an effect as large as the smallest one that would matter is excluded. *Undecided*: the interval is too wide. A claim of
several parts shows where all of them do, one of "somewhere" or "some" where at least one does.
""".strip()


def counted(verdicts: Mapping[str, Found]) -> str:
    """How many claims have which verdict: "7 claims: 2 show, 1 contradicted"."""
    numbers = Counter(found.verdict for found in verdicts.values())
    parts = ", ".join(f"{numbers[verdict]} {verdict}" for verdict in Verdict if numbers[verdict])
    return f"{len(verdicts)} claim{'s' * (len(verdicts) != 1)}: {parts}"


def summary(paper: Paper, verdicts: Mapping[str, Found]) -> Table:
    """A row a claim."""
    table = Table(title=f"{paper.name}: {counted(verdicts)}", title_justify="left")
    for column in ("claim", "verdict", "effect [95% interval]", "why"):
        table.add_column(column, overflow="fold")
    for name, found in verdicts.items():
        table.add_row(paper.claims[name].claim, str(found.verdict), effect(found), found.why)
    return table


def effect(found: Found) -> str:
    """The effect with its interval; of a claim of parts nothing."""
    if math.isnan(found.effect):
        return ""
    ends = "" if math.isnan(found.low) else f" [{found.low:.3f}, {found.high:.3f}]"
    return f"{found.effect:.3f}{ends}, {found.seeds} {'runs' if math.isnan(found.low) else 'seeds'}"


def page(paper: Paper, verdicts: Mapping[str, Found], frames: Frames, about: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of a paper.  ``about`` says of each source how its frame was made."""
    parts = [
        f"# {paper.title}",
        f"{paper.note} ([paper]({paper.link}))",
        f"**{counted(verdicts)}.** `fairrun reproduce {paper.name}` tests them again.",
        _claims(paper, verdicts),
        RULES,
        *(_table(name, spec, frames[spec.source]) for name, spec in paper.tables.items()),
        "## Every part of a claim",
        *_parts(paper, verdicts),
        "## The runs",
        "\n".join(_sources(paper, frames, about)),
    ]
    return "\n\n".join(parts) + "\n"


def _claims(paper: Paper, verdicts: Mapping[str, Found]) -> str:
    rows = [
        [paper.claims[name].claim, paper.claims[name].where, f"**{found.verdict}**", effect(found), found.why]
        for name, found in verdicts.items()
    ]
    return _markdown(["claim", "where", "verdict", "effect", "why"], rows)


def _parts(paper: Paper, verdicts: Mapping[str, Found]) -> Iterator[str]:
    for name, found in verdicts.items():
        if found.parts:
            yield f"### {paper.claims[name].claim}"
            rows = [[part.name, str(part.verdict), effect(part), _p(part.p), part.why] for part in found.parts]
            yield _markdown(["part", "verdict", "effect", "p", "why"], rows)


def _sources(paper: Paper, frames: Frames, about: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, source in paper.sources.items():
        if name in frames:
            said = about[name]
            versions = said["versions"]
            command = f"`{said['command']}`" if said["command"] else f"the measurement `{source.program}`"
            protocol = PROTOCOLS[source.protocol]
            made = f"fairrun {versions['fairrun']}, torch {versions['torch']}"
            yield f"- **{name}**: {len(frames[name])} rows by {command} ({made}). Protocol: {protocol}."


def _table(name: str, spec: TableSpec, frame: pd.DataFrame) -> str:
    found = [
        f"## {spec.title}",
        "Mean over seeds on test rows [95% interval]; below it, where there is one, the paper's number.",
    ]
    for value in spec.values:
        found += [
            f"`{value}`",
            _markdown([spec.rows, *map(str, _distinct(frame, spec.columns))], _rows(spec, value, frame)),
        ]
    return "\n\n".join(found)


def table(spec: TableSpec, frame: pd.DataFrame) -> Iterator[Table]:
    """The tables of a paper for the terminal, one for each value."""
    for value in spec.values:
        shown = Table(title=f"{spec.title}: {value}", title_justify="left")
        for column in (spec.rows, *map(str, _distinct(frame, spec.columns))):
            shown.add_column(column)
        for row in _rows(spec, value, frame):
            shown.add_row(*(cell.replace("<br>", "\n") for cell in row))
        yield shown


def _rows(spec: TableSpec, value: str, frame: pd.DataFrame) -> Iterator[list[str]]:
    columns = _distinct(frame, spec.columns)
    for row in _distinct(frame, spec.rows):
        cells = []
        for column in columns:
            own = picked(frame[(frame[spec.rows] == row) & (frame[spec.columns] == column)], spec.pick)
            published = (spec.paper.get(value, {}).get(row) or {}).get(column)
            cells.append(_cell(own, value) + ("" if published is None else f"<br>paper: {published}"))
        yield [str(row), *cells]


def _cell(runs: pd.DataFrame, value: str) -> str:
    values = runs.get(value, pd.Series(dtype=float)).dropna().to_numpy(dtype=float)
    if not len(values):
        return "-"
    low, high = interval(values, bounds(value.partition("/")[2]))
    return f"{values.mean():.3f}" + ("" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]")


def _distinct(frame: pd.DataFrame, column: str) -> list[Any]:
    return list(dict.fromkeys(frame[column].dropna()))


def _p(p: float) -> str:
    return "" if math.isnan(p) else "< .001" if p < 0.001 else f"{p:.3f}"


def _markdown(head: list[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
