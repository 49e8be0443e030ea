"""The results of tasks, of which those whose workers died are tried again."""

from collections.abc import Mapping
from typing import Any

from fairrun.config.check import InputError
from fairrun.runs.executors.api import Executor, Function, Lost, Results, first_line


def completed(executor: Executor, function: Function, tasks: Mapping[str, Any]) -> Results:
    """Yield the results of ``executor.map``, but try the tasks whose workers died once more, side by side.

    If a task's worker dies again, the result is ``Lost``.

    Raises ``InputError`` if the executor raises twice: it cannot work at all.
    """
    waiting, lost = dict(tasks), set[str]()
    failures = 0
    while waiting:
        try:
            for name, result in executor.map(function, dict(waiting)):
                if isinstance(result, Lost) and name not in lost:
                    lost.add(name)
                    continue
                del waiting[name]
                yield name, Lost(f"lost twice: {result.reason}") if isinstance(result, Lost) else result
        except Exception as error:  # each cluster raises types of its own
            failures += 1
            if failures == 2:
                raise InputError(
                    f"hydra.launcher must be one that works on this machine: {first_line(error)}"
                ) from None
