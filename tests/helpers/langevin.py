"""A method from outside the package, which draws random numbers."""

from dataclasses import dataclass
from typing import Annotated

import torch

from fairrun.method import In, Method, PerRun, State, gradient, mean, move


@dataclass(frozen=True)
class Langevin(Method):
    """Gradient steps with normal noise of size ``noise`` on every parameter."""

    noise: Annotated[PerRun, In("[0, inf)")] = 0.1

    def update(self, model, state, batch):
        def risk(theta):
            return mean(model.losses(theta, batch), batch.w)

        grads, loss = gradient(risk, state.theta)
        for name, g in grads.items():
            drawn = [torch.randn(g.shape[1:], generator=own, dtype=torch.float64) for own in batch.generators]
            size = self.noise.view(-1, *[1] * (g.dim() - 1))
            grads[name] = g + size * torch.stack(drawn).to(g)
        theta, opt = move(state.theta, grads, state.opt, self.optimizer)
        return State(theta, opt), {"loss": loss}
