"""Measurements that are no runs of a method, by name; a frame with a row a seed and columns ``measured/...``."""

from collections.abc import Callable, Mapping

import pandas as pd
import torch

from fairrun.api.session import threads_kept
from fairrun.claims.programs import labels, lipschitz, steps, stuck, toy, variances
from fairrun.config.check import one_of

MEASURES: Mapping[str, Callable[[], pd.DataFrame]] = {
    "labels": labels.measured,
    "lipschitz": lipschitz.measured,
    "steps": steps.measured,
    "stuck": stuck.measured,
    "toy": toy.measured,
    "variances": variances.measured,
}


def measured(name: str) -> pd.DataFrame:
    """The frame of the measurement ``name``, the same at any budget; its rows are finished, as runs are.

    Raises ``InputError`` for one that is not there.
    """
    one_of("program", name, MEASURES)
    with threads_kept():
        torch.set_num_threads(1)  # as runs are trained: small products gain nothing by more
        return MEASURES[name]().assign(status="finished")
