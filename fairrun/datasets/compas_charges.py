"""COMPAS with the description of the charge, and any new charge as the label (ProPublica 2016;
https://github.com/propublica/compas-analysis; the source states no licence).

Was a defendant in Broward County, Florida, charged with a new crime?  The rows are those of dataset=compas, from the
same file, with three more columns: the charge in words (437 descriptions; 29 rows have none, which is "unknown"), the
age in three bins, and whether any new charge followed, within two years or later.

Known problems: those of dataset=compas.  The label counts what happened after two years too, for as long as a person
was followed, and that differs.  202 descriptions of charges are of one row.
"""

from dataclasses import dataclass

import pandas as pd

from fairrun.data.sources import Files, load
from fairrun.datasets.compas import KEPT, Compas, read, sources

FRAME_SHA256 = "9878f950e1d95518b50aed826ee6a90c79cc559fcbaf58c308a991d48714648d"


def _read(files: Files) -> pd.DataFrame:
    """The raw table -> the columns of ``compas``, ``c_charge_desc``, ``age_cat`` and ``is_recid``."""
    return read(files, [*KEPT, "c_charge_desc", "age_cat", "is_recid"]).fillna({"c_charge_desc": "unknown"})


SOURCES = sources(_read)


@dataclass(frozen=True)
class CompasCharges(Compas):
    """The rows of COMPAS with the charge in words."""

    def loaded(self, path: str | None) -> pd.DataFrame:
        """All rows, with ``in_filter``."""
        return load("compas_charges", SOURCES, FRAME_SHA256, path)
