"""FairBiNN (Yazdani-Jahromi et al., NeurIPS 2024), Algorithm 1.  https://arxiv.org/abs/2410.16432

Two players train one network.  The accuracy player (the leader) updates theta_a, all layers except the fairness layers.
The fairness player (the follower) updates theta_f, the fairness layers.

min over theta_a of  mean_i l_i(theta_a, theta_f*)   with   theta_f* in argmin over theta_f of  F(theta_a, theta_f)

    1  theta_a <- theta_a - lr grad_a mean_i l_i(theta_a, theta_f)
    2  theta_f <- theta_f - lr_f grad_f eta F(theta_a, theta_f)        with the theta_a of line 1

Letters: our ``optimizer.lr`` and ``fairness_optimizer.lr`` are the eta_a and eta_f of the paper's box; our ``eta`` is
the weight in its tables.  F is a fairness loss of the batch's scores; in the paper it is the demographic parity
difference.
Differs from the paper: both players see the same batch.  In the box each player draws its own (``minibatches: split``).
As in the box, and unlike the paper's prose, nothing is unrolled; ``stackelberg.py`` unrolls.  With Adam, the paper's
choice, ``eta`` has no effect, because Adam divides the gradient by its size.  Then ``fairness_optimizer.lr`` and
``follower_steps`` set the trade-off; with SGD ``eta`` does.  More follower steps and the choice of order are ours.
Differs from the authors' code, which is another algorithm: ``fairbinn_authors.py``.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor

from fairrun.method import (
    Batch,
    FairnessLoss,
    In,
    Method,
    Model,
    Optimizer,
    PerRun,
    Theta,
    descend,
    loss_named,
    mean,
    split,
)


class State(NamedTuple):
    """Parameters, and the optimizer of each player."""

    theta: Theta
    opt: Any
    opt_f: Any


@dataclass(frozen=True)
class FairBiNN(Method):
    """The fairness player updates the fairness layers, the accuracy player all other layers."""

    fairness_optimizer: Optimizer  # of theta_f
    eta: Annotated[PerRun, In("[0, inf)")] = 100.0  # weight of the fairness loss; paper: 100 (Table 2)
    fairness_loss: FairnessLoss = "demographic_parity"
    follower_steps: Annotated[int, In("[1, inf)")] = 1  # steps of the fairness player for each of the other
    # who steps first. accuracy_first: the paper's box; fairness_first: its section on complexity
    order: Literal["accuracy_first", "fairness_first"] = "accuracy_first"
    minibatches: Literal["same", "split"] = "same"  # the same for both players, or every other row for each
    needs = frozenset({"s", "fairness"})

    def remarks(self, epochs: int) -> list[str]:
        """Warn if ``eta`` has no effect with the fairness player's optimizer."""
        if not self.fairness_optimizer.scale_free:
            return []
        name = type(self.fairness_optimizer).__name__
        return [
            f"method.eta, if not 0, has no effect: {name} divides a gradient by its size, and the fairness layers see "
            "no other; sweep method.fairness_optimizer.lr or method.follower_steps, or take method=fairbinn_sgd"
        ]

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The initial state of each optimizer, for its player's parameters."""
        theta_f, theta_a = split(theta, "fairness")
        return State(theta, self.optimizer.init(theta_a), self.fairness_optimizer.init(theta_f))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """A step of the accuracy player, then the steps of the fairness player; or in the opposite order."""
        theta_f, theta_a = split(state.theta, "fairness")
        opt, opt_f = state.opt, state.opt_f
        batch_a, batch_f = self._batches(batch)

        def error(theta_a: Theta) -> Tensor:
            return mean(model.losses({**theta_a, **theta_f}, batch_a), batch_a.w)  # [R]

        def weighted_unfairness(theta_f: Theta) -> tuple[Tensor, Tensor]:
            unfairness = loss_named(self.fairness_loss)(model.scores({**theta_a, **theta_f}, batch_f), batch_f)  # [R]
            return self.eta[:, 0] * unfairness, unfairness

        if self.order == "accuracy_first":
            theta_a, opt, loss = descend(error, theta_a, opt, self.optimizer)  # 1
        for _ in range(self.follower_steps):
            theta_f, opt_f, (_, unfairness) = descend(  # 2
                weighted_unfairness, theta_f, opt_f, self.fairness_optimizer
            )
        if self.order == "fairness_first":
            theta_a, opt, loss = descend(error, theta_a, opt, self.optimizer)  # 1
        return State({**state.theta, **theta_a, **theta_f}, opt, opt_f), {"loss": loss, "unfairness": unfairness}

    def _batches(self, batch: Batch) -> tuple[Batch, Batch]:
        """The batches of the accuracy player and of the fairness player."""
        if self.minibatches == "same":
            return batch, batch
        even = torch.arange(batch.w.shape[-1], device=batch.w.device) % 2 == 0
        return batch._replace(w=batch.w * even), batch._replace(w=batch.w * ~even)
