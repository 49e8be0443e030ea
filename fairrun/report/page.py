"""A sweep as one HTML file that needs nothing else: chart, tables, configuration, facts about the data, failures."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from fairrun.analysis.tradeoff import Tradeoff, value
from fairrun.config.keys import IGNORED, is_key, role
from fairrun.report.section import Chapter
from fairrun.report.style import UNKNOWN
from fairrun.results.records import by_class, read

TEMPLATE = Path(__file__).with_name("template.html")
Cells = dict[str, Any]  # what the template needs for a table: columns, rows, caption


def render(
    folder: Path, frame: pd.DataFrame, chapters: Sequence[Chapter], pngs: Mapping[tuple[str, str], bytes]
) -> str:
    """The HTML page about the sweep in ``folder``.

    ``frame`` has every run, also those that did not finish.  ``pngs`` has the pictures, by data set and name.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    runs = frame[frame["status"] == "finished"]
    trades = [chapter.trade for chapter in chapters]
    return template.render(
        name=folder.resolve().name,
        metric=trades[0].metric.replace("_", " "),
        direction=trades[0].direction,
        num_finished=len(runs),
        failures=_failures(folder, frame),
        chapters=[_chapter(chapter, pngs) for chapter in chapters],
        configuration=_configuration(runs),
        versions=_pairs(_versions(trades)),
        plotly=Markup(get_plotlyjs()),
    )


def _chapter(chapter: Chapter, pngs: Mapping[tuple[str, str], bytes]) -> dict[str, Any]:
    dataset = chapter.trade.dataset
    sections = [
        {
            "title": section.title,
            "chart": section.chart,
            "notes": section.notes,
            "sentences": section.sentences,
            "commands": section.commands,
            "pictures": [] if section.chart else [_inline(pngs[dataset, name]) for name in section.pictures],
            "alt": section.alt,
            "tables": [_cells(table.rows, table.caption) | {"title": table.title} for table in section.tables],
        }
        for section in chapter.sections
    ]
    (chart,) = (section.chart for section in chapter.sections if section.chart)
    return {"dataset": dataset, "sections": sections, "chart": chart, "facts": _facts(chapter.trade)}


def _inline(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _facts(trade: Tradeoff) -> list[Cells]:
    """Rows by split; groups with their rates of positive labels; an own table's account; the configuration."""
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
    if account := record.get("account"):
        tables.append(_cells(pd.DataFrame(account["columns"]), "; ".join(["Columns as read", *account["warnings"]])))
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
    """The keys below ``prefix`` that have one value in all runs, and these values as text."""
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
    """The versions in the runs' records, each distinct value once, and those that drew this page."""
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
