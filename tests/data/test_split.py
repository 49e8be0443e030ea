import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrun.data.split import per_cell, per_cell_with_replacement, stratified

ROUNDING = 1e-9
cell_sizes = st.lists(st.integers(1, 60), min_size=1, max_size=30)
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**32 - 1)
examples = settings(deadline=None, max_examples=60)


def cells_of(sizes, seed):
    """Rows of cells 0, 1, ... of these sizes, in a random order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@examples
@given(cell_sizes, fractions, seeds)
def test_the_number_of_chosen_rows_is_exact_to_a_row(sizes, fraction, seed):
    cells = cells_of(sizes, seed)
    chosen = stratified(cells, fraction, np.random.default_rng(seed))
    assert chosen.shape == cells.shape and chosen.dtype == bool
    assert abs(chosen.sum() - fraction * len(cells)) <= 0.5 + ROUNDING


@examples
@given(cell_sizes, fractions, seeds)
def test_every_cell_gives_its_share_to_less_than_a_row(sizes, fraction, seed):
    cells = cells_of(sizes, seed)
    chosen = stratified(cells, fraction, np.random.default_rng(seed))
    counts = np.bincount(cells[chosen], minlength=len(sizes))
    assert np.all(np.abs(counts - fraction * np.array(sizes)) < 1 + ROUNDING)


@examples
@given(st.integers(1, 300), fractions, seeds)
def test_cells_of_one_row_together_give_their_share(number, fraction, seed):
    cells = cells_of([1] * number, seed)
    chosen = stratified(cells, fraction, np.random.default_rng(seed))
    assert abs(chosen.sum() - fraction * number) <= 0.5 + ROUNDING


@examples
@given(cell_sizes, fractions, seeds)
def test_the_same_seed_chooses_the_same_rows(sizes, fraction, seed):
    cells = cells_of(sizes, seed)
    first, second = (stratified(cells, fraction, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, second)


def test_another_seed_chooses_other_rows():
    cells = np.repeat([0, 1], 50)
    first, second = (stratified(cells, 0.3, np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_every_row_of_a_cell_is_as_likely_to_be_chosen():
    cells = np.repeat([0, 1, 2], [10, 20, 30])
    frequency = np.mean([stratified(cells, 0.3, np.random.default_rng(seed)) for seed in range(4000)], axis=0)
    assert frequency == pytest.approx(0.3, abs=0.04)  # 5 standard errors


def test_shares_that_are_whole_rows_are_met_exactly():
    cells = cells_of([10, 20, 70], 0)
    chosen = stratified(cells, 0.3, np.random.default_rng(0))
    assert np.bincount(cells[chosen]).tolist() == [3, 6, 21]


def test_no_row_of_no_rows_is_chosen():
    assert stratified(np.array([], dtype=np.int64), 0.3, np.random.default_rng(0)).shape == (0,)


@examples
@given(cell_sizes, st.integers(1, 20), seeds)
def test_a_number_of_rows_a_cell_is_had_from_every_cell_that_has_twice_as_many(sizes, number, seed):
    cells = cells_of(sizes, seed)
    rows = per_cell(cells, number, np.random.default_rng(seed))
    assert len(set(rows)) == len(rows)
    assert np.bincount(cells[rows], minlength=len(sizes)).tolist() == [min(number, (n + 1) // 2) for n in sizes]
    assert cells[rows].tolist() == sorted(cells[rows])


@examples
@given(cell_sizes, st.integers(1, 20), seeds)
def test_with_replacement_every_cell_gives_the_number(sizes, number, seed):
    cells = cells_of(sizes, seed)
    rows = per_cell_with_replacement(cells, number, np.random.default_rng(seed))
    assert np.bincount(cells[rows], minlength=len(sizes)).tolist() == [number] * len(sizes)
