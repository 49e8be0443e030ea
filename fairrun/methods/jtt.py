"""JTT, Just Train Twice (Liu et al., ICML 2021), Algorithm 1.  https://arxiv.org/abs/2107.09044

minimise over theta  sum_{i in E} up l_i(theta) + sum_{i not in E} l_i(theta),   E the rows that a first model errs on

    1  theta <- ERM for ``first_epochs`` epochs
    2  E <- the training rows that theta decides wrongly
    3  theta <- its first values; ERM on rows drawn with replacement, those of E ``up`` times as often

Sees no group.  ``epochs`` counts both stages, so the history of the second model starts after ``first_epochs``; the
epoch that ``selection: best`` finds may be one of the first model.
Letters: ``first_epochs`` is the paper's T, ``up`` its lambda_up.
Where it fails: of rows with the same features a share e < 1/2 may have the other label, which is noise, and is all of
E.  With up e > 1 - e the second model decides for these; at an error of 1/3, as on COMPAS, up must stay below 2.  The
paper's values, 4 to 100, are for labels with little noise.
Differs from the paper: the second model has the first's initial values, batch size and optimizer.  Rows are drawn with
replacement, as many an epoch as there are, where the paper passes over a set that holds each row of E ``up`` times;
``up`` need not be whole.  A schedule of learning rates goes on from stage to stage.
Differs from the authors' code: not compared.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor

from fairrun.method import Batch, In, Method, Model, PerRun, Theta, descend, mean, parts


class State(NamedTuple):
    """Parameters and optimizer, the parameters at the start, and which rows are in E, [R, N] in {0, 1}."""

    theta: Theta
    opt: Any
    first: Theta
    errors: Tensor


@dataclass(frozen=True)
class JTT(Method):
    """ERM, and ERM again with more of the rows that the first got wrong."""

    first_epochs: Annotated[int, In("[1, inf)")] = 2  # of the first model
    # how much more often its errors are drawn for the second; 1 is ERM on rows drawn with replacement
    up: Annotated[PerRun, In("(0, inf)")] = 1.5
    multiclass = True

    def remarks(self, epochs: int) -> list[str]:
        """What a user should know before a training of so many epochs."""
        if self.first_epochs < epochs:
            return []
        return [f"method.first_epochs={self.first_epochs}: the second model is never trained, epochs={epochs}"]

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The optimizer's first state; no errors yet."""
        return State(theta, self.optimizer.init(theta), theta, torch.zeros_like(train.y))

    @torch.no_grad()
    def start_epoch(self, model: Model, state: State, train: Batch) -> tuple[State, Tensor | None]:
        """At the end of the first stage E and the restart; from then on the weights that rows are drawn with."""
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
    """1 for a row that is decided wrongly, at 0.5 or for the likeliest class, else 0, [R, B]."""
    p = model.scores(theta, batch)
    decision = p.argmax(-1) if batch.num_classes > 2 else p > 0.5
    return (decision != batch.y).to(batch.w)
