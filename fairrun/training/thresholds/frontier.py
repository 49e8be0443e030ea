"""The accuracy-fairness curve of one run's scores: for each bound, the most accurate thresholds of groups that keep it.

Hardt, Price and Srebro (NeurIPS 2016) choose thresholds for each group, https://arxiv.org/abs/1610.02413.  Here nothing
is random, and the difference between groups need not be 0: the rates of all groups lie in a window that is as wide as
the bound, and the best window is found exactly.  For equalized odds, two rates have a window each, whose lower ends are
among ``ENDS`` values.

Thresholds are fitted on all validation rows.  The validation metrics of a point are those of other thresholds: rows are
dealt into two parts, and the thresholds fitted on each part decide the other.  So fronts that are chosen on validation
rows do not flatter the curve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fairrun.config.metrics import Metric
from fairrun.data.table import Data
from fairrun.training.evaluation import evaluate_decisions
from fairrun.training.run import Rules

FRONTIER, UNAWARE = "frontier", "frontier_unaware"  # choices of ``postprocess``; the second is in ``unaware``
CURVES = (FRONTIER, UNAWARE)
BOUNDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 1.0)
RATES = {  # the rates of groups that a metric compares, by its name
    "demographic_parity_difference": ("selected",),
    "equal_opportunity_difference": ("true positives",),
    "false_positive_rate_difference": ("false positives",),
    "equalized_odds_difference": ("true positives", "false positives"),
}
ENDS = 200  # lower ends of each of two windows
ROUNDING = 1e-12


class Point(NamedTuple):
    """A point of the curve."""

    bound: float
    metrics: dict[str, float]  # val/..., test/...
    rules: Rules


def frontier(metric: str, scores: tuple[Tensor, Tensor], data: Data, metrics: Sequence[Metric]) -> list[Point]:
    """The points of the curve; ``scores`` are those of validation and test rows, [N] each.

    ``metric`` is one of ``RATES``.  Each group needs two validation rows of each label.
    """
    (val, test), rows = (each.double().cpu().numpy() for each in scores), data.val
    y, s = rows.y.cpu().numpy(), rows.s.cpu().numpy()
    fitted = fit(metric, val, y, s)
    parts = two_parts(y, s)
    crossed = np.zeros((len(BOUNDS), len(val)))
    for part in (0, 1):
        other = parts == 1 - part
        for k, thresholds in enumerate(fit(metric, val[parts == part], y[parts == part], s[parts == part])):
            crossed[k, other] = val[other] > thresholds[s[other]]
    decided = np.stack([test > thresholds[data.test.s.cpu().numpy()] for thresholds in fitted])
    return points_of({"val": crossed, "test": decided}, [rules_of(own) for own in fitted], data, metrics)


def points_of(
    decisions: Mapping[str, np.ndarray], rules: Sequence[Rules], data: Data, metrics: Sequence[Metric]
) -> list[Point]:
    """The points with the ``rules`` of each bound; ``decisions`` of each split, [bounds, N], are 0 or 1."""
    found = [dict[str, float]() for _ in BOUNDS]
    for split, decided in decisions.items():
        p = torch.from_numpy(decided.astype(float))
        values = evaluate_decisions(p, getattr(data, split), len(data.groups), metrics)
        for name, of_points in values.items():
            for k, value in enumerate(of_points.tolist()):
                found[k][f"{split}/{name}"] = value
    return [Point(bound, own, rule) for bound, own, rule in zip(BOUNDS, found, rules, strict=True)]


def fit(metric: str, scores: np.ndarray, y: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The thresholds of each bound and group, [bounds, S]: a row is decided 1 if its score is above its group's."""
    curves = [Curve.of(scores[s == g], y[s == g]) for g in range(int(s.max()) + 1)]
    return np.stack([_fitted([curve.rates(RATES[metric]) for curve in curves], curves, bound) for bound in BOUNDS])


