"""The pages about data sets: a card each, by its module, its configuration file and the facts that were counted."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from fairrun.about import catalogue, declared, files
from website import facts
from website.markdown import block, code, link, page, plain, prose, table

FOLDER = "reference/datasets/"
ROOT = "../../../"
SPLITS = {"train": "training", "val": "validation", "test": "test"}
HEAD = ("data set", "what is predicted", "rows (training / validation / test)", "groups", "base rates")
ROLES = {"label": "label", "class 1": "positive", "groups by": "sensitive", "test rows": "split.test"}
PROBLEMS = "Known problems: "  # begins a paragraph of a docstring
UNKNOWN = "not counted"
NOT_COUNTED = (
    "The rows need files of yours, `dataset.path`, and were not counted here. `fairrun data` tells their facts."
)


def pages() -> dict[str, str]:
    """The card of each data set, and a page that lists them."""
    counted, entries = facts.read(), catalogue.entries("datasets")
    listed = [(link(f"`{e.name}`", f"{e.name}.md"), prose(e.does), *_listed(counted.get(e.name))) for e in entries]
    index = page("Data sets", "A data set is chosen by `dataset=NAME`.", *table(HEAD, listed))
    return {f"{FOLDER}index.md": index} | {f"{FOLDER}{e.name}.md": _page(e, counted.get(e.name)) for e in entries}


def _listed(found: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if found is None:
        return UNKNOWN, "", ""
    rates = [cell[1] / cell.sum() for cell in _cells(found) if cell.sum()]
    span = f"{min(rates):.1%} to {max(rates):.1%}"
    return " / ".join(f"{n:,}" for n in found["rows"].values()), str(len(found["groups"])), span


def _cells(found: Mapping[str, Any]) -> np.ndarray:
    """Rows by group and class, [S, C], over all splits."""
    cells = sum(np.array(found["base_rates"][split]) for split in SPLITS)
    cells[:, 0] -= cells[:, 1:].sum(1)
    return cells


def _page(entry: catalogue.Entry, found: Mapping[str, Any] | None) -> str:
    keys = files.composed("dataset", entry.name)
    target, file = keys["rows._target_"].value, f"conf/dataset/{entry.name}.yaml"
    module = target.rpartition(".")[0]
    source, *paragraphs = [
        part for part in declared.docstring(target)[1].split("\n\n") if not part.startswith(PROBLEMS)
    ]
    return page(
        entry.name,
        f"**{plain(entry.does)}{'' if entry.does.endswith('?') else '.'}** {prose(source)}",
        *(line for part in paragraphs for line in ("", prose(part))),
        *table(("", ""), [*_roles(entry.name, keys), *_origin(module), *_size(found)]),
        "## Groups and base rates",
        *(_rates(found) if found else ["", NOT_COUNTED, ""]),
        *_problems(problems(entry.name), found["warnings"] if found else []),
        "## Configuration",
        "",
        f"The file {link(file, f'{ROOT}{file}')} names label, groups and features, and says what is left out and why.",
        *block(files.choices("dataset")[entry.name].read_text(encoding="utf-8"), "yaml"),
    )


def _roles(name: str, keys: Mapping[str, files.Key]) -> Iterator[tuple[str, str]]:
    """Label, groups and test rows, with what the data set's own file says of them."""
    own = files.read(files.choices("dataset")[name]).keys
    for what, key in ROLES.items():
        value = "yours" if keys[key].value == "???" else code(keys[key].value)
        found = own.get(key, own.get(key.partition(".")[0], files.Key("")))
        said = found.comment if value != "yours" else ""
        yield what, f"{value}: {plain(said)}" if said else value


def _origin(module: str) -> Iterator[tuple[str, str]]:
    """Where the rows come from, and the hash that they must have."""
    found = importlib.import_module(module)
    origins = [str(source.origin) for source in getattr(found, "SOURCES", ())]
    own = "the folder or file `dataset.path`" if module != "fairrun.datasets.digits" else "scikit-learn"
    yield "fetched from", "<br>".join(prose(origin) for origin in origins) or f"nothing is fetched: {own}"
    pinned = getattr(found, "FRAME_SHA256", None) or getattr(found, "SHA256", None)
    yield "SHA-256 of the rows", code(pinned) if pinned else "none: the rows are yours"
    yield "read by", link(f"`{module}`", f"{ROOT}{PurePosixPath(*module.split('.')).with_suffix('.py')}")


def _size(found: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if found is not None:
        rows = ", ".join(f"{found['rows'][split]:,} {name}" for split, name in SPLITS.items())
        yield "rows", f"{sum(found['rows'].values()):,}: {rows}"
        if found["columns"]:
            yield "columns", f"{found['columns']}; {found['features']} features after encoding"
            yield "hash of the data in records", code(found["data_sha256"])


def _rates(found: Mapping[str, Any]) -> list[str]:
    """A row for each group: its rows, its share, the share of each class among them, its rows in each split."""
    cells, classes = _cells(found), found["classes"] or ["0", "1"]
    rated = list(enumerate(classes))[1:] if len(classes) == 2 else list(enumerate(classes))
    head = [
        "group",
        "rows",
        "share",
        *(f"label {name}" for _, name in rated),
        *(f"{name} rows" for name in SPLITS.values()),
    ]
    splits = [[row[0] for row in found["base_rates"][split]] for split in SPLITS]
    rows = [
        [
            plain(group),
            f"{cell.sum():,}",
            f"{cell.sum() / cells.sum():.1%}",
            *(f"{cell[c] / cell.sum():.1%}" for c, _ in rated),
            *(f"{split[g]:,}" for split in splits),
        ]
        for g, (group, cell) in enumerate(zip(found["groups"], cells, strict=True))
    ]
    return table(head, rows)


def problems(name: str) -> str:
    """What the docstring of a data set's module says of its known problems; "" where it says nothing."""
    doc = declared.docstring(files.composed("dataset", name)["rows._target_"].value)[1]
    return next((part.removeprefix(PROBLEMS) for part in doc.split("\n\n") if part.startswith(PROBLEMS)), "")


def _problems(known: str, warnings: Sequence[str]) -> Iterator[str]:
    if known or warnings:
        yield from ("## Known problems", "", prose(known[:1].upper() + known[1:]), "")
        yield from (f"- {plain(warning)}" for warning in warnings)
        yield ""
