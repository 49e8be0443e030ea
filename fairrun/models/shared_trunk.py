"""Another network without its last layer, which all tasks share, and a head for each task: for tasks on images."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor

from fairrun.config.check import InputError, require
from fairrun.method.api import Theta
from fairrun.models.network import Network
from fairrun.models.shared_bottom import draw_heads, head_logits

LAST = "classifier."  # the trunk's layer in whose place the heads are


@dataclass(frozen=True)
class SharedTrunk(Network):
    """The hidden layers of ``trunk``, then ReLU layers and a linear unit for each task, for R runs at once.

    Parameter groups, by the first part of the name: ``shared``, which is followed by the name in the trunk
    (``shared.base.conv1.weight``), and ``head.t`` for task t, from 0, drawn as by ``SharedBottom``.  A task with its
    own trunk has it as ``own.t.shared``, which method ``stl`` draws.
    """

    num_tasks: int  # T
    trunk: Network  # one whose last layer is linear and named classifier
    head: list[int]  # widths of the hidden layers of every head; [] is a linear head

    starts: ClassVar[tuple[str, ...]] = ("trunk.weights",)

    def __post_init__(self) -> None:
        require(isinstance(self.trunk, Network), "trunk", self.trunk, "a node as in conf/model, with _target_")
        require(min(self.head, default=1) >= 1, "head", self.head, "a list of widths >= 1")

    @property
    def widest(self) -> int:
        """Units of the widest layer; those of all heads are added."""
        return max([self.trunk.widest, *(self.num_tasks * width for width in self.head)])

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Draw parameters in float64, for each run by its own generator: the trunk's first, as it draws them alone."""
        drawn = self.trunk.init(generators)
        last = drawn.get(f"{LAST}weight")
        if last is None:
            raise InputError(
                "model.trunk must be a network whose last layer is linear (mlp, cnn, resnet18, or module with "
                f"groups.classifier), got {type(self.trunk).__name__}"
            )
        theta = {f"shared.{name}": p for name, p in drawn.items() if not name.startswith(LAST)}
        allowed = "a network with parameters that are trained before the last layer"
        require(theta, "model.trunk", type(self.trunk).__name__, allowed)
        return theta | draw_heads(self.num_tasks, last.shape[1], self.head, generators)

    def constants(self) -> dict[str, Tensor]:
        """Those of the trunk."""
        return self.trunk.constants()

    def with_constants(self, constants: Mapping[str, Tensor]) -> Self:
        """The network whose trunk has other constants."""
        return dataclasses.replace(self, trunk=self.trunk.with_constants(constants))

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """Those of the trunk."""
        return self.trunk.masks(generators, num_rows)

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B, T]."""
        shared = self.hidden(theta, x, masks)
        logits = []
        for t in range(self.num_tasks):
            own = f"own.{t}.shared."
            h = self._below(theta, x, masks, own) if any(name.startswith(own) for name in theta) else shared
            logits.append(head_logits(theta, t, len(self.head), h))
        return torch.stack(logits, dim=1).mT  # each task's logits are contiguous

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The input of the heads, [R, B, D] -> [R, B, H]."""
        return self._below(theta, x, masks, "shared.")

    def _below(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...], prefix: str) -> Tensor:
        """The output of the hidden layers whose parameters have a prefix.  A last layer of zeros stands above them."""
        layers = {name.removeprefix(prefix): p for name, p in theta.items() if name.startswith(prefix)}
        first = next(name for name in theta if name.startswith("head.0.") and name.endswith(".weight"))
        top = theta[first].new_zeros(len(x), theta[first].shape[1], 1)
        return self.trunk.hidden(layers | {f"{LAST}weight": top, f"{LAST}bias": top[:, :1]}, x, masks)
