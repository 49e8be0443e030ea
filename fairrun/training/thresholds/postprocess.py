"""Decisions by thresholds for each group, for a trained run: by fairlearn, and by OxonFair (``thresholds.oxonfair``).

Hardt, Price and Srebro, NeurIPS 2016.  https://arxiv.org/abs/1610.02413

fairlearn's ThresholdOptimizer finds the most accurate decisions under the constraint, from the scores, labels and
groups of validation rows.  Decisions between two thresholds of a group may be random.  A row then has a probability of
the decision 1, and every rate is an expected value; nothing is drawn.

The same validation rows also choose fronts, and on these rows the decisions are at parity by construction.  So fronts
on validation rows are too favourable to these decisions compared with other methods.  Histories are without
post-processing.

Effects on metrics: accuracy and rates are expected values.  The soft demographic parity difference equals the hard one.
ROC AUC ranks rows by the probability of the decision 1, which takes few values.  Log loss and calibration error need
probabilities of the label, which decisions do not give: they are NaN.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fairrun.config.metrics import METRICS, Metric
from fairrun.data.table import Data, Table
from fairrun.method.api import Theta
from fairrun.models.network import Network
from fairrun.training.evaluation import evaluate_decisions
from fairrun.training.held import predict
from fairrun.training.run import Rules
from fairrun.training.thresholds.frontier import CURVES, rules_of
from fairrun.training.thresholds.oxonfair import thresholds

WORDS = {">": "above", "<": "below"}  # of fairlearn's operators
OXONFAIR = "oxonfair"
CONSTRAINTS = ("demographic_parity", "equalized_odds", OXONFAIR, *CURVES)


class Bound(NamedTuple):
    """What ``oxonfair`` is to keep on validation rows."""

    metric: str  # one of ``fairrun.training.thresholds.oxonfair.BOUNDED``
    value: float


class Scores(NamedTuple):
    """What decides the rows of a run, one number each."""

    val: Tensor  # [N]
    test: Tensor  # [N]


def postprocess(
    constraint: str,
    scores: Scores,
    data: Data,
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    bound: Bound | None = None,
) -> tuple[dict[str, float], Rules]:
    """Every metric of the post-processed decisions of one run on ``val/`` and ``test/`` rows, and their rules.

    Every group must have validation rows of both labels.
    """
    if bound is not None and constraint == OXONFAIR:
        rules = fit_thresholds(bound, scores.val, data.val)
    else:
        rules = fit_rules(constraint, scores.val, data.val)
    found: dict[str, float] = {}
    for split in ("val", "test"):
        table = getattr(data, split)
        p = probabilities(rules, getattr(scores, split), table.s)[None]
        values = evaluate_decisions(p, table, len(data.groups), metrics)
        found |= {f"{split}/{name}": float(value) for name, value in values.items()}
    return found, rules


def scores_of(network: Network, theta: Theta, data: Data) -> Scores:
    """The scores by a network with one run's parameters, which have no run axis; ``data`` has their dtype."""
    theta = {name: p.unsqueeze(0) for name, p in theta.items()}
    return Scores(*(predict(network, theta, table)[0] for table in (data.val, data.test)))


def fit_rules(constraint: str, scores: Tensor, table: Table) -> Rules:
    """The rule that turns each group's ``scores`` [N] into decisions: fairlearn's interpolation of two thresholds.

    Of each group: ``thresholds``, two of [probability, above or below, threshold as text, for it may be inf]; for
    equalized odds also ``ignored``, [probability, rate]: with the probability the decision is 1 at the rate, whatever
    the score.
    """
    from fairlearn.postprocessing import ThresholdOptimizer  # slow to import, and other runs do not need it
    from sklearn.base import BaseEstimator

    class Given(BaseEstimator):  # type: ignore[misc] # a model whose inputs are the scores
        def fit(self, X: Any, y: Any) -> "Given":
            return self

        def predict(self, X: Any) -> Any:
            return X[:, 0]

        def __sklearn_is_fitted__(self) -> bool:
            return True

    optimizer = ThresholdOptimizer(estimator=Given(), constraints=constraint, prefit=True, predict_method="predict")
    optimizer.fit(_numpy(scores)[:, None], _numpy(table.y), sensitive_features=_numpy(table.s))
    return {
        str(int(group)): _plain(rule) for group, rule in optimizer.interpolated_thresholder_.interpolation_dict.items()
    }


def fit_thresholds(bound: Bound, scores: Tensor, table: Table) -> Rules:
    """As ``fit_rules``, of OxonFair's thresholds, one for each group."""
    return rules_of(thresholds(*bound, _numpy(scores), _numpy(table.y), _numpy(table.s)))


def _plain(rule: Any) -> dict[str, Any]:
    pairs = ((rule.p0, rule.operation0), (rule.p1, rule.operation1))
    thresholds = [[float(p), WORDS[operation.operator], str(float(operation.threshold))] for p, operation in pairs]
    ignored = [float(rule.p_ignore), float(rule.prediction_constant)] if "p_ignore" in rule else None
    return {"thresholds": thresholds, "ignored": ignored}


def probabilities(rules: Rules, scores: Tensor, s: Tensor) -> Tensor:
    """The probability of the decision 1, [N] float64, for rows with ``scores`` [N] and groups ``s`` [N]."""
    p = torch.zeros(len(scores), dtype=torch.float64)
    for group, rule in rules.items():
        own = s == int(group)
        v = _numpy(scores[own])
        (p0, side0, t0), (p1, side1, t1) = rule["thresholds"]
        chance = p0 * _beyond(v, side0, t0) + p1 * _beyond(v, side1, t1)
        if rule["ignored"] is not None:
            share, rate = rule["ignored"]
            chance = share * rate + (1 - share) * chance
        p[own] = torch.from_numpy(chance)
    return p


def _beyond(values: np.ndarray, side: str, threshold: str) -> np.ndarray:
    return values > float(threshold) if side == "above" else values < float(threshold)


def _numpy(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
