"""What tests of methods of several tasks share: a small network, a batch with padding, and one step as its gradient."""

import torch

from fairrun.method.steps import split
from fairrun.models.functional import Classifier
from fairrun.models.shared_bottom import SharedBottom
from fairrun.training.binding import bind
from fairrun.training.optim import SGD
from tests.helpers.synthetic import batch_of, data_of_tasks

PLAIN = SGD(lr=1.0, momentum=0.0, weight_decay=0.0)  # a step is the gradient


def network_of(num_tasks, **changes):
    """Two shared layers and an embedding, a hidden layer in each head."""
    widths = {"shared": [7, 5], "head": [4], "embedding_dim": 3}
    return SharedBottom(**{"num_features": 6, "categories": [2, 1], "num_tasks": num_tasks} | widths | changes)


def whole(num_tasks, num_runs=1):
    """The training rows as one batch of each run; the last six, of any label and group, are padding."""
    rows = data_of_tasks(num_tasks).train
    batch = batch_of(rows, torch.arange(len(rows.y)).expand(num_runs, -1))
    return batch._replace(w=(batch.i < len(rows.y) - 6).double())


def start_of(choices, batch, seed=5):
    """The bound methods, a model, and the state before the first step, from parameters that are not small."""
    network = network_of(batch.y.shape[-1])
    bound, model = bind(choices, torch.float64), Classifier(network)
    generators = [torch.Generator().manual_seed(seed + r) for r in range(len(choices))]
    theta = {name: 1.5 * p + 0.1 for name, p in network.init(generators).items()}
    theta |= bound.draw(theta, batch.num_groups, generators)
    return bound, model, bound.init(model, theta, batch)


def stepped(choices, batch, seed=5):
    """The gradient that each run's first step goes along, and what the step logs."""
    bound, model, state = start_of(choices, batch, seed)
    after, logs = bound.update(model, state, batch)
    return {name: p - after.theta[name] for name, p in state.theta.items()}, logs


def gradient_of(choice, batch, seed=5):
    """The gradient of a single run's first step: its heads', and its shared parameters'."""
    return split(stepped([choice], batch, seed)[0], "head.")


def assert_same(actual, expected, tolerance=1e-10):
    assert list(actual) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(
            actual[name], value, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )
