"""Compare runs of several tasks with single-task runs: ARFG and ARE (Wang et al., KDD 2021), KG and DG (FairBranch,
IJCNN 2024).

    ARFG = (1/T) sum_t gap_t / gap_S^t      gap: the false positive rate difference, which is never negative
    ARE  = (1/T) sum_t err_t / err_S^t      err: 1 - accuracy
    KG   = (1/T) sum_t (acc_t - acc_S^t)
    DG   = (1/T) sum_t (gap_t - gap_S^t)

ARFG or ARE below 1, KG above 0 and DG below 0 are better than single-task training without a fairness term.

S is the mean over seeds, on the same split, of the single-task runs that belong to a run.  These are finished runs of
method ``stl`` on the same data set and tasks.  They equal the run in every key that varies outside the method, and
their seeds are among the seeds of the run's configuration.  Among several configurations of ``stl``, S is the one with
the highest mean validation accuracy.
"""

import logging
import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from fairrun.analysis.front import settings
from fairrun.config.metrics import MATCH_RATE

log = logging.getLogger(__name__)
SINGLE = "stl"  # the method of single-task runs
SPLITS = ("val", "test")
ACCURACY, GAP = "accuracy", "false_positive_rate_difference"
TASK = re.compile(r"test/accuracy/((?!s=)[^/]+)")  # test/accuracy/s=0 is a group's accuracy
LEAST, SMALL = 0.001, 0.01  # below LEAST a single-task gap leaves ARFG unknown; below SMALL: a warning


def tasks(runs: pd.DataFrame) -> list[str]:
    """The tasks of any of the runs, in the order of the columns; empty if every run has one label."""
    columns = {match[1]: name for name in runs if (match := TASK.fullmatch(name))}
    return [task for task, column in columns.items() if runs[column].notna().any()]


def tasks_of_runs(runs: pd.DataFrame) -> list[tuple[str, ...]]:
    """The tasks of each run; () for a run of one label."""
    names = tasks(runs)
    known = runs[[f"test/{ACCURACY}/{task}" for task in names]].notna().to_numpy(dtype=bool)
    return [tuple(np.array(names, dtype=str)[row]) for row in known]


def relative(runs: pd.DataFrame) -> pd.DataFrame:
    """Add the comparisons with single-task runs to the finished ``runs``, as columns for ``val`` and ``test``.

    The columns are ``arfg`` and ``are`` (decisions at 0.5), and ``match_rate_arfg``, ``match_rate_are``, ``kg`` and
    ``dg`` (at the match-rate threshold).  A value is NaN for a run of one label, for a run without single-task runs, if
    a single-task gap is below ``LEAST``, and if a single-task error is 0.  A warning names each case but the first.
    Runs without tasks are returned unchanged.
    """
    names = tasks(runs)
    if not names:
        return runs
    own = pd.Series(tasks_of_runs(runs), index=runs.index)
    found = []
    for (dataset, kind), same in runs.groupby(["dataset", own]):
        if kind:
            single = _single(same, kind)
            _warn_of_missing(dataset, same[single.isna().all(axis=1)])
            _warn_of_small(dataset, single, kind)
            found.append(_measured(same, single, kind))
    return runs.join(pd.concat(found))


def _columns(split: str, prefix: str, metric: str, names: Sequence[str]) -> list[str]:
    return [f"{split}/{prefix}{metric}/{task}" for task in names]


def _parts(names: Sequence[str]) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """Yield each split and threshold with its columns of accuracy and of the gap."""
    for split in SPLITS:
        for prefix in ("", MATCH_RATE):
            accuracy, gap = (_columns(split, prefix, metric, names) for metric in (ACCURACY, GAP))
            yield split, prefix, accuracy, gap


