"""Decisions by a threshold for each group (Hardt, Price and Srebro, NeurIPS 2016), for a trained run.
https://arxiv.org/abs/1610.02413

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
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fairrun.config.metrics import GROUP_METRICS, METRICS, Metric
from fairrun.data.table import Data, Table
from fairrun.method.api import Theta
from fairrun.models.network import Network
from fairrun.training.fit import predict
from fairrun.training.metrics import decided, evaluate

CONSTRAINTS = ("demographic_parity", "equalized_odds")


def postprocess(
    constraint: str,
    network: Network,
    theta: Theta,
    data: Data,
    metrics: Sequence[Metric] = tuple(METRICS.values()),
) -> dict[str, float]:
    """Every metric of the post-processed decisions of one run on ``val/`` and ``test/`` rows.

    ``theta`` are its parameters, without a run axis; ``data`` has their dtype.  Every group must have validation rows
    of both labels.
    """
    theta = {name: p.unsqueeze(0) for name, p in theta.items()}
    logits = {split: predict(network, theta, getattr(data, split))[0] for split in ("val", "test")}
    rules = fit_rules(constraint, logits["val"], data.val)
    found = {}
    no_meaning = {m.name.removeprefix("group_") for m in (*metrics, *GROUP_METRICS) if m.of_probabilities}
    for split in ("val", "test"):
        table = getattr(data, split)
        decisions = decided(probabilities(rules, logits[split], table.s)[None], table, len(data.groups))
        for name, value in evaluate(decisions, metrics).items():
            known = name.partition("/")[0] not in no_meaning
            found[f"{split}/{name}"] = float(value) if known else float("nan")
    return found


def fit_rules(constraint: str, scores: Tensor, table: Table) -> dict[int, Any]:
    """The rule that turns each group's ``scores`` [N] into decisions: fairlearn's interpolation of two thresholds."""
    from fairlearn.postprocessing import ThresholdOptimizer  # slow to import, and other runs do not need it
    from sklearn.base import BaseEstimator

    class Scores(BaseEstimator):  # type: ignore[misc] # a model whose inputs are the scores
        def fit(self, X: Any, y: Any) -> "Scores":
            return self

        def predict(self, X: Any) -> Any:
            return X[:, 0]

        def __sklearn_is_fitted__(self) -> bool:
            return True

    optimizer = ThresholdOptimizer(estimator=Scores(), constraints=constraint, prefit=True, predict_method="predict")
    optimizer.fit(_numpy(scores)[:, None], _numpy(table.y), sensitive_features=_numpy(table.s))
    return {int(group): rule for group, rule in optimizer.interpolated_thresholder_.interpolation_dict.items()}


def probabilities(rules: dict[int, Any], scores: Tensor, s: Tensor) -> Tensor:
    """The probability of the decision 1, [N] float64, for rows with ``scores`` [N] and groups ``s`` [N].

    For equalized odds, with probability p_ignore the score is ignored: the decision is 1 at a constant rate.
    """
    p = torch.zeros(len(scores), dtype=torch.float64)
    for group, rule in rules.items():
        own = s == group
        v = _numpy(scores[own])
        chance = rule.p0 * rule.operation0(v) + rule.p1 * rule.operation1(v)
        if "p_ignore" in rule:
            chance = rule.p_ignore * rule.prediction_constant + (1 - rule.p_ignore) * chance
        p[own] = torch.from_numpy(chance)
    return p


def _numpy(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
