"""Estimate group shares from randomised responses, so that nobody has to say which group is theirs.

Each person reports their own group with probability tau, and each of the other K - 1 groups with probability beta:

    tau = e^epsilon / (e^epsilon + K - 1),  beta = 1 / (e^epsilon + K - 1)

With two groups and epsilon = ln 3 these are 3/4 and 1/4, the two coins of Dwork and Roth (2014, section 3.2: the truth
on heads, a fair coin on tails).  If a group has share p_k, its mean share of the reports is q_k = beta + (tau - beta)
p_k.  So

    p_k = (q_k - beta) / (tau - beta)

is an unbiased estimate.  The estimates sum to 1; some may be below 0.

Private: a report is (epsilon, 0)-locally differentially private, because any two groups make a report with
probabilities whose ratio is at most e^epsilon = tau / beta.  Everything computed from the reports alone (shares,
bounds, alpha) costs no further privacy.

Not private:
- Features and labels: they are used unchanged, and may reveal the group better than the report does.
- Answers after the first: each adds its epsilon.  Two attributes asked separately cost 2 epsilon; asked as one
  attribute with all combinations they cost epsilon.  Asking a person again for every seed costs epsilon for each seed.
- Everything else that reads the true groups, such as metrics by group.
- The draw itself: whoever knows the seed can undo it.  ``respond`` simulates people who answer by their own chance.
- Runs of several seeds: ``WorstOff.with_group_sizes`` simulates new answers for each, to show how much alpha varies.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from torch import Tensor

from fairrun.config.check import In, is_integer, is_number, require
from fairrun.method.api import Batch, Method, Model, PerRun, Theta
from fairrun.method.rows import mean, row_weight_logs, whole_rows
from fairrun.method.steps import descend

STREAM = 1000  # random stream of a run's seed for its reports; those of ``fairrun.training.stack`` have smaller numbers


def probabilities(num_groups: int, epsilon: float) -> tuple[float, float]:
    """The probabilities of a report: tau for the own group, beta for each other group; tau / beta = e^epsilon.

    Raises ``InputError`` unless there are at least two groups and ``epsilon`` is at least 1e-9, which rounding can
    distinguish from 0.
    """
    require(is_integer(num_groups) and num_groups >= 2, "num_groups", num_groups, "an integer >= 2")
    require(is_number(epsilon) and epsilon >= 1e-9, "epsilon", epsilon, "a number > 0 (from 1e-9 on)")
    odds = math.exp(-epsilon)  # no overflow, however large epsilon
    tau = 1 / (1 + (num_groups - 1) * odds)
    return tau, odds * tau


def respond(s: np.ndarray, num_groups: int, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a report in 0..K-1 for each value of ``s`` [N], integers in 0..K-1 -> [N]."""
    tau, _ = probabilities(num_groups, epsilon)
    _check_groups("s", s, num_groups)
    others = (s + rng.integers(1, num_groups, size=len(s))) % num_groups
    return np.where(rng.random(len(s)) < tau, s, others)


def shares(reports: np.ndarray, num_groups: int, epsilon: float) -> np.ndarray:
    """Unbiased estimates of the groups' shares from ``reports`` [N] -> [K], with sum 1; some may be outside [0, 1]."""
    tau, beta = probabilities(num_groups, epsilon)
    _check_groups("reports", reports, num_groups)
    q = np.bincount(reports, minlength=num_groups) / len(reports)
    return (q - beta) / (tau - beta)


def radius(num_rows: int, num_groups: int, epsilon: float, delta: float) -> float:
    """A bound on the errors of all estimated shares, which fails with probability at most ``delta``.

    It is sqrt(ln(2 K / delta) / (2 N)) / (tau - beta), by Hoeffding's inequality for each group on both sides and the
    union bound over groups.  Two groups have opposite errors and need no union bound: ln(2 / delta).  The bound holds
    for the shares among these rows, and for those of the population from which the rows were drawn independently.
    """
    tau, beta = probabilities(num_groups, epsilon)
    require(is_integer(num_rows) and num_rows >= 1, "num_rows", num_rows, "an integer >= 1")
    require(is_number(delta) and 0 < delta < 1, "delta", delta, "in (0, 1)")
    errors = 1 if num_groups == 2 else num_groups
    return math.sqrt(math.log(2 * errors / delta) / (2 * num_rows)) / (tau - beta)


