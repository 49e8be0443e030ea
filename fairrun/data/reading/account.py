"""What reading a table made of each column: printed, recorded and shown."""

import functools
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fairrun.config.check import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """One column of the user's table."""

    name: str
    type: str  # integer, number, boolean, date, time, category, empty or other
    values: int  # distinct ones, missing cells not counted
    missing: int  # cells
    role: str = "unused"  # label, sensitive, split, feature, dropped, refused or unused; "task NAME" of several labels
    done: str = ""  # what was done to it, in words
    marks: Sequence[str] = ()  # of missing values, that were found among its cells
    decimal: str = "."  # sign of its numbers as text
    day_first: bool | None = None  # of its dates as 01/02/2020
    width: int | None = None  # digits of its codes, some with leading zeros; 0: not all have as many; None: no codes

    def and_then(self, *words: str, role: str | None = None) -> "Column":
        """With more that was done, and another role."""
        said = [word for word in words if word and word not in self.done]
        return replace(self, role=role or self.role, done="; ".join(filter(None, [self.done, *said])))


@dataclass(frozen=True)
class Account:
    """What was read, column by column, and what holds for the whole table."""

    columns: Sequence[Column]
    remarks: Sequence[str] = ()
    warnings: Sequence[str] = ()

    def column(self, name: str) -> Column:
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)

    def changed(self, name: str, *words: str, role: str | None = None) -> "Account":
        """With more that was done to one column."""
        columns = [c.and_then(*words, role=role) if c.name == name else c for c in self.columns]
        return replace(self, columns=columns)

    def with_warning(self, *warnings: str) -> "Account":
        """With more that the user should know."""
        return replace(self, warnings=[*self.warnings, *warnings])

    def with_remark(self, remark: str) -> "Account":
        """With more that holds for the whole table."""
        return replace(self, remarks=[*self.remarks, remark])

    def plain(self) -> dict[str, Any]:
        """As JSON, for a run's record."""
        return {
            "columns": [{**asdict(column), "marks": list(column.marks)} for column in self.columns],
            "remarks": list(self.remarks),
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        head = ("column", "role", "type", "values", "missing", "done")
        rows = [head] + [(c.name, c.role, c.type, str(c.values), str(c.missing), c.done) for c in self.columns]
        widths = [min(40, max(len(row[k]) for row in rows)) for k in range(len(head))]
        lines = []
        for row in rows:
            cells = (
                cell.rjust(width) if k in (3, 4) else cell.ljust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*self.remarks, *lines])


class RefusedColumns(InputError):
    """Columns are refused; ``account`` says so of them, and how the others were read."""

    def __init__(self, message: str, account: Account) -> None:
        super().__init__(message)
        self.account = account

    def __reduce__(self) -> tuple[type["RefusedColumns"], tuple[str, Account]]:
        """As a worker hands it over."""
        return type(self), (str(self), self.account)


@functools.cache
def say(text: str, level: int = logging.INFO) -> None:
    """Log once a process: runs that share a table read it once each."""
    log.log(level, "%s", text)
