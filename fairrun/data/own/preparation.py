"""New rows of a user's own table, prepared as its training rows were."""

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from fairrun.data.columns import need_columns, refuse_missing_values
from fairrun.data.own.features import as_text, parts_of
from fairrun.data.own.fill import Fill
from fairrun.data.own.rows import Prepared, column_of, refuse_infinite
from fairrun.data.reading.account import Account
from fairrun.data.reading.columns import read_as, with_zeros

if TYPE_CHECKING:
    from fairrun.data.own.table import OwnTable

REMEDY = "fill them or leave their rows out: every row needs an answer, and no training row misses any"


@dataclass(frozen=True)
class Preparation:
    """From cells as they come to features without missing values."""

    types: dict[str, str]  # column -> its type, as in the account: of features, labels and the sensitive attribute
    decimals: dict[str, str]  # column -> "." or ",", of its numbers as text
    day_first: dict[str, bool]  # column -> whether 01/02/2020 is in February, where its dates tell
    widths: dict[str, int]  # column -> digits of its codes, some with leading zeros; 0: not all have as many
    become: dict[str, dict[str, str]]  # column of features -> its parts -> the features that they are
    numeric: list[str]  # features, without indicators
    categorical: list[str]
    fill: Fill

    @classmethod
    def of_table(cls, rows: Prepared, fill: Fill, account: Account, decimal: str | None) -> "Preparation":
        """What was done to the ``rows`` that were trained on; ``account`` is of the table as it was read.

        ``decimal`` is the sign that the user gives, if any.
        """
        numeric = [name for name in rows.numeric if name not in fill.indicators]
        types = {column.name: column.type for column in account.columns if column.role not in ("dropped", "unused")}
        commas = {column.name for column in account.columns if column.decimal == ","}
        usual = decimal or ("," if commas else ".")  # of whole numbers, which may have signs between thousands
        decimals = {name: "," if name in commas else "." if kind == "number" else usual for name, kind in types.items()}
        orders = {c.name: c.day_first for c in account.columns if c.name in types and c.day_first is not None}
        widths = {c.name: c.width for c in account.columns if c.name in types and c.width is not None}
        used = {rows.of(feature) for feature in [*numeric, *rows.categorical]}
        become = {column: rows.become.get(column, {column: column}) for column in types if column in used}
        return cls(types, decimals, orders, widths, become, numeric, rows.categorical, fill)

    def apply(self, own: "OwnTable", frame: pd.DataFrame) -> pd.DataFrame:
        """The features of ``frame``, filled.

        Raises ``InputError`` for a column or a value that cannot be used, and for cells that no training row misses.
        """
        found = self.features(own, frame)
        if own.missing in ("refuse", "drop"):
            refuse_missing_values(found, list(found), f"{REMEDY} (dataset.missing={own.missing})")
        refuse_infinite(found, self.numeric, functools.partial(column_of, self.become), "correct it")
        return self.fill.apply(found)

    def features(self, own: "OwnTable", frame: pd.DataFrame) -> pd.DataFrame:
        """The features of ``frame`` with the cells that miss.  Raises ``InputError`` for a column that is not there."""
        need_columns(frame, list(self.become))
        rows = own.merged_again(self.read(own, frame[list(self.become)]))
        columns: dict[str, pd.Series] = {}
        for name, named in self.become.items():
            parts = parts_of(name, self.types[name], rows[name], own)
            for part, feature in named.items():
                columns[feature] = parts[part] if part in parts else 0.0 * parts[next(iter(parts))]  # no row has hours
        columns |= {name: as_text(columns[name]) for name in self.categorical}
        return pd.DataFrame(columns, index=rows.index)[[*self.numeric, *self.categorical]]

    def read(self, own: "OwnTable", frame: pd.DataFrame) -> pd.DataFrame:
        """The cells of ``frame`` as values of the types that its columns had; a column without a type is as it is."""
        plain = frame.reset_index(drop=True)
        given = own.rows.forms()
        columns = dict(plain.items())
        for name in (name for name in plain if name in self.types):
            order = self.day_first.get(name, given.day_first)
            forms = replace(given, decimal=self.decimals[name], day_first=order)
            coded = name in self.widths
            cells = with_zeros(plain[name], self.widths[name], forms.marks(name)) if coded else plain[name]
            columns[name] = read_as(cells, self.types[name], forms)
        return pd.DataFrame(columns, plain.index)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Preparation":
        """The preparation that ``plain`` gave."""
        values = {name: plain[name] for name in ("types", "decimals", "become", "numeric", "categorical")}
        later = {name: plain.get(name, {}) for name in ("day_first", "widths")}  # older models have none
        return cls(**values, **later, fill=Fill(**plain["fill"]))
