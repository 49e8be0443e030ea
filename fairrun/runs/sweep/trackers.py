"""The trackers that a sweep's jobs are logged to.  What a tracker raises does not stop a sweep: other runs train."""

import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from fairrun.command.environment import redacted
from fairrun.config.build import build
from fairrun.config.check import InputError
from fairrun.config.plugins import told
from fairrun.results.records import read_history
from fairrun.runs.job import Job, begun
from fairrun.runs.live import Listener
from fairrun.runs.sweep.outcome import Outcome
from fairrun.trackers import Tracker
from fairrun.training.run import Run

log = logging.getLogger(__name__)
Facts = Callable[[dict[str, Any]], dict[str, Any]]  # a configuration -> the facts about its data


class Trackers:
    """The trackers of jobs, one for all that are configured alike.  ``sweep``: its name, None for a single run."""

    def __init__(self, sweep: str | None) -> None:
        self.sweep = sweep
        self._made: dict[str, Tracker] = {}

    def of(self, job: Job) -> Tracker:
        """The tracker of a job."""
        node = json.dumps(job.config["tracker"])
        if node not in self._made:
            self._made[node] = build(job.config["tracker"], "tracker")
        return self._made[node]

    def log(self, job: Job, outcome: Outcome, run: Run | None) -> None:
        """Log a run, if it is written.  Of a single run, what its tracker raises is raised."""
        if outcome.record is None:
            return
        history = pd.DataFrame() if run is None or run.history is None else run.history
        try:
            self.of(job).log(job.folder, self.sweep, outcome.record, history)
        except Exception as error:  # a tracker's library raises what it likes
            if self.sweep is None:
                raise
            said = str(error) if isinstance(error, InputError) else told(error)
            log.warning("%s is written, but is not logged yet: %s", job.folder, redacted(said))

    def log_known(self, job: Job, outcome: Outcome) -> None:
        """Log a single run that was done before, if its tracker does not have it."""
        if outcome.record is not None and outcome.status == "finished":
            self.of(job).log(job.folder, None, outcome.record, read_history(job.folder, outcome.record))

    def listeners(self, stacks: Mapping[str, Sequence[Job]], facts: Facts) -> dict[str, list[Listener | None]]:
        """By stack, what is told of each run's epochs; None of a run whose tracker is not live."""
        return {name: [self._listener(job, facts) for job in stack] for name, stack in stacks.items()}

    def stop(self) -> None:
        """End at their trackers the runs that were stopped while they trained."""
        for tracker in self._made.values():
            try:
                tracker.stop()
            except Exception as error:  # a tracker's library raises what it likes
                log.warning("runs that stopped are open at their tracker: %s", redacted(told(error)))

    def _listener(self, job: Job, facts: Facts) -> Listener | None:
        tracker = self.of(job)
        if not tracker.live:
            return None
        return functools.partial(tracker.epochs, job.folder, self.sweep, begun(job, facts(job.config)))
