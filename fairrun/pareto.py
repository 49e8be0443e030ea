"""Sweeps as accuracy-fairness trade-offs: settings chosen on validation rows, reported on test rows, over seeds."""

import moocore
import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from fairrun.check import InputError


def settings(frame: pd.DataFrame) -> list[str]:
    """The columns that tell the settings of a sweep apart: method, and what varies among a method's runs.

    The seed and the results do not count, nor do keys that only some methods have.
    """
    results = ("val/", "test/", "train/")
    keys = [c for c in frame.columns if c not in ("folder", "status", "seed", "method") and not c.startswith(results)]
    methods = [runs for _, runs in frame.groupby("method")]
    varies = [c for c in keys if any(runs[c].astype(str).nunique(dropna=False) > 1 for runs in methods)]
    return ["method", *(c for c in varies if "_target_" not in c)]


def summarise(frame: pd.DataFrame, metric: str, *, greater_is_better: bool = False) -> pd.DataFrame:
    """A row a setting: means over seeds with 95% bootstrap intervals, and whether it is on the front.

    Columns: the settings; ``seeds``; ``val/accuracy``, ``val/<metric>``, ``test/accuracy``, ``test/<metric>`` and for
    the test ones ``.low`` and ``.high`` (NaN with one seed); ``front``, true where no other setting of the frame is at
    least as good in both validation means and better in one.  Failed runs are left out.  Raises ``InputError`` if there
    is no other.
    """
    finished = frame[frame["status"] == "finished"]
    if finished.empty:
        raise InputError(f"a summary needs a finished run, got {len(frame)} failed ones")
    by = settings(finished)
    rows = []
    for key, runs in finished.astype({c: str for c in by if finished[c].dtype == object}).groupby(
        by, dropna=False, sort=False
    ):
        row = dict(zip(by, key, strict=True)) | {"seeds": len(runs)}
        for split in ("val", "test"):
            for name in ("accuracy", metric):
                column = f"{split}/{name}"
                row[column] = runs[column].mean(skipna=False)
                if split == "test":
                    row[f"{column}.low"], row[f"{column}.high"] = interval(runs[column].to_numpy())
        rows.append(row)
    table = pd.DataFrame(rows).sort_values(by, ignore_index=True)
    points = table[["val/accuracy", f"val/{metric}"]].to_numpy(dtype=float)
    known = np.isfinite(points).all(axis=1)
    table["front"] = False
    if known.any():
        best = moocore.is_nondominated(points[known], maximise=[True, greater_is_better], keep_weakly=True)
        table.loc[known, "front"] = best
    return table


def interval(values: np.ndarray) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean, from a fixed seed; (NaN, NaN) with fewer than two, or a NaN."""
    if len(values) < 2 or not np.isfinite(values).all():
        return (float("nan"), float("nan"))
    if np.ptp(values) == 0:
        return (float(values[0]), float(values[0]))
    result = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return (float(result.low), float(result.high))
