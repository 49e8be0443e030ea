"""What earlier commands left of a sweep's jobs: which are finished, and which are trained again, and why."""

import logging
from collections import Counter

from fairrun.command.environment import debugging, redacted
from fairrun.config.check import InputError
from fairrun.config.plugins import told
from fairrun.results.records import REFUSED
from fairrun.runs.checks.alone import ANY_CODE, check
from fairrun.runs.checks.data import check_data
from fairrun.runs.job import Job, is_same, other_code, refuse_other
from fairrun.runs.model import UNSAVED, has_weights, wants_weights
from fairrun.runs.sweep.data import SweepData
from fairrun.runs.sweep.outcome import Outcome, earlier_record

log = logging.getLogger(__name__)


class Earlier:
    """Tells which jobs need no training.  ``here``: they would train on this machine; ``single``: there is no sweep."""

    def __init__(self, data: SweepData, *, here: bool, single: bool) -> None:
        self._data, self._here, self._single = data, here, single
        self._changed: Counter[str] = Counter()  # runs that other code finished, counted by the parts that changed
        self._without_weights = 0  # finished runs that lack the weights that their configuration asks for

    def outcome(self, job: Job) -> Outcome | None:
        """The outcome of a job that is finished or cannot be trained; None of one to train.

        Raises ``InputError`` if its folder holds another run's results.
        """
        try:
            check(job.config, here=self._here, single=self._single)
            data = self._data.facts(job.config)
            check_data(job.config, data)
        except InputError as error:
            return Outcome(REFUSED, redacted(str(error)))
        except Exception as error:  # a plug-in raises what it likes; the other jobs go on
            if debugging():
                raise
            return Outcome(REFUSED, redacted(told(error)))
        record = earlier_record(job) if job.config["resume"] else None
        if record is None or record["status"] == REFUSED:
            return None
        if not is_same(job, record, data["data_sha256"]):
            refuse_other(job, record)
        changed = other_code(job, record) if job.config["resume"] != ANY_CODE else []
        lacks = job.config["results"]["save"] == "chosen" and wants_weights(job.config, single=self._single)
        lacks = lacks and not has_weights(record) and UNSAVED not in record
        if record["status"] != "finished" or changed or lacks:
            self._changed.update([", ".join(changed)] if changed else [])
            self._without_weights += lacks and not changed
            return None
        return Outcome("finished", record=record)

    def warn(self) -> None:
        """Warn of the finished jobs that are trained again."""
        for parts, number in self._changed.items():
            runs = "1 run is" if number == 1 else f"{number} runs are"
            log.warning(
                "%s done by other code and trained again (changed: %s); resume=%s keeps them", runs, parts, ANY_CODE
            )
        self._changed.clear()
        if self._without_weights:
            number = self._without_weights
            runs = "1 run left no weights and is" if number == 1 else f"{number} runs left no weights and are"
            log.warning("%s trained again, as results.save=chosen asks", runs)
        self._without_weights = 0
