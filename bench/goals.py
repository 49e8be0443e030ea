"""The goals of the benchmarks: what a value is to be, at least or at most."""

from collections.abc import Iterable
from typing import NamedTuple


class Goal(NamedTuple):
    """A bound on the values whose table, row and column have all of ``words`` among them."""

    words: tuple[str, ...]
    bound: float
    at_least: bool

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"

    def outcome(self, value: str) -> str:
        """Whether a value reaches the goal, or by how much it misses it."""
        missed = self.bound - float(value) if self.at_least else float(value) - self.bound
        return "reached" if missed <= 0 else f"missed by {missed:.2g}"


def at_least(bound: float, *words: str) -> Goal:
    """A goal of a value that is to be large."""
    return Goal(words, bound, at_least=True)


def at_most(bound: float, *words: str) -> Goal:
    """A goal of a value that is to be small."""
    return Goal(words, bound, at_least=False)


ALONE = "times, by Hydra's basic launcher"
LOOP = "times, by the `DataLoader` loop"
EXTRA = "CPU-milliseconds of a run more, beside training"
OVERHEAD = "seconds without training"
ONE_EPOCH = "`fairrun train dataset=adult epochs=1`, without its training"
RESULTS = "`fairrun results`"

GOALS = (
    at_least(9, "train", "MLP 64-64, batch 256", "a stack"),
    at_least(12, "train", "MLP 64-64, batch 64", "a stack"),
    at_least(4.5, "train", "MLP 128-128, batch 256", "a stack"),
    at_least(15, "sweep", "MLP 64-64, batch 256"),
    at_least(20, "sweep", "MLP 64-64, batch 64"),
    at_least(6, "sweep", "MLP 128-128, batch 256"),
    at_least(35, "sweep_reference", LOOP),
    at_most(3, "sweep_reference", OVERHEAD),
    at_most(8, "sweep_flat", EXTRA),
    at_most(2, "start", ONE_EPOCH),
    at_most(1, "start", RESULTS),
    at_most(4, "memory", "peak GiB"),
    at_least(8, "fairbinn", ALONE),
    at_least(4, "mtaf", ALONE),
    at_most(500, "nash_solve", "1"),
    at_most(20, "nash_solve", "128"),
    at_least(3.6, "nash", "MLP 64-64, batch 256"),
    at_least(8, "nash", "MLP 64-64, batch 64"),
    at_most(2, "irw", "`irw`", "last layer"),
    at_most(3, "irw", "`irw`", "all layers"),
    at_most(12, "irw", "`irwo`", "last layer"),
    at_most(2.5, "irw", "`irw_global`", "last layer"),
)


def goal(table: str, row: Iterable[str], column: str) -> Goal | None:
    """The goal of a value, if it has one."""
    place = {table, *row, column}
    return next((goal for goal in GOALS if place.issuperset(goal.words)), None)
