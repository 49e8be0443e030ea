"""``tracker=mlflow``: each run of a sweep as an MLflow run, tagged with the sweep, and a summary of each data set."""

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fairrun.config.check import InputError, require
from fairrun.trackers.logger import Logger
from fairrun.trackers.needs import flat, library
from fairrun.trackers.told import SUMMARY, Told

VARIABLE = "MLFLOW_TRACKING_URI"
LOCAL = "outputs/mlflow"  # the folder of the data base and the artifacts, if no server is named
BATCH = 1000  # metrics that a request takes
PARAMS = 100  # parameters that a request takes
TEXT = 6000  # characters of a parameter
TAG = 5000  # of a tag
NAME = 250  # of a name
_REFUSED = re.compile(r"(=(?!x))|[^\w\-. ]")  # between the slashes of a name; an equals sign becomes a colon


@dataclass(frozen=True, kw_only=True)
class Mlflow(Logger):
    """Logs each run's configuration as parameters, its epochs and summary as metrics.

    A run that is logged again is made anew: MLflow gives it another id, and the earlier one is deleted.
    """

    tracking_uri: str | None  # None means MLFLOW_TRACKING_URI, or a data base in outputs/mlflow
    experiment: str
    name: ClassVar[str] = "mlflow"
    title: ClassVar[str] = "MLflow"

    def __post_init__(self) -> None:
        require(self.experiment.strip(), "experiment", self.experiment, "a name")

    @property
    def place(self) -> str:
        """The server or data base, and the experiment."""
        return f"{_public(self._uri())} {self.experiment}"

    def check(self, *, single: bool) -> None:
        """Raise ``InputError`` if mlflow cannot be imported, or the server cannot be reached."""
        library("mlflow", self.name)
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # by default it tries for minutes
        self._client_and_experiment()

    def open(self, described: Told, folder: Path, id: str) -> "MlflowLog":
        """Begin a run, to which MLflow gives an id."""
        from mlflow.exceptions import MlflowException

        try:
            client, experiment = self._client_and_experiment()
            tags = {"group": described.group or "", "job_type": described.job_type, "tags": ", ".join(described.tags)}
            run = client.create_run(experiment, run_name=described.name, tags=tags)
            log = MlflowLog(run.info.run_id, client)
            log.params(described.config)
        except MlflowException as error:
            message = f"MLflow did not take {folder}; its files are complete, sync them later: {flat(error)}"
            raise InputError(message) from None
        return log

    def forget(self, folder: Path, id: str) -> None:
        """Delete the run with this id, if MLflow has it."""
        _delete(self._client_and_experiment()[0], id)

    def _uri(self) -> str:
        return self.tracking_uri or os.environ.get(VARIABLE) or f"sqlite:///{Path(LOCAL).absolute()}/mlflow.db"

    def _client_and_experiment(self) -> tuple[Any, str]:
        """The client, and the id of the experiment, which is made if it is not there."""
        from mlflow import MlflowClient

        uri = self._uri()
        local = uri.startswith("sqlite:///")
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        try:
            if local:
                Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            client = MlflowClient(tracking_uri=uri)
            if found := client.get_experiment_by_name(self.experiment):
                return client, str(found.experiment_id)
            place = Path(uri.removeprefix("sqlite:///")).parent / "artifacts" if local else None
            return client, str(client.create_experiment(self.experiment, None if place is None else place.as_uri()))
        except Exception as error:  # mlflow's own, sqlalchemy's, a server's
            got = f"{_public(uri)!r}: {flat(error)[:300]}"
            raise InputError(f"tracker.tracking_uri must be an MLflow server or data base, got {got}") from None


@dataclass
class MlflowLog:
    """An open MLflow run."""

    id: str
    client: Any
    logged: frozenset[str] = frozenset()  # names of parameters

    def row(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch."""
        self._metrics({name: value for name, value in values.items() if name != "epoch"}, epoch)

    def params(self, config: Mapping[str, Any]) -> None:
        """Log the parameters that are not logged yet."""
        from mlflow.entities import Param

        new = {key: value for key, value in config.items() if key not in self.logged}
        for names in _parts(list(new), PARAMS):
            self.client.log_batch(self.id, params=[Param(_name(key), str(new[key])[:TEXT]) for key in names])
        self.logged |= frozenset(new)

    def table(self, name: str, table: pd.DataFrame, axes: tuple[str, str], title: str) -> None:
        """Keep a table as a CSV file."""
        self.client.log_text(self.id, table.to_csv(index=False), f"{_name(name)}.csv")

    def picture(self, name: str, path: Path) -> None:
        """Keep a PNG file."""
        self.client.log_artifact(self.id, str(path))

    def files(self, name: str, paths: Sequence[Path]) -> None:
        """Keep copies of the files in a folder of the run's artifacts."""
        for path in paths:
            self.client.log_artifact(self.id, str(path), "sweep")

    def close(self, described: Told) -> None:
        """Log the summary and the parameters that are new, and end the run."""
        self.params(described.config)
        numbers = {name: value for name, value in described.summary.items() if isinstance(value, int | float)}
        self._metrics({f"{SUMMARY}{name}": value for name, value in numbers.items()}, 0)
        for name in described.summary.keys() - numbers.keys():
            self.client.set_tag(self.id, _name(name), str(described.summary[name])[:TAG])
        self.client.set_terminated(self.id, "FINISHED" if described.finished else "FAILED")

    def _metrics(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        known = [Metric(_name(name), float(value), now, step) for name, value in values.items() if isfinite(value)]
        for part in _parts(known, BATCH):
            self.client.log_batch(self.id, metrics=part)


def _public(uri: str) -> str:
    """The address without a name and password."""
    return re.sub(r"//[^/@]*@", "//", uri)


def _delete(client: Any, id: str) -> None:
    """Delete a run, if MLflow has it: ids that are not from MLflow name none."""
    from mlflow.exceptions import MlflowException

    try:
        client.delete_run(id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _name(name: str) -> str:
    """What MLflow takes for a name, which no other name becomes: "age=<30" is "age::x3C:30"."""
    taken = "/".join(_part(part) for part in name.split("/"))
    if len(taken) <= NAME:
        return taken
    end = f" {hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return taken[: NAME - len(end)] + end


def _part(part: str) -> str:
    """A part between slashes.  MLflow refuses an empty one, and those that would be steps through folders."""
    return ":x2E:" * len(part) or ":x:" if part in ("", ".", "..") else _REFUSED.sub(_sign, part)


def _sign(found: re.Match[str]) -> str:
    """A colon for an equals sign, unless a code would follow; else the sign's code."""
    return ":" if found[1] else f":x{ord(found[0]):X}:"


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
