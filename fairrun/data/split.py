"""Stratified splits."""

import numpy as np


def stratified(cells: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Choose ``fraction`` of the rows at random, in every cell alike -> bool [N].

    ``cells`` [N] holds each row's stratum.  Rows are ordered by cell, at random within a cell, and every row at which
    the running total ``fraction * rank`` passes an integer is taken: a cell of n rows gives n * fraction rows, up or
    down to a whole row, however small it is, and the total is exact to a row.
    """
    order = np.lexsort((rng.random(len(cells)), cells))
    total = np.floor(fraction * np.arange(len(cells) + 1) + 0.5)
    chosen = np.zeros(len(cells), dtype=bool)
    chosen[order] = np.diff(total) > 0
    return chosen
