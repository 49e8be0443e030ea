"""Images as networks take them, of rows of features."""

import math

from fairrun.config.check import require


def image_shape(num_features: int, channels: int) -> tuple[int, int, int]:
    """The shape of an image of ``num_features`` numbers.  Raises ``InputError`` if it is not square."""
    size = math.isqrt(num_features // channels)
    allowed = f"such that the data's {num_features} features are channels x size x size"
    require(channels * size**2 == num_features, "channels", channels, allowed)
    return channels, size, size