def alpha(reports: np.ndarray, num_groups: int, epsilon: float) -> float:
    """The smallest estimated share, clipped to [1/N, 1/K], so that it is at least one row.

    Before clipping its mean is at most the smallest true share, because the smallest of several estimates is on average
    too low.
    """
    least = float(shares(reports, num_groups, epsilon).min())
    return min(max(least, 1 / len(reports)), 1 / num_groups)


def conservative(reports: np.ndarray, num_groups: int, epsilon: float, delta: float) -> float:
    """A lower confidence bound in (0, 1/K) on the smallest true share, which fails with probability ``delta`` at most.

    It is the smallest estimate minus ``radius``.  Raises ``InputError`` if it is not above 0, because it then says
    nothing.
    """
    least = float(shares(reports, num_groups, epsilon).min())
    off = radius(len(reports), num_groups, epsilon, delta)
    allowed = (
        f"such that the bound is above 0; of {len(reports)} reports at epsilon = {epsilon:g} the smallest share is"
        f" {least:.4f}, to within {off:.4f} (take a greater delta or epsilon, more rows, or the estimate itself)"
    )
    require(least > off, "delta", delta, allowed)
    return least - off


@dataclass(frozen=True)
class WorstOff(Method):
    """A method for the worst-off share ``alpha`` of the rows; alpha is given, or estimated from reports of groups."""

    alpha: Annotated[PerRun, In("(0, 1]")] = 0.5  # a lower bound on the share of the smallest group
    alpha_from: Literal["given", "randomized_response"] = "given"
    epsilon: Annotated[float, In("(0, inf)")] = math.log(3)  # privacy of the reports
    # alpha is a lower confidence bound on the smallest share that fails with probability delta; None: the estimate
    delta: Annotated[float | None, In("(0, 1)")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        sound = self.delta is None or self.alpha_from == "randomized_response"
        require(sound, "delta", self.delta, "null with method.alpha_from=given, where there are no reports")

    def remarks(self, epochs: int) -> list[str]:
        """Name a field that was set and has no effect."""
        if self.alpha_from == "given" and self.epsilon != WorstOff.epsilon:
            return [f"method.epsilon={self.epsilon:.6g} has no effect with method.alpha_from=given"]
        return []

    @property
    def batch_with_a_worst_off_row(self) -> tuple[int, str]:
        """The smallest batch of which a share ``alpha`` is at least one row, and why; 1 while alpha is not known."""
        return (whole_rows(1 / self.alpha), f"alpha={self.alpha:.6g}") if self.alpha_from == "given" else (1, "")

    def weighted_step(
        self, model: Model, theta: Theta, opt: Any, batch: Batch, w: Tensor
    ) -> tuple[Theta, Any, dict[str, Tensor]]:
        """One step theta <- theta - lr sum_i w_i grad l_i with row weights ``w`` [R, B], and its logs."""

        def weighted_risk(theta: Theta) -> tuple[Tensor, Tensor]:
            losses = model.losses(theta, batch)
            return (w * losses).sum(-1), losses

        theta, opt, (_, losses) = descend(weighted_risk, theta, opt, self.optimizer)
        logs = {"loss": mean(losses, batch.w), "alpha": self.alpha.squeeze(-1)}
        return theta, opt, logs | row_weight_logs(w, batch)

    def with_group_sizes(self, group_rows: Sequence[int], seed: int) -> Self:
        """The method with the alpha estimated from reports; the method itself if ``alpha_from`` is given.

        ``group_rows`` [K] is the number of training rows of each group.  Every row makes a random report, which depends
        on ``seed`` alone.  Only the number of reports of each group matters, so no report is assigned to a row.  Raises
        ``InputError`` where ``respond`` and ``conservative`` do.
        """
        if self.alpha_from == "given":
            return self
        num_groups = len(group_rows)
        s = np.repeat(np.arange(num_groups), group_rows)
        reports = respond(s, num_groups, self.epsilon, np.random.default_rng([seed, STREAM]))
        if self.delta is None:
            found = alpha(reports, num_groups, self.epsilon)
        else:
            found = conservative(reports, num_groups, self.epsilon, self.delta)
        return dataclasses.replace(self, alpha=found, alpha_from="given", delta=None)


def _check_groups(key: str, values: np.ndarray, num_groups: int) -> None:
    whole = values.ndim == 1 and values.dtype.kind in "iu" and len(values) > 0
    fits = whole and values.min() >= 0 and values.max() < num_groups
    require(fits, key, values, f"at least one integer, all in 0..{num_groups - 1}")
