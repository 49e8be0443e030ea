"""LAFTR, Learning Adversarially Fair and Transferable Representations (Madras et al., ICML 2018), equation 1.
https://arxiv.org/abs/1802.06309

An encoder f (the hidden layers) makes representations Z.  A classifier g (the last layer) predicts y from Z, and an
adversary h predicts the sensitive attribute from Z.

min over f, g and max over h of  L_C - gamma E_A,  where E_A is the adversary's error

    demographic parity     E_A = sum over groups a of the mean of |h_a(Z) - 1| over the rows of group a
    equalized odds         E_A = sum over cells (a, y) of the mean of |h_a(Z, y) - 1| over the rows of the cell

With adversary_loss=cross_entropy, -log h_a replaces |h_a - 1|.

    1  f, g <- f, g - lr grad (L_C - gamma E_A)
    2  h <- h - lr grad E_A(h)                    adversary_steps times, on the same batch

Letters: a is our s.  h_a is the adversary's probability of group a.  For two groups |h_a - 1| is their |h - a|, and
their L_Adv is 1 - E_A, or 2 - E_A for equalized odds.  alpha, the weight of L_C, is 1.  beta, the weight of the
reconstruction, is 0, as in the sweep of their code on Adult.
Where the absolute error fails: if h is sure of the same group for all rows, neither h nor f gets a gradient.  A wide
representation can drive h to this point.  Then E_A stays at its value for no knowledge, and the rest of training is
ERM.  On Adult this happens with 64 units at gamma >= 1 after a few epochs, and with 8 units, theirs, at gamma = 3.  The
cross-entropy does not saturate.
Differs from the paper: there is no decoder, and L_C is the cross-entropy.  For more than two groups h is a softmax over
them; E_A is then smallest where h separates all groups, and S - 1 (2S - 2 for the cells) for an h that knows nothing.
Means are over the rows of a batch; a group without rows counts 0.  The last layer of h has no bias and starts at 0, so
that h starts without a preference among groups.  In a model without a hidden layer there is no encoder, and gamma has
no effect.
Differs from the authors' code (VectorInstitute/laftr): as there, h sees y for equalized odds, and f and g step first.
There L_C is the mean absolute error, and each row has a fixed weight by its group or cell instead of the means.  There
encoder and classifier have a hidden layer of 8 each and a leaky ReLU; here both are the model's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.method import (
    Batch,
    In,
    Method,
    Model,
    Optimizer,
    PerRun,
    Theta,
    descend,
    group_mean,
    label_cells,
    mean,
    split,
    uniform,
)

LEAK = 0.2  # slope of the adversary's ReLU below 0


class State(NamedTuple):
    """Parameters and optimizer of encoder and classifier, and of the adversary."""

    theta: Theta
    opt: Any
    adversary: Theta
    opt_a: Any


@dataclass(frozen=True)
class LAFTR(Method):
    """min over encoder and classifier, max over the adversary, of the loss minus gamma times the adversary's error."""

    adversary_optimizer: Optimizer
    gamma: Annotated[PerRun, In("[0, inf)")] = 1.0  # weight of the adversary's error; 0 is ERM
    goal: Literal["demographic_parity", "equalized_odds"] = "demographic_parity"
    adversary_loss: Literal["absolute", "cross_entropy"] = "absolute"  # loss of a row; absolute: the paper's
    adversary_width: Annotated[int, In("[1, inf)")] = 8  # units of the adversary's hidden layer
    adversary_steps: Annotated[int, In("[1, inf)")] = 1  # steps of the adversary for each step of f and g
    needs = frozenset({"s", "classifier"})

    def draw(self, theta: Theta, num_groups: int, generators: Sequence[Generator]) -> Theta:
        """Draw the adversary; its hidden layer is uniform in +-1/sqrt(number of inputs), its last layer 0."""
        num_inputs = theta["classifier.weight"].shape[1] + (self.goal == "equalized_odds")
        hidden = uniform(generators, (num_inputs + 1, self.adversary_width), num_inputs)
        return {
            "adversary.hidden.weight": hidden[:, 1:],
            "adversary.hidden.bias": hidden[:, :1],
            "adversary.guess.weight": hidden.new_zeros(len(hidden), self.adversary_width, num_groups),
        }

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The initial states of both optimizers."""
        adversary, theta = split(theta, "adversary.")
        return State(theta, self.optimizer.init(theta), adversary, self.adversary_optimizer.init(adversary))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step of encoder and classifier, then the steps of the adversary."""

        def fooling_risk(theta: Theta) -> tuple[Tensor, Tensor, Tensor]:
            loss = mean(model.losses(theta, batch), batch.w)
            error = self._error(state.adversary, model.representation(theta, batch), batch)
            return loss - self.gamma[:, 0] * error, loss, error

        theta, opt, (_, loss, error) = descend(fooling_risk, state.theta, state.opt, self.optimizer)  # 1
        with torch.no_grad():
            z = model.representation(theta, batch)

        def error_of(adversary: Theta) -> Tensor:
            return self._error(adversary, z, batch)

        adversary, opt_a = state.adversary, state.opt_a
        for _ in range(self.adversary_steps):
            adversary, opt_a, _ = descend(error_of, adversary, opt_a, self.adversary_optimizer)  # 2
        return State(theta, opt, adversary, opt_a), {"loss": loss, "adversary_error": error}

    def _error(self, adversary: Theta, z: Tensor, batch: Batch) -> Tensor:
        """E_A [R], the sum over groups or cells of the adversary's mean error."""
        cells, num_cells = batch.s, batch.num_groups
        if self.goal == "equalized_odds":
            z = torch.cat([z, batch.y.unsqueeze(-1)], dim=-1)
            cells, num_cells = label_cells(batch), 2 * batch.num_groups
        hidden = torch.baddbmm(adversary["adversary.hidden.bias"], z, adversary["adversary.hidden.weight"])
        guess = F.leaky_relu(hidden, LEAK) @ adversary["adversary.guess.weight"]
        log_h = guess.log_softmax(-1).gather(-1, batch.s.unsqueeze(-1)).squeeze(-1)  # of every row's own group, [R, B]
        errors = 1 - log_h.exp() if self.adversary_loss == "absolute" else -log_h
        return group_mean(errors, cells, num_cells, batch.w).sum(-1)
