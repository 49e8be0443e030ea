"""Finds room for the texts of a picture: no text lies on a point, a line, an interval or another text."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fairrun.report.charts.chart import Axis, Panel, Point, Rule, Series

Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels
Place = tuple[float, float, float, float]  # x and y in pixels, and the share of a text that is left of it and below
SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))  # of a point
GAPS = (4.0, 9.0, 15.0, 24.0)  # from the middle of a point to a text, in points
APART = 2.5  # from a text to another one beside it, in points; less reads as one word
CORNERS = {"↖": (0, 1), "↗": (1, 1), "↙": (0, 0), "↘": (1, 0)}
SAMPLES = 40  # of a line between two points


class Placer:
    """The places that are taken in one panel of a picture."""

    def __init__(self, axes: Axes, panel: Panel, canvas: FigureCanvasAgg) -> None:
        self.axes, self.renderer = axes, canvas.get_renderer()
        self.scale = canvas.figure.dpi / 72  # pixels a point
        self.frame = axes.get_window_extent(self.renderer).extents
        self.taken: list[Box] = [box for series in panel.series for box in self._of_series(series)]
        self.taken += map(self._of_rule, panel.rules)

    def name(self, text: str, series: Series, **style: Any) -> bool:
        """Write the name of a series beside one of its points; returns whether there was room, or nothing to name."""
        points = [point for point in series.points if point.known]
        middle = len(points) // 2
        order = sorted(points, key=lambda point: abs(points.index(point) - middle))
        places = [place for gap in GAPS for point in order for place in self._around(point, gap)]
        return not places or self._write(text, places, **style)

    def beside(self, point: Point, text: str, **style: Any) -> None:
        """Write a text beside a point, if there is room."""
        gaps = GAPS[1:3] if point.chosen else GAPS[:1]  # a ring takes room
        self._write(text, (place for gap in gaps for place in self._around(point, gap)), **style)

    def rule(self, rule: Rule, axis: Axis, **style: Any) -> bool:
        """Write what a line across says along it, or at the edge behind which it is; returns whether there was room."""
        mark = rule.mark(axis)
        if not mark:
            return self._write(rule.text, self._along(rule), **style)
        edge = 0 if rule.at < axis.low else 1
        shares = (0.98, 0.75, 0.5, 0.25, 0.02)
        where = [(edge, share) if rule.axis == "x" else (share, edge) for share in shares]
        return self._write(mark, [self._inside(*place) for place in where], always=True, **style)

    def corner(self, text: str, arrow: str, **style: Any) -> None:
        """Write a text into a corner, the one that an arrow points to if there is room."""
        first = CORNERS.get(arrow, (1, 1))
        corners = [first, *(corner for corner in CORNERS.values() if corner != first)]
        near = [
            (abs(x - far), abs(y - near)) for x, y in corners for far, near in ((0, 0), (0, 0.1), (0.1, 0), (0, 0.2))
        ]
        self._write(text, [self._inside(*place) for place in near], always=True, **style)

    def _write(self, text: str, places: Iterable[Place], *, always: bool = False, **style: Any) -> bool:
        """Write ``text`` at the first of ``places`` that is free, or with ``always`` at the best; whether it stands."""
        written = self.axes.text(0, 0, text, transform=None, zorder=7, **style)
        extent = written.get_window_extent(self.renderer)
        best: tuple[int, Box] | None = None
        for x, y, left, below in places:
            corner = x - left * extent.width, y - below * extent.height
            box = (*corner, corner[0] + extent.width, corner[1] + extent.height)
            hits = self._hits(box)
            if best is None or hits < best[0]:
                best = hits, box
            if not hits:
                break
        if best is None or (best[0] and not always):
            written.remove()
            return False
        share = self.axes.transAxes.inverted().transform(best[1][:2])
        written.set_transform(self.axes.transAxes)
        written.set_position(tuple(share))
        written.set_verticalalignment("bottom")
        left, bottom, right, top = best[1]
        self.taken.append((left - APART * self.scale, bottom, right + APART * self.scale, top))
        return True

    def _hits(self, box: Box) -> int:
        """How many taken places a box overlaps; leaving the frame counts like many."""
        left, bottom, right, top = box
        outside = left < self.frame[0] or bottom < self.frame[1] or right > self.frame[2] or top > self.frame[3]
        return 50 * outside + sum(
            left < own[2] and right > own[0] and bottom < own[3] and top > own[1] for own in self.taken
        )

    def _around(self, point: Point, gap: float) -> list[Place]:
        x, y = self._pixels(point.x, point.y)
        far = gap * self.scale
        return [(x + far * dx * (0.8 if dy else 1), y + far * dy, (1 - dx) / 2, (1 - dy) / 2) for dx, dy in SIDES]

    def _inside(self, x: float, y: float) -> Place:
        """A place within the frame, by shares of it."""
        left, bottom, right, top = self.frame
        gap = 2 * self.scale
        return left + gap + x * (right - left - 2 * gap), bottom + gap + y * (top - bottom - 2 * gap), x, y

    def _along(self, rule: Rule) -> Iterator[Place]:
        gap = 2 * self.scale
        x, y = self._pixels(rule.at, rule.at)
        left, bottom, right, top = self.frame
        for share in (0.98, 0.02, 0.75, 0.5, 0.25):
            for side in (0, 1):
                far = gap * (1 - 2 * side)
                if rule.axis == "y":
                    yield left + share * (right - left), y + far, share, side
                else:
                    yield x + far, bottom + share * (top - bottom), side, share

    def _of_series(self, series: Series) -> Iterator[Box]:
        for run in (run for run in series.runs if run.few and run.known):
            yield self._square(run, 1.6)
        for point in (point for point in series.points if point.known):
            yield self._square(point, 2.0 if series.muted else 5.0 if point.chosen else 3.2)
            for (low, high), along in ((point.x_ends, "x"), (point.y_ends, "y")):
                if not point.few and math.isfinite(low) and math.isfinite(high):
                    ends = [
                        self._pixels(end, point.y) if along == "x" else self._pixels(point.x, end)
                        for end in (low, high)
                    ]
                    yield min(ends[0][0], ends[1][0]), min(ends[0][1], ends[1][1]), *map(max, zip(*ends, strict=True))
        for first, second in zip(series.line, series.line[1:], strict=False):
            (x, y), (x1, y1) = self._pixels(*first), self._pixels(*second)
            for share in np.linspace(0, 1, SAMPLES):
                at = x + share * (x1 - x), y + share * (y1 - y)
                yield at[0] - 1, at[1] - 1, at[0] + 1, at[1] + 1

    def _square(self, point: Point, size: float) -> Box:
        x, y = self._pixels(point.x, point.y)
        far = size * self.scale
        return x - far, y - far, x + far, y + far

    def _of_rule(self, rule: Rule) -> Box:
        x, y = self._pixels(rule.at, rule.at)
        left, bottom, right, top = self.frame
        return (x - 1, bottom, x + 1, top) if rule.axis == "x" else (left, y - 1, right, y + 1)

    def _pixels(self, x: float, y: float) -> tuple[float, float]:
        found = self.axes.transData.transform((x, y))
        return float(found[0]), float(found[1])
