"""A sweep as one HTML file that needs nothing else: its result in a sentence, charts, tables, facts, a glossary."""

import functools
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

import fairrun
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.keys import IGNORED, is_key, role
from fairrun.config.values import value
from fairrun.report.charts.chart import Chart
from fairrun.report.charts.looks import COLOURS
from fairrun.report.charts.plot import SYMBOLS, plot
from fairrun.report.glossary import Glossary
from fairrun.report.headline import title
from fairrun.report.section import Chapter, Section, Table
from fairrun.report.style import UNKNOWN
from fairrun.results.again import sweep_command
from fairrun.results.records import by_class, read

HERE = Path(__file__).parent
NUMBER = re.compile(r"-?[\d.,]+%?( \[.*\])?|-|")
Cells = dict[str, Any]  # what the template needs for a table


def render(
    folder: Path, frame: pd.DataFrame, chapters: Sequence[Chapter], pngs: Mapping[tuple[str, str], bytes]
) -> str:
    """The HTML page about the sweep in ``folder``.

    ``frame`` has every run, also those that did not finish.  ``pngs`` has the pictures of sections, by data set and
    name.
    """
    runs = frame[frame["status"] == "finished"]
    trades = [chapter.trade for chapter in chapters]
    glossary = Glossary.of(chapters)
    several = len(chapters) > 1
    return template().render(
        title=title(trades),
        num_finished=len(runs),
        made=sweep_command(folder),
        failures=_failures(folder, frame),
        chapters=[_chapter(chapter, k, folder, pngs, glossary, several) for k, chapter in enumerate(chapters, 1)],
        configuration=_configuration(runs),
        versions=_pairs(_versions(trades), "Versions"),
        version=fairrun.__version__,
        glossary=glossary.entries,
        colours=COLOURS,
        symbols=SYMBOLS,
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
    )


