"""Measurements that are no runs of a method, by name; a frame with a row a seed and columns ``measured/...``."""

from collections.abc import Callable, Mapping

import pandas as pd
import torch

from fairrun.api.session import threads_kept
from fairrun.claims import toy
from fairrun.config.check import one_of

Measure = Callable[[str, int | None], pd.DataFrame]  # budget and number of seeds -> the frame
MEASURES: Mapping[str, Measure] = {"toy": toy.measured}


def measured(name: str, budget: str, seeds: int | None) -> pd.DataFrame:
    """The frame of the measurement ``name``.  Raises ``InputError`` for one that is not there."""
    one_of("program", name, MEASURES)
    with threads_kept():
        torch.set_num_threads(1)  # as runs are trained: small products gain nothing by more
        return MEASURES[name](budget, seeds)