def _single(runs: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The values of S, one row for each run, with the columns of ``_parts``; NaN without single-task runs."""
    columns = [name for *_, accuracy, gap in _parts(names) for name in (*accuracy, *gap)]
    single = pd.DataFrame(np.nan, index=runs.index, columns=columns)
    by = settings(runs)
    keys = _keys(runs, by)
    cells = _keys(runs, [column for column in by if not column.startswith("method")])
    alone = runs[runs["method"] == SINGLE]
    candidates = {
        cell: [part.drop_duplicates("seed") for _, part in own.groupby(keys)] for cell, own in alone.groupby(cells)
    }
    for (cell, _), own in runs.groupby([cells, keys]):
        paired = [part for part in candidates.get(cell, []) if part["seed"].isin(own["seed"]).any()]
        if paired:
            best = max(paired, key=lambda part: part["val/accuracy"].mean())
            single.loc[own.index] = best[best["seed"].isin(own["seed"])].reindex(columns=columns).mean().to_numpy()
    return single


def _keys(runs: pd.DataFrame, columns: list[str]) -> pd.Series:
    """The values of each run in ``columns``, as text."""
    return pd.Series([tuple(map(str, row)) for row in runs[columns].to_numpy()], index=runs.index)


def _measured(runs: pd.DataFrame, single: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The new columns, with one row for each run."""
    found = {}
    for split, prefix, accuracy, gap in _parts(names):
        acc, acc_s = (frame.reindex(columns=accuracy).to_numpy(dtype=float) for frame in (runs, single))  # [runs, T]
        gaps, gaps_s = (frame.reindex(columns=gap).to_numpy(dtype=float) for frame in (runs, single))  # [runs, T]
        error_s = np.where(acc_s < 1, 1 - acc_s, np.nan)
        found[f"{split}/{prefix}arfg"] = (gaps / np.where(gaps_s >= LEAST, gaps_s, np.nan)).mean(-1)
        found[f"{split}/{prefix}are"] = ((1 - acc) / error_s).mean(-1)
        if prefix == MATCH_RATE:
            found |= {f"{split}/kg": (acc - acc_s).mean(-1), f"{split}/dg": (gaps - gaps_s).mean(-1)}
    return pd.DataFrame(found, index=runs.index)


def _warn_of_missing(dataset: str, runs: pd.DataFrame) -> None:
    """Warn about runs that have no single-task runs, and say which runs to add."""
    if runs.empty:
        return
    methods = [str(method) for method in runs["method"].unique()]
    asked = {"method": [SINGLE, *methods]}
    asked |= {key: runs[key].unique() for key in settings(runs) if not key.startswith("method")}
    command = " ".join(f"{key}={','.join(map(str, found))}" for key, found in asked.items())
    seeds = ",".join(map(str, sorted(runs["seed"].unique())))
    log.warning(
        "%s: %s: no finished single-task runs of that configuration and seeds, so ARFG, ARE, KG and DG are unknown; "
        "train them too: %s seed=%s",
        *(dataset, ", ".join(methods), command, seeds),
    )


def _warn_of_small(dataset: str, single: pd.DataFrame, names: Sequence[str]) -> None:
    """Warn about denominators near zero: one warning for the gaps of a task, and one for its errors."""
    for t, task in enumerate(names):
        gaps, errors = {}, []
        for split, prefix, accuracy, gap in _parts(names):
            where = f"{split} rows, {'match-rate threshold' if prefix else 'threshold 0.5'}"
            least = single[gap[t]].min()
            if least < SMALL:
                gaps[where] = f"{least:.4f} ({where})"
            if single[accuracy[t]].max() >= 1:
                errors.append(where)
        if gaps:
            text = "%s: the single-task false positive rate difference of task %s is %s: below %g ARFG is unsteady, "
            log.warning(text + "below %g unknown", dataset, task, ", ".join(gaps.values()), SMALL, LEAST)
        if errors:
            log.warning(
                "%s: the single-task error of task %s is 0 (%s): ARE is unknown", dataset, task, "; ".join(errors)
            )
