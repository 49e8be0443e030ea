"""A sweep as one HTML file that needs nothing else: chart, tables, configuration, facts about the data, failures."""

from base64 import b64encode
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from fairrun.analysis.bargaining import Alignment
from fairrun.analysis.tasks import Multitask
from fairrun.analysis.tradeoff import Tradeoff, value, words
from fairrun.config.keys import IGNORED, is_key, role
from fairrun.report.sections.bargaining import alignment_table, caption
from fairrun.report.sections.tasks import captioned as captioned_tasks
from fairrun.report.sections.tradeoff_chart import chart
from fairrun.report.style import UNKNOWN
from fairrun.report.tables import captioned, collapse_note, seed_summary_note
from fairrun.results.records import by_class, read

TEMPLATE = Path(__file__).with_name("template.html")
TITLES = {"settings": "Settings", "methods": "Methods", "comparisons": "Methods compared"}
TITLES |= {"pairs": "Compared, seed by seed", "quoted": "Quoted, not run here"}
TITLES |= {"tasks": "Settings, match-rate threshold", "tasks-half": "Settings, threshold 0.5"}
TITLES |= {"tasks-methods": "Methods, ARE and ARFG"}
Cells = dict[str, Any]  # what the template needs for a table: columns, rows, caption


def render(
    folder: Path,
    frame: pd.DataFrame,
    trades: list[Tradeoff],
    bargained: Mapping[str, tuple[Alignment, bytes]],
    several: Mapping[str, tuple[Multitask, bytes]],
    curved: Mapping[str, bytes],
) -> str:
    """The page about the sweep in ``folder``; ``frame`` has every run, also those that failed; ``bargained`` has the
    data sets on which methods bargained, ``several`` those with several tasks, ``curved`` those whose histories are
    drawn, with a PNG each.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    runs = frame[frame["status"] == "finished"]
    return template.render(
        name=folder.resolve().name,
        metric=trades[0].metric.replace("_", " "),
        direction=trades[0].direction,
        num_finished=len(runs),
        failures=_failures(folder, frame),
        sections=[_section(trade) | _pictured(trade.dataset, bargained, several, curved) for trade in trades],
        configuration=_configuration(runs),
        versions=_pairs(_versions(trades)),
        plotly=Markup(get_plotlyjs()),
    )


def _section(trade: Tradeoff) -> dict[str, Any]:
    return {
        "dataset": trade.dataset,
        "chart": chart(trade),
        "notes": _notes(trade),
        "tables": [_cells(table, caption) | {"title": TITLES[kind]} for kind, table, caption in captioned(trade)],
        "facts": _facts(trade),
    }


def _notes(trade: Tradeoff) -> list[str]:
    """What has to be known of the chart beside its caption."""
    notes = [seed_summary_note(trade), collapse_note(trade)]
    if trade.other is not None:
        notes.append(
            f"Left: {words(trade.metric)}; right: {words(trade.other.metric)}, each with a front of its own that "
            "validation rows choose; the stars and ends of fronts in the tables are those of the left one."
        )
    if trade.anchored:
        notes.append("Dashed: accuracy of always deciding for the majority. Dotted: the labels' own difference.")
    if any(len(panel.quoted) for panel in trade.panels):
        notes.append("Grey and hollow: points quoted from publications, not run here.")
    return [note for note in notes if note]


def _pictured(
    dataset: str,
    bargained: Mapping[str, tuple[Alignment, bytes]],
    several: Mapping[str, tuple[Multitask, bytes]],
    curved: Mapping[str, bytes],
) -> dict[str, Any]:
    """What has a picture of its own: histories, how bargaining went, and several tasks; None where there is nothing to
    tell.
    """
    found: dict[str, Any] = {"bargaining": None, "tasks": None, "curves": None}
    if dataset in curved:
        found["curves"] = _inline(curved[dataset])
    if dataset in bargained:
        alignment, png = bargained[dataset]
        cells = _cells(alignment_table(alignment), caption(alignment))
        found["bargaining"] = {"picture": _inline(png), "table": cells}
    if dataset in several:
        multitask, png = several[dataset]
        tables = [_cells(table, text) | {"title": TITLES[kind]} for kind, table, text in captioned_tasks(multitask)]
        found["tasks"] = {"picture": _inline(png), "tables": tables}
    return found


def _inline(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _facts(trade: Tradeoff) -> list[Cells]:
    """Rows by split; groups with their rates of positive labels; where the data and its configuration come from."""
    record = _record(trade)
    tables = [_cells(pd.DataFrame([{k: f"{v:,}" for k, v in record.get("rows", {}).items()}]), "Rows")]
    groups = pd.DataFrame({"group": record.get("groups", [])})
    rates = record.get("base_rates", {})
    classes = record.get("classes", [])
    for split, counts in rates.items():
        groups[f"{split} rows"] = [f"{rows:,}" for rows, *_ in counts]
        if not classes:
            groups[f"{split} positive"] = [f"{positive / rows:.1%}" if rows else UNKNOWN for rows, positive in counts]
    tables.append(_cells(groups, "Groups" if classes else "Groups, and the share of positive labels in each"))
    if classes:
        cells = {split: zip(*map(by_class, counts), strict=True) for split, counts in rates.items()}
        labels = {f"{split} rows": [f"{sum(of_class):,}" for of_class in of_split] for split, of_split in cells.items()}
        tables.append(_cells(pd.DataFrame({"class": classes} | labels), "Classes"))
    details = _constants(trade.runs.dropna(axis=1, how="all"), "dataset.") | {
        "SHA-256 of the table": record.get("data_sha256", "unknown")
    }
    tables.append(_pairs(details, "Data configuration"))
    return [table for table in tables if table["columns"]]


def _configuration(runs: pd.DataFrame) -> list[Cells]:
    """The keys that all runs share, then those of each method; keys that vary are in the settings."""
    shared = {key: text for key, text in _constants(runs, "").items() if not key.startswith(("dataset.", "method"))}
    tables = [_pairs(shared, "All runs")]
    for method, own in runs.groupby("method", sort=False):
        keys = _constants(own.dropna(axis=1, how="all"), "method.")
        tables.append(_pairs(keys, f"Method {method}"))
    return [table for table in tables if table["rows"]]


def _constants(runs: pd.DataFrame, prefix: str) -> dict[str, str]:
    """The configuration below ``prefix`` that has one value in all runs."""
    keys = [c for c in runs if c.startswith(prefix) and is_key(c) and c != "dataset" and role(c) != IGNORED]
    return {key: value(runs[key].iloc[0]) or "null" for key in keys if runs[key].astype(str).nunique(dropna=False) == 1}


def _failures(folder: Path, frame: pd.DataFrame) -> Cells:
    """Every run that did not finish, and why."""
    rows = []
    for _, run in frame[frame["status"] != "finished"].iterrows():
        path = Path(run["folder"])
        shown = path.relative_to(folder) if path.is_relative_to(folder) else path
        parts = [value(run.get(key)) for key in ("method", "dataset", "seed")]
        what = " ".join(part for part in parts if part) or UNKNOWN
        row = {"folder": str(shown), "method, data set, seed": what, "status": run["status"]}
        rows.append(row | {"why": value(run.get("failure")) or UNKNOWN})
    return _cells(pd.DataFrame(rows), "")


def _versions(trades: list[Tradeoff]) -> dict[str, str]:
    """What the runs say ran, every distinct value, and what drew this page."""
    found: dict[str, list[str]] = {}
    for trade in trades:
        for key, text in _record(trade).get("versions", {}).items():
            found[key] = list(dict.fromkeys([*found.get(key, []), str(text)]))
    return {key: ", ".join(texts) for key, texts in found.items()} | {"moocore": version("moocore")}


def _record(trade: Tradeoff) -> dict[str, Any]:
    """One record of the data set; all of them describe the same data."""
    return read(Path(trade.runs["folder"].iloc[0]))


def _pairs(values: dict[str, str], caption: str = "") -> Cells:
    return _cells(pd.DataFrame({"key": list(values), "value": list(values.values())}, dtype=str), caption)


def _cells(table: pd.DataFrame, caption: str) -> Cells:
    return {"columns": list(table.columns), "rows": table.to_numpy().tolist(), "caption": caption}
