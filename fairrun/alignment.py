"""How bargaining went: whether a step lowered every player's loss, epoch by epoch, and what each player weighed.

A player is a cell of group and label; a direction d is aligned if every player gains by it: every g_i . d > 0.  Methods
that bargain log means over the steps of an epoch, in ``COLUMNS`` and a column a player below ``ALPHA``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fairrun.figure import Look, look
from fairrun.interval import RULE, interval
from fairrun.results import HISTORY, read
from fairrun.tables import UNKNOWN, estimate
from fairrun.tradeoff import Tradeoff, describe

ALPHA = "alpha/"  # prefix of a player's share of the weights
COLUMNS = {  # of a history, as train/...
    "aligned": "share of steps whose direction was aligned",
    "aligned_rectified": "the same with the row weights that were used, max(d, 0)",
    "goal_aligned": "the same for the direction of the goal alone",
    "smallest_gain": "smallest g_i . d of a player, d of unit length",
    "infeasible": "share of steps in which the players have no agreement",
    "bargained": "share of steps taken by bargaining; with the infeasible ones those of stage 1",
}


@dataclass(frozen=True)
class Alignment:
    """What the histories of one data set's runs say; ``alignment`` makes it."""

    dataset: str
    steps: pd.DataFrame  # a row a method, seed and epoch: COLUMNS (NaN: the method has none), players' shares, stage
    settings: Mapping[str, str]  # in words, of each method whose histories have the columns
    looks: Mapping[str, Look]
    groups: list[str]  # names of the groups

    def of(self, method: str) -> pd.DataFrame:
        """The steps of one method."""
        return self.steps[self.steps["method"] == method]

    @property
    def players(self) -> dict[str, str]:
        """The column of each player, and its name: "sex=F, y=1"."""
        found = [column for column in self.steps if column.startswith(ALPHA)]
        return {column: self._named(column.removeprefix(ALPHA)) for column in found}

    def _named(self, cell: str) -> str:
        known = {f"s={g}": name for g, name in enumerate(self.groups)}
        return ", ".join(known.get(part, part) for part in cell.split("/"))


def alignment(trade: Tradeoff) -> Alignment | None:
    """From the histories of the runs; of a method with several settings the first in the table of settings.

    None if no run's history has the column ``train/aligned``; methods and runs without it are left out.
    """
    if "train/aligned" not in trade.runs:
        return None
    keys = [column for column in trade.by if column != "method"]
    frames, folders, settings, looks = [], [], {}, {}
    for k, (method, own) in enumerate(trade.settings.groupby("method", sort=False)):
        first = own.iloc[0]
        runs = trade.runs_of(first)
        found = [frame for _, run in runs.iterrows() if (frame := _history(run)) is not None]
        if found:
            folders.append(runs["folder"].iloc[0])
            frames += found
            settings[str(method)] = describe(first, keys) if len(own) > 1 else ""
            looks[str(method)] = look(k)
    if not frames:
        return None
    names = {tuple(read(Path(folder)).get("groups", [])) for folder in folders}
    groups = list(names.pop()) if len(names) == 1 else []  # of settings that differ in it: numbers
    return Alignment(trade.dataset, pd.concat(frames, ignore_index=True), settings, looks, groups)


def _history(run: pd.Series) -> pd.DataFrame | None:
    """What a run logged about bargaining, a row an epoch; None if it did not, or left no history."""
    path = Path(run["folder"], HISTORY)
    history = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    if "train/aligned" not in history:
        return None
    history.columns = history.columns.str.removeprefix("train/")
    players = [column for column in history if column.startswith(ALPHA)]
    steps = history.reindex(columns=["epoch", *COLUMNS, *players]).astype(float)
    first = steps["bargained"].fillna(0) + steps["infeasible"].fillna(0) > 0.5
    return steps.assign(method=str(run["method"]), seed=run["seed"], stage=2 - first)


def curve(steps: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row an epoch: mean of ``column`` over the seeds that have a value, with interval (``low``, ``high``)."""
    known = steps.dropna(subset=column).groupby("epoch")[column]
    rows = [(epoch, values.mean(), *interval(values.to_numpy())) for epoch, values in known]
    return pd.DataFrame(rows, columns=["epoch", "mean", "low", "high"], dtype=float)


def second_stage(steps: pd.DataFrame) -> float:
    """The first epoch of stage 2, the median over the seeds that come to it; NaN if none does."""
    return float(steps[steps["stage"] == 2].groupby("seed")["epoch"].min().median())


def alignment_table(found: Alignment) -> pd.DataFrame:
    """A row a method, all text: rates by stage, means over seeds with interval."""
    rows = []
    for method, setting in found.settings.items():
        steps = found.of(method)
        stages = steps[steps["stage"] == 1], steps[steps["stage"] == 2]
        cells = {"method": f"{method} {setting}".strip(), "seeds": str(steps["seed"].nunique())}
        cells["epochs bargained"] = _estimate(steps.groupby("seed")["bargained"].sum(min_count=1), digits=1)
        for number, stage in enumerate(stages, 1):
            for column, name in (("aligned", "aligned"), ("aligned_rectified", "rectified")):
                cells[f"stage {number}, {name}"] = _estimate(stage.groupby("seed")[column].mean())
        if len(stages[0]) and stages[1].empty:
            cells |= {"stage 2, aligned": "stage 2 never starts", "stage 2, rectified": UNKNOWN}
        cells["goal alone"] = _estimate(steps.groupby("seed")["goal_aligned"].mean())
        rows.append(cells | {"infeasible": _estimate(stages[0].groupby("seed")["infeasible"].mean())})
    return pd.DataFrame(rows)


def _estimate(by_seed: pd.Series, digits: int = 3) -> str:
    values = by_seed.dropna().to_numpy()
    low, high = interval(values)
    return estimate(pd.Series({"x": by_seed.mean(), "x.low": low, "x.high": high}), "x", digits)


def caption(found: Alignment) -> str:
    """What the rows of the table are."""
    text = f"{found.dataset}: share of steps that lower every player's loss (every g_i . d > 0), mean over epochs and "
    text += f"seeds [95% interval: {RULE}]; a player is a cell of group and label. Aligned: before rectification; "
    text += "rectified: with the row weights that were used, max(d, 0); goal alone: the direction that the goal alone "
    text += "would take, all epochs; infeasible: share of stage 1's steps without an agreement. An epoch is of stage 1 "
    text += "where more than half of its steps were bargained, or were to be."
    first = " Of a method with several settings the first is shown."
    return text + first * any(found.settings.values())