@dataclass(frozen=True)
class Curve:
    """What each threshold of a group decides, from the one that selects no row to the one that selects all, [K]."""

    thresholds: np.ndarray
    true: np.ndarray  # positives, that is rows of label 1 that are selected
    false: np.ndarray  # rows of label 0 that are selected

    @classmethod
    def of(cls, scores: np.ndarray, y: np.ndarray) -> "Curve":
        """The curve of a group's rows, [N].  Thresholds lie midway between neighbouring scores."""
        values, codes = np.unique(-scores, return_inverse=True)
        values = -values  # falling
        ones = np.bincount(codes, weights=y, minlength=len(values))
        zeros = np.bincount(codes, minlength=len(values)) - ones
        between = (values[:-1] + values[1:]) / 2
        between = np.where(between < values[:-1], between, values[1:])  # of two numbers that no other lies between
        return cls(
            np.concatenate([[np.inf], between, [-np.inf]]),
            np.concatenate([[0], ones.cumsum()]),
            np.concatenate([[0], zeros.cumsum()]),
        )

    @property
    def correct(self) -> np.ndarray:
        """The rows that are decided as their label is, but for a constant."""
        return self.true - self.false

    def rates(self, names: Sequence[str]) -> np.ndarray:
        """The rates of each threshold, rising, [rates, K]."""
        ones, zeros = self.true[-1], self.false[-1]
        known = {
            "selected": (self.true + self.false) / (ones + zeros),
            "true positives": self.true / max(ones, 1),
            "false positives": self.false / max(zeros, 1),
        }
        return np.stack([known[name] for name in names])

    @cached_property
    def _largest(self) -> list[np.ndarray]:
        """At place [n][k]: the threshold with the most correct decisions among the 2^n from k on."""
        tables = [np.arange(len(self.correct))]
        while len(tables[-1]) > (step := 2 ** (len(tables) - 1)):
            first, second = tables[-1][:-step], tables[-1][step:]
            tables.append(np.where(self.correct[second] > self.correct[first], second, first))
        return tables

    def best(self, first: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The threshold with the most correct decisions from ``first`` to before ``end``; -1 if there is none."""
        found = np.full(first.shape, -1)
        length = end - first
        for n in range(len(self._largest)):
            own = (length >= 2**n) & (length < 2 ** (n + 1))
            low, high = self._largest[n][first[own]], self._largest[n][end[own] - 2**n]
            found[own] = np.where(self.correct[high] > self.correct[low], high, low)
        return found


def _fitted(rates: Sequence[np.ndarray], curves: Sequence[Curve], bound: float) -> np.ndarray:
    """The thresholds of the groups, [S], that keep the bound with the most correct decisions; ``rates`` [rates, K]."""
    lower = np.stack(np.meshgrid(*_ends(rates), indexing="ij")).reshape(len(rates[0]), -1)  # of the windows
    places, total = [], np.zeros(lower.shape[1])
    for curve, own in zip(curves, rates, strict=True):
        first = np.stack([np.searchsorted(rate, low, "left") for rate, low in zip(own, lower, strict=True)]).max(0)
        upper = lower + bound + ROUNDING
        end = np.stack([np.searchsorted(rate, high, "right") for rate, high in zip(own, upper, strict=True)]).min(0)
        place = curve.best(first, end)
        places.append(place)
        total += np.where(place < 0, -np.inf, curve.correct[place])
    best = int(total.argmax())
    return np.array([curve.thresholds[place[best]] for curve, place in zip(curves, places, strict=True)])


def _ends(rates: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The lower ends of windows: of one rate every value that a group has; of two rates ``ENDS`` of these."""
    every = [np.unique(np.concatenate(of_groups)) for of_groups in zip(*rates, strict=True)]
    if len(every) == 1:
        return every
    return [ends[np.unique(np.linspace(0, len(ends) - 1, ENDS).round().astype(int))] for ends in every]


def two_parts(y: np.ndarray, s: np.ndarray) -> np.ndarray:
    """0 or 1 for each row, dealt in turn to the rows of each group and label."""
    parts = np.zeros(len(y), dtype=int)
    for g in np.unique(s):
        for label in (0, 1):
            rows = np.flatnonzero((s == g) & (y == label))
            parts[rows] = np.arange(len(rows)) % 2
    return parts


def rules_of(thresholds: Sequence[float] | np.ndarray) -> Rules:
    """The rules by one threshold for each group: a row is decided 1 if its score is above it."""
    once = {str(g): [[1.0, "above", str(float(t))], [0.0, "above", str(float(t))]] for g, t in enumerate(thresholds)}
    return {group: {"thresholds": pair, "ignored": None} for group, pair in once.items()}
