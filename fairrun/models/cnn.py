"""A small convolutional network with group normalisation, for square images given as rows of features."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.config.check import one_of, require
from fairrun.method.api import Theta
from fairrun.method.steps import uniform
from fairrun.models.images import image_shape
from fairrun.models.network import Network, classified, dropout_mask, layer_names, outputs

FAIRNESS_TYPES = ("conv", "residual", "linear")


@dataclass(frozen=True)
class CNN(Network):
    """Convolution blocks, the mean over the remaining image, and a linear classifier.

    A block is a 3x3 convolution, group normalisation, ReLU and 2x2 mean pooling.

    Parameter groups, by the first part of the name: ``base``, then ``fairness`` (the last layers), then ``classifier``.
    A block has ``weight`` [R, out, in, 3, 3] and ``bias`` [R, out] of the convolution, and ``scale`` and ``shift``
    [R, out] of the normalisation.  The classifier has ``weight`` [R, in, out] and ``bias`` [R, 1, out], with one logit
    for two classes and C logits for C classes.  All are drawn as by torch.nn.

    The fairness layers have one of the types of FairBiNN (Yazdani-Jahromi et al., NeurIPS 2024, Table 9).  ``conv``:
    blocks like the others.  ``residual``: the block's input is added before the ReLU; the block keeps the number of
    channels, so that the input needs no projection.  ``linear``: a square linear layer, ``weight`` [R, in, in] and
    ``bias`` [R, 1, in], and ReLU, after the mean over the image of the last block.  The last two types require at least
    one block before them.

    The runs go through the blocks one after another.  On a processor torch's convolution is then two to four times as
    fast as a product of unfolded images for all runs together, and a run is bit for bit the run alone.
    """

    num_features: int  # D, channels x size x size; 0 before the data is known
    num_classes: int  # C; one logit for each class, or a single one for two classes
    channels: int  # channels of an image. 1: grey; 3: red, green and blue
    filters: int  # channels after the first block; each further block doubles them
    depth: int  # number of layers (blocks and linear layers); each block halves the image
    groups: int  # groups of channels of a block, each normalised separately
    fairness_layers: int  # number of layers, counted from the last, in the group "fairness"
    fairness_type: str  # type of the fairness layers: conv, residual or linear
    dropout: float  # probability that an input of the classifier is dropped in training, in [0, 1)

    def __post_init__(self) -> None:
        require(self.channels >= 1, "channels", self.channels, ">= 1")
        require(self.depth >= 1, "depth", self.depth, ">= 1")
        require(self.groups >= 1, "groups", self.groups, ">= 1")
        multiple = f"a multiple of model.groups={self.groups}, and >= 1"
        require(self.filters >= 1 and self.filters % self.groups == 0, "filters", self.filters, multiple)
        self._check_fairness_layers()
        require(0 <= self.dropout < 1, "dropout", self.dropout, "in [0, 1)")
        if self.num_features > 0:
            self._check_images()

    def _check_fairness_layers(self) -> None:
        one_of("fairness_type", self.fairness_type, FAIRNESS_TYPES)
        if self.fairness_type == "conv":
            most, allowed = self.depth, f"between 0 and model.depth={self.depth}"
        else:
            most = self.depth - 1
            allowed = f"between 0 and {most}: model.fairness_type={self.fairness_type} takes a block before them"
        require(0 <= self.fairness_layers <= most, "fairness_layers", self.fairness_layers, allowed)

    def _check_images(self) -> None:
        image_shape(self.num_features, self.channels)
        most = self._size.bit_length() - 1 + self.depth - self._blocks
        halved = f"at most {most} for images of {self._size} x {self._size}, which each block halves"
        require(self.depth <= most, "depth", self.depth, halved)

    @property
    def widest(self) -> int:
        """Units of the first block, which has the most."""
        return self.filters * self._size**2

    @property
    def _size(self) -> int:
        return image_shape(self.num_features, self.channels)[1]

    @property
    def _blocks(self) -> int:
        """The number of layers, counted from the first, that are blocks; the others are linear."""
        return self.depth - self.fairness_layers if self.fairness_type == "linear" else self.depth

    def _layers(self) -> list[str]:
        return layer_names(self.depth, self.fairness_layers, None)

    def _widths(self) -> list[int]:
        """Channels before the first layer and after each."""
        doubling = self.depth if self.fairness_type == "conv" else self.depth - self.fairness_layers
        return [self.channels, *(self.filters * 2 ** min(k, doubling - 1) for k in range(self.depth))]

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Draw parameters in float64, for each run by its own generator."""
        theta, widths = {}, self._widths()
        for name, num_in, num_out in zip(self._layers()[: self._blocks], widths, widths[1:], strict=False):
            theta[f"{name}.weight"] = uniform(generators, (num_out, num_in, 3, 3), 9 * num_in)
            theta[f"{name}.bias"] = uniform(generators, (num_out,), 9 * num_in)
            theta[f"{name}.scale"] = torch.ones(len(generators), num_out, dtype=torch.float64)
            theta[f"{name}.shift"] = torch.zeros(len(generators), num_out, dtype=torch.float64)
        linear = dict.fromkeys(self._layers()[self._blocks :], widths[-1]) | {"classifier": outputs(self.num_classes)}
        for name, num_out in linear.items():
            theta[f"{name}.weight"] = uniform(generators, (widths[-1], num_out), widths[-1])
            theta[f"{name}.bias"] = uniform(generators, (1, num_out), widths[-1])
        return theta

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """One mask [R, B, channels], with values 0 or 1 / (1 - dropout)."""
        if self.dropout == 0:
            return ()
        return (dropout_mask(generators, (num_rows, self._widths()[-1]), self.dropout),)

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]; for C > 2 classes [R, B, C]."""
        return classified(theta, self.hidden(theta, x, masks))

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The means over the last block's images, after the linear layers if any, [R, B, D] -> [R, B, channels]."""
        images = x.unflatten(-1, (self.channels, self._size, self._size))
        parts = {name: p.unbind() for name, p in theta.items()}
        h = torch.stack([self._run({name: p[r] for name, p in parts.items()}, v) for r, v in enumerate(images)])
        for mask in masks:
            h = h * mask
        return h

    def _run(self, theta: Theta, x: Tensor) -> Tensor:
        """One run's layers: [B, channels, size, size] -> [B, channels]."""
        for name in self._layers()[: self._blocks]:
            h = F.conv2d(x, theta[f"{name}.weight"], theta[f"{name}.bias"], padding=1)
            h = F.group_norm(h, self.groups, theta[f"{name}.scale"], theta[f"{name}.shift"])
            residual = self.fairness_type == "residual" and name.startswith("fairness")
            x = F.avg_pool2d((x + h if residual else h).relu_(), 2)
        h = x.mean((2, 3))
        for name in self._layers()[self._blocks :]:
            h = torch.addmm(theta[f"{name}.bias"], h, theta[f"{name}.weight"]).relu_()
        return h
