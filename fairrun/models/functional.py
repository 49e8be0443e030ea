"""Networks as functions of a parameter dict with a leading run axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.method import Batch, Theta


class Network(Protocol):
    """What a module of ``fairrun.models`` provides."""

    @property
    def width(self) -> int:
        """Units of the widest hidden layer."""
        ...

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Parameters [R, ...] in float64, each run's drawn from its own generator."""
        ...

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """Drop-out masks for a batch, each [R, B, ...] and drawn from each run's own generator; () where there is no
        drop-out.
        """
        ...

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B].  Without masks nothing is dropped."""
        ...


@dataclass(frozen=True)
class BinaryClassifier:
    """A network with the logistic loss: what methods see as ``model``."""

    network: Network

    def losses(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's binary cross-entropy, in nats, [R, B]."""
        logits = self.network.logits(theta, batch.x, batch.masks)
        return F.binary_cross_entropy_with_logits(logits, batch.y, reduction="none")

    def scores(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's probability of class 1, [R, B]."""
        return torch.sigmoid(self.network.logits(theta, batch.x, batch.masks))

    def losses_and_scores(self, theta: Theta, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both, from one pass through the network."""
        logits = self.network.logits(theta, batch.x, batch.masks)
        return F.binary_cross_entropy_with_logits(logits, batch.y, reduction="none"), torch.sigmoid(logits)
