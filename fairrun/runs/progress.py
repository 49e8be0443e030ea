"""The progress of each stack: workers write it to files, and the process that waits for them shows it."""

import contextlib
import json
import math
import os
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LOOK_S = 0.5  # seconds between two reads of the workers' files


def publish(folder: Path, name: str, epoch: int, loss: float) -> None:
    """Write to ``folder`` that stack ``name`` has done ``epoch`` epochs and has the mean training loss ``loss``."""
    part = folder / f"{name}.json.part"
    with contextlib.suppress(OSError):  # a full disk stops the progress line, but must not stop training
        part.write_text(json.dumps([epoch, loss]))
        os.replace(part, folder / f"{name}.json")


def is_published(folder: Path, name: str) -> bool:
    """Whether a worker began stack ``name``."""
    return (folder / f"{name}.json").exists()


class Display:
    """Shows progress on stderr.

    A terminal shows a moving line for each stack in training and one for all runs.  Elsewhere, each finished stack
    prints one line.
    """

    def __init__(self, folder: Path, sizes: dict[str, tuple[int, int]], labels: dict[str, str]) -> None:
        self.folder, self.sizes, self.labels = folder, sizes, labels  # sizes: runs and epochs of each stack
        self.console = Console(stderr=True)
        self.started = time.monotonic()
        self.done: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
        )
        remaining = (TimeRemainingColumn(), TextColumn("{task.fields[loss]}"))
        self.bars = Progress(*columns, *remaining, console=self.console, transient=True)
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> "Display":
        if self.console.is_terminal and self.sizes:
            self.bars.start()
            if len(self.sizes) > 1:
                self._lines[""] = self.bars.add_task("all runs", total=self._total(), unit="runs", loss="")
            self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
            self.bars.stop()

    def finished(self, name: str) -> None:
        """Note that stack ``name`` is trained and its records are written."""
        self.done.add(name)
        if not self.console.is_terminal and len(self.sizes) > 1:
            self.console.print(self._line(name), highlight=False, soft_wrap=True)

    def _line(self, name: str) -> str:
        elapsed = time.monotonic() - self.started
        share = sum(self._work(n) for n in self.done) / sum(map(self._work, self.sizes))
        left = elapsed * (1 - share) / share
        runs = sum(self.sizes[n][0] for n in self.done)
        text = f"{self.labels[name]}: done; {runs} of {self._total()} runs after {elapsed:.0f} s"
        return text + (f", about {left:.0f} s left" if share < 1 else "")

    def _work(self, name: str) -> int:
        runs, epochs = self.sizes[name]
        return runs * epochs

    def _total(self) -> int:
        return sum(runs for runs, _ in self.sizes.values())

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Read the workers' files and update the lines."""
        progress = 0.0
        for name, (runs, epochs) in self.sizes.items():
            epoch, loss = (epochs, 0.0) if name in self.done else self._read(name)
            progress += runs * epoch / epochs
            training = name not in self.done and is_published(self.folder, name)
            if training and name not in self._lines:
                self._lines[name] = self.bars.add_task(self.labels[name], total=epochs, unit="epochs", loss="")
            elif not training and name in self._lines:
                self.bars.remove_task(self._lines.pop(name))
            if training:
                self.bars.update(
                    self._lines[name], completed=epoch, loss="" if math.isnan(loss) else f"loss {loss:.4f}"
                )
        if "" in self._lines:
            self.bars.update(self._lines[""], completed=round(progress, 1))

    def _read(self, name: str) -> tuple[int, float]:
        try:
            epoch, loss = json.loads((self.folder / f"{name}.json").read_text())
        except (OSError, ValueError):  # the stack has not begun, or its file cannot be read
            return 0, float("nan")
        return epoch, loss
