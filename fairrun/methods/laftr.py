"""LAFTR, Learning Adversarially Fair and Transferable Representations (Madras et al., ICML 2018), equation 1.
https://arxiv.org/abs/1802.06309

An encoder f (the hidden layers) makes representations Z, a classifier g (the last layer) guesses y from them, and an
adversary h the sensitive attribute:  min over f, g and max over h of  L_C - gamma E_A,  E_A the adversary's error

    demographic parity     E_A = sum over groups a of the mean of |h_a(Z) - 1| over the rows of group a
    equalized odds         E_A = sum over cells (a, y) of the mean of |h_a(Z, y) - 1| over the rows of the cell

    1  f, g <- f, g - lr grad (L_C - gamma E_A)
    2  h <- h - lr grad E_A(h)                    adversary_steps times, on the same batch

Letters: a is our s.  h_a is the adversary's probability of group a; for two groups |h_a - 1| is their |h - a|, and
their L_Adv is 1 - E_A, or 2 - E_A for equalized odds.  alpha, the weight of L_C, is 1, and beta, that of the
reconstruction, 0, as in their experiments on Adult.
Differs from the paper: no decoder.  L_C is the cross-entropy.  More than two groups: h is a softmax over them; E_A is
then smallest where h tells every group apart, and S - 1 (2S - 2 for the cells) for an h that sees nothing.  Means are
over the rows of a batch; a group that is absent counts 0.  The last layer of h has no bias and starts at 0: no
preference among groups.
A model without a hidden layer has no encoder: gamma changes nothing.
Differs from the authors' code (VectorInstitute/laftr): as it does, h sees y for equalized odds, and f and g step first;
there L_C is the mean absolute error, rows are weighted by the shares of the groups in all of the data, and encoder and
classifier have a hidden layer of 8 each and a leaky ReLU; here they are the model's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.check import one_of, require
from fairrun.method import Batch, Model, Optimizer, PerRun, Theta, descend, group_mean, label_cells, mean, split

GOALS = ("demographic_parity", "equalized_odds")
LEAK = 0.2  # slope of the adversary's ReLU below 0


class State(NamedTuple):
    """Parameters and optimizer of encoder and classifier, and of the adversary."""

    theta: Theta
    opt: Any
    adversary: Theta
    adversary_opt: Any


@dataclass(frozen=True)
class LAFTR:
    """min over encoder and classifier, max over the adversary, of the loss minus gamma times the adversary's error."""

    optimizer: Optimizer
    adversary_optimizer: Optimizer
    gamma: PerRun  # weight of the adversary's error, >= 0; 0 is ERM
    goal: str  # demographic_parity or equalized_odds
    adversary_width: int  # units of the adversary's hidden layer, >= 1
    adversary_steps: int  # of the adversary for each of the others, >= 1
    needs: ClassVar[frozenset[str]] = frozenset({"s"})

    def __post_init__(self) -> None:
        require(self.gamma >= 0, "gamma", self.gamma, ">= 0")
        one_of("goal", self.goal, GOALS)
        require(self.adversary_width >= 1, "adversary_width", self.adversary_width, ">= 1")
        require(self.adversary_steps >= 1, "adversary_steps", self.adversary_steps, ">= 1")

    def draw(self, theta: Theta, num_groups: int, generators: Sequence[Generator]) -> Theta:
        """The adversary; its hidden layer uniform in +-1/sqrt(number of inputs)."""
        num_inputs = theta["classifier.weight"].shape[1] + (self.goal == "equalized_odds")
        size = num_inputs + 1, self.adversary_width
        u = torch.stack([torch.rand(size, generator=g, dtype=torch.float64) for g in generators])
        hidden = (2 * u - 1) / num_inputs**0.5
        return {
            "adversary.hidden.weight": hidden[:, 1:],
            "adversary.hidden.bias": hidden[:, :1],
            "adversary.guess.weight": hidden.new_zeros(len(hidden), self.adversary_width, num_groups),
        }

    def init(self, model: Model, theta: Theta, train: Batch) -> State:
        """The optimizers' first states."""
        adversary, theta = split(theta, "adversary.")
        return State(theta, self.optimizer.init(theta), adversary, self.adversary_optimizer.init(adversary))

    def update(self, model: Model, state: State, batch: Batch) -> tuple[State, dict[str, Tensor]]:
        """One step of encoder and classifier, then those of the adversary."""

        def fooling_risk(theta: Theta) -> tuple[Tensor, Tensor, Tensor]:
            loss = mean(model.losses(theta, batch), batch.w)
            error = self._error(state.adversary, model.representation(theta, batch), batch)
            return loss - self.gamma[:, 0] * error, loss, error

        theta, opt, (_, loss, error) = descend(fooling_risk, state.theta, state.opt, self.optimizer)  # 1
        with torch.no_grad():
            z = model.representation(theta, batch)

        def error_of(adversary: Theta) -> Tensor:
            return self._error(adversary, z, batch)

        adversary, adversary_opt = state.adversary, state.adversary_opt
        for _ in range(self.adversary_steps):
            adversary, adversary_opt, _ = descend(error_of, adversary, adversary_opt, self.adversary_optimizer)  # 2
        return State(theta, opt, adversary, adversary_opt), {"loss": loss, "adversary_error": error}

    def _error(self, adversary: Theta, z: Tensor, batch: Batch) -> Tensor:
        """E_A, the sum over groups or cells of the adversary's mean absolute error, [R]."""
        assert batch.s is not None
        cells, num_cells = batch.s, batch.num_groups
        if self.goal == "equalized_odds":
            z = torch.cat([z, batch.y.unsqueeze(-1)], dim=-1)
            cells, num_cells = label_cells(batch), 2 * batch.num_groups
        hidden = torch.baddbmm(adversary["adversary.hidden.bias"], z, adversary["adversary.hidden.weight"])
        guess = F.leaky_relu(hidden, LEAK) @ adversary["adversary.guess.weight"]
        h = guess.softmax(-1).gather(-1, batch.s.unsqueeze(-1)).squeeze(-1)  # h_a of every row's own group, [R, B]
        return group_mean(1 - h, cells, num_cells, batch.w).sum(-1)
