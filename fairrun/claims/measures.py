"""Measurements that are no runs of a method, by name; a frame with a row a seed and columns ``measured/...``."""

from collections.abc import Callable, Mapping

import pandas as pd

from fairrun.config.check import one_of

Measure = Callable[[str, int | None], pd.DataFrame]  # budget and number of seeds -> the frame
MEASURES: Mapping[str, Measure] = {}


def measured(name: str, budget: str, seeds: int | None) -> pd.DataFrame:
    """The frame of the measurement ``name``.  Raises ``InputError`` for one that is not there."""
    one_of("program", name, MEASURES)
    return MEASURES[name](budget, seeds)
