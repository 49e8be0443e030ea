"""New rows of a user's own table, prepared as its training rows were."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fairrun.data.dataset import refuse_missing_values
from fairrun.data.encoding import need_columns
from fairrun.data.groups import merged
from fairrun.data.own.features import as_text, parts_of
from fairrun.data.own.fill import Fill
from fairrun.data.own.rows import Prepared, refuse_infinite
from fairrun.data.reading.account import Account
from fairrun.data.reading.columns import read_as
from fairrun.data.reading.texts import DECIMAL_COMMA

if TYPE_CHECKING:
    from fairrun.data.own.table import OwnTable


@dataclass(frozen=True)
class Preparation:
    """From cells as they come to features without missing values."""

    types: dict[str, str]  # column that features are made from -> its type, as in the account
    decimal: str  # "." or ",", of numbers as text
    become: dict[str, dict[str, str]]  # column -> its parts -> the features that they are
    numeric: list[str]  # features, without indicators
    categorical: list[str]
    fill: Fill

    @classmethod
    def of_table(cls, rows: Prepared, fill: Fill, account: Account) -> "Preparation":
        """What was done to the ``rows`` that were trained on; ``account`` is of the table as it was read."""
        numeric = [name for name in rows.numeric if name not in fill.indicators]
        columns = {rows.of(feature): None for feature in [*numeric, *rows.categorical]}
        types = {name: account.column(name).type for name in columns}
        decimal = "," if any(DECIMAL_COMMA in column.done for column in account.columns) else "."
        become = {column: parts for column, parts in rows.become.items() if column in types}
        return cls(types, decimal, become, numeric, rows.categorical, fill)

    def apply(self, own: "OwnTable", frame: pd.DataFrame) -> pd.DataFrame:
        """The features of ``frame``.  Raises ``InputError`` for a column or a value that cannot be used."""
        need_columns(frame, list(self.types))
        forms = own.rows.forms(decimal=self.decimal)
        read = {name: read_as(frame[name].reset_index(drop=True), kind, forms) for name, kind in self.types.items()}
        rows = merged(pd.DataFrame(read), {c: levels for c, levels in own.merge.items() if c in read}, known=False)
        columns: dict[str, pd.Series] = {}
        for name, kind in self.types.items():
            parts = parts_of(name, kind, rows[name], own)
            for part, feature in self.become.get(name, {name: name}).items():
                columns[feature] = parts[part] if part in parts else 0.0 * parts[next(iter(parts))]  # no row has hours
        columns |= {name: as_text(columns[name]) for name in self.categorical}
        found = pd.DataFrame(columns, index=rows.index)
        features = [*self.numeric, *self.categorical]
        if own.missing in ("refuse", "drop"):
            refuse_missing_values(found, features)
        refuse_infinite(
            Prepared(found, self.numeric, self.categorical, Account([]), self.become, rows.index.to_numpy())
        )
        return self.fill.apply(found)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Preparation":
        """The preparation that ``plain`` gave."""
        values = {name: plain[name] for name in ("types", "decimal", "become", "numeric", "categorical")}
        return cls(**values, fill=Fill(**plain["fill"]))
