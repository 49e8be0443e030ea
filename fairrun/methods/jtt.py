"""JTT, Just Train Twice (Liu et al., ICML 2021), Algorithm 1.  https://arxiv.org/abs/2107.09044

minimise over theta  sum_{i in E} up l_i(theta) + sum_{i not in E} l_i(theta),   E the rows that a first model got wrong

    1  theta <- ERM for ``first_epochs`` epochs
    2  E <- the training rows that theta decides wrongly
    3  theta <- its initial values; ERM on rows drawn with replacement, those of E ``up`` times as often

The method uses no group labels.  ``epochs`` counts both stages, so the history of the second model starts after
``first_epochs``.  ``selection: best`` may choose an epoch of the first model.
Letters: ``first_epochs`` is the paper's T, ``up`` its lambda_up.
Where it fails: among rows with the same features a share e < 1/2 may have the other label.  These rows are noise, and
they are all of E.  If up e > 1 - e the second model decides as they say; at an error of 1/3, as on COMPAS, up must stay
below 2.  The paper's values, 4 to 100, are for labels with little noise.
Differs from the paper: the second model has the initial values, batch size and optimizer of the first.  An epoch draws
as many rows as there are, with replacement; the paper passes over a set that holds each row of E ``up`` times.  ``up``
need not be whole.  A schedule of learning rates continues from the first stage to the second.
Differs from the authors' code: not compared.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor

from fairrun.method import Batch, In, Method, Model, PerRun, Theta, descend, mean, parts


class State(NamedTuple):
    """Parameters, optimizer, initial parameters, and which rows are in E, [R, N] in {0, 1}."""

    theta: Theta
    opt: Any
    first: Theta
    errors: Tensor


@dataclass(frozen=True)
class JTT(Method):
    """ERM, then ERM again with more of the rows that the first model got wrong."""

    first_epochs: Annotated[int, In("[1, inf)")] = 2  # epochs of the first model
    # the second model draws errors of the first so many times as often; 1 is ERM on rows drawn with replacement
    up: Annotated[PerRun, In("(0, inf)")] = 1.5
    multiclass = True

    def remarks(self, epochs: int) -> list[str]:
        """Warn if the second model is never trained within ``epochs``."""
        if self.first_epochs < epochs:
            return []
        return [f"method.first_epochs={self.first_epochs}: the second model is never trained, epochs={epochs}"]

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The initial state of the optimizer; no errors yet."""
        return State(theta, self.optimizer.init(theta), theta, torch.zeros_like(train.y))

    @torch.no_grad()
    def start_epoch(self, model: Model, state: State, train: Batch) -> tuple[State, Tensor | None]:
        """After the first stage compute E and restart; from then on return the weights for drawing rows."""
        if train.epoch < self.first_epochs:
            return state, None
        if train.epoch == self.first_epochs:
            errors = torch.cat([_errors(model, state.theta, part) for part in parts(train)], dim=-1)  # 2
            errors = errors[:, : state.errors.shape[1]]
            state = State(state.first, self.optimizer.init(state.first), state.first, errors)
        return state, 1 + (self.up - 1) * state.errors  # 3

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step on the mean loss of the rows drawn."""

        def risk(theta: Theta) -> Tensor:
            return mean(model.losses(theta, batch), batch.w)

        theta, opt, loss = descend(risk, state.theta, state.opt, self.optimizer)  # 1, 3
        errors = mean(state.errors.gather(-1, batch.i), batch.w)
        return state._replace(theta=theta, opt=opt), {"loss": loss, "drawn_errors": errors}


def _errors(model: Model, theta: Theta, batch: Batch) -> Tensor:
    """1 for a row whose decision (threshold 0.5, or the likeliest class) is wrong, else 0; [R, B]."""
    p = model.scores(theta, batch)
    decision = p.argmax(-1) if batch.num_classes > 2 else p > 0.5
    return (decision != batch.y).to(batch.w)
