"""A small table of loans, as a user's own."""

import numpy as np
import pandas as pd
import yaml

from fairrun.config.build import build
from fairrun.config.keys import CONF


def loans(num_rows=400, seed=0):
    """Rows with features of numbers and categories; no column tells another."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "gender": rng.choice(["F", "M"], num_rows),
            "age": rng.integers(18, 80, num_rows),
            "hours": np.round(rng.normal(40, 5, num_rows), 1),
            "job": rng.choice(["chef", "clerk", "nurse"], num_rows),
            "repaid": rng.integers(0, 2, num_rows),
        }
    )


def conf():
    """The node of dataset=csv, as Hydra composes it."""
    table, own = (yaml.safe_load((CONF / "dataset" / f"{name}.yaml").read_text()) for name in ("_table", "csv"))
    node = {**table, **own, "split": {**table["split"], **own["split"]}}
    del node["defaults"]
    return node


def own_table(folder, frame, **changes):
    """The data set of a frame, by way of a file in ``folder``."""
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    node = conf() | {"label": "repaid", "positive": 1, "sensitive": ["gender"], "path": str(path)}
    for key in ("split", "rows"):
        node[key] |= changes.pop(key, {})
    return build(node | changes, "dataset")
