"""What an error says to who typed the command, in as few lines as it takes."""

import re
from collections.abc import Sequence

import yaml
from hydra.errors import HydraException
from omegaconf.errors import ConfigTypeError, OmegaConfBaseException

from fairrun.command.mistakes.overrides import mistakes
from fairrun.config.check import InputError
from fairrun.config.ways import shell


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """What is wrong, in as few lines as it takes: with the command line, a file, the machine, or else the program."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, HydraException):
        return "\n".join(mistakes(arguments)) or _of_hydra(error)
    if isinstance(error, OmegaConfBaseException):
        return "\n".join(mistakes(arguments)) or in_one_line(error)
    if isinstance(error, yaml.YAMLError):
        return f"a configuration file must be YAML: {' '.join(str(error).split())}"
    if isinstance(error, ValueError | TypeError | KeyError) and (said := _mistakes_if_any(arguments)):
        return "\n".join(said)  # OmegaConf's own, of a key below a list
    if isinstance(error, ValueError) and "defaults" in str(error):
        return f"a configuration file cannot be read: {' '.join(str(error).split())}"  # Hydra's own
    if isinstance(error, MemoryError):
        return f"out of memory: {str(error) or 'use a smaller model, batch_size or hydra.launcher.stack_size'}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (FAIRRUN_DEBUG=1 shows where)"


def _mistakes_if_any(arguments: Sequence[str]) -> list[str]:
    """``mistakes``; none where files are such that nothing can be composed to look for them."""
    try:
        return mistakes(arguments)
    except (ValueError, TypeError, KeyError):
        return []


def _of_hydra(error: HydraException) -> str:
    """What Hydra says; where it takes several values for a mistake, that ``fairrun sweep`` takes them."""
    if several := re.match(r"Ambiguous value for argument '(.*?)'\n", str(error)):
        key, _, value = several[1].partition("=")
        sweep, one = shell("fairrun", "sweep", several[1]), shell(f"{key}=[{value}]")
        ways = f"{sweep} trains each (or -m here); {one} is one list"
        return f"{several[1]} has several values, and one run takes one: {ways}"
    if unlike := re.match("Error merging override [+]*([^=]*)=(.*)$", str(error)):
        return _of_merging(unlike[1], unlike[2], error.__cause__)
    if there := re.match(r"Could not append to config\. An item is already at '(.*)'\.", str(error)):
        return f"{there[1]} is there already: give it without the plus sign"
    return str(error)


def _of_merging(key: str, value: str, cause: BaseException | None) -> str:
    """What is wrong with a value that is not of the kind of the one that is there."""
    if isinstance(cause, ConfigTypeError):  # a mapping and a list cannot be merged
        allowed = "a mapping, {NAME: VALUE}" if value.startswith("[") else "a list, [VALUE]"
        return f"{key} must be {allowed}, got {value}"
    said = str(cause).partition("\n")[0]
    return f"{key}={value}: {said}"


def in_one_line(error: OmegaConfBaseException) -> str:
    """What OmegaConf says of a value, after its key."""
    what = re.sub(r'^\w+ raised while resolving interpolation: "(.*)"$', r"\1", str(error).partition("\n")[0])
    return f"{error.full_key}: {what}" if error.full_key else what
