"""What is told of a paper: its verdicts in the terminal, and a page of Markdown with its tables."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from rich.table import Table

from fairrun.analysis.front import counts
from fairrun.analysis.interval import interval
from fairrun.analysis.verdict import Found, Verdict
from fairrun.claims.judge import Frames, cells_of, keys_of, picked
from fairrun.claims.spec import Paper, TableSpec
from fairrun.config.metrics import bounds
from fairrun.report.tables import grid
from fairrun.results.selection import degenerate

PROTOCOLS = {
    "published": "as published: the paper's own split and selection, also where it selects on test rows",
    "honest": "honest: settings are chosen on validation rows, and test rows are looked at once",
    "exact": "a measurement",
}
RULES = """
The effect is the measured value minus the claimed bound, turned so that the claim says it is above 0. *Shows*: its 95%
interval over seeds (Student's) is above 0, and Holm's correction for the claims of this page leaves it so.
*Contradicted*: the interval is below 0, likewise. *Does not show*: an effect as large as the smallest one that would
matter is excluded. *Undecided*: the interval is too wide. *Cannot be tested here*: there are no such runs, or too few
seeds. A claim of several parts shows where all of them do, one of "somewhere" or "some" where at least one does; what
speaks against it is corrected for the number of parts.
""".strip()


def counted(verdicts: Mapping[str, Found]) -> str:
    """How many claims have which verdict: "7 claims: 2 show, 1 contradicted"."""
    return f"{len(verdicts)} claim{'s' * (len(verdicts) != 1)}: {_numbers(verdicts.values())}"


def _numbers(found: Iterable[Found]) -> str:
    numbers = Counter(one.verdict for one in found)
    return ", ".join(f"{numbers[verdict]} {verdict}" for verdict in Verdict if numbers[verdict])


def summary(paper: Paper, verdicts: Mapping[str, Found]) -> Table:
    """A row a claim."""
    table = Table(title=f"{paper.name}: {counted(verdicts)}", title_justify="left")
    for column in ("claim", "verdict", "effect [95% interval]", "why"):
        table.add_column(column, overflow="fold")
    for name, found in verdicts.items():
        table.add_row(paper.claims[name].claim, str(found.verdict), effect(found), found.why)
    return table


def effect(found: Found) -> str:
    """The effect with its interval; of a claim of parts their verdicts."""
    if found.parts:
        return f"parts: {_numbers(found.parts)}"
    if math.isnan(found.effect):
        return ""
    ends = "" if math.isnan(found.low) else f" [{found.low:.3f}, {found.high:.3f}]"
    return f"{found.effect:.3f}{ends}, {found.seeds} {'runs' if math.isnan(found.low) else 'seeds'}"


def page(paper: Paper, verdicts: Mapping[str, Found], frames: Frames, about: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of a paper.  ``about`` says of each source how its frame was made."""
    parts = [
        f"# {paper.title}",
        f"{paper.note} ([paper]({paper.link}))",
        f"**{counted(verdicts)}.** {_budget(frames, about)}",
        _claims(paper, verdicts),
        RULES,
        *(_table(spec, frames[spec.source]) for spec in paper.tables.values()),
        "## Every part of a claim",
        *_parts(paper, verdicts),
        "## The runs",
        "\n".join(_sources(paper, frames, about)),
    ]
    return "\n\n".join(parts) + "\n"


def _budget(frames: Frames, about: Mapping[str, Mapping[str, Any]]) -> str:
    """How much was trained, and on which data sets."""
    budgets = ", ".join(dict.fromkeys(said["budget"] for said in about.values()))
    data = dict.fromkeys(name for frame in frames.values() if "dataset" in frame for name in frame["dataset"].dropna())
    decides = ": its runs are too short to decide anything" if "tiny" in budgets else ""
    again = ", ".join(dict.fromkeys(f"`{said['again']}`" for said in about.values()))
    return f"Budget {budgets}{decides}; data sets: {', '.join(data)}. {again} tests them again."


def _claims(paper: Paper, verdicts: Mapping[str, Found]) -> str:
    rows = [
        [paper.claims[name].claim, paper.claims[name].where, f"**{found.verdict}**", effect(found), found.why]
        for name, found in verdicts.items()
    ]
    return grid(["claim", "where", "verdict", "effect", "why"], rows)


def _parts(paper: Paper, verdicts: Mapping[str, Found]) -> Iterator[str]:
    for name, found in verdicts.items():
        if found.parts:
            yield f"### {paper.claims[name].claim}"
            yield grid(["part", "measured", "claimed", "verdict", "effect", "p", "why"], map(_part, found.parts))


def _part(part: Found) -> list[str]:
    measured = "" if math.isnan(part.measured) else f"{part.measured:.3f}"
    return [part.name, measured, part.asked, str(part.verdict), effect(part), _p(part.p), part.why]


def _sources(paper: Paper, frames: Frames, about: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, source in paper.sources.items():
        if name in frames:
            said = about[name]
            versions = said["versions"]
            command = f"`{said['command']}`" if said["command"] else f"the measurement `{source.program}`"
            protocol = PROTOCOLS[source.protocol]
            made = f"fairrun {versions['fairrun']}, torch {versions['torch']}"
            yield f"- **{name}**: {len(frames[name])} rows by {command} ({made}). Protocol: {protocol}."


def _table(spec: TableSpec, frame: pd.DataFrame) -> str:
    found = [
        f"## {spec.title}",
        "Mean over seeds [95% interval; from five seeds on by the bootstrap] (seeds), and the paper's number, if any.",
    ]
    columns = cells_of(frame, spec.columns)
    for value in spec.values:
        found += [f"`{value}`", grid([spec.rows, *dict.fromkeys(columns)], _rows(spec, value, frame, columns))]
    return "\n\n".join(found)


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
    return f"{values.mean():.3f}" + ("" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]") + f" ({said})"


def _p(p: float) -> str:
    return "" if math.isnan(p) else "< .001" if p < 0.001 else f"{p:.3f}"
