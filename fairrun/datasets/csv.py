"""A user's own table: CSV or Parquet, compressed or not, one file or a folder of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from fairrun.config.check import InputError, check_values, require
from fairrun.data.columns import refuse_unknown_columns
from fairrun.data.reading.account import Account
from fairrun.data.reading.columns import partitioned, typed
from fairrun.data.reading.files import Part, parts
from fairrun.data.reading.missing import Given, unmatched
from fairrun.data.reading.parquet import read_parquet
from fairrun.data.reading.text import read_text
from fairrun.data.reading.texts import Forms


@dataclass(frozen=True)
class Csv:
    """The rows of the file or folder at ``dataset.path``; what is null is found."""

    separator: str | None = None  # between fields: , ; | or a tab
    decimal: Literal[".", ","] | None = None  # what 1,234 is, where the table's other numbers do not tell
    encoding: str | None = None  # utf-8, utf-16, cp1252, latin-1, ...
    day_first: bool | None = None  # whether 01/02/2020 is in February
    missing_marks: list[str | float] | Mapping[str, list[str | float]] | None = (
        None  # of all columns, or of some; null: NA, N/A, NULL, NaN, None, ?, -, Excel's errors, ...
    )
    categories: list[str] | None = None  # columns that stay text, whatever they look like

    def __post_init__(self) -> None:
        check_values(self)
        sound = self.separator is None or len(self.separator) == 1 or self.separator == r"\t"
        require(sound, "separator", self.separator, r"null or one character; a tab is '\t'")

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row of the table a row."""
        return self.read(path)[0]

    def read(self, path: str | None, mixed: Collection[str] = ()) -> tuple[pd.DataFrame, Account]:
        """The table, and what was read; ``mixed``: columns that may hold text among numbers.  Raises ``InputError``."""
        frames, remarks, separators = [], [], set()
        for part in parts(path):
            frame, separator, found = self._part(part)
            clash = frame.columns.intersection(list(part.partition))
            require(
                clash.empty, "dataset.path", part.name, f"without the columns {list(clash)}, which its folder names"
            )
            frames.append(partitioned(frame, part.partition))
            remarks += found if len(frames) == 1 else []
            separators.add(separator)
            if set(frames[-1]) != set(frames[0]):
                raise InputError(
                    f"dataset.path={path!r}: every file must have the same columns, got {part.name} "
                    f"without or with {', '.join(sorted(set(frames[-1]) ^ set(frames[0])))}"
                )
        whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        if not len(whole):
            raise InputError(f"dataset.path must be a table with rows, got {path!r} with none")
        forms = self.forms()
        refuse_unknown_columns(whole, "rows.categories", list(forms.categories))
        if isinstance(forms.missing, Mapping):
            refuse_unknown_columns(whole, "rows.missing_marks", list(forms.missing))
        read, columns, warnings = typed(whole, replace(forms, mixed=mixed, comma_likely=separators == {";"}))
        warnings += unmatched(forms.missing, columns, read)
        remarks += [f"and {len(frames) - 1} files more"] if len(frames) > 1 else []
        return read, Account(columns, [*remarks, f"{len(read)} rows, {len(columns)} columns"], warnings)

    def forms(self) -> Forms:
        """How values are written, as the configuration says."""
        given = self.missing_marks
        if isinstance(given, Mapping):
            missing: Given | None = {str(column): list(map(str, marks)) for column, marks in given.items()}
        else:
            missing = None if given is None else list(map(str, given))
        return Forms(self.decimal, self.day_first, missing, self.categories or [])

    def _part(self, part: Part) -> tuple[pd.DataFrame, str, list[str]]:
        if part.is_parquet:
            frame, remarks = read_parquet(part.content, part.name)
            return frame, "", remarks
        separator = "\t" if self.separator == r"\t" else self.separator
        found = read_text(part.content, part.name, separator, self.encoding)
        return found.frame, found.separator, found.remarks
