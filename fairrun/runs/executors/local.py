"""Tasks that run on this machine: in this process, or in others."""

import itertools
import os
import signal
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from typing import Any, ClassVar

from joblib.externals.loky import ProcessPoolExecutor, process_executor
from joblib.externals.loky.backend import get_context

from fairrun.command.imports import load
from fairrun.runs.executors.api import Function, Lost, Results
from fairrun.training import stop

WATCH_S = 0.5  # seconds between two checks by a local worker that its parent is alive
SAVE_S = 30  # seconds in which a local worker that is asked to end may save what it trains
# Each library has its own name for the number of threads.
THREADS = [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")]


@dataclass(frozen=True)
class Inline:
    """Runs tasks in this process, one after another."""

    workers: int = 1

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Yield results in the order of ``tasks``."""
        for name, task in tasks.items():
            yield name, function(task)


@dataclass(frozen=True)
class Loky:
    """Runs tasks in processes of this machine, which the commands of this process share.

    Each process is a pool of its own, so that a process that dies loses no other's task.
    """

    workers: int
    num_threads: int  # threads of each process

    def start(self, module: str, tasks: int) -> Iterable[Any]:
        """Make the processes for so many ``tasks`` import ``module`` while this one goes on.

        Whoever exhausts the result waits for them.  Other processes start with their first task.
        """
        count = min(self.workers, tasks)
        # ``map`` takes the processes from the last one on
        return as_completed(
            [_Process.of(self.workers - 1 - k, self.num_threads).call(load, module) for k in range(count)]
        )

    def map(self, function: Function, tasks: Mapping[str, Any]) -> Results:
        """Yield results as tasks end, and ``Lost`` for a task whose process died.

        Where the caller takes no more results, the processes save what they train, and end.
        """
        left, free = iter(tasks.items()), list(range(self.workers))
        running: dict[Future[Any], tuple[str, _Process]] = {}

        def begin() -> None:
            for name, task in itertools.islice(left, len(free)):
                process = _Process.of(free.pop(), self.num_threads)
                running[process.call(function, task)] = name, process

        try:
            begin()
            while running:
                ended = []
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    name, process = running.pop(done)
                    free.append(process.number)
                    ended.append((name, process.result(done)))
                try:
                    begin()  # before the caller writes the results
                finally:  # they are there also where no other process starts
                    yield from ended
        finally:
            for _, process in running.values():
                process.end()


class _Process:
    """A local process.  It starts with its first task; another takes its place when it has died."""

    _all: ClassVar[dict[tuple[int, int], "_Process"]] = {}

    def __init__(self, number: int, threads: int) -> None:
        self.number = number
        self._key = number, threads
        self._folder = os.getcwd()
        self._ended = get_context("loky").Semaphore(0)  # an Event would wait for a process that died
        settings = dict.fromkeys(THREADS, str(threads))
        self._pool = ProcessPoolExecutor(1, initializer=_obey, initargs=(os.getpid(), self._ended), env=settings)

    @classmethod
    def of(cls, number: int, threads: int) -> "_Process":
        """Process ``number`` of those with so many threads, in the folder of this process."""
        found = cls._all.get((number, threads))
        if found is not None and found._folder != os.getcwd():  # names of files and modules mean others there
            found.end()
        return cls._all.get((number, threads)) or cls._all.setdefault((number, threads), cls(number, threads))

    def call(self, function: Function, task: Any) -> Future[Any]:
        """Call ``function`` on ``task`` in the process."""
        try:
            result: Future[Any] = self._pool.submit(function, task)
        except BrokenProcessPool:  # it died while it had nothing to do
            self.end()
            result = self.of(*self._key)._pool.submit(function, task)
        return result

    def result(self, done: Future[Any]) -> Any:
        """The result of a call that has ended; ``Lost`` if the process died."""
        try:
            return done.result()
        except BrokenProcessPool:  # its own message is long
            self.end()
            return Lost("its worker was killed, by a signal or for want of memory")

    def end(self) -> None:
        """Ask the process to end; it saves what it trains."""
        self._ended.release()
        type(self)._all.pop(self._key, None)


def _obey(parent: int, ended: Semaphore) -> None:
    """Make this worker end itself when it is asked to, or when process ``parent``, which started it, is gone.

    What it trains is saved first.  Signals for all processes of a command, from the keyboard or a scheduler, are left
    to the parent, which asks.
    """
    # Loky ends a worker that has grown, whatever it was given meanwhile; a pool of one would wait for that for ever.
    process_executor._USE_PSUTIL = False

    def watch() -> None:
        while os.getppid() == parent and not ended.acquire(timeout=WATCH_S):
            pass
        stop.end(signal.SIGTERM, SAVE_S)
        os._exit(1)

    for number in stop.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: ended.release())
    threading.Thread(target=watch, daemon=True).start()
