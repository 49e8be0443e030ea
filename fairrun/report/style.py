"""How numbers are written in tables, charts and sentences."""

import pandas as pd

UNKNOWN = "-"
PUBLISHED = "published: "  # before the name of a method whose points others published


def estimate(row: pd.Series, column: str, digits: int = 3) -> str:
    """A mean with its interval, as text.  Without an interval, the mean alone; a dash if the mean is undefined.

    An end without decimals, [0, 0.770], is where the range of the quantity cuts the interval.
    """
    ends = [float(row.get(f"{column}.{end}", float("nan"))) for end in ("low", "high")]
    mean = _number(float(row[column]), digits)
    if mean == "nan":
        return UNKNOWN
    if ends[0] != ends[0]:
        return mean
    low, high = (f"{end:g}" if end in (-1, 0, 1) and end != row[column] else _number(end, digits) for end in ends)
    return f"{mean} [{low}, {high}]"


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # no -0
