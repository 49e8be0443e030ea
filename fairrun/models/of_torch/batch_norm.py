"""Batch normalisation, which mixes the rows of a batch: it is refused, or replaced by group normalisation."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fairrun.config.check import InputError

MOST_GROUPS = 32  # of a group normalisation
CHANNELS_OF_GROUP = 16  # at least so many channels of a batch normalisation become a group, as in Wu and He, ECCV 2018


def refuse_batch_norm(net: nn.Module) -> None:
    """Raise ``InputError`` for a module with batch normalisation."""
    found = [f"{name} ({type(part).__name__})" for name, part in net.named_modules() if isinstance(part, _BatchNorm)]
    if found:
        raise InputError(
            f"module must have no batch normalisation, which mixes the rows of a batch, got {found[0]}: "
            "model.norm=group puts group normalisation in its place"
        )


def group_normalised(net: nn.Module) -> nn.Module:
    """The module with every batch normalisation replaced by group normalisation, with new scales and shifts.

    A group has at least 16 channels: the mean and variance of fewer, where images are one pixel wide, say nothing.
    """
    if isinstance(net, _BatchNorm):
        return _group_norm(net)
    for name, part in list(net.named_children()):
        setattr(net, name, group_normalised(part))
    return net


def _group_norm(norm: _BatchNorm) -> nn.GroupNorm:
    channels = norm.num_features
    most = max(1, min(MOST_GROUPS, channels // CHANNELS_OF_GROUP))
    number = next(n for n in range(most, 0, -1) if channels % n == 0)
    return nn.GroupNorm(number, channels, norm.eps, norm.affine)
