"""Scalings against scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fairrun.data.encoding import Scaling

rng = np.random.default_rng(0)
COLUMNS = {
    "normal": rng.normal(40, 10, 1001),
    "whole": rng.integers(0, 90, 1001),
    "large": rng.lognormal(10, 3, 1001),
    "constant": np.full(1001, 0.1),
    "nearly constant": 1e9 + rng.normal(0, 1e-7, 1001),
    "zero": np.zeros(1001),
    "rare": (rng.random(1001) < 0.003).astype(float),
}


@pytest.mark.parametrize("columns", [[name] for name in COLUMNS] + [list(COLUMNS), ["whole"], ["whole", "normal"]])
@pytest.mark.parametrize("as_array", [False, True])
def test_scalings_have_the_bits_of_scikit_learn(columns, as_array):
    values = pd.DataFrame({name: COLUMNS[name] for name in columns})
    values = np.ascontiguousarray(values.to_numpy(dtype=float)) if as_array else values
    standard, span = StandardScaler().fit(values), MinMaxScaler().fit(values)
    ours = Scaling.fit(values, "standard")
    assert (ours.a, ours.b) == (standard.mean_.tolist(), standard.scale_.tolist())
    ours = Scaling.fit(values, "range")
    assert (ours.a, ours.b) == (span.scale_.tolist(), span.min_.tolist())


def test_rows_of_a_larger_table_have_the_bits_of_scikit_learn():
    values = pd.DataFrame(COLUMNS).iloc[rng.permutation(1001)[:700]]
    standard = StandardScaler().fit(values)
    assert Scaling.fit(values, "standard").b == standard.scale_.tolist()
