"""``tracker=mlflow``: each run of a sweep as an MLflow run, tagged with the sweep, and a summary of each data set."""

import functools
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
from urllib.parse import unquote, urlsplit

import pandas as pd

from fairrun.config.check import require
from fairrun.trackers.logger import Logger
from fairrun.trackers.needs import Refused, flat, library, public
from fairrun.trackers.told import SUMMARY, Told

VARIABLE = "MLFLOW_TRACKING_URI"
SQLITE = "sqlite:///"
HOSTED = ("databricks", "databricks-uc", "uc")  # what MLflow takes for servers, not for folders
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
        super().__post_init__()
        require(self.experiment.strip(), "experiment", self.experiment, "a name")

    @property
    def place(self) -> str:
        """The server or data base, and the experiment."""
        return f"{public(self._uri)} {self.experiment}"

    def check(self, *, single: bool) -> None:
        """Raise ``InputError`` if mlflow cannot be imported, or the server cannot be reached."""
        library("mlflow", self.name)
        _ = self._server

    def answers(self) -> bool:
        """Whether the server or data base answers, and has the experiment."""
        try:
            client, experiment = self._server
            client.get_experiment(experiment)
        except Exception:  # mlflow's own, sqlalchemy's, a server's
            return False
        return True

    def open(self, described: Told, folder: Path, id: str) -> "MlflowLog":
        """Begin a run, to which MLflow gives an id."""
        client, experiment = self._server
        tags = {"group": described.group or "", "job_type": described.job_type, "tags": ", ".join(described.tags)}
        cut = {name: tag[:TAG] for name, tag in tags.items()}
        run = client.create_run(experiment, run_name=described.name[:TAG], tags=cut)
        log = MlflowLog(run.info.run_id, client)
        log.params(described.config)
        return log

    def forget(self, folder: Path, id: str) -> None:
        """Delete the run with this id, if MLflow has it."""
        _delete(self._server[0], id)

    @functools.cached_property
    def _uri(self) -> str:
        return _absolute(self.tracking_uri or os.environ.get(VARIABLE) or f"{SQLITE}{LOCAL}/mlflow.db")

    @functools.cached_property
    def _server(self) -> tuple[Any, str]:
        """The client, and the id of the experiment, which is made if it is not there."""
        from mlflow import MlflowClient

        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # by default it tries for minutes
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        path = Path(self._uri.removeprefix(SQLITE).partition("?")[0]) if self._uri.startswith(SQLITE) else None
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            client = MlflowClient(tracking_uri=self._uri)
            if found := client.get_experiment_by_name(self.experiment):
                return client, str(found.experiment_id)
            artifacts = (path.parent / "artifacts").as_uri() if path else None
            return client, str(client.create_experiment(self.experiment, artifacts))
        except Exception as error:  # mlflow's own, sqlalchemy's, a server's
            got = f"{public(self._uri)!r}: {flat(error)}"
            raise Refused(f"tracker.tracking_uri must be an MLflow server or data base, got {got}") from None


@dataclass
class MlflowLog:
    """An open MLflow run."""

    id: str
    client: Any
    logged: frozenset[str] = frozenset()  # names of parameters

    def rows(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log epochs."""
        self._metrics([(name, row[name], int(row["epoch"])) for row in rows for name in row if name != "epoch"])

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
        self._metrics([(f"{SUMMARY}{name}", value, 0) for name, value in numbers.items()])
        for name in described.summary.keys() - numbers.keys():
            self.client.set_tag(self.id, _name(name), str(described.summary[name])[:TAG])
        self.client.set_terminated(self.id, "FINISHED" if described.finished else "FAILED")

    def interrupt(self) -> None:
        """End the run; MLflow shows it as killed."""
        self.client.set_terminated(self.id, "KILLED")

    def _metrics(self, values: Sequence[tuple[str, float, int]]) -> None:
        """Log values by name and step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        known = [Metric(_name(name), float(value), now, step) for name, value, step in values if isfinite(value)]
        for part in _parts(known, BATCH):
            self.client.log_batch(self.id, metrics=part)


def _absolute(uri: str) -> str:
    """The address; one of a file or folder of this machine from its root on: the same place from every folder."""
    if uri.startswith(SQLITE):
        path, mark, options = uri.removeprefix(SQLITE).partition("?")
        return f"{SQLITE}{Path(path).resolve()}{mark}{options}"
    parts = urlsplit(uri)
    if parts.netloc or parts.scheme not in ("", "file") or uri in HOSTED:
        return uri
    return Path(unquote(parts.path) if parts.scheme else uri).resolve().as_uri()


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
