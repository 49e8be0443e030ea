"""Saves a stack's state to disk, so that a long training that was stopped goes on from there, bit for bit."""

import hashlib
import io
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from fairrun.results.records import replace
from fairrun.training.stop import Stopped, asked

log = logging.getLogger(__name__)
DIGEST = hashlib.sha256().digest_size
Streams = dict[str, list[Generator]]


class Progress(NamedTuple):
    """The state of a stack after some epochs."""

    epoch: int  # epochs done
    state: Any  # the method's state: tensors in tuples and dicts
    records: list[dict[str, np.ndarray]]  # for each epoch, every metric [R]
    first_bad_step: np.ndarray  # [R] first step with a loss that is not finite, or -1


@dataclass
class Checkpoint:
    """A file that holds a stack's progress; written when ``every_s`` seconds have passed since the last time.

    The file is the SHA-256 of what follows it, which is safe to load: tensors and plain values only (``weights_only``).
    """

    path: Path  # named after the stack, so whatever it holds is continued
    every_s: float
    _written: float = field(default_factory=time.monotonic)

    def save(self, progress: Progress, streams: Streams) -> None:
        """Write the file, whole or not at all, if it is time.  If it cannot be written, log a warning.

        Where a signal asked the training to end, it is time, and ``Stopped`` is raised then.
        """
        signal = asked()
        if signal is None and time.monotonic() - self._written < self.every_s:
            return
        content = {
            "epoch": progress.epoch,
            "state": [t.detach().cpu() for t in _tensors(progress.state)],
            "streams": {name: [g.get_state() for g in generators] for name, generators in streams.items()},
            "records": _joined(progress.records),
            "first_bad_step": torch.as_tensor(progress.first_bad_step),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        try:
            replace(self.path, hashlib.sha256(buffer.getbuffer()).digest() + buffer.getbuffer())
        except OSError as error:
            log.warning("the checkpoint %s could not be written (%s); training goes on", self.path, error)
        self._written = time.monotonic()
        if signal is not None:
            raise Stopped(signal)

    def load(self, start: Progress, streams: Streams) -> Progress:
        """The progress in the file, or ``start`` if there is none.  Also sets ``streams`` to their saved states."""
        if not self.path.exists():
            return start
        try:
            content = _opened(self.path.read_bytes())
            saved = iter(content["state"])
            state = _map(start.state, lambda t: next(saved).to(t))
            records = _divided(content["records"])
            positions = {name: content["streams"][name] for name in streams}
        except Exception as error:  # a damaged file raises exceptions of many types
            log.warning("the checkpoint %s cannot be read (%s); training starts anew", self.path, error)
            return start
        for name, generators in streams.items():
            for generator, position in zip(generators, positions[name], strict=True):
                generator.set_state(position)
        log.info("continuing %s after epoch %d", self.path.stem, content["epoch"])
        return Progress(content["epoch"], state, records, content["first_bad_step"].numpy())


def _opened(file: bytes) -> dict[str, Any]:
    """The content of a file, if its hash is right."""
    digest, content = file[:DIGEST], file[DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("its SHA-256 is not that of its content")
    found: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
    return found


def _joined(records: list[dict[str, np.ndarray]]) -> dict[str, Tensor]:
    """One tensor [epochs, R] a metric, of the records of every epoch."""
    names = records[0] if records else ()
    return {name: torch.as_tensor(np.stack([record[name] for record in records])) for name in names}


def _divided(columns: dict[str, Tensor]) -> list[dict[str, np.ndarray]]:
    """The records of every epoch again."""
    epochs = max((len(values) for values in columns.values()), default=0)
    return [{name: values[epoch].numpy() for name, values in columns.items()} for epoch in range(epochs)]


def _map(tree: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The same tree, with ``function`` applied to every tensor."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: _map(item, function) for key, item in tree.items()}
    if isinstance(tree, tuple):
        items = [_map(item, function) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else tuple(items)
    return tree


def _tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors of a tree, in the order in which ``_map`` meets them."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, dict | tuple):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _tensors(item)
    elif tree is not None:
        raise TypeError(f"a method's state must be tensors, in tuples and dicts, got {type(tree).__name__}")
