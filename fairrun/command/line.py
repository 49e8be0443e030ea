"""A command line as a configuration or as values, with every mistake as one message."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fairrun.command.compose import composed, searched, searchpath
from fairrun.command.mistakes.explain import explain
from fairrun.command.mistakes.overrides import no_override
from fairrun.command.words import overrides, parsed
from fairrun.config.check import InputError
from fairrun.config.keys import CONF


def composition(arguments: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any], list[Path]]:
    """What a command line composes: its configuration, its choice of each group, and where files are looked for.

    Overrides with several values are left out.  Raises ``InputError``.
    """
    given = [o for o in overrides(arguments) if not o.is_sweep_override() and o.key_or_group != "hydra.searchpath"]
    try:
        plain: Any = OmegaConf.to_container(composed([*searchpath(arguments), *(str(o.input_line) for o in given)]))
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(explain(error, arguments)) from None
    return plain, plain.pop("hydra")["runtime"]["choices"], [CONF, *searched(arguments)]


def assigned(arguments: Sequence[str]) -> dict[str, Any]:
    """The values that KEY=VALUE gives, by key, read as in training.

    Raises ``InputError`` for any other override, and for a key that is given twice.
    """
    found: dict[str, Any] = {}
    for argument in arguments:
        override = parsed(argument)
        if override is None:
            raise InputError(no_override(argument, OverridesParser.create(), [CONF]))
        if override.type != OverrideType.CHANGE or override.package is not None or override.is_sweep_override():
            raise InputError(f"{argument!r} must be KEY=VALUE with one value")
        key = str(override.key_or_group)
        if key in found:
            raise InputError(f"{key} must be given once, got {found[key]} and {override.value()}")
        found[key] = override.value()
    return found
