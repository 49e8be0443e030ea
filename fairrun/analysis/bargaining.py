"""The course of bargaining over epochs: how often a step lowered every player's loss, and each player's weight.

A player is a cell of group and label.  A direction d is aligned if it lowers every player's loss: every g_i . d > 0.
Methods that bargain log means over the steps of an epoch: ``COLUMNS``, and for each player a column with the prefix
``ALPHA``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fairrun.analysis.interval import interval
from fairrun.analysis.tradeoff import Tradeoff, describe
from fairrun.results.records import history_of, read

ALPHA = "alpha/"  # prefix of a player's share of the weights
COLUMNS = {  # columns of a history, with the prefix train/
    "aligned": "share of steps whose direction was aligned",
    "aligned_rectified": "the same with the row weights that were used, max(d, 0)",
    "goal_aligned": "the same for the direction of the goal alone",
    "smallest_gain": "smallest g_i . d of a player, d of unit length",
    "infeasible": "share of steps in which the players have no agreement",
    "bargained": "share of steps taken by bargaining; with the infeasible ones those of stage 1",
}


@dataclass(frozen=True)
class Alignment:
    """The histories of bargaining on one data set; ``alignment`` makes it."""

    dataset: str
    steps: pd.DataFrame  # one row for each method, seed and epoch: COLUMNS (NaN: not logged), players' shares, stage
    settings: Mapping[str, str]  # method whose histories have the columns -> its configuration in words
    methods: list[str]  # all methods of the data set
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
    """The histories of the runs.  For a method with several configurations, the first in their table is taken.

    None if no run's history has the column ``train/aligned``; methods and runs without it are left out.
    """
    if "train/aligned" not in trade.runs:
        return None
    keys = [column for column in trade.by if column != "method"]
    frames, folders, settings = [], [], {}
    for method, own in trade.settings.groupby("method", sort=False):
        first = own.iloc[0]
        runs = trade.runs_of(first)
        found = [frame for _, run in runs.iterrows() if (frame := _history(run)) is not None]
        if found:
            folders.append(runs["folder"].iloc[0])
            frames += found
            settings[str(method)] = describe(first, keys) if len(own) > 1 else ""
    if not frames:
        return None
    names = {tuple(read(Path(folder)).get("groups", [])) for folder in folders}
    groups = list(names.pop()) if len(names) == 1 else []  # if groups differ between configurations: numbers
    methods = list(trade.settings["method"].unique())
    return Alignment(trade.dataset, pd.concat(frames, ignore_index=True), settings, methods, groups)


def _history(run: pd.Series) -> pd.DataFrame | None:
    """The columns about bargaining in a run's history, one row for each epoch; None without such columns."""
    history = history_of(run["folder"])
    if "train/aligned" not in history:
        return None
    history.columns = history.columns.str.removeprefix("train/")
    players = [column for column in history if column.startswith(ALPHA)]
    steps = history.reindex(columns=["epoch", *COLUMNS, *players]).astype(float)
    first = steps["bargained"].fillna(0) + steps["infeasible"].fillna(0) > 0.5
    return steps.assign(method=str(run["method"]), seed=run["seed"], stage=2 - first)


def curve(steps: pd.DataFrame, column: str) -> pd.DataFrame:
    """The mean of ``column`` in each epoch over the seeds that have a value, with its interval (``low``, ``high``)."""
    known = steps.dropna(subset=column).groupby("epoch")[column]
    rows = [(epoch, values.mean(), *interval(values.to_numpy())) for epoch, values in known]
    return pd.DataFrame(rows, columns=["epoch", "mean", "low", "high"], dtype=float)


def second_stage(steps: pd.DataFrame) -> float:
    """The first epoch of stage 2, as the median over the seeds that reach it; NaN if none does."""
    return float(steps[steps["stage"] == 2].groupby("seed")["epoch"].min().median())
