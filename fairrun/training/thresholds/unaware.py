"""The accuracy-fairness curve of one run's scores where a row's group is not known when it is decided.

The most accurate decision within a bound then depends on the group through its probability given the features (Menon
and Williamson, FAT* 2018, "The cost of fairness in binary classification", section 4,
https://proceedings.mlr.press/v81/menon18a.html).  A rate r of a group g is the mean of the decisions, weighted by
v_r q_rg, but for a constant: of the selection rate v = 1 and q_g is the probability of the group; of the true positive
rate v = p, the run's score, and q_g the probability of the group given that the label is 1; of the false positive rate
v = 1 - p, and q_g that given label 0.  So a row is decided 1 if

    2 p - 1 > b + sum_r v_r sum_g w_rg q_rg

Each q is a multinomial logistic regression on the features of the training rows that its rate counts (scikit-learn).
The weights w are tried on a grid and b is the best for each, on validation rows and their groups.  Differs from the
paper: there b is 0, and w follows from a multiplier of the constraint.

As in ``frontier``, validation metrics of a point are those of rows that did not fit it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from fairrun.config.metrics import Metric
from fairrun.data.table import Data
from fairrun.training.library import features
from fairrun.training.thresholds.frontier import BOUNDS, RATES, ROUNDING, Point, points_of, two_parts

RULE = "unaware"  # the key of such a rule
# Weights that are tried, one after another, in deviations of 2 p - 1: around 0, then around those found
COARSE, FINE = np.linspace(-4, 4, 41), np.linspace(-0.2, 0.2, 9)
MOST_OFFSETS = 2000  # that are tried with some weights
TIED = 1e-9  # rows whose margins are closer are decided alike: a rule computes them with another rounding
DIGITS = 9  # of weights
MOST_ITERATIONS = 300  # of the logistic regression


class Groups(NamedTuple):
    """For each rate the probability of each group given the features: softmax(x weights + bias)."""

    weights: dict[str, np.ndarray]  # [D, S]
    biases: dict[str, np.ndarray]  # [S]

    @classmethod
    def fit(cls, metric: str, x: np.ndarray, y: np.ndarray, s: np.ndarray) -> "Groups":
        """Fit to training rows, by one thread: features [N, D], labels, groups.

        Every group must have rows of both labels.
        """
        from sklearn.linear_model import LogisticRegression  # slow to import, and other runs do not need it

        counted = {"selected": np.full(len(y), True), "true positives": y == 1, "false positives": y == 0}
        weights, biases = {}, {}
        for rate in RATES[metric]:
            rows = counted[rate]
            with threadpool_limits(1):
                fitted = LogisticRegression(max_iter=MOST_ITERATIONS).fit(x[rows], s[rows])
            weights[rate], biases[rate] = fitted.coef_.T, fitted.intercept_
            if len(biases[rate]) == 1:  # of two groups it gives the second one's log-odds
                weights[rate] = np.hstack([0 * weights[rate], weights[rate]])
                biases[rate] = np.append(0, biases[rate])
        return cls(weights, biases)

    @classmethod
    def of(cls, plain: Mapping[str, Mapping[str, Any]]) -> "Groups":
        """Those that ``plain`` describes."""
        return cls(*({rate: np.array(own) for rate, own in plain[key].items()} for key in cls._fields))

    @property
    def plain(self) -> dict[str, dict[str, Any]]:
        """As JSON."""
        return {key: {rate: v.tolist() for rate, v in getattr(self, key).items()} for key in self._fields}

    def probabilities(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """[N, D] -> [N, S] for each rate."""
        from scipy.special import softmax  # slow to import, and other runs do not need it

        return {rate: softmax(x @ own + self.biases[rate], axis=-1) for rate, own in self.weights.items()}


class Told(NamedTuple):
    """What the features of a data set tell of groups: the same for all runs on it."""

    groups: Groups
    val: dict[str, np.ndarray]  # the probabilities of validation rows
    test: dict[str, np.ndarray]

    @classmethod
    def of(cls, metric: str, data: Data) -> "Told":
        """Fit to the training rows for the rates of a metric."""
        groups = Groups.fit(metric, features(data.train.x), data.train.y.numpy(), data.train.s.numpy())
        return cls(groups, *(groups.probabilities(features(table.x)) for table in (data.val, data.test)))


class Rule(NamedTuple):
    """Which rows are decided 1."""

    offset: float  # b
    weights: dict[str, list[float]]  # w of each group, by the rate

    def decide(self, p: np.ndarray, q: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores [N] and probabilities of groups, [N, S] for each rate -> bool [N]."""
        moved = sum(_stand_in(rate, p) * (q[rate] @ np.array(own)) for rate, own in self.weights.items())
        found: np.ndarray = 2 * p - 1 > self.offset + moved
        return found


