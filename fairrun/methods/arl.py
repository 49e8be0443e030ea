"""ARL, Adversarially Reweighted Learning (Lahoti et al., NeurIPS 2020).  https://arxiv.org/abs/2006.13114

min over theta  max over phi of  mean_i lambda_i(phi) l_i(theta),   lambda_i = 1 + sigma(f_i) / mean_j sigma(f_j)

A learner theta plays against an adversary f, which is linear in features and label.  The adversary gives more weight to
rows for which it can predict from (x, y) that the learner's loss is large.  It does not help groups that it cannot
recognise from (x, y), and it does not chase rows that are merely noisy.

    1  lambda <- the weights by phi, with means over the batch
    2  theta <- theta - lr grad_theta mean_i lambda_i l_i
    3  phi <- the adversary's step up  grad_phi mean_i lambda_i l_i

Both players step from the same point.  The method uses no group labels.
Letters: phi is the adversary's weights ``u`` (one for each feature, one for the label) and its bias ``c``; sigma is the
logistic function.
Differs from the paper: we know only its formula and its code.  phi starts at 0, where all rows weigh the same.  The
adversary sees a label of C > 2 classes one-hot.  The mean of the weights is 2, so plain SGD takes steps twice as long
as those of ERM.
Differs from the authors' code (google-research, group_agnostic_fairness): there the adversary has a hidden layer of 32
linear units with random initial weights, which represents no other functions.  There the adversary starts after 5000
batches of 256, and lambda is 1 until then; here ``pretrain_epochs`` gives this length in epochs.  There both players
use Adagrad.  As there, the mean of sigma is at least 1e-4.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fairrun.method import Batch, In, Method, Model, Optimizer, Theta, descend, mean

LEAST_MEAN = 1e-4


class State(NamedTuple):
    """Parameters and optimizer of the learner, and of the adversary: u [R, 1, D + 1 or D + C] and c [R, 1]."""

    theta: Theta
    opt: Any
    adversary: Theta
    opt_a: Any


@dataclass(frozen=True)
class ARL(Method):
    """min over theta, max over the adversary, of the reweighted loss."""

    adversary_optimizer: Optimizer
    pretrain_epochs: Annotated[int, In("[0, inf)")] = 0  # the learner trains alone for so many epochs
    multiclass = True

    def remarks(self, epochs: int) -> list[str]:
        """Warn if the adversary never starts within ``epochs``."""
        if self.pretrain_epochs < epochs:
            return []
        return [f"method.pretrain_epochs={self.pretrain_epochs}: the adversary never starts, epochs={epochs}"]

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """Start with an adversary that gives all rows the same weight."""
        num_runs, _, num_features = train.x.shape
        num_labels = train.num_classes if train.num_classes > 2 else 1
        adversary = {
            "u": train.x.new_zeros(num_runs, 1, num_features + num_labels),
            "c": train.x.new_zeros(num_runs, 1),
        }
        return State(theta, self.optimizer.init(theta), adversary, self.adversary_optimizer.init(adversary))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step of the learner, then one of the adversary unless it has not started."""
        alone = batch.epoch < self.pretrain_epochs
        seen = torch.cat([batch.x, _labels(batch)], dim=-1)
        weights = torch.ones_like(batch.w) if alone else _weights(state.adversary, seen, batch.w)  # 1

        def weighted_risk(theta: Theta) -> tuple[Tensor, Tensor]:
            losses = model.losses(theta, batch)
            return mean(weights * losses, batch.w), losses

        theta, opt, (loss, losses) = descend(weighted_risk, state.theta, state.opt, self.optimizer)  # 2
        logs = {"loss": loss, "largest_weight": (weights * batch.w).amax(-1)}
        if alone:
            return state._replace(theta=theta, opt=opt), logs

        def praise(adversary: Theta) -> Tensor:
            return -mean(_weights(adversary, seen, batch.w) * losses, batch.w)

        adversary, opt_a, _ = descend(praise, state.adversary, state.opt_a, self.adversary_optimizer)  # 3
        return State(theta, opt, adversary, opt_a), logs


def _labels(batch: Batch) -> Tensor:
    """The labels as features, [R, B, 1], or one-hot [R, B, C]."""
    if batch.num_classes == 2:
        return batch.y.unsqueeze(-1)
    return F.one_hot(batch.y.long(), batch.num_classes).to(batch.y)


def _weights(adversary: Theta, seen: Tensor, w: Tensor) -> Tensor:
    """lambda, [R, B]; its mean over the real rows is 2."""
    sigma = torch.sigmoid((seen * adversary["u"]).sum(-1) + adversary["c"])
    return 1 + sigma / mean(sigma, w).unsqueeze(-1).clamp(min=LEAST_MEAN)
