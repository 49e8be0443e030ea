"""What a chart shows, in the units of its data.  Pictures in files and charts on the page are drawn from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from fairrun.report.charts.looks import Look, Style

Ends = tuple[float, float]
NO_ENDS: Ends = (math.nan, math.nan)
LEAST = 4  # seeds from which on intervals are drawn
ATTAINMENT = "attainment"  # the view of a front that the page shows on demand


@dataclass(frozen=True)
class Axis:
    """One axis, fitted to what the chart is about."""

    title: str
    low: float
    high: float
    better: int = 0  # 1: higher is better, -1: lower; 0: neither end, or it counts epochs
    integers: bool = False


@dataclass(frozen=True)
class Point:
    """A configuration, or a single run."""

    x: float
    y: float
    name: str
    says: Sequence[str] = ()  # lines about it, for who points at it
    seeds: int = LEAST  # of its configuration
    label: str = ""  # beside it: the value of its method's knob
    x_ends: Ends = NO_ENDS  # its 95% intervals
    y_ends: Ends = NO_ENDS
    filled: bool = True
    crossed: bool = False  # degenerate
    chosen: bool = False  # recommended

    @property
    def known(self) -> bool:
        """Whether both of its values are defined."""
        return math.isfinite(self.x) and math.isfinite(self.y)

    @property
    def few(self) -> bool:
        """Whether each seed is drawn as a point instead of an interval, which says little of so few."""
        return self.seeds < LEAST


@dataclass(frozen=True)
class Series:
    """What has one entry in the legend: the points of a method, its line and its band, or a curve over epochs."""

    name: str
    look: Look
    points: Sequence[Point] = ()
    runs: Sequence[Point] = ()  # each seed alone
    line: Sequence[tuple[float, float]] = ()
    band: Sequence[tuple[float, float, float]] = ()  # x, low, high
    threads: Sequence[Sequence[tuple[float, float]]] = ()  # the line of each seed
    steps: bool = False  # whether the line goes in steps, as an attainment surface
    width: float = 1.3
    knob: str = ""  # the keys whose values are the labels of the points
    muted: bool = False  # of others: published points
    view: str = ""  # "" or ATTAINMENT
    listed: bool = True  # in the legend


@dataclass(frozen=True)
class Rule:
    """A value on one axis: a line across, or a mark at the edge where it is beyond the axis."""

    axis: str  # x or y
    at: float
    text: str
    style: Style = "--"

    def mark(self, axis: Axis) -> str:
        """What a mark at the edge says of a value beyond the axis, with an arrow to it; empty of one on the axis."""
        if axis.low <= self.at <= axis.high:
            return ""
        low, high = ("←", "→") if self.axis == "x" else ("↓", "↑")
        return f"{low if self.at < axis.low else high} {self.text} {self.at:.3f}"


@dataclass(frozen=True)
class Panel:
    """Two axes and what is drawn between them."""

    x: Axis
    y: Axis
    series: Sequence[Series]
    title: str = ""
    rules: Sequence[Rule] = ()
    missing: int = 0  # configurations far off, or without a value

    @property
    def better(self) -> str:
        """An arrow to where both axes are better; empty if either has no better end."""
        return {(-1, 1): "↖", (1, 1): "↗", (-1, -1): "↙", (1, -1): "↘"}.get((self.x.better, self.y.better), "")

    @property
    def shown(self) -> Self:
        """The panel as a picture shows it, without views that only the page has."""
        return replace(self, series=[series for series in self.series if not series.view])


@dataclass(frozen=True)
class Chart:
    """Panels side by side with one legend."""

    panels: Sequence[Panel]
    alt: str  # what it shows, for readers who do not see it
    seeds: int = LEAST  # the fewest of a curve
    of_epochs: bool = False
    legend: str = ""  # what is the same for all series, in a sentence

    @property
    def few_seeds(self) -> bool:
        """Whether each seed is drawn as a thin line instead of a band."""
        return self.seeds < LEAST

    @property
    def names(self) -> list[str]:
        """The entries of the legend, those of others last."""
        series = [one for panel in self.panels for one in panel.series if one.listed]
        return list(dict.fromkeys(one.name for one in sorted(series, key=lambda one: one.muted)))


def seeds_said(fewest: int, seeds: str) -> str:
    """What points are, where a configuration has at least ``fewest`` seeds: "means over 5 seeds, 95% intervals"."""
    if seeds == "1 seed":
        return seeds
    if fewest >= LEAST:
        return f"means over {seeds}, 95% intervals"
    return f"means over {seeds}; small: each of fewer than {LEAST} seeds"
