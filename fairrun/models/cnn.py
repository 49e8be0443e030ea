"""A small convolutional network with group normalisation, for square images that come as rows of features."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.check import require
from fairrun.method import Theta
from fairrun.models.functional import classified, dropout_mask, layer_names, uniform


@dataclass(frozen=True)
class CNN:
    """Blocks of a 3x3 convolution, group normalisation, ReLU and 2x2 mean pooling; the mean over what is left of the
    image; a linear classifier.

    Parameter groups, by the first part of the name: ``base``, then ``fairness`` (the last blocks), then ``classifier``.
    A block has ``weight`` [R, out, in, 3, 3] and ``bias`` [R, out] of the convolution, ``scale`` and ``shift`` [R, out]
    of the normalisation; the classifier ``weight`` [R, in, 1] and ``bias`` [R, 1, 1].  All are drawn as torch.nn draws
    them.

    The runs go through the blocks one after another: on a processor torch's convolution is two to four times as fast as
    a product of unfolded images for all runs at once, and a run is bit for bit the run alone.
    """

    num_features: int  # D, channels x size x size; 0 before the data is known
    channels: int  # of an image: 1 grey, 3 red, green and blue
    filters: int  # channels after the first block; after each further one twice as many
    depth: int  # blocks; each halves the image
    groups: int  # of the channels of a block, each normalised apart
    fairness_layers: int  # how many of the blocks, counted from the last, are the group "fairness"
    dropout: float  # probability that an input of the classifier is dropped in training, in [0, 1)

    def __post_init__(self) -> None:
        require(self.channels >= 1, "channels", self.channels, ">= 1")
        require(self.depth >= 1, "depth", self.depth, ">= 1")
        require(self.groups >= 1, "groups", self.groups, ">= 1")
        multiple = f"a multiple of model.groups={self.groups}, and >= 1"
        require(self.filters >= 1 and self.filters % self.groups == 0, "filters", self.filters, multiple)
        allowed = f"between 0 and model.depth={self.depth}"
        require(0 <= self.fairness_layers <= self.depth, "fairness_layers", self.fairness_layers, allowed)
        require(0 <= self.dropout < 1, "dropout", self.dropout, "in [0, 1)")
        if self.num_features > 0:
            square = f"such that the data's {self.num_features} features are channels x size x size"
            require(self.channels * self._size**2 == self.num_features, "channels", self.channels, square)
            most = self._size.bit_length() - 1
            halved = f"at most {most} for images of {self._size} x {self._size}, which each block halves"
            require(self.depth <= most, "depth", self.depth, halved)

    @property
    def widest(self) -> int:
        """Units of the first block, which has more than any other."""
        return self.filters * self._size**2

    @property
    def _size(self) -> int:
        return math.isqrt(self.num_features // self.channels)

    def _blocks(self) -> Iterator[tuple[str, int, int]]:
        """Name, channels before and channels after each block."""
        num_in = self.channels
        for k, name in enumerate(layer_names(self.depth, self.fairness_layers)):
            num_out = self.filters * 2**k
            yield name, num_in, num_out
            num_in = num_out

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Parameters in float64, each run's from its own generator."""
        theta, num_out = {}, 0
        for name, num_in, num_out in self._blocks():
            theta[f"{name}.weight"] = uniform(generators, (num_out, num_in, 3, 3), 9 * num_in)
            theta[f"{name}.bias"] = uniform(generators, (num_out,), 9 * num_in)
            theta[f"{name}.scale"] = torch.ones(len(generators), num_out, dtype=torch.float64)
            theta[f"{name}.shift"] = torch.zeros(len(generators), num_out, dtype=torch.float64)
        theta["classifier.weight"] = uniform(generators, (num_out, 1), num_out)
        theta["classifier.bias"] = uniform(generators, (1, 1), num_out)
        return theta

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """One mask [R, B, channels], 0 or 1 / (1 - dropout)."""
        if self.dropout == 0:
            return ()
        return (dropout_mask(generators, (num_rows, self.filters * 2 ** (self.depth - 1)), self.dropout),)

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]."""
        return classified(theta, self.hidden(theta, x, masks))

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The means over the last block's images, [R, B, D] -> [R, B, channels]."""
        images = x.unflatten(-1, (self.channels, self._size, self._size))
        parts = {name: p.unbind() for name, p in theta.items()}
        h = torch.stack([self._run({name: p[r] for name, p in parts.items()}, v) for r, v in enumerate(images)])
        for mask in masks:
            h = h * mask
        return h

    def tangents(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> None:
        """Not known: it is more than linear layers."""

    def _run(self, theta: Theta, x: Tensor) -> Tensor:
        """One run's blocks: [B, channels, size, size] -> [B, channels]."""
        for name, _, _ in self._blocks():
            x = F.conv2d(x, theta[f"{name}.weight"], theta[f"{name}.bias"], padding=1)
            x = F.group_norm(x, self.groups, theta[f"{name}.scale"], theta[f"{name}.shift"]).relu_()
            x = F.avg_pool2d(x, 2)
        return x.mean((2, 3))
