"""Law school admissions (Wightman 1998, LSAC; https://www.seaphe.org/databases.php; no licence), the rows of MTA-F's
code.

Is a law student's first-year grade above the mean, and does the student pass the bar?  26,551 rows, 18,585 train and
7,966 test rows.  An unknown grade or year of birth is 0, and students who did not take the bar count as not passed.
Nothing is fetched: the two files are the user's.  ``fairrun.datasets.law_school`` has other rows of the same study.

Known problems: a 0 for what is unknown looks like a value.
"""

from dataclasses import dataclass

import pandas as pd

from fairrun.config.check import InputError, require
from fairrun.datasets.image_folder import folder

NUMBERS = ("zfygpa", "zgpa", "DOB_yr", "weighted_lsat_ugpa", "cluster_tier", "family_income", "lsat", "ugpa")
CATEGORIES = {
    "isPartTime": ("No", "Yes"),
    "sex": ("Female", "Male"),
    "race": ("Black", "Other", "White"),
    "pass_bar": ("Failed_or_not_attempted", "Passed"),
}
COLUMNS = [*NUMBERS, *CATEGORIES]


@dataclass(frozen=True)
class LSAC:
    """The rows of two files in the folder at ``dataset.path``, each without a header and with ``COLUMNS`` in order."""

    train: str  # file of the training rows
    test: str  # file of the test rows

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each student, and the official split."""
        parts = {split: _read(path, f"rows.{split}", getattr(self, split)) for split in ("train", "test")}
        return pd.concat([part.assign(split=split) for split, part in parts.items()], ignore_index=True)


def _read(path: str | None, key: str, name: str) -> pd.DataFrame:
    file = folder(path) / name
    require(file.is_file(), f"dataset.{key}", name, f"a CSV file in dataset.path={path}")
    try:
        frame = pd.read_csv(file, header=None, keep_default_na=False, low_memory=False)
    except (ValueError, OSError) as error:
        raise InputError(f"dataset.{key}={name!r} cannot be read as a table: {error}") from None
    number = len(frame.columns)
    expected = f"a file of {len(COLUMNS)} columns ({', '.join(COLUMNS)}) without a header"
    require(number == len(COLUMNS), f"dataset.{key}", name, f"{expected}, not of {number}")
    frame.columns = pd.Index(COLUMNS)
    for column in NUMBERS:
        numbers = pd.to_numeric(frame[column], errors="coerce")
        _refuse(f"dataset.{key}={name!r}", frame[column], "numbers alone", numbers.isna())
        frame[column] = numbers
    for column, values in CATEGORIES.items():
        wrong = ~frame[column].isin(values)
        _refuse(f"dataset.{key}={name!r}", frame[column], f"{' and '.join(values)} alone", wrong)
    return frame


def _refuse(file: str, values: pd.Series, allowed: str, wrong: pd.Series) -> None:
    if wrong.any():
        line, place = int(wrong.idxmax()), COLUMNS.index(str(values.name)) + 1
        raise InputError(
            f"{file}: column {place}, {values.name}, must hold {allowed}, got {str(values[line])!r} in line {line + 1}"
        )
