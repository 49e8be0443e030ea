"""What wrong labels in the validation batch do to methods that weigh rows by it.

Student performance as in ``experiment=nash/student_por``, with 8 rows of each cell in the validation batch.  A share of
these rows gets the other label, the same rows for every method; training and test rows keep theirs.  There are 25
epochs, and each seed has its own split.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairrun.api.session import of_calls
from fairrun.config.build import build
from fairrun.data.table import Data
from fairrun.runs.built import network, schedule
from fairrun.runs.job import load
from fairrun.training.fit import fit

SEEDS = 8
SHARES = (0.0, 0.25, 0.5)
EPOCHS = 25
METHODS = ("ltr", "nash_ltr")
SHOWN = ("balanced_accuracy", "worst_group_balanced_accuracy")


def with_wrong_labels(data: Data, share: float, seed: int) -> Data:
    """The data with another label in a ``share`` of the validation batch; a larger one has the rows of a smaller."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(data.balanced.numpy()))
    wrong = order[: round(share * len(order))]
    y: Tensor = data.train.y.clone()
    y[wrong] = 1 - y[wrong]
    return data._replace(train=data.train._replace(y=y))


def measured() -> pd.DataFrame:
    """A row for each ``method``, ``share`` of wrong labels and seed."""
    return pd.DataFrame([row for name, seed in product(METHODS, range(SEEDS)) for row in _rows(name, seed)])


def _rows(name: str, seed: int) -> Iterator[dict[str, Any]]:
    """A row for each share of wrong labels; their runs train side by side."""
    own = ("dataset.split.balanced=8", f"dataset.split.seed={seed}")
    config = of_calls(("experiment=nash/student_por", f"method={name}", *own))
    data, method = load(config), build(config["method"], "method")
    trained = fit(
        network(config, len(data.features)),
        [method] * len(SHARES),
        [seed] * len(SHARES),
        [with_wrong_labels(data, share, seed) for share in SHARES],
        epochs=EPOCHS,
        batch_size=config["batch_size"],
        schedule=schedule(config),
        engine=config["engine"],
    )
    for share, run in zip(SHARES, trained, strict=True):
        values = {f"measured/{metric}": float(run.history[f"test/{metric}"].iloc[-1]) for metric in SHOWN}
        yield {"method": name, "share": share, "seed": seed} | values
