"""Employment in Massachusetts, American Community Survey 2015 to 2018 (US Census Bureau, public domain; the features of
ACSEmployment in Ding et al., NeurIPS 2021, https://arxiv.org/abs/2108.04884).

Is a person employed?  277,677 persons of any age, 50.126% employed.  Columns keep the survey's names and codes, but for
sex and race, which are spelt out.  The rows of 2018 are marked as test rows: a model of three years on the next.

Known problems: children are among the rows, and nobody below 16 is employed, which makes accuracy high for every
method.  The survey's weights of persons are not used.
"""

import io
from dataclasses import dataclass

import pandas as pd

from fairrun.data.sources import Files, Source, Wheel, load

SEXES = {"1": "male", "2": "female"}
RACES = {
    "1": "White",
    "2": "Black",
    "3": "American Indian",
    "4": "Alaska Native",
    "5": "American Indian or Alaska Native, not specified",
    "6": "Asian",
    "7": "Pacific Islander",
    "8": "other",
    "9": "two or more",
}
CODES = "SCHL MAR RELP DIS ESP CIT MIG MIL ANC NATIVITY DEAR DEYE DREM".split()
FRAME_SHA256 = "a1c039e0077a893ac30bce596d9aafa4f21bf343f1f9b56a944c71abed2b90bb"
_FOLDER = "nannyml/datasets/data/employment_MA_"


def _read(files: Files) -> pd.DataFrame:
    """The rows of the first year, and those of the others with their labels; without predictions of a model."""
    first, others, labels = (pd.read_parquet(io.BytesIO(files[name])) for name in SOURCES[0].files)
    rows = pd.concat([first, others.merge(labels, on="id", validate="one_to_one")], ignore_index=True)
    columns = {"age": rows["AGEP"].astype(int)}
    columns |= {name: rows[name].astype(str).astype(int) for name in CODES}
    columns |= {"sex": rows["SEX"].astype(str).map(SEXES), "race": rows["RAC1P"].astype(str).map(RACES)}
    split = rows["year"].eq(2018).map({True: "test", False: "train"})
    return pd.DataFrame(columns | {"year": rows["year"], "employed": rows["employed"], "split": split})


SOURCES = (
    Source(
        Wheel("nannyml==0.13.1", "cf5f4a33489834ae6773cb1baa33a0f98c0a3ee6ed9b43049478b25ce22fe869"),
        {
            f"{_FOLDER}reference.pq": "21d0e33655666071bde9ed21bf35b24fe14c1476e3dd37a5194b827ad5a570e4",
            f"{_FOLDER}analysis.pq": "591328bcf7e46139660f2cc6b1705a6f2f66edf2418ce2a893cf2892be3f66a7",
            f"{_FOLDER}analysis_target.pq": "c306840f0c092bda7608a09e61e7e715ac2b7fb2d17da8062900c3ecd6fdbe30",
        },
        _read,
    ),
)


@dataclass(frozen=True)
class AcsEmployment:
    """The rows of the survey."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each person."""
        return load("acs_employment_ma", SOURCES, FRAME_SHA256, path)
