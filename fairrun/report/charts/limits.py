"""Axes: from where to where they go, and where their ticks are."""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

NEAR = 0.35  # how far outside the data an anchor may be to stretch the axis, as a share of the data's range
LEAST = 0.01  # least range


def fitted(
    values: Iterable[float], ends: pd.DataFrame | None = None, near: Iterable[float] = ()
) -> tuple[float, float]:
    """The ends of an axis that shows all ``values``, with a little room.

    Interval ``ends`` (columns low and high) widen it by at most a third on each side: an interval of few seeds may be
    wider than the scale.  Values ``near`` the data widen it, and those far off do not.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return (0.0, 1.0)
    low, high = min(known), max(known)
    room = max(high - low, LEAST)
    if ends is not None and ends.notna().any(axis=None):
        low = max(np.fmin(low, ends["low"].min()), low - room / 3)
        high = min(np.fmax(high, ends["high"].max()), high + room / 3)
    room = max(high - low, LEAST)
    for value in near:
        if low - NEAR * room <= value <= high + NEAR * room:
            low, high = min(low, value), max(high, value)
    room = max(high - low, LEAST)
    spare = (room - (high - low)) / 2 + room / 16
    return (float(low - spare), float(high + spare))


def ticks(low: float, high: float, most: int = 5, *, integers: bool = False) -> list[tuple[float, str]]:
    """Round values from ``low`` to ``high``, at most ``most`` steps, and their text, with equally many digits."""
    places = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=integers).tick_values(low, high)
    inside = [float(place) for place in places if low <= place <= high]
    step = float(places[1] - places[0]) if len(places) > 1 else 1.0
    digits = next((d for d in range(9) if math.isclose(step * 10**d, round(step * 10**d), abs_tol=1e-9)), 9)
    return [(place, f"{place + 0.0:.{digits}f}") for place in inside]
