"""What columns give away: an index, ids, marks of missing values, copies of the label or of the group."""

import re

import numpy as np
import pandas as pd

_ID = re.compile(r"(?i:(?:^|[^a-z])(?:id|ids|idx|index|key|uid|uuid|nr|no))$|[a-z](ID|Id)$")
LEAST = 20  # rows; with fewer, a column tells another by chance
UNIQUE = 0.9  # share of the rows with a value of their own, from which on categories are names or ids
ROWS_A_VALUE = 5  # on average, from which on values that tell the label are not told apart by chance
SAMPLED = 50_000  # rows that ``separation`` looks at
DISTINCT = 10  # fewest numbers among which one may be a mark of missing values
NINES = re.compile(r"-?99+|-[189]")  # such marks: 99, 999, ..., -1, -8, -9, -99, ...


def is_index(values: pd.Series) -> bool:
    """Whether whole numbers count the rows, or name them.

    Each is there once, in order, or each of a range in any order, or in any way in a column that is called an id.
    """
    if len(values) < LEAST or not pd.api.types.is_integer_dtype(values) or not values.is_unique:
        return False
    if _ID.search(str(values.name)):
        return True
    in_order = values.is_monotonic_increasing or values.is_monotonic_decreasing
    return bool(in_order or int(values.max()) - int(values.min()) == len(values) - 1)


def are_ids(values: pd.Series, most: int) -> bool:
    """Whether nearly every row has a category of its own, or more than half of them and more than ``most``."""
    known, distinct = int(values.notna().sum()), int(values.nunique())
    return distinct > LEAST and (distinct >= UNIQUE * known or (distinct > most and distinct > known / 2))


def tells(values: pd.Series, target: np.ndarray) -> str:
    """How a column determines ``target`` [N]: "copies", "determines", "missing cells determine", a threshold; or "".

    ``target`` holds numbers 0, 1, ...
    """
    target = target.astype(np.int64)
    m = np.count_nonzero(np.bincount(target)) if len(target) else 0
    if len(values) < LEAST or m < 2:
        return ""
    codes, uniques = pd.factorize(values, use_na_sentinel=False)
    k = len(uniques)
    missing = values.isna().to_numpy()
    if m == 2 and 0 < missing.sum() < len(missing) and _determines(missing.astype(np.int64), target, 2):
        return "its missing cells determine"
    if k < 2 or not _determines(codes, target, k):
        return ""
    if k == m:
        return "copies"
    if len(values) >= ROWS_A_VALUE * k:
        return "determines"
    if pd.api.types.is_numeric_dtype(values) and not missing.any():
        steps = np.diff(target[np.argsort(values.to_numpy(), kind="stable")]) != 0
        return "has a threshold that determines" if steps.sum() == m - 1 else ""
    return ""


def _determines(codes: np.ndarray, target: np.ndarray, k: int) -> bool:
    """Whether all rows of each of the ``k`` codes have the same target."""
    of_code = np.zeros(k, dtype=np.int64)
    of_code[codes] = target  # that of one of the code's rows
    return bool((of_code[codes] == target).all())


def separation(values: pd.Series, target: np.ndarray) -> float:
    """The true less the false positive rate of the best rule that tells two classes by a column alone, in [0, 1].

    A rule is a threshold of numbers, or a set of values.  ``target`` [N] holds 0 and 1.  0 where the rows are few.
    """
    values = values.reset_index(drop=True)
    known = values.notna().to_numpy()
    step = max(1, int(known.sum()) // SAMPLED)
    values, target = values[known][::step], target[known][::step]
    positives = target.sum()
    if len(values) < LEAST or positives < ROWS_A_VALUE or len(target) - positives < ROWS_A_VALUE:
        return 0.0
    numeric = pd.api.types.is_numeric_dtype(values)
    codes, uniques = pd.factorize(values, sort=numeric)
    gained = np.bincount(codes, np.where(target == 1, 1 / positives, -1 / (len(target) - positives)))
    best = float(np.abs(gained.cumsum()).max()) if numeric else 0.0
    return max(best, float(np.abs(gained).sum()) / 2) if len(values) >= ROWS_A_VALUE * len(uniques) else best


def mark_among(values: pd.Series) -> float | None:
    """A number that seems to mark missing values: -1 or nines, in two rows or more, and far from all others.

    Far is farther than the others are from each other; the only negative number is, where it is the most frequent one.
    """
    low, high = values.min(), values.max()
    for end, other in ((low, high), (high, low)):
        if not NINES.fullmatch(f"{end:.0f}") or end != np.round(end):
            continue
        rest = values[values.notna() & (values != end)]
        if rest.nunique() < DISTINCT or (values == end).sum() < 2:
            continue
        near, far = (rest.min(), rest.max()) if other == high else (rest.max(), rest.min())
        most = (values == end).sum() > rest.value_counts().iloc[0]
        if abs(end - near) > abs(far - near) or (end < 0 <= near and most):
            return float(end)
    return None
