"""Facts about a data set as lines for the terminal."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fairrun.facts.facts import SPLITS, Facts

NAMES = {"train": "training", "val": "validation", "test": "test"}


def lines(found: Facts) -> Iterator[str]:
    """Rows, groups and labels, what is reached without learning, columns, warnings."""
    facts = found.of_record
    rows = facts["rows"]
    yield f"{sum(rows.values())} rows: " + ", ".join(f"{rows[split]} {NAMES[split]}" for split in SPLITS)
    for task in facts["tasks"] or [""]:
        yield ""
        yield from _of_label(facts, task)
    if found.account.columns:
        missing = sum(column.missing for column in found.account.columns)
        yield from ("", f"{missing} missing cells; {facts['features']} features after encoding")
        yield from str(found.account).splitlines()
    if found.account.warnings:
        yield from ("", *(f"warning: {warning}" for warning in found.account.warnings))


def _of_label(facts: dict[str, Any], task: str) -> Iterator[str]:
    """Groups and labels, the accuracy of the majority, and what the labels' own differences are."""
    cells = {split: _by_class(facts["base_rates"][f"{task}/{split}" if task else split]) for split in SPLITS}
    every = np.sum([cells[split] for split in SPLITS], axis=0)  # [S, C]
    classes = facts["classes"] or ["0", "1"]
    two = len(classes) == 2
    head = ["group", "rows", "share", *(f"label {name}" for name in classes), *(["base rate"] if two else []), "test"]
    body = [[name, *_row(every[g], every, cells["test"][g], two)] for g, name in enumerate(facts["groups"])]
    body.append(["all", *_row(every.sum(0), every, cells["test"].sum(0), two)])
    yield from ([f"task {task}"] if task else [])
    yield from _aligned([head, *body])
    majority = int(cells["train"].sum(0).argmax())
    shares = [float(c.sum(0)[majority] / c.sum()) for c in (every, cells["test"])]
    said = [(f"accuracy of the majority, always label {classes[majority]}", shares)]
    if two:
        said.append(("demographic parity difference of the labels", [_spread(every), _spread(cells["test"])]))
    width = max(len(what) for what, _ in said)
    yield from (f"{what:{width}}  {a:.4f} of all rows, {b:.4f} of test rows" for what, (a, b) in said)


def _by_class(cells: Sequence[Sequence[int]]) -> np.ndarray:
    """Rows by group and class, [S, C], from an entry of ``base_rates``."""
    found = np.array(cells)
    found[:, 0] -= found[:, 1:].sum(1)
    return found


def _row(cell: np.ndarray, every: np.ndarray, test: np.ndarray, two: bool) -> list[str]:
    rate = [f"{cell[1] / max(1, cell.sum()):.1%}"] if two else []
    return [str(cell.sum()), f"{cell.sum() / every.sum():.1%}", *map(str, cell), *rate, str(test.sum())]


def _spread(cells: np.ndarray) -> float:
    """The largest difference of two groups' base rates; groups without rows do not count."""
    rates = [cell[1] / cell.sum() for cell in cells if cell.sum()]
    return float(max(rates) - min(rates))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join(cells)
