"""Splits by strata."""

import numpy as np


def stratified(cells: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Choose ``fraction`` of the rows at random, in every cell alike -> bool [N].

    ``cells`` [N] holds each row's stratum.  Systematic sampling: cells are put in random order, rows in random order
    within their cell, and a row is taken where the running total ``fraction * rank`` passes a half.  A cell of n rows
    gives n * fraction of them, up or down to a whole row; the whole gives its share rounded.
    """
    _, cell = np.unique(cells, return_inverse=True)
    order = np.lexsort((rng.random(len(cells)), rng.random(cell.max(initial=0) + 1)[cell]))
    total = np.floor(0.5 + fraction * np.arange(len(cells) + 1))
    chosen = np.zeros(len(cells), dtype=bool)
    chosen[order] = np.diff(total) > 0
    return chosen


def per_cell(cells: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """The positions of ``number`` rows of each cell, drawn at random and sorted by cell -> [M].

    A cell never gives more than half of its rows, rounded up, so a small cell gives fewer.
    """
    members = (rng.permutation(np.flatnonzero(cells == cell)) for cell in np.unique(cells))
    return np.concatenate([rows[: min(number, (len(rows) + 1) // 2)] for rows in members])


def per_cell_with_replacement(cells: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """The positions of ``number`` rows of each cell, where a row may be drawn more than once, sorted by cell -> [M]."""
    return np.concatenate([rng.choice(np.flatnonzero(cells == cell), number) for cell in np.unique(cells)])
