"""Frames of runs as ``fairrun.results`` loads them."""

import pandas as pd

RESULTS = ("val/accuracy", "val/gap", "test/accuracy", "test/gap")


def run(lam, seed=0, val=(0.5, 0.5), test=(0.5, 0.5), **columns):
    """A finished run of method penalty; ``val`` and ``test`` are (accuracy, gap)."""
    row = {"folder": f"{lam}/{seed}", "status": "finished", "method": "penalty", "method.lam": lam, "seed": seed}
    return row | dict(zip(RESULTS, (*val, *test), strict=True)) | columns


def frame(*rows):
    return pd.DataFrame(list(rows))