def unaware(
    metric: str, scores: tuple[Tensor, Tensor], data: Data, metrics: Sequence[Metric], told: Told
) -> list[Point]:
    """The points of the curve; ``scores`` are the logits of validation and test rows, [N] each.

    ``metric`` is one of ``RATES``, and ``told`` of its rates.  Each group needs two validation rows of each label.
    """
    p_val, p_test = (_probabilities(each) for each in scores)
    q_val, q_test = told.val, told.test
    y, s = data.val.y.cpu().numpy(), data.val.s.cpu().numpy()
    fitted = fit(metric, p_val, q_val, y, s)
    crossed, parts = np.zeros((len(BOUNDS), len(y)), dtype=bool), two_parts(y, s)
    for part in (0, 1):
        own, other = parts == part, parts != part
        q_own, q_other = ({rate: v[rows] for rate, v in q_val.items()} for rows in (own, other))
        for k, rule in enumerate(fit(metric, p_val[own], q_own, y[own], s[own])):
            crossed[k, other] = rule.decide(p_val[other], q_other)
    decided = np.stack([rule.decide(p_test, q_test) for rule in fitted])
    rules: list[dict[str, dict[str, Any]]] = [{RULE: rule._asdict()} for rule in fitted]
    return points_of({"val": crossed, "test": decided}, rules, data, metrics)


def chances(rules: dict[str, dict[str, Any]], groups: Groups, scores: Tensor, x: Tensor) -> Tensor:
    """1 for each row that is decided 1, else 0, [N] float64; ``scores`` [N] are logits, ``x`` [N, D] features."""
    decided = Rule(**rules[RULE]).decide(_probabilities(scores), groups.probabilities(features(x)))
    return torch.from_numpy(decided).double()


def fit(metric: str, p: np.ndarray, q: Mapping[str, np.ndarray], y: np.ndarray, s: np.ndarray) -> list[Rule]:
    """The rule of each bound, for scores [N], probabilities of groups [N, S] by rate, labels and groups [N]."""
    search = _Search.of(RATES[metric], p, q, y, s)
    found = _Found.of(len(search.directions))
    looked = set()
    for grid, around in ((COARSE, False), (FINE, True), (FINE, True)):
        for k in range(len(search.directions)):
            starts = found.weights.copy()
            starts[:, k] *= around  # from the weight of each bound, or from 0
            tried = (starts[:, None] + grid[:, None] * (np.arange(starts.shape[1]) == k)).reshape(-1, starts.shape[1])
            for weights in np.unique(tried.round(DIGITS), axis=0):
                if (at := tuple(weights)) not in looked:
                    looked.add(at)
                    search.look(found, weights)
    return [search.rule(*each) for each in zip(found.offsets.tolist(), found.weights, strict=True)]


class _Found(NamedTuple):
    """The best that was looked at, of each bound."""

    correct: np.ndarray  # decisions as the label is, but for a constant, [bounds]
    offsets: np.ndarray  # b, [bounds]
    weights: np.ndarray  # of directions, [bounds, K]

    @classmethod
    def of(cls, num_weights: int) -> "_Found":
        bounds = len(BOUNDS)
        return cls(np.full(bounds, -np.inf), np.zeros(bounds), np.zeros((bounds, num_weights)))


