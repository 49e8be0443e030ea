"""Files of weights, state dicts of ``torch.save``, that the parameters of a module start from."""

import functools
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from fairrun.config.check import InputError, require
from fairrun.config.plugins import told

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of batch normalisation


def read(path: str) -> dict[str, Tensor]:
    """The state dict in a file of ``torch.save``.  Nothing in the file is executed."""
    file = Path(path)
    changed = (file.stat().st_mtime_ns, file.stat().st_size) if file.exists() else (0, 0)
    return _state_dict(path, changed)


@functools.lru_cache(maxsize=1)
def _state_dict(path: str, changed: tuple[int, int]) -> dict[str, Tensor]:
    """The content of a file, read again where its time or size have ``changed``."""
    allowed = "a file of torch.save with a state dict, tensors by name"
    try:
        found = torch.load(Path(path), map_location="cpu", weights_only=True)
    except Exception as error:  # also of pickle, zipfile and struct
        raise InputError(f"weights must be {allowed}, got {path}: {told(error)}") from None
    sound = isinstance(found, dict) and all(isinstance(value, Tensor) for value in found.values())
    require(sound, "weights", path, allowed)
    return dict(found)


def load(net: nn.Module, path: str, state: Mapping[str, Tensor]) -> None:
    """Copy a state dict into the module.  The last layer stays as drawn where the file has another shape or none.

    Running statistics of batch normalisation are left out.
    """
    own = net.state_dict()
    *_, final = own
    last = final.rpartition(".")[0]
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting and name.rpartition(".")[0] != last]
    if missing:
        there = f"{list(state[missing[0]].shape)}" if missing[0] in state else "none"
        what = f"{missing[0]} of shape {list(own[missing[0]].shape)}"
        raise InputError(
            f"weights must have all parameters before the last layer: {path} must have {what}, got {there}"
        )
    surplus = [name for name in state if name not in own and name.rpartition(".")[2] not in STATISTICS]
    require(not surplus, "weights", surplus[:3], f"parameters of the module alone, in {path}")
    net.load_state_dict(fitting, strict=False)
