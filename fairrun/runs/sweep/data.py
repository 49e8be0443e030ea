"""The data of a sweep's jobs: what records and checks hold of them, and the files that workers read."""

import json
from pathlib import Path
from typing import Any

import torch

from fairrun.config.check import InputError
from fairrun.config.keys import digest
from fairrun.models.network import Network
from fairrun.runs.built import network_of
from fairrun.runs.job import facts, load
from fairrun.runs.model import Rows, rows_of
from fairrun.runs.worker import store


class SweepData:
    """The data sets that jobs are configured with, each loaded once.  ``work`` is the folder of what workers share."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._known: dict[str, tuple[dict[str, Any], Rows] | InputError] = {}  # or why the data cannot be loaded

    def facts(self, config: dict[str, Any]) -> dict[str, Any]:
        """The facts about a configuration's data that a record holds.  Raises ``InputError``."""
        return self._of(config)[0]

    def rows(self, config: dict[str, Any]) -> Rows:
        """What a saved model keeps of a configuration's rows.  Raises ``InputError``."""
        return self._of(config)[1]

    def network(self, config: dict[str, Any]) -> Network:
        """The network of a configuration, for its data.  Raises ``InputError``."""
        return network_of(config, self.facts(config))

    def stored(self, config: dict[str, Any]) -> Path:
        """The file with the data of a configuration, which workers read.  Raises ``InputError``."""
        rows = [config["dataset"], config["dtype"], self.facts(config)["data_sha256"]]
        path = self._work / f"data-{digest(rows)[:16]}.pt"
        if not path.exists():
            try:
                store(load(config), getattr(torch, config["dtype"]), path)
            except (OSError, RuntimeError) as error:  # torch raises RuntimeError if the disk is full
                raise InputError(f"{self._work} must have room for the data that workers read: {error}") from None
        return path

    def _of(self, config: dict[str, Any]) -> tuple[dict[str, Any], Rows]:
        node = json.dumps(config["dataset"])
        if node not in self._known:
            try:
                data = load(config)
                self._known[node] = facts(data), rows_of(data)
            except InputError as error:
                self._known[node] = error
        found = self._known[node]
        if isinstance(found, InputError):
            raise found
        return found
