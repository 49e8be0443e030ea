"""Analyse runs of several tasks: error against gap of each task, ARE against ARFG, and a picked configuration.

The gap is the false positive rate difference.  Pareto fronts and the picked configuration are chosen on validation
rows, at the match-rate threshold.
"""

from dataclasses import dataclass

import pandas as pd

from fairrun.analysis.front import chosen, hypervolume, on_front, settings, summarise
from fairrun.analysis.interval import interval
from fairrun.analysis.published import RELATIVE
from fairrun.analysis.relative import ACCURACY, GAP, SPLITS, tasks
from fairrun.analysis.tradeoff import Tradeoff, describe, words
from fairrun.config.metrics import MATCH_RATE, POSITIVE

ERROR = "error"  # 1 - accuracy; for a task: error/TASK
ARE, ARFG = f"{MATCH_RATE}are", f"{MATCH_RATE}arfg"
GAINS = {"KG": "kg", "DG": "dg"}
HYPERVOLUME_POINT = (1.2, 1.0)  # reference point of the hypervolume: ARE and ARFG
VANILLA, SLACK = "mtl", 0.01  # a picked configuration has at most this method's ARE plus the slack


@dataclass(frozen=True)
class Plane:
    """A chart of error against gap of one task, or of ARE against ARFG.  Lower is better in both."""

    title: str
    labels: tuple[str, str]  # labels of error and gap
    error: str  # column of runs and settings, without the split: test/<error>
    gap: str
    settings: pd.DataFrame  # method_front: whether on the Pareto front of its method in this plane
    published: pd.DataFrame  # method, number, error, gap
    relative: bool  # whether it shows ARE and ARFG, which are 1 for single-task runs


@dataclass(frozen=True)
class Multitask:
    """The runs of several tasks on one data set; ``multitask`` makes it."""

    dataset: str
    seeds: str  # in words
    tasks: list[str]
    runs: pd.DataFrame
    by: list[str]  # the columns in which configurations differ
    settings: pd.DataFrame  # a row for each configuration: means over seeds with intervals; fronts of ARE and ARFG
    methods: pd.DataFrame  # a row for each method: hypervolume, and the figures of its picked configuration
    bound: float  # largest ARE on validation rows that a picked configuration may have
    vanilla: bool  # whether the bound comes from runs of VANILLA
    planes: list[Plane]
    published: pd.DataFrame  # published.of_tasks
    names: list[str]  # all methods of the data set


def multitask(trade: Tradeoff) -> Multitask | None:
    """Analyse the runs of several tasks; None if there are none."""
    names = tasks(trade.runs)
    if not names:
        return None
    of_several = trade.runs[[f"test/{ACCURACY}/{task}" for task in names]].notna().any(axis=1)
    runs = _errors(trade.runs[of_several], names)
    by = settings(runs)
    table = _settings(runs, names, by)
    bound, vanilla = _bound(table)
    return Multitask(
        dataset=trade.dataset,
        seeds=trade.seeds,
        tasks=names,
        runs=runs,
        by=by,
        settings=table,
        methods=_methods(runs, table, by, bound),
        bound=bound,
        vanilla=vanilla,
        planes=_planes(table, names, trade.published_tasks),
        published=trade.published_tasks,
        names=list(trade.settings["method"].unique()),
    )


def _settings(runs: pd.DataFrame, names: list[str], by: list[str]) -> pd.DataFrame:
    """A row for each configuration: ``summarise`` of all figures, with the fronts of ARE and ARFG.

    It also holds the means on validation rows, which choose the fronts.
    """
    columns = [name for prefix in ("", MATCH_RATE) for name in _figures(prefix, names).values()]
    table = summarise(_turned(runs, ARE), ARFG, columns=[*columns, *GAINS.values()])
    unwanted = [f"{split}/{name}" for split in SPLITS for name in (ACCURACY, f"{ACCURACY}.low", f"{ACCURACY}.high")]
    table = table.drop(columns=["over_seeds", "degenerate", f"val/{ARFG}", *unwanted], errors="ignore")
    chosen_by = [f"val/{name}" for name in _figures(MATCH_RATE, names).values()]
    means = runs.groupby(by, dropna=False)[chosen_by].agg(lambda values: values.mean(skipna=False))
    return table.merge(means.reset_index(), on=by)


