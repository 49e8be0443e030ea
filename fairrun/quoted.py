"""Points that others published, to be drawn beside a sweep's: quoted, not run here.

``report.reference`` names one of the files in ``fairrun/reference``, or a CSV of one's own.
"""

import functools
from pathlib import Path

import pandas as pd

from fairrun.check import InputError, require

FOLDER = Path(__file__).with_name("reference")
COLUMNS = ("method", "accuracy", "demographic_parity", "kind", "source")
KINDS = {"hard": "demographic_parity_difference", "soft": "soft_demographic_parity_difference"}


@functools.cache
def read(source: str, key: str = "report.reference") -> pd.DataFrame:
    """The points of a shipped file by its name, or of a CSV by its path; the config key is for messages.

    Columns: ``COLUMNS``, of which accuracy and demographic parity are in [0, 1] and kind is hard or soft; and
    ``dataset``, if the file has it, the data set that a point is of.  Raises ``InputError``.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.csv"))
    path = FOLDER / f"{source}.csv" if source in names else Path(source)
    allowed = f"null, {', '.join(names)} or a CSV file that exists"
    require(path.is_file(), key, source, allowed)
    try:
        points = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{key} must be {allowed}, got {source!r}, which cannot be read: {error}") from None
    missing = [name for name in COLUMNS if name not in points]
    require(not missing, key, source, f"a CSV with the columns {', '.join(COLUMNS)}; {', '.join(missing)} missing")
    for name in ("accuracy", "demographic_parity"):
        numbers = pd.to_numeric(points[name], errors="coerce")
        wrong = points[name][~numbers.between(0, 1)].tolist()
        require(not wrong, f"{name} of {key}={source}", wrong[:1], "a number between 0 and 1")
    wrong = points["kind"][~points["kind"].isin(list(KINDS))].tolist()
    require(not wrong, f"kind of {key}={source}", wrong[:1], f"one of {', '.join(KINDS)}")
    text = {name: points[name].fillna("").astype(str) for name in ("method", "source")}
    return points.assign(**text)


def of(points: pd.DataFrame, dataset: str, metric: str) -> pd.DataFrame:
    """The points on ``dataset`` in ``metric``, a demographic parity difference; of another metric there are none.

    Columns ``method``, ``number`` (of the method on the data set, by which it is drawn), ``source``, ``test/accuracy``
    and ``test/<metric>``, as a table of settings has them.
    """
    known = points[points["dataset"] == dataset] if "dataset" in points else points
    known = known.assign(number=pd.factorize(known["method"])[0])
    known = known[known["kind"].map(KINDS) == metric]
    names = {"accuracy": "test/accuracy", "demographic_parity": f"test/{metric}"}
    return known[["method", "number", "source", *names]].rename(columns=names).reset_index(drop=True)
