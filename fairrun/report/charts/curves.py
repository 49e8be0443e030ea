"""Curves over epochs: the means over seeds, with their intervals as bands."""

import pandas as pd

from fairrun.analysis.bargaining import curve
from fairrun.report.charts.chart import LEAST, Series
from fairrun.report.charts.looks import Look


def over_epochs(steps: pd.DataFrame, column: str, name: str, look: Look, *, listed: bool = True) -> Series:
    """The mean of ``column`` in each epoch over the seeds that have a value, with its interval.

    ``steps`` has the columns seed, epoch and ``column``; ``listed``: in the legend.
    """
    points = curve(steps, column)
    by_seed = steps.dropna(subset=column).groupby("seed")
    return Series(
        name,
        look,
        line=list(points[["epoch", "mean"]].itertuples(index=False, name=None)),
        band=list(points[["epoch", "low", "high"]].dropna().itertuples(index=False, name=None)),
        threads=[list(own[["epoch", column]].itertuples(index=False, name=None)) for _, own in by_seed],
        listed=listed,
    )


def curves_said(seeds: int) -> str:
    """What the curves are, of at least so many seeds."""
    return f"means over seeds, {'95% intervals as bands' if seeds >= LEAST else 'thin: each seed'}"
