"""Checks the node ``hydra`` of every composed configuration before Hydra acts on it.

From it Hydra makes objects (callbacks, launcher, sweeper, log handlers), sets variables of the environment and makes
folders.  A stranger's file may say all of that.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import hydra._internal.hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fairrun.config.check import InputError, located, require
from fairrun.config.keys import is_below
from fairrun.config.plugins import ALWAYS

KINDS = {"callbacks": Callback, "launcher": Launcher, "sweeper": Sweeper}
PACKAGES = ("fairrun", "hydra.experimental", "hydra._internal.core_plugins", "hydra_plugins")
LOGGING = ("logging", "colorlog")
FACTORIES = ("()", "class", "queue", "listener")  # keys of a logging configuration that name what is called
STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
INSIDE = ("sweep.subdir", "output_subdir", "job.name")  # parts of paths below the folder of a run or a sweep
# What runs commands, or connects to a machine that could: it counts on the command line only
COMMANDS = ("setup", "python", "slurm_setup", "slurm_python", "additional_parameters", "slurm_additional_parameters")
TYPED = ["job.env_set", "job.env_copy", "launcher.address"]
TYPED += [f"launcher.{part}{key}" for part in ("", "options.") for key in COMMANDS]


class Guarded(ConfigLoaderImpl):
    """Hydra's loader; no configuration leaves it unchecked.  A job's is loaded by it too.

    At a start Hydra composes twice: to know the mode, and then, with ``hydra.mode=MODE``, what it starts.  The first
    composition, a fifth of a second, is kept for the second.
    """

    arguments: tuple[str, ...] = ()  # the command line of this process

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.typed = Guarded.arguments  # of the process that made the loader, where another one gets it
        self.first: tuple[RunMode, list[str], DictConfig] | None = None

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """As Hydra's.  Raises ``InputError``."""
        loaded = functools.partial(super().load_configuration, config_name, overrides, from_shell=from_shell)
        if validate_sweep_overrides:
            config = self._of_first(run_mode, overrides) or loaded(run_mode=run_mode)
            self.first = None
        else:  # to know the mode
            likely = RunMode.MULTIRUN if {"-m", "--multirun"} & set(self.typed) else RunMode.RUN
            try:
                config = loaded(run_mode=likely)
                self.first = (likely, list(overrides), config)
            except HydraException:  # of another mode, perhaps
                config = loaded(run_mode=run_mode, validate_sweep_overrides=False)
        check_hydra(config.hydra, self.typed)
        return config

    def _of_first(self, run_mode: RunMode, overrides: list[str]) -> DictConfig | None:
        """The configuration that was composed to know the mode, where it differs in the mode alone."""
        said = f"hydra.mode={run_mode.name}"
        if self.first is None or (run_mode, overrides) != (self.first[0], [*self.first[1], said]):
            return None
        config = self.first[2]
        config.hydra.mode = run_mode
        config.hydra.overrides.hydra.append(said)
        return config


def install(arguments: Sequence[str]) -> None:
    """Make Hydra load every configuration with ``Guarded``."""
    Guarded.arguments = tuple(arguments)
    vars(hydra._internal.hydra)["ConfigLoaderImpl"] = Guarded


def check_hydra(node: DictConfig, typed: Sequence[str]) -> None:
    """Raise ``InputError`` where the node ``hydra`` would run code, or write, where it must not."""
    keys = [argument.partition("=")[0].lstrip("+~") for argument in typed]
    for key in TYPED:
        value = OmegaConf.select(node, key, throw_on_missing=False)
        if value and not any(is_below(name, f"hydra.{key}") for name in keys):
            raise InputError(f"hydra.{key} must be given on the command line, got {value!r} from a file")
    for name, kind in KINDS.items():
        for key, value in _values(node[name], f"hydra.{name}"):
            if key.endswith("._target_"):
                _check_target(key.removesuffix("._target_"), value, name, kind)
    for name in ("hydra_logging", "job_logging"):
        for key, value in _values(node[name], f"hydra.{name}"):
            _check_logging(key, value)
    for key in INSIDE:
        _check_inside(node, key)


def _values(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every value below a node, by dotted key."""
    names: Any = list(node) if isinstance(node, DictConfig) else range(len(node or ()))
    for name in names:
        try:
            value = node[name]
        except OmegaConfBaseException:
            _refuse_late(node, name, f"{key}.{name}")
            continue
        if isinstance(value, DictConfig | ListConfig):
            yield from _values(value, f"{key}.{name}")
        else:
            yield f"{key}.{name}", value


def _refuse_late(node: Any, name: Any, key: str) -> None:
    """Refuse a value that is only known later where it could be anything; a text with a job's number could not."""
    raw = OmegaConf.to_container(node)
    text = str(raw[name] if isinstance(raw, dict | list) else raw)
    late = str(name) in ("_target_", *FACTORIES) or re.fullmatch(r"\$\{.*\}", text)
    if late and text != "???" and not re.fullmatch(r"\$\{hydra\.(job|runtime|sweep|run)\.\w+\}", text):
        raise InputError(f"{key} must have a value before the run starts, got {text!r}")


def _check_target(key: str, target: Any, name: str, kind: type) -> None:
    found = located(target, f"{key}._target_", PACKAGES)
    if key.count(".") > (2 if name == "callbacks" else 1):  # a part of it
        return
    sound = isinstance(found, type) and issubclass(found, kind)
    require(sound, f"{key}._target_", target, f"a class that derives from Hydra's {kind.__name__}")


def _check_logging(key: str, value: Any) -> None:
    name = key.rpartition(".")[2]
    if name in FACTORIES and isinstance(value, str):
        located(value, key, (*LOGGING, ALWAYS[0]))
    if isinstance(value, str) and value.startswith("ext://"):
        require(value in STREAMS, key, value, f"one of {', '.join(STREAMS)}")
    if name == "filename":
        require(str(value).endswith(".log"), key, value, "a file that ends in .log")


def _check_inside(node: DictConfig, key: str) -> None:
    raw: Any = OmegaConf.to_container(node)
    for name in key.split("."):
        raw = raw[name]
    try:
        value = OmegaConf.select(node, key, throw_on_missing=False)
    except OmegaConfBaseException:  # it has the job's number, which comes later
        value = raw
    inside = is_inside("" if value is None else str(value)) and (key != "job.name" or "/" not in str(value))
    require(inside, f"hydra.{key}", value, "a path inside the folder, without .. and not absolute")


def is_inside(path: str) -> bool:
    """Whether a path leads nowhere but below the folder that it is taken from."""
    return not PurePath(path).is_absolute() and ".." not in PurePath(path).parts