def _errors(runs: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Add the error of each task to the runs, as a column."""
    prefixes = [f"{split}/{prefix}" for split in SPLITS for prefix in ("", MATCH_RATE)]
    found = {f"{p}{ERROR}/{task}": 1 - runs[f"{p}{ACCURACY}/{task}"] for p in prefixes for task in names}
    return runs.join(pd.DataFrame(found))


def _figures(prefix: str, names: list[str]) -> dict[str, str]:
    """The figures at one threshold: heading in tables -> column without "test/"."""
    found = {}
    for task in names:
        found[f"{words(task)}: error"] = f"{prefix}{ERROR}/{task}"
        found[f"{words(task)}: gap"] = f"{prefix}{GAP}/{task}"
    return found | {"ARE": f"{prefix}are", "ARFG": f"{prefix}arfg"}


def _turned(runs: pd.DataFrame, error: str) -> pd.DataFrame:
    """Replace accuracy by minus ``error``, for fronts and areas of runs or configurations."""
    return runs.assign(**{f"{split}/{ACCURACY}": -runs[f"{split}/{error}"] for split in SPLITS})


def _planes(table: pd.DataFrame, names: list[str], points: pd.DataFrame) -> list[Plane]:
    """A plane for each task, and one for ARE and ARFG if any configuration has both."""
    found = []
    for number, task in enumerate(names, 1):
        error, gap = f"{MATCH_RATE}{ERROR}/{task}", f"{MATCH_RATE}{GAP}/{task}"
        turned = _turned(table, error).groupby("method")
        fronts = pd.concat([pd.Series(on_front(own, gap), own.index) for _, own in turned])
        own = points[points["task"] == str(number)]
        labels = "error", "false positive rate difference"
        found.append(Plane(words(task), labels, error, gap, table.assign(method_front=fronts), own, relative=False))
    labels = "ARE: error over single-task error", "ARFG: gap over single-task gap"
    own = points[points["task"] == RELATIVE]
    last = Plane("ARE against ARFG", labels, ARE, ARFG, table, own, relative=True)
    return [*found, last] if table[[f"test/{ARE}", f"test/{ARFG}"]].notna().all(axis=1).any() else found


def _bound(table: pd.DataFrame) -> tuple[float, bool]:
    """The largest ARE on validation rows that a picked configuration may have, and whether runs of ``VANILLA`` set it.

    It is the smallest ARE of a configuration of ``VANILLA``, or 1 if there is none, plus ``SLACK``.
    """
    least = float(table.loc[table["method"].str.partition(",")[0] == VANILLA, f"val/{ARE}"].min())
    known = least == least
    return (least if known else 1.0) + SLACK, known


def picked(table: pd.DataFrame, bound: float) -> pd.DataFrame:
    """The configuration with the smallest ARFG among those with an ARE of at most ``bound``, both on validation rows.

    The result has one row, or none if every ARE is larger.
    """
    allowed = table[table[f"val/{ARE}"] <= bound].dropna(subset=f"val/{ARFG}")
    return allowed.sort_values([f"val/{ARFG}", f"val/{ARE}"], kind="stable").head(1)


def areas_of_tasks(runs: pd.DataFrame) -> "pd.Series[float]":
    """The hypervolume in ARE and ARFG of the front that each seed's validation rows choose, by seed, for one method."""
    turned, corner = _turned(runs, ARE), (-HYPERVOLUME_POINT[0], HYPERVOLUME_POINT[1])
    found = {seed: hypervolume(chosen(part, ARFG), corner) for seed, part in turned.groupby("seed")}
    return pd.Series(found, dtype=float)


def _methods(runs: pd.DataFrame, table: pd.DataFrame, by: list[str], bound: float) -> pd.DataFrame:
    """A row for each method: numbers of settings and seeds, hypervolume, and ``picked`` (in words) with its figures."""
    rows = []
    for method, own in table.groupby("method", sort=False):
        areas = areas_of_tasks(runs[runs["method"] == method])
        row = {"method": method, "settings": len(own), "seeds": len(areas), "hypervolume": areas.mean(skipna=False)}
        row["hypervolume.low"], row["hypervolume.high"] = interval(areas.to_numpy(), POSITIVE)
        best = picked(own, bound)
        row["picked"] = "".join(describe(setting, by) or str(method) for _, setting in best.iterrows())
        figures = [name for name in own if name.startswith(("val/", "test/"))]
        rows.append(row | {name: best[name].squeeze() if len(best) else float("nan") for name in figures})
    return pd.DataFrame(rows)
