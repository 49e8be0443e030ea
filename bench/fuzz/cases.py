"""How a case is tried, counted and made smaller."""

import contextlib
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fairrun.config.check import InputError

REFUSALS = (InputError, HydraException, OmegaConfBaseException)  # which ``fairrun.train`` says in one message
SECONDS = 60  # after which a case hangs


@dataclass
class Counts:
    """What became of the cases of one kind."""

    kind: str
    tried: int = 0
    refused: int = 0
    trained: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ends = f"{self.refused} refused, {self.trained} trained, {len(self.failures)} failures"
        return f"{self.kind}: {self.tried} tried, {ends}"


def outcome(case: Callable[[], bool]) -> str:
    """Try a case, which returns whether it trained -> "trained", "checked", "refused", or what went wrong."""
    try:
        with limit(SECONDS):
            return "trained" if case() else "checked"
    except REFUSALS as error:
        return "refused" if str(error).strip() else f"{type(error).__name__} without a message"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} ({where.filename}:{where.lineno})"


def count(counts: Counts, how: str, parts: Sequence[Any], again: Callable[[Sequence[Any]], str]) -> None:
    """Add an outcome.  Of a failure, find the fewest ``parts`` with which ``again`` ends alike."""
    counts.tried += 1
    counts.refused += how == "refused"
    counts.trained += how == "trained"
    if how not in ("trained", "checked", "refused"):
        fewest = smallest(parts, lambda fewer: _kind(again(fewer)) == _kind(how))
        counts.failures.append(f"{how}\n    with {' '.join(map(str, fewest))}")
        print(f"FAILURE {counts.failures[-1]}", flush=True)


def smallest(parts: Sequence[Any], fails: Callable[[Sequence[Any]], bool]) -> list[Any]:
    """The parts that are left when every one is dropped without which the case still fails."""
    kept = list(parts)
    size = max(1, len(kept) // 2)
    while size:
        for first in range(len(kept) - size, -1, -size):
            fewer = [*kept[:first], *kept[first + size :]]
            if fails(fewer):
                kept = fewer
        size //= 2
    return kept


def _kind(how: str) -> str:
    return how.partition(":")[0] + how.rpartition("(")[2]


@contextlib.contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Raise ``TimeoutError`` in what takes longer."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
