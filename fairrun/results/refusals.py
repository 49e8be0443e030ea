"""Why runs without a record were not trained, by their logs: a sweep whose runs are all refused leaves no record."""

import re
from pathlib import Path

from fairrun.config.names import counted
from fairrun.results.again import OVERRIDES

ERROR = re.compile(r"^\[[^]\n]*\]\[[^]\n]*\]\[ERROR\] - ", re.MULTILINE)
MOST_NAMED = 5  # reasons


def refusals(folder: Path) -> str:
    """How many runs were refused, and a line for each reason with the first run's folder; empty if no log says so."""
    begun = sorted((path.parent.parent for path in folder.rglob(OVERRIDES)), key=lambda path: (len(path.name), path))
    found: dict[str, list[Path]] = {}
    for run in begun:
        if reason := _last_error(run):
            found.setdefault(reason, []).append(run)
    if not found:
        return ""
    refused = sum(map(len, found.values()))
    which = f"all {refused}" if refused == len(begun) else f"{refused} of {len(begun)}"
    head = "its run was refused" if len(begun) == 1 else f"{which} runs were refused"
    lines = [
        f"  {runs[0]}{f' and {len(runs) - 1} more' * (len(runs) > 1)}: {reason}"
        for reason, runs in list(found.items())[:MOST_NAMED]
    ]
    more = [f"  and {counted(len(found) - MOST_NAMED, 'more reason')}"] if len(found) > MOST_NAMED else []
    return "\n".join([f"{head} before training", *lines, *more])


def _last_error(run: Path) -> str:
    """The last line of the last error in a run's log; empty without one."""
    said = [ERROR.split(log.read_text(encoding="utf-8", errors="replace"))[1:] for log in sorted(run.glob("*.log"))]
    errors = [error.strip() for of_log in said for error in of_log if error.strip()]
    return errors[-1].splitlines()[-1] if errors else ""
