"""The interface of an executor, which calls a function on each of several named tasks.

It yields ``(name, result)`` as each task ends.  The functions catch their own exceptions: ``Lost`` says that a worker
died, and an executor that raises cannot work.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Function = Callable[[Any], Any]
Results = Iterator[tuple[str, Any]]


@dataclass(frozen=True)
class Lost:
    """The result of a task whose worker died."""

    reason: str


class Executor(Protocol):
    """Calls a function on named tasks; see the module's docstring."""

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""
        ...

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Call ``function`` on every task and yield ``(name, result)``, in any order."""
        ...


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its type."""
    return next(iter(str(error).splitlines()), type(error).__name__)
