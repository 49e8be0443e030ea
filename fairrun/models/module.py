"""A network of any ``torch.nn.Module``, that the configuration says how to make."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from fairrun.config.check import require
from fairrun.config.recipe import Recipe
from fairrun.models.images import image_shape
from fairrun.models.network import outputs
from fairrun.models.of_torch.batch_norm import group_normalised
from fairrun.models.of_torch.network import TorchNetwork


@dataclass(frozen=True)
class Module(TorchNetwork):
    """A module that ``module`` says how to make: a class of one's own, or any other.

    The arguments ``num_features`` (D) and ``num_outputs`` (the number of logits) are offered to it.
    """

    module: Recipe  # the class or function that makes it, and its arguments
    input: Literal["flat", "image"]  # a row as the module takes it: D numbers, or channels x size x size
    channels: int  # channels of an image
    norm: Literal["group"] | None  # what replaces every batch normalisation; None: a module with one is refused

    def __post_init__(self) -> None:
        require(self.channels >= 1, "channels", self.channels, ">= 1")
        if self.input == "image" and self.num_features > 0:
            image_shape(self.num_features, self.channels)
        super().__post_init__()

    @property
    def row(self) -> tuple[int, ...]:
        """(D,), or (channels, size, size)."""
        return (self.num_features,) if self.input == "flat" else image_shape(self.num_features, self.channels)

    def make(self) -> nn.Module:
        """What the recipe makes, with group normalisation in place of batch normalisation if ``norm`` says so."""
        net: nn.Module = self.module.made(num_features=self.num_features, num_outputs=outputs(self.num_classes))
        return group_normalised(net) if self.norm == "group" else net
