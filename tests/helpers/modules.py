"""Modules of torch that tests train as networks."""

from typing import Any

import torch
from torch import Tensor, nn

from fairrun.config.recipe import Recipe
from fairrun.models.module import Module

GROUPS = {"fairness": "fc2.*", "classifier": "out"}


class Net(nn.Module):
    """Two hidden layers with dropout, a buffer that scales the features, and a linear layer."""

    def __init__(self, num_features: int, num_outputs: int, hidden: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("scale", torch.full((num_features,), 0.5))
        self.fc1 = nn.Linear(num_features, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D] -> [B, num_outputs]."""
        h = self.fc1(x * self.scale).tanh()
        return self.out(self.drop(self.fc2(h).relu()))


class Partly(nn.Module):
    """A layer that is not trained, random numbers and an order of columns in buffers, and two linear layers."""

    def __init__(self, num_features: int, num_outputs: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.randn(num_features))
        self.register_buffer("order", torch.randperm(num_features), persistent=False)
        self.fixed = nn.Linear(num_features, 4).requires_grad_(False)
        self.mixed = nn.Linear(4, 4)
        self.out = nn.Linear(4, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D] -> [B, num_outputs]."""
        return self.out(self.mixed(self.fixed(x[:, self.order] + self.shift).tanh()).relu())


class Steep(nn.Linear):
    """A layer that gives no number for rows of large numbers, whose powers are infinite."""

    def __init__(self, num_features: int, num_outputs: int) -> None:
        super().__init__(num_features, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D] -> [B, num_outputs]."""
        return super().forward(x + x**5 * 1e-30 - x**5 * 1e-30)


def module(target: str = f"{__name__}.Net", **changes: Any) -> Module:
    """A network of 6 features and two classes; ``changes`` are fields of ``Module``, or arguments of the target."""
    fields = {"num_features": 6, "num_classes": 2, "input": "flat", "channels": 1, "norm": None, "weights": None}
    fields |= {"groups": GROUPS}
    arguments = {key: value for key, value in changes.items() if key not in fields}
    fields |= {key: value for key, value in changes.items() if key in fields}
    return Module(module=Recipe("module", {"_target_": target, **arguments}), **fields)
