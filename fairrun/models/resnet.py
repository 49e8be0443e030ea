"""ResNet-18 (He et al., CVPR 2016, https://arxiv.org/abs/1512.03385) with group normalisation (Wu and He, ECCV 2018).

Layers have the names that torchvision gives them, and are drawn as there, so that a state dict of torchvision's
``resnet18`` fits.  Differs from the paper: group normalisation, because batch normalisation mixes the rows of a batch.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor, nn

from fairrun.config.check import In
from fairrun.models.images import image_shape
from fairrun.models.network import outputs
from fairrun.models.of_torch.batch_norm import group_normalised
from fairrun.models.of_torch.network import TorchNetwork

BLOCKS = 2  # in each of the four layers


class Block(nn.Module):
    """Two 3x3 convolutions; their input, by a 1x1 convolution if the shape changes, is added before the last ReLU."""

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_out)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_out)
        same = stride == 1 and num_in == num_out
        resized = [nn.Conv2d(num_in, num_out, 1, stride, bias=False), nn.BatchNorm2d(num_out)]
        self.downsample = nn.Sequential() if same else nn.Sequential(*resized)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, size, size] -> [B, out, size / stride, size / stride]."""
        h = self.bn1(self.conv1(x)).relu_()
        return (self.bn2(self.conv2(h)) + self.downsample(x)).relu_()


class ResNet(nn.Module):
    """A stem, four layers of two blocks, the mean over the remaining image, and a linear layer.

    Layers after the first halve the image and double the channels.
    """

    def __init__(self, channels: int, width: int, stem: str, num_outputs: int) -> None:
        super().__init__()
        kernel, stride = (7, 2) if stem == "large" else (3, 1)
        self.conv1 = nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stem == "large" else nn.Identity()
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for k in range(4):
            blocks = [Block(widths[k + (b > 0)], widths[k + 1], 2 if k > 0 and b == 0 else 1) for b in range(BLOCKS)]
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(8 * width, num_outputs)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, size, size] -> [B, num_outputs]."""
        x = self.maxpool(self.bn1(self.conv1(x)).relu_())
        for k in range(4):
            x = self.get_submodule(f"layer{k + 1}")(x)
        return self.fc(x.mean((2, 3)))


@dataclass(frozen=True)
class ResNet18(TorchNetwork):
    """ResNet-18 for square images, with group normalisation."""

    channels: Annotated[int, In("[1, inf)")]  # channels of an image. 1: grey; 3: red, green and blue
    width: Annotated[int, In("[1, inf)")]  # channels after the stem; each of the last three layers doubles them
    stem: Literal[
        "large", "small"
    ]  # large: quarters the image, the paper's; small: keeps it, for images below 64 pixels

    @property
    def row(self) -> tuple[int, ...]:
        """(channels, size, size)."""
        return image_shape(self.num_features, self.channels)

    def make(self) -> nn.Module:
        """A new network, drawn as by torchvision."""
        return group_normalised(ResNet(self.channels, self.width, self.stem, outputs(self.num_classes)))
