"""The errors with which runs ended, by their logs: a sweep whose runs are all refused leaves no record."""

import re
from collections.abc import Iterator
from pathlib import Path

from fairrun.config.names import MOST_NAMED, counted
from fairrun.results.again import OVERRIDES

HEADER = re.compile(r"^\[[^]\n]*\]\[[^]\n]*\]\[([A-Z]+)\] - ", re.MULTILINE)


def errors(folder: Path) -> str:
    """How many runs ended with an error, and a line for each error with the first run's folder; empty without one."""
    begun = sorted((path.parent.parent for path in folder.rglob(OVERRIDES)), key=lambda path: (len(path.name), path))
    found: dict[str, list[Path]] = {}
    for run in begun:
        if reason := _last(run):
            found.setdefault(reason, []).append(run)
    if not found:
        return ""
    ended = sum(map(len, found.values()))
    which = f"all {ended}" if ended == len(begun) else f"{ended} of {len(begun)}"
    head = "its run" if len(begun) == 1 else f"{which} runs"
    lines = [
        f"  {runs[0]}{f' and {len(runs) - 1} more' * (len(runs) > 1)}: {reason}"
        for reason, runs in list(found.items())[:MOST_NAMED]
    ]
    more = [f"  and {counted(len(found) - MOST_NAMED, 'more reason')}"] if len(found) > MOST_NAMED else []
    return "\n".join([f"{head} ended with an error", *lines, *more])


def _last(run: Path) -> str:
    """The last line of the last error in a run's log; empty without one."""
    said = [HEADER.split(log.read_text(encoding="utf-8", errors="replace"))[1:] for log in sorted(run.glob("*.log"))]
    found = [text.strip() for of_log in said for level, text in _pairs(of_log) if level == "ERROR" and text.strip()]
    return found[-1].splitlines()[-1] if found else ""


def _pairs(split: list[str]) -> Iterator[tuple[str, str]]:
    """What is logged, each with its level."""
    return zip(split[::2], split[1::2], strict=True)
