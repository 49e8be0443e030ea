"""The facts about a data set before anything is trained: rows, groups, labels, columns, what one should know."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from fairrun.data.dataset import Dataset
from fairrun.data.divided import Divided
from fairrun.data.images import ImageDataset
from fairrun.data.own.guards import with_few_rows
from fairrun.data.own.table import OwnTable
from fairrun.data.reading.account import Account, Column
from fairrun.data.table import Data
from fairrun.runs.job import facts

SPLITS = ("train", "val", "test")


class Facts(NamedTuple):
    """What is known of a data set."""

    of_record: dict[str, Any]  # as records hold it
    account: Account


def facts_of(dataset: Dataset | ImageDataset) -> Facts:
    """The facts about a data set.  Raises ``InputError`` if it cannot be trained on."""
    if isinstance(dataset, ImageDataset):
        data = _without_pixels(dataset)
        return Facts(facts(data), with_few_rows(Account([]), _divided(data)))
    data = dataset.load()
    if isinstance(dataset, OwnTable):
        plain = data.account or {}
        columns = [Column(**column) for column in plain["columns"]]
        return Facts(facts(data), Account(columns, plain["remarks"], plain["warnings"]))
    account = with_few_rows(_account(dataset, data), _divided(data))
    return Facts(facts(data), account)


def _without_pixels(dataset: ImageDataset) -> Data:
    """The labels, groups and splits of images; no image is read."""
    divided = dataset.divided(dataset.rows.frame(dataset.path))
    return divided.data({name: torch.zeros(len(rows), 0) for name, rows in divided.rows.items()}, [], "")


def _divided(data: Data) -> Divided:
    """The labels and groups of all rows, one split after the other."""
    tables = {name: getattr(data, name) for name in SPLITS}
    y, s = (torch.cat([table[k] for table in tables.values()]).numpy() for k in (1, 2))
    ends = np.cumsum([0, *(len(table.s) for table in tables.values())])
    rows = {name: np.arange(ends[k], ends[k + 1]) for k, name in enumerate(tables)}
    return Divided(y, s, data.groups, list(data.tasks), list(data.classes), rows, data.balanced.numpy())


def _account(dataset: Dataset, data: Data) -> Account:
    """The columns of a data set that fairrun knows, with the roles that its file gives them."""
    frame = dataset.rows.frame(dataset.path)
    labels = dict.fromkeys((label["column"] for label in dataset.tasks.values()) if dataset.tasks else [dataset.label])
    roles = {str(label): "label" for label in labels} | dict.fromkeys(dataset.sensitive_columns, "sensitive")
    columns = []
    for name in map(str, frame.columns):
        feature = any(f == name or f.startswith(f"{name}=") for f in data.features)
        given = [roles[name]] if name in roles else ["split"] if name == dataset.split.column else []
        role = ", ".join([*given, *(["feature"] if feature and given != ["split"] else [])]) or "unused"
        values = frame[name]
        columns.append(Column(name, _type(values), int(values.nunique()), int(values.isna().sum()), role))
    return Account(columns)


def _type(values: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_integer_dtype(values):
        return "integer"
    return "number" if pd.api.types.is_numeric_dtype(values) else "category"
