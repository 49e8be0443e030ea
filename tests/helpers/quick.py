"""What keeps the default tests short: work that is done once a process, and cases that are left for ``-m slow``."""

import os
import pickle
from pathlib import Path
from typing import IO

import pytest
from omegaconf import DictConfig, ListConfig, OmegaConf

_load, _parsed = OmegaConf.load, {}


def quicken():
    """Let Hydra parse a text of YAML once a process, and files be written without waiting for the disk."""
    OmegaConf.load = staticmethod(_known)  # a composition takes two thirds of the time
    os.fsync = lambda descriptor: None


def _known(file: str | Path | IO[str]) -> DictConfig | ListConfig:
    if not hasattr(file, "read"):
        return _load(file)
    text = file.read()
    if text not in _parsed:
        file.seek(0)
        _parsed[text] = pickle.dumps(_load(file))
    return pickle.loads(_parsed[text])


def few(cases, first):
    """Cases of a test that all go the same way: those in ``first`` are default ones, the others are slow.

    As many as a whole number ``first`` says are taken at equal distances.
    """
    cases = list(cases)
    if isinstance(first, int):
        chosen = {k * len(cases) // first for k in range(first)}
    else:
        chosen = {cases.index(case) for case in first}
    return [case if k in chosen else _slow(case) for k, case in enumerate(cases)]


def _slow(case):
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)
