"""The model that a run leaves in the folder ``model`` of its own: plain files that are safe to load.

``weights.pt`` holds tensors only, parameters and constants of the network, or each ``classifier-*`` what a library
trained (``fairrun.estimators.saved``).  ``model.json`` says how new rows become features and scores decisions.
``scores.parquet`` is what the model predicts for validation and test rows.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from fairrun.config.check import InputError
from fairrun.config.keys import dotted, is_whole
from fairrun.config.plugins import can_be_saved
from fairrun.data.table import Data
from fairrun.results.records import parquet, replace
from fairrun.training.run import Run

FOLDER, WEIGHTS, ABOUT, SCORES = "model", "weights.pt", "model.json", "scores.parquet"
SHARES = "shares"  # in model.json: of each classifier in what is predicted, by the name of its file
UNSAVED = "unsaved"  # in a record: true where the run was to leave its model, and no file could hold it safely
SAVES = (None, "chosen", "none")  # of results.save
SPLITS = ("val", "test")
FORMAT = 2  # of model.json; another number where the content of the folder changes
FORMATS = (1, FORMAT)  # that can be read.  1 lacks the network's constants: its files make them again


class Rows(NamedTuple):
    """What a model needs of its data."""

    encoder: dict[str, Any] | None
    features: list[str]
    groups: list[str]
    tasks: list[str]
    classes: list[str]
    categories: list[int]
    splits: pa.Table  # of validation and test rows: split, row, group and label, or a label a task


def rows_of(data: Data) -> Rows:
    """What a model needs of ``data``."""
    splits = pd.concat([_rows(data, split) for split in SPLITS], ignore_index=True)
    tasks, classes, categories = list(data.tasks), list(data.classes), list(data.categories)
    table = pa.Table.from_pandas(splits, preserve_index=False)
    return Rows(data.encoder, data.features, data.groups, tasks, classes, categories, table)


def _rows(data: Data, split: str) -> pd.DataFrame:
    table = getattr(data, split)
    numbers = np.arange(len(table.y)) if data.numbers is None else data.numbers[split].numpy()
    group = pd.Categorical.from_codes(table.s.numpy(), data.groups)
    frame = pd.DataFrame({"split": split, "row": numbers.astype(np.int32), "group": group})
    labels = {task: table.y[:, t] for t, task in enumerate(data.tasks)} or {"": table.y}
    for task, own in labels.items():
        frame[f"label/{task}" if task else "label"] = own.numpy().astype(np.float32)
    return frame


def wants_weights(config: Mapping[str, Any], *, single: bool) -> bool:
    """Whether a run leaves its weights, or its classifiers: by default a ``single`` run does, and a sweep's do not."""
    save = config["results"]["save"]
    return can_be_saved(dotted(dict(config))) and (single if save is None else save == "chosen")


def has_weights(record: Mapping[str, Any]) -> bool:
    """Whether the run of a record left its weights, or its classifiers."""
    return ABOUT in record.get("model", {})


def save(folder: Path, run: Run, rows: Rows, *, weights: bool) -> dict[str, str]:
    """Write the model of a finished run into its ``folder`` -> the SHA-256 of each file, by name."""
    files = {SCORES: _scores(run, rows)}
    if weights and (predicts := _predicts(run)):
        about = {name: value for name, value in rows._asdict().items() if name != "splits"}
        about |= {"rules": run.rules, "format": FORMAT}
        about |= {} if run.groups is None else {"group_model": run.groups}
        about |= {SHARES: {name: share for name, (share, _) in run.classifiers.items()}} if run.classifiers else {}
        files |= predicts | {ABOUT: json.dumps(about, ensure_ascii=False).encode()}
    (folder / FOLDER).mkdir(exist_ok=True)
    for name, content in files.items():
        replace(folder / FOLDER / name, content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _predicts(run: Run) -> dict[str, bytes]:
    """The files of what predicts: a network's weights, or classifiers; nothing where these cannot be saved."""
    if not run.theta:
        return {name: content for name, (_, content) in run.classifiers.items()}
    buffer = io.BytesIO()
    torch.save({"chosen": run.chosen, "last": run.theta, "constants": run.constants}, buffer)
    return {WEIGHTS: buffer.getvalue()}


def _scores(run: Run, rows: Rows) -> bytes:
    values = np.concatenate([run.scores[split] for split in SPLITS])
    names = [f"score/{name}" for name in rows.tasks or rows.classes] or ["score"]
    table, repeating = rows.splits, [name for name in rows.splits.column_names if name != "row"]
    for name, column in zip(names, values.reshape(len(values), -1).T, strict=True):
        table = table.append_column(name, pa.array(column))
    return parquet(table, compression="zstd", use_dictionary=repeating, write_statistics=False)


def read_file(folder: Path, name: str, record: Mapping[str, Any]) -> bytes:
    """A file of the model in a run's folder.  Raises ``InputError`` if it is not there, or damaged."""
    path = folder / FOLDER / name
    known = record.get("model", {}).get(name)
    if known is None and _left_none(record):
        scores = f"{FOLDER}/{SCORES} has what it predicts for validation and test rows"
        raise InputError(f"{folder} holds no model: no file of its classifier would be safe to load; {scores}")
    if known is None:
        instead = " in place of results.save=none" if record["config"]["results"]["save"] == "none" else ""
        remedy = f"the same command with results.save=chosen{instead} leaves it there"
        raise InputError(f"{folder} must hold a saved model: {remedy}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != known:
        raise InputError(f"{path} is damaged: its SHA-256 is not the one in the record; train the run again")
    return content


def _left_none(record: Mapping[str, Any]) -> bool:
    """Whether the run of a library, which was to leave its model, could not."""
    keys, wanted = dotted(dict(record["config"])), record["config"]["results"]["save"] == "chosen"
    return UNSAVED in record or (is_whole(keys) and (wanted or not can_be_saved(keys)))