class _Search(NamedTuple):
    """What rules are tried on."""

    names: Sequence[str]  # of rates
    gain: np.ndarray  # 2 p - 1, [N]
    directions: np.ndarray  # what each weight takes from the gain, with the gain's deviation, [K, N]
    scales: np.ndarray  # by which the directions were multiplied, [K]
    of_groups: np.ndarray  # the weights of groups in a direction, of each rate the same, [directions, S]
    labels: np.ndarray  # 1 or -1, [N]
    shares: np.ndarray  # of each row in the rate of its group, [N, rates S]

    @classmethod
    def of(
        cls, names: Sequence[str], p: np.ndarray, q: Mapping[str, np.ndarray], y: np.ndarray, s: np.ndarray
    ) -> "_Search":
        """Directions are the differences of groups from the first, as b takes what they have in common."""
        num_groups, gain = q[names[0]].shape[1], 2 * p - 1
        member = s[:, None] == np.arange(num_groups)
        counts = {"selected": member, "true positives": member & (y == 1)[:, None]}
        counts["false positives"] = member & (y == 0)[:, None]
        shares = np.concatenate([counts[name] / np.maximum(counts[name].sum(0), 1) for name in names], axis=1)
        of_groups = np.eye(num_groups)[1:]
        moves = np.stack([_stand_in(name, p) * (q[name] @ own) for name in names for own in of_groups])
        deviations = moves.std(-1)
        tells = deviations > TIED  # a direction that is the same for all rows moves none beside another
        scales = np.where(tells, gain.std() / np.where(tells, deviations, 1), 0)
        return cls(names, gain, moves * scales[:, None], scales, of_groups, 2 * y - 1, shares)

    def look(self, found: _Found, weights: np.ndarray) -> None:
        """Note for which bounds the best offset with these ``weights`` [K] is better than what was found before."""
        margin = self.gain - weights @ self.directions
        order = np.argsort(-margin, kind="stable")
        ranked = margin[order]
        ends = np.append(np.flatnonzero(ranked[:-1] > ranked[1:] + TIED), len(ranked) - 1)
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_OFFSETS).astype(int))]
        correct = np.append(0, self.labels[order].cumsum()[ends])
        rates = self.shares[order].cumsum(0)[ends].reshape(len(ends), len(self.names), -1)
        differences = np.append(0, (rates.max(-1) - rates.min(-1)).max(-1))
        for k, bound in enumerate(BOUNDS):
            best = int(np.where(differences <= bound + ROUNDING, correct, -np.inf).argmax())
            if correct[best] > found.correct[k]:
                found.correct[k], found.weights[k] = correct[best], weights
                found.offsets[k] = _between(ranked, 0 if best == 0 else ends[best - 1] + 1)

    def rule(self, offset: float, weights: np.ndarray) -> Rule:
        """The rule with so many of each direction."""
        of_rates = np.reshape(weights * self.scales, (len(self.names), -1)) @ self.of_groups
        return Rule(offset, {name: own.tolist() for name, own in zip(self.names, of_rates, strict=True)})


def _between(ranked: np.ndarray, count: int) -> float:
    """An offset that the first ``count`` of falling margins exceed, and no other."""
    if count == 0:
        return float(ranked[0]) + 1
    return float(ranked[-1]) - 1 if count == len(ranked) else float((ranked[count - 1] + ranked[count]) / 2)


def _probabilities(logits: Tensor) -> np.ndarray:
    found: np.ndarray = logits.double().cpu().sigmoid().numpy()
    return found


def _stand_in(rate: str, p: np.ndarray) -> np.ndarray:
    """What stands for the rows that a rate counts, where labels are not known."""
    return {"selected": np.ones_like(p), "true positives": p, "false positives": 1 - p}[rate]
