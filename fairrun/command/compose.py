"""What a command line composes, and where it looks for configuration files."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import OverrideType
from omegaconf import DictConfig

from fairrun.about.folders import more
from fairrun.command.words import overrides, values, written
from fairrun.config.keys import CONF

FILE = "file://"  # before a folder of the search path


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration of a command line, with Hydra's own node."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", list(overrides), return_hydra_config=True)


def searchpath(arguments: Sequence[str]) -> list[str]:
    """Where else a command line looks for configuration files, as one override or none."""
    path = [argument for argument in arguments if argument.startswith("hydra.searchpath=")]
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        flag, _, value = argument.partition("=")
        if flag in ("--config-dir", "-cd"):
            path = path or [f"hydra.searchpath=[{source_of(Path(value or after).absolute())}]"]
    return path


def searched(arguments: Sequence[str]) -> list[Path]:
    """The folders of ``searchpath``; packages that it names are left to Hydra."""
    return [Path(folder.removeprefix(FILE)) for folder in _sources(searchpath(arguments)) if _is_folder(folder)]


def absolute(arguments: Sequence[str], place: Path) -> list[str]:
    """A command line whose search path has relative folders as they are seen from the folder ``place``."""
    return [
        f"hydra.searchpath={written([_seen_from(place, source) for source in _sources([argument])])}"
        if argument.startswith("hydra.searchpath=")
        else argument
        for argument in arguments
    ]


def source_of(folder: Path) -> str:
    """A folder as the search path names it; quoted where Hydra would read it as something else."""
    said = f"{FILE}{folder}"
    return said if re.fullmatch(r"[A-Za-z0-9_:/.@+-]*", said) else written(said)


def _seen_from(place: Path, source: str) -> str:
    return f"{FILE}{(place / source.removeprefix(FILE)).absolute()}" if _is_folder(source) else source


def _sources(path: Sequence[str]) -> list[str]:
    """What the search path of a command line holds: "file:///folder", "pkg://package"."""
    values = [override.value() for override in overrides(path)]
    return [str(source) for value in values if isinstance(value, list) for source in value]


def _is_folder(source: str) -> bool:
    return source.startswith(FILE) or "://" not in source


def with_folders(arguments: list[str]) -> list[str]:
    """A command line that also looks for files in the folders of ``fairrun.about.folders``, unless it names folders."""
    found = ",".join(map(source_of, more()))
    return arguments if not found or searchpath(arguments) else [*arguments, f"hydra.searchpath=[{found}]"]


def chosen(group: str, arguments: Sequence[str]) -> list[str]:
    """The choices of a group that a command line makes, itself or by its experiments."""
    named = [value for override in overrides(arguments) if override.key_or_group == group for value in values(override)]
    if named:
        return named
    experiments = [line for line in lines_of(arguments) if line.startswith("experiment=")]
    found = []
    for experiment in experiments or [""]:
        config = composed([*searchpath(arguments), *filter(None, [experiment])])
        found.append(str(config.hydra.runtime.choices[group]))
    return found


def lines_of(arguments: Sequence[str], folders: Sequence[Path] = (CONF,)) -> Iterator[str]:
    """Every choice of a group, as method=erm."""
    for override in overrides(arguments):
        key = str(override.key_or_group)
        if any((folder / key).is_dir() for folder in folders) and override.type != OverrideType.DEL:
            package = "" if override.package is None else f"@{override.package}"
            yield from (f"{key}{package}={value}" for value in values(override))
