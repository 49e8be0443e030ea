"""Which losses fall in a step of bargaining, by its size.

The rows, network and validation cells (players) are those of ``experiment=nash/student_por``, the losses cross-entropy.
A path of full-batch gradient descent on Nash bargaining's row weights, lr 0.2, gives 40 points for each seed.  From
each point there is one plain step of each size on row weights w, with g_k as in ``nash_meta``:

    bargained   w = d, the bargaining solution, whose entries may be below 0
    rectified   w = max(d, 0), which the method uses
    mean        w = max(mean_k g_k, 0), the goal of stage 2

``measured/every`` is the share of a seed's steps in which every player's loss falls, ``measured/total`` that in which
their mean falls.
"""

from itertools import product
from typing import NamedTuple

import pandas as pd
import torch
from torch import Generator, Tensor

from fairrun.api.session import of_calls
from fairrun.method.api import Batch, Theta
from fairrun.method.bargaining import nash_bargaining
from fairrun.methods.nash_meta import cell_weights
from fairrun.models.functional import Classifier
from fairrun.runs.built import network
from fairrun.runs.job import load
from fairrun.training.batches import padded_table, whole_table
from fairrun.training.tables import Tables

DTYPE = torch.float64
SEEDS = 5
POINTS = 40
PATH_LR = 0.2
LRS = (1e-3, 1e-2, 0.1, 1.0, 10.0)


class Problem(NamedTuple):
    """What is trained, and the players."""

    model: Classifier
    train: Batch
    val: Batch
    players: Tensor  # [R, K, M] the weight of each validation row in each player's loss

    def losses(self, theta: Theta) -> Tensor:
        """The players' losses, [R, K]."""
        return (self.players * self.model.losses(theta, self.val).unsqueeze(1)).sum(-1)

    def gains(self, theta: Theta) -> Tensor:
        """g_k, how much weight on each row lowers each player's loss, [R, K, N]."""
        found, _ = self.model.influence(theta, self.train, theta, self.val, self.players, lambda losses, p: losses)
        return found

    def moved(self, theta: Theta, w: Tensor, lr: float) -> Theta:
        """The parameters after a step on the row weights ``w`` [R, N], scaled to the length of equal weights."""
        length = w.norm(dim=-1, keepdim=True) * w.shape[-1] ** 0.5
        gradient = self.model.row_gradients(theta, self.train, "all").combined(w / length)
        return {name: p - lr * gradient[name] for name, p in theta.items()}


def problem() -> tuple[Problem, Theta]:
    """Student performance, and the parameters of each seed."""
    config = of_calls(("experiment=nash/student_por", "model.dropout=0"))
    data = load(config).to("cpu", DTYPE)
    rows, held_out = (Tables.joined([table], [0] * SEEDS) for table in data.held_out())
    val = padded_table(held_out, len(data.groups), 2)
    model = Classifier(network(config, len(data.features)))
    drawn = model.network.init([Generator().manual_seed(seed) for seed in range(SEEDS)])
    theta = {name: p.to(DTYPE) for name, p in drawn.items()}
    return Problem(model, whole_table(rows, len(data.groups), 2), val, cell_weights(val)), theta


def weights(g: Tensor) -> dict[str, Tensor]:
    """The row weights [R, N] of each rule."""
    alpha, _ = nash_bargaining(g @ g.mT)
    d = (alpha.unsqueeze(-1) * g).sum(1)
    return {"bargained": d, "rectified": d.clamp(min=0), "mean": g.mean(1).clamp(min=0)}


def measured() -> pd.DataFrame:
    """A row for each rule, ``method``, size of step, ``lr``, and seed."""
    on, theta = problem()
    found = []
    for _ in range(POINTS):
        before, w = on.losses(theta), weights(on.gains(theta))
        for rule, lr in product(w, LRS):
            fall = before - on.losses(on.moved(theta, w[rule], lr))
            values = {
                "measured/every": (fall > 0).all(-1).double().tolist(),
                "measured/total": (fall.mean(-1) > 0).double().tolist(),
            }
            found.append(pd.DataFrame({"method": rule, "lr": lr, "seed": range(SEEDS)} | values))
        theta = on.moved(theta, w["rectified"], PATH_LR)
    steps = pd.concat(found)
    return steps.groupby(["method", "lr", "seed"], sort=False, as_index=False).mean()
