"""What Hydra composes for a call from Python, without a trace in Hydra's own state."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fairrun.command import folders  # noqa: F401 - the resolvers of conf/train.yaml
from fairrun.command.compose import chosen, with_folders
from fairrun.command.environment import redacted
from fairrun.command.guard import check_hydra
from fairrun.command.mistakes.choices import refuse_missing_groups
from fairrun.command.mistakes.explain import explain
from fairrun.command.renames import current
from fairrun.command.words import is_sweep, later, packages, quoted, written
from fairrun.config import plugins
from fairrun.config.check import InputError, require
from fairrun.config.keys import CONF
from fairrun.runs.checks.keys import check_keys
from fairrun.training.stop import Stopped
from hydra_plugins import fairrun_compose


def words(overrides: Sequence[str], keys: Mapping[str, Any], *, several: bool = False) -> list[str]:
    """The command line of a call, checked and with the names that keys have now.

    ``several``: keys may have several values, seed=range(5).  Raises ``InputError``.
    """
    wrong = [override for override in overrides if not isinstance(override, str) or "=" not in override]
    require(not wrong, "overrides", wrong[:3], "texts as on the command line: 'method.lam=1'")
    given = quoted([*overrides, *(f"{key}={_written(key, value, several)}" for key, value in keys.items())])
    several_values = [text for text in given if not several and is_sweep(text)]
    require(not several_values, "overrides", several_values[:3], "of one value each: fairrun.sweep takes several")
    plugins.allow(packages(given))
    given = with_folders(given)
    refuse_missing_groups(given)
    line = ["-m", *given] if several else given
    return [o for o in later(current(line, functools.cache(lambda: chosen("method", given)))) if o != "-m"]


def _written(key: str, value: Any, several: bool) -> str:
    value = _plain(value)
    if several and isinstance(value, list):
        require(value, key, value, "a value or several")
        return ",".join(map(written, value))
    return written(value)


def _plain(value: Any) -> Any:
    """A value as the command line has it: numbers of NumPy and anything that is a row of values are plain ones."""
    if isinstance(value, str | Mapping):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Iterable):
        return [_plain(item) for item in (sorted(value) if isinstance(value, set) else value)]
    plain = value is None or isinstance(value, bool | int | float)
    require(plain, "a value", type(value).__name__, "a number, a text, true or false, or several of them")
    return value


@contextmanager
def session(given: Sequence[str], mode: RunMode) -> Iterator[tuple[HydraContext, DictConfig]]:
    """What Hydra composes.  Everything that is the user's mistake becomes an ``InputError``."""
    state = Singleton.get_state()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3", job_name="train"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            config = hydra.config_loader.load_configuration("train", list(given), run_mode=mode)
            check_hydra(config.hydra, given)
            yield HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config)), config
    except Stopped:
        raise KeyboardInterrupt from None
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(redacted(explain(error, given))) from None
    finally:
        Singleton.set_state(state)


def overrides_of(config: DictConfig) -> list[str]:
    """The words of a sweep, as they were given: ``${seed}`` in one is each job's own."""
    given: list[str] = OmegaConf.to_container(config.hydra.overrides.task)  # type: ignore[assignment]
    return given


def task_of(config: DictConfig, given: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration of one run, and what records have of it.  Raises ``InputError``."""
    values, recorded = fairrun_compose.task_of(config, given)
    check_keys(values)
    return values, recorded


@functools.lru_cache(maxsize=64)
def of_calls(given: tuple[str, ...]) -> dict[str, Any]:
    """The configuration of a command line that chooses no data."""
    line = words(given, {})
    with session(line, RunMode.RUN) as (_, config):
        return task_of(config, line)[0]


@contextmanager
def threads_kept() -> Iterator[None]:
    """Leave torch with the number of threads that the caller has set."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
