"""Two players' networks, and an optimizer that stands still."""

import dataclasses

import torch

from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.optim import SGD
from tests.helpers.synthetic import batch_of, data

NETWORK = MLP(num_features=6, num_classes=2, width=8, depth=3, fairness_layers=1, fairness_position=None, dropout=0.0)
PLAIN = SGD(lr=0.1, momentum=0.0, weight_decay=0.0)


@dataclasses.dataclass(frozen=True)
class Still:
    """An optimizer that does not move."""

    scale_free = False

    def init(self, theta):
        return ()

    def step(self, theta, grads, state):
        return theta, state


def start(choice, num_runs=1, network=NETWORK):
    """A bound method, its model, first state and first batch: the training rows but for two, which are padding."""
    rows = data().train
    batch = batch_of(rows, torch.arange(len(rows.y)).expand(num_runs, -1))
    batch = batch._replace(w=(batch.i < len(rows.y) - 2).double(), num_groups=3)
    model, theta = Classifier(network), network.init([torch.Generator().manual_seed(r) for r in range(num_runs)])
    bound = bind([choice] * num_runs, torch.float64)
    return bound, model, bound.init(model, theta, batch), batch
