"""The epochs of stacks that train: workers write them to files, and the process that waits passes them to trackers."""

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fairrun.command.environment import redacted
from fairrun.config.check import InputError
from fairrun.config.plugins import told

log = logging.getLogger(__name__)
TRAINS = "trains"  # in a line: which runs the epoch is of
LOOK_S = 1.0  # seconds between two reads of the workers' files
Listener = Callable[[Sequence[Mapping[str, float]]], None]  # is told the rows of a run's history that are new


def tell(folder: Path, name: str, epoch: int, record: Mapping[str, np.ndarray], trains: np.ndarray) -> None:
    """Append an epoch of stack ``name`` to its file in ``folder``.

    ``record`` has a value for each run by column; ``trains`` says which runs have not stopped before.
    """
    columns = {key: values.tolist() for key, values in record.items()}
    line = json.dumps({"epoch": epoch, **columns, TRAINS: trains.tolist()})
    with contextlib.suppress(OSError), _file(folder, name).open("a", encoding="utf-8") as file:
        file.write(line + "\n")  # a full disk stops what is live, but must not stop training


class Live:
    """Tells listeners of epochs while stacks train, in a thread of its own.

    ``listeners`` has, for each stack, a listener for each of its runs, or None.  One that raises is not told again: the
    run is logged at its end.
    """

    def __init__(self, folder: Path, listeners: Mapping[str, Sequence[Listener | None]]) -> None:
        self.folder = folder
        self.listeners = {name: list(runs) for name, runs in listeners.items() if any(runs)}
        self._read = dict.fromkeys(self.listeners, 0)  # bytes
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Live":
        if self.listeners:
            self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def finish(self, name: str) -> None:
        """Tell the last epochs of a stack that is trained."""
        with self._lock:
            if name in self.listeners:
                self._look(name)
                del self.listeners[name]

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            for name in list(self.listeners):
                with self._lock:
                    if name in self.listeners:
                        self._look(name)

    def _look(self, name: str) -> None:
        """Read the lines that are new."""
        try:
            with _file(self.folder, name).open("rb") as file:
                file.seek(self._read[name])
                content = file.read()
        except OSError:  # the stack has not begun
            return
        whole, end, _ = content.rpartition(b"\n")
        self._read[name] += len(whole) + len(end)
        epochs = list(_epochs(whole))
        for k, listener in enumerate(self.listeners[name]):
            if listener is not None and (rows := _rows_of_run(epochs, k)):
                self._tell(name, k, listener, rows)

    def _tell(self, name: str, k: int, listener: Listener, rows: Sequence[Mapping[str, float]]) -> None:
        try:
            listener(rows)
        except Exception as error:  # a tracker's library raises what it likes; training goes on
            said = str(error) if isinstance(error, InputError) else told(error)
            log.warning("epochs are not logged any more while they are trained: %s", redacted(said))
            self.listeners[name][k] = None


def _epochs(lines: bytes) -> Iterator[dict[str, Any]]:
    for line in lines.splitlines():
        with contextlib.suppress(ValueError):  # a full disk cut an earlier line short
            yield json.loads(line)


def _rows_of_run(epochs: Sequence[Mapping[str, Any]], k: int) -> list[dict[str, float]]:
    """The rows of run ``k``, up to its last epoch."""
    return [
        {key: value[k] if isinstance(value, list) else value for key, value in epoch.items() if key != TRAINS}
        for epoch in epochs
        if epoch[TRAINS][k]
    ]


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl"
