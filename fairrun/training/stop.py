"""Ends a training at the end of an epoch, with its progress saved, where a signal asks for it."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

WAIT_S = 0.05  # between two looks at whether the training has ended
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # from the keyboard, and from a scheduler


class Stopped(BaseException):
    """A signal asked this process to end.  No ``except Exception`` takes it for a failure of a run."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass
class _Process:
    training: bool = False
    asked: int | None = None  # the signal that came while it trained


_process = _Process()


def listen() -> None:
    """Raise ``Stopped`` for a signal: while this process trains at the end of the epoch, a second one at once."""
    for number in SIGNALS:
        signal.signal(number, _handle)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """As ``listen``, while it lasts; in another thread than the main one, which gets no signals, it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(number: int, frame: FrameType | None) -> None:
    if not _process.training or _process.asked is not None:
        raise Stopped(number)
    _process.asked = number


@contextlib.contextmanager
def training() -> Iterator[None]:
    """While it lasts, a signal waits for the end of the epoch; one after the last epoch ends the next training."""
    if (number := _process.asked) is not None:
        _process.asked = None
        raise Stopped(number)
    _process.training = True
    try:
        yield
    except BaseException:
        _process.asked = None
        raise
    finally:
        _process.training = False


def end(number: int, seconds: float) -> None:
    """Ask the training of this process to end, as signal ``number`` does, and wait for it; at most ``seconds``."""
    _process.asked = number
    deadline = time.monotonic() + seconds
    while _process.training and time.monotonic() < deadline:
        time.sleep(WAIT_S)


def asked() -> int | None:
    """The signal that asked this training to end, if one did."""
    return _process.asked if _process.training else None
