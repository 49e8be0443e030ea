"""Coloured digits: handwritten digits whose colour predicts the label in training but not in the test.

The 1,797 images of 8 x 8 pixels are those that scikit-learn ships (Alpaydin and Kaynak 1998, test part;
https://archive.ics.uci.edu/dataset/80; CC BY 4.0).  The colours are ours, after Arjovsky et al. 2019
(https://arxiv.org/abs/1907.02893), who colour MNIST: an image of class k has the k-th colour with probability
``correlation``, else another colour.  A network that predicts by the colour is wrong on images of the other colour.

Known problems: the digits are few and small, and their colours are no groups of people.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, is_integer, require
from fairrun.data.sources import sha256
from fairrun.data.split import stratified

CHANNELS = ("red", "green", "blue")
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


@dataclass(frozen=True)
class ColouredDigits:
    """The images, with the columns ``digit``, ``label`` (1 or 0), ``colour`` and ``split``."""

    digits: list[int]  # digits of class 1; the others are of class 0
    colours: list[str]  # colour of class 0, of class 1, and optionally a third one that says nothing about the label
    correlation: float  # probability in [0, 1] that an image has the colour of its class, in train and validation rows
    test_correlation: float  # the same in test rows; 1 / number of colours: the colour says nothing
    test: float  # fraction of the images that are test rows, in (0, 1)
    seed: int  # for colours and test rows; independent of the training seed

    def __post_init__(self) -> None:
        some = set(self.digits) < set(range(10)) and len(self.digits) > 0
        require(some, "digits", self.digits, "some, not all, of 0 to 9")
        known = 2 <= len(set(self.colours)) == len(self.colours) and set(self.colours) <= set(CHANNELS)
        require(known, "colours", self.colours, f"two or three of {', '.join(CHANNELS)}")
        for key in ("correlation", "test_correlation"):
            require(0 <= getattr(self, key) <= 1, key, getattr(self, key), "between 0 and 1")
        require(0 < self.test < 1, "test", self.test, "a fraction between 0 and 1")
        require(is_integer(self.seed) and self.seed >= 0, "seed", self.seed, "an integer >= 0")

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each image, in scikit-learn's order."""
        require(path is None, "dataset.path", path, "null: the digits come with scikit-learn")
        digit = _load()[1]
        label = np.isin(digit, self.digits).astype(np.int64)
        rng = np.random.default_rng(self.seed)
        in_test = stratified(digit, self.test, rng)
        agrees = rng.random(len(digit)) < np.where(in_test, self.test_correlation, self.correlation)
        other = rng.integers(1, len(self.colours), len(digit))
        colour = np.where(agrees, label, (label + other) % len(self.colours))
        return pd.DataFrame(
            {
                "digit": digit,
                "label": label,
                "colour": np.array(self.colours)[colour],
                "split": np.where(in_test, "test", "train"),
            }
        )

    def pixels(self, frame: pd.DataFrame, path: str | None) -> np.ndarray:
        """The digit in the channel of its colour, [N, 3, 8, 8]; the other channels are 0."""
        shades = _load()[0]
        pixels = np.zeros((len(frame), 3, 8, 8), dtype=np.uint8)
        pixels[np.arange(len(frame)), frame["colour"].map(CHANNELS.index)] = np.round(shades * (255 / 16))
        return pixels


def _load() -> tuple[np.ndarray, np.ndarray]:
    """Shades in {0..16}, uint8 [N, 8, 8], and digits [N]."""
    from sklearn.datasets import load_digits  # slow to import; workers get tensors and do not need it

    digits = load_digits()
    shades = digits.images.astype(np.uint8)
    found = sha256(shades.tobytes() + digits.target.astype(np.uint8).tobytes())
    if found != SHA256:
        raise InputError(f"scikit-learn's digits must have SHA-256 {SHA256}, got {found}; not used")
    return shades, digits.target