@functools.cache
def template() -> jinja2.Template:
    """The page's template, compiled once a process: that takes as long as to fill it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html")


def _chapter(
    chapter: Chapter,
    number: int,
    folder: Path,
    pngs: Mapping[tuple[str, str], bytes],
    glossary: Glossary,
    several: bool,
) -> dict[str, Any]:
    of = f" of {chapter.trade.dataset}" if several else ""  # behind what tables are called for those who do not see
    own = {name: png for (dataset, name), png in pngs.items() if dataset == chapter.trade.dataset}
    sections = [_section(one, f"{number}-{k}", own, glossary, of) for k, one in enumerate(chapter.sections, 1)]
    return {
        "dataset": chapter.trade.dataset,
        "headline": _parts(chapter.headline),
        "warnings": chapter.warnings,
        "sections": sections,
        "runs": _runs(chapter.trade, folder, f"runs-{number}", glossary),
        "of": of,
        "facts": _facts(chapter.trade),
    }


def _parts(sentence: str) -> list[tuple[str, bool]]:
    """The sentence in parts, and whether each is an interval."""
    return [(part, part.startswith("[")) for part in re.split(r"(\[[^\[\]]*\])", sentence) if part]


def _section(section: Section, number: str, pngs: Mapping[str, bytes], glossary: Glossary, of: str) -> dict[str, Any]:
    tables = [_parted(table, f"table-{number}-{k}", glossary, of) for k, table in enumerate(section.tables, 1)]
    return {
        "title": section.title,
        "charts": [_chart(chart, f"{name}-{number}") for name, chart in section.charts.items()],
        "notes": section.notes,
        "sentences": section.sentences,
        "commands": section.commands,
        "pictures": [_inline(pngs[name]) for name in section.pictures],
        "alt": section.alt,
        "tables": tables,
    }


def _chart(chart: Chart, identity: str) -> dict[str, Any]:
    drawn = plot(chart)
    parts = [part for panel in drawn["panels"] for part in panel["series"]]
    return drawn | {"id": identity, "empty": not any(part["points"] or part["line"] for part in parts)}


def _inline(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _parted(table: Table, identity: str, glossary: Glossary, of: str) -> Cells:
    """A table of results, and apart from it the rows that are folded: ``rest``."""
    folded = [*table.folded]
    shown = [k for k in range(len(table.rows)) if k not in folded]
    parts = [
        replace(table, rows=table.rows.iloc[rows], marked=[k for k, row in enumerate(rows) if row in table.marked])
        for rows in (shown, folded)
    ]
    more = _results(parts[1], f"{identity}-more", glossary, f"{of}, more rows") if folded else None
    return _results(parts[0], identity, glossary, of) | {"rest": more}


def _results(table: Table, identity: str, glossary: Glossary, of: str = "") -> Cells:
    """A table of results: the columns in which its rows differ; what they share is said once."""
    rows = table.rows
    same = [name for name in rows if len(rows) > 1 and rows[name].nunique() == 1 and name != rows.columns[0]]
    values = {name: rows[name].iloc[0].replace("*", "yes") for name in same}
    said = [f"{name}: {text}" for name, text in values.items() if text not in ("", UNKNOWN)]
    shown = rows.drop(columns=same)
    return {
        "id": identity,
        "title": (table.title or table.lead or table.caption) + of,
        "heading": table.title,
        "lead": table.lead or table.caption,
        "same": "; ".join(said),
        "marked": table.marked,
        "badge": list(shown).index(table.badge) if table.badge in shown else 0,
        "columns": [_column(str(name), shown[name], glossary.find(str(name), table.terms)) for name in shown],
        "rows": [[_cell(str(text)) for text in row] for row in shown.to_numpy().tolist()],
    }


def _column(name: str, texts: pd.Series, term: str) -> Cells:
    number = all(NUMBER.fullmatch(str(text)) for text in texts) and any(re.search(r"\d", str(text)) for text in texts)
    return {"name": name, "term": term, "number": number}


def _cell(text: str) -> Cells:
    mean, bracket, rest = text.partition(" [")
    split = bool(bracket) and bool(re.fullmatch(r"-?[\d.]+", mean))
    return {
        "text": mean if split else text,
        "interval": f"[{rest}" if split else "",
        "yes": text == "*",
        "link": "",
    }


def _runs(trade: Tradeoff, folder: Path, identity: str, glossary: Glossary) -> Cells:
    """Every finished run, with a link to its folder."""
    keys = [key for key in trade.by if key != "method"]
    names = ["accuracy", trade.metric]
    rows = []
    for run in trade.runs.sort_values(["method", "seed"], kind="stable").to_dict("records"):
        path = Path(run["folder"])
        inside = path.is_relative_to(folder)
        shown = path.relative_to(folder).as_posix() if inside else path.as_posix()
        cells = [{"text": shown, "link": f"{shown}/" if inside else path.absolute().as_uri()}]
        cells += [{"text": text} for text in (run["method"], *(value(run[key]) for key in keys), str(run["seed"]))]
        cells += [{"text": f"{run[f'test/{name}']:.4f}".replace("nan", UNKNOWN)} for name in names]
        rows.append([{"link": "", "yes": False, "interval": ""} | cell for cell in cells])
    headings = ["run", "method", *(key.removeprefix("method.") for key in keys), "seed", *map(words, names)]
    numbers = {"seed", *map(words, names)}
    columns = [{"name": name, "term": glossary.find(name), "number": name in numbers} for name in headings]
    title = f"Runs of {trade.dataset}"
    return {"id": identity, "title": title, "columns": columns, "rows": rows, "marked": (), "badge": 0}


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
        said = ["marks", "decimal", "day_first", "width"]  # in "done"
        columns = pd.DataFrame(account["columns"]).drop(columns=said, errors="ignore")
        tables.append(_cells(columns, "Columns as read", account["warnings"]))
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


def _cells(table: pd.DataFrame, caption: str, notes: Sequence[str] = ()) -> Cells:
    return {"columns": list(table.columns), "rows": table.to_numpy().tolist(), "caption": caption, "notes": notes}
