"""Sweeps as accuracy-fairness trade-offs: settings chosen on validation rows, reported on test rows, over seeds."""

import moocore
import numpy as np
import pandas as pd
from scipy import stats

from fairrun.check import InputError

WITHOUT_EFFECT = ("folder", "status", "seed", "device", "num_threads", "dataset.path")  # on what a setting gives


def settings(frame: pd.DataFrame) -> list[str]:
    """The columns that tell the settings of a sweep apart: method, and the config keys that vary.

    A key of the method counts where it varies among the runs of one method: another method may not have it.
    """
    others = ("val/", "test/", "train/", "tracker.", "method.")
    keys = [c for c in frame.columns if not c.startswith(others) and c not in ("method", *WITHOUT_EFFECT)]
    varying = [c for c in keys if _varies(frame[c])]
    methods = [runs for _, runs in frame.groupby("method")]
    own = [c for c in frame.columns if c.startswith("method.") and any(_varies(runs[c]) for runs in methods)]
    return ["method", *(c for c in [*own, *varying] if "_target_" not in c)]


def _varies(column: pd.Series) -> bool:
    return column.astype(str).nunique(dropna=False) > 1


def summarise(frame: pd.DataFrame, metric: str, *, greater_is_better: bool = False) -> pd.DataFrame:
    """A row a setting: means over seeds with 95% intervals, and whether it is on the front.

    Columns: the settings; ``seeds``; ``val/accuracy``, ``val/<metric>``, ``test/accuracy``, ``test/<metric>`` and for
    the test ones ``.low`` and ``.high`` (NaN with one seed); ``front``, true where no other setting of the frame is at
    least as good in both validation means and better in one.  Failed runs are left out, and runs that repeat a setting
    and seed.  Raises ``InputError`` if there is no other.
    """
    finished = frame[frame["status"] == "finished"]
    if finished.empty:
        raise InputError(f"a summary needs a finished run, got {len(frame)} failed ones")
    by = settings(finished)
    rows = []
    finished = finished.astype({c: str for c in by if finished[c].dtype == object}).drop_duplicates([*by, "seed"])
    for key, runs in finished.groupby(by, dropna=False, sort=False):
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
    """95% interval of the mean, by Student's t; (NaN, NaN) with fewer than two values, or a NaN among them."""
    if len(values) < 2 or not np.isfinite(values).all():
        return (float("nan"), float("nan"))
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return (float(values.mean()) - half, float(values.mean()) + half)
