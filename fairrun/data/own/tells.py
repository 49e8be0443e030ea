"""What columns give away: an index, ids, marks of missing values, copies of the label or of the group."""

import itertools
import re

import numpy as np
import pandas as pd

_ID = re.compile(r"(?i:(?:^|[^a-z])(?:id|ids|idx|index|key|uid|uuid|nr|no))$|[a-z](ID|Id)$")
LEAST = 20  # rows; with fewer, a column tells another by chance
UNIQUE = 0.9  # share of the rows with a value of their own, from which on categories are names or ids
ROWS_A_VALUE = 5  # on average, from which on values that tell the label are not told apart by chance
SAMPLED = 50_000  # rows that ``separation`` looks at
LEAST_OTHERS = 2  # values beside marks of missing ones
DISTINCT = 10  # fewest numbers among which a mark may be near
ALONE = r"-?99+(?:\.9+)?|-[189]"  # such marks: 99, 999, ..., -1, -8, -9, -99, -99.9, ...
TOGETHER = r"-[1-9]|-?(?:9+[6-9]|66+|77+|88+)"  # several of a column: 97, 98 and 99; 77 and 88; -7, -8 and -9
OF_ROLE = r"[7-9]"  # and those of a label or a group, which have few values
MOST = 5  # of them


def is_called_id(name: object) -> bool:
    """Whether a column has the name of an id: customer_id, key, RowNo."""
    return _ID.search(str(name)) is not None


def is_index(values: pd.Series) -> bool:
    """Whether whole numbers count the rows, or name them.

    Each is there once, in order, or each of a range in any order; or, in a column that is called an id, nearly each.
    """
    if len(values) < LEAST or not pd.api.types.is_integer_dtype(values):
        return False
    if is_called_id(values.name) and values.nunique() >= UNIQUE * len(values):
        return True
    if not values.is_unique:
        return False
    in_order = values.is_monotonic_increasing or values.is_monotonic_decreasing
    return bool(in_order or int(values.max()) - int(values.min()) == len(values) - 1)


def are_ids(values: pd.Series, most: int) -> bool:
    """Whether nearly every row has a category of its own, or more than half of them and more than ``most``."""
    known, distinct = int(values.notna().sum()), int(values.nunique())
    return distinct > LEAST and (distinct >= UNIQUE * known or (distinct > most and distinct > known / 2))


def tells(values: pd.Series, target: np.ndarray) -> str:
    """How a column determines ``target`` [N]: "copies", "determines", by missing cells, by a threshold; or "".

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
        return "has missing cells that determine"
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


def marks_among(values: pd.Series, of_role: bool = False) -> list[str]:
    """Values that seem to mark missing ones: codes as -1 and 99 far from all other numbers, or among words.

    ``of_role``: the column is a label or tells the group.
    """
    alone = f"{ALONE}|-[1-9]|9" if of_role else ALONE
    together = f"{TOGETHER}|{OF_ROLE}" if of_role else TOGETHER
    known = values.dropna()
    if values.dtype == object:
        texts = [text for text in known.unique() if isinstance(text, str)]
        codes = [text for text in texts if re.fullmatch(together, text)]
        codes = codes if len(codes) > 1 else [text for text in texts if re.fullmatch(alone, text)]
        words = [text for text in texts if not re.fullmatch(r"[+-]?[\d.,]+", text)]
        codes = sorted(codes, key=float)
        return codes if len(words) >= LEAST_OTHERS and len(words) + len(codes) == known.nunique() else []
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return []
    numbers, rows = np.unique(known[np.isfinite(known)].to_numpy(dtype=float), return_counts=True)
    for step in (1, -1):  # the low end, the high end
        if k := _at_end(numbers[::step], rows[::step], alone, together):
            return [_spelt(number) for number in numbers[::step][:k][::step]]
    return []


def _at_end(numbers: np.ndarray, rows: np.ndarray, alone: str, together: str) -> int:
    """How many of the first ``numbers``, sorted and of so many ``rows`` each, seem to mark missing values."""
    spelt = list(map(_spelt, numbers[:MOST]))
    several = len(list(itertools.takewhile(lambda text: re.fullmatch(together, text), spelt)))
    for k in [*range(several, 1, -1), *[1] * bool(spelt and re.fullmatch(alone, spelt[0]))]:
        if len(numbers) >= k + LEAST_OTHERS and rows[:k].sum() > 1 and _are_marks(numbers, rows, k):
            return k
    return 0


def _spelt(number: float) -> str:
    """As a user writes it: 9999999, and -99.9 also of a number that was rounded to 32 bits."""
    return f"{number:.0f}" if number == np.round(number) else f"{number:g}"


def _are_marks(numbers: np.ndarray, rows: np.ndarray, k: int) -> bool:
    """Whether the first ``k`` numbers are far from the rest: farther than the rest are from each other.

    Among many numbers also the only negative one, and several, each in two rows or more, where the hole between them
    and the rest is the widest.
    """
    rest, hole = numbers[k:], abs(numbers[k] - numbers[k - 1])
    if sorted(-numbers[:k]) == sorted(rest):  # a scale as -2, -1, 1, 2
        return False
    if hole > abs(rest[-1] - rest[0]):
        return True
    if len(rest) < DISTINCT or (numbers[0] < 0 and rest.min() < 0):
        return False
    if k == 1:
        return bool(numbers[0] < 0)
    return bool(rows[:k].min() > 1 and hole > np.abs(np.diff(rest)).max())
