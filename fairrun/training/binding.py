"""Bind the methods of several runs into one method that holds a value for each run."""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any, get_type_hints

import torch

from fairrun.config.check import InputError
from fairrun.method.api import PerRun, PerTask


def bind(methods: Sequence[Any], dtype: torch.dtype, device: str = "cpu") -> Any:
    """Bind R methods that differ only in ``PerRun`` and ``PerTask`` fields into one method.

    The bound fields are tensors with the values of all runs, [R, 1] or [R, T].  Fields of nested dataclasses, such as
    optimizers, are bound too.  Values are not checked again, because they were checked when the methods were made.
    Raises ``InputError`` if a class or another field differs.
    """
    bound = copy.copy(methods[0])
    for method in methods:
        if type(method) is not type(bound):
            raise InputError(
                f"runs side by side must be of one class, got {type(bound).__name__}, {type(method).__name__}"
            )
    hints = get_type_hints(type(bound))
    for field in dataclasses.fields(bound):
        values = [getattr(part, field.name) for part in methods]
        if hints[field.name] in (PerRun, float):
            value = torch.tensor(values, dtype=torch.float64).to(dtype).to(device).unsqueeze(-1)
        elif hints[field.name] == PerTask:
            lists = [value if isinstance(value, list) else [value] for value in values]
            longest = max(map(len, lists))
            full = [numbers * longest if len(numbers) == 1 else numbers for numbers in lists]
            value = torch.tensor(full, dtype=torch.float64).to(dtype).to(device)
        elif dataclasses.is_dataclass(values[0]):
            value = bind(values, dtype, device)
        elif all(value == values[0] for value in values):
            value = values[0]
        else:
            raise InputError(f"runs side by side must agree in {type(bound).__name__}.{field.name}, got {values}")
        object.__setattr__(bound, field.name, value)
    return bound
