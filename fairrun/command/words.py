"""The words of a command line: read, written, quoted and ordered."""

import json
import re
from collections.abc import Sequence
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, OverrideType
from hydra.errors import HydraException

from fairrun.command.parser import Parser
from fairrun.config.check import require
from fairrun.config.keys import CONF, GONE
from fairrun.config.ways import RESERVED, in_quotes

WITH_KEYS = ("experiment", "method", "dataset", "model", "metric")  # groups with keys of their own
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_TEXT = re.compile(r"(\+{0,2}dataset\.(?:label|positive|path|split\.column|rows\.separator))=(.+)", re.DOTALL)
_LISTS = r"sensitive|numeric|categorical|drop_columns|keep_columns|rows\.categories"
_NAMES = re.compile(rf"(\+{{0,2}}dataset\.(?:{_LISTS}))=\[([^][{{}}()]+)\]")


def quoted(arguments: Sequence[str]) -> list[str]:
    """With quotes around what a user's data is called where Hydra knows it for text with quotes only.

    So ``dataset.positive=>50K`` and ``dataset.sensitive=[größe]`` are read as they stand.
    """
    return [_quoted(argument) if parsed(argument) is None else argument for argument in arguments]


def _quoted(argument: str) -> str:
    if match := _TEXT.fullmatch(argument):
        return f"{match[1]}={in_quotes(match[2])}"
    if match := _NAMES.fullmatch(argument):
        names = [name.strip() for name in match[2].split(",")]
        return f"{match[1]}=[{','.join(n if parsed(f'key={n}') else in_quotes(n) for n in names)}]"
    return argument


def written(value: Any) -> str:
    """A value as the command line has it: true, 1.5, 'text', [a, {b: 1}]."""
    if isinstance(value, str):
        return (
            value
            if re.fullmatch(r"[A-Za-z_/][A-Za-z0-9_./-]*", value) and value.lower() not in RESERVED
            else in_quotes(value)
        )
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{written(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return json.dumps(value)


def options_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with Hydra's options before the overrides; Hydra reads no override behind an option behind one.

    Ends with one line and exit status 2 where an option is not used as it can be: --multirn.
    """
    parser = Parser(prog="fairrun train", add_help=False, parents=[get_args_parser()])
    overrides = parser.parse_intermixed_args(list(arguments)).overrides
    left = list(arguments)
    for override in overrides:
        left.remove(override)
    return [*left, *overrides]


def later(arguments: list[str]) -> list[str]:
    """The command line of a sweep with keys of a group that is swept, as in ``method=a,b method.key=1``, as sweeps of
    one value.  A benchmark sweeps every group.

    Hydra sets what is not swept before it comes to the sweep, in a configuration that still has the group's default,
    and that may not have the key.  A key with different new names for the methods of the sweep is renamed job by job.
    """
    if not {"-m", "--multirun"} & set(arguments):
        return arguments
    sweeps = {argument: is_sweep(argument) for argument in arguments}
    swept = {argument.partition("=")[0] for argument in arguments if sweeps[argument]} & set(WITH_KEYS)
    benchmark = any(a.startswith("benchmark=") and a != "benchmark=null" for a in arguments)
    swept |= set(WITH_KEYS) if benchmark or "experiment" in swept else set()
    old = re.compile(rf"\+?({'|'.join(GONE)})[.=]")
    alone = {a for a in arguments if sweeps[a] is False and (_node(a) in swept or old.match(a))}
    return [re.sub(r"=(.+)", r"=choice(\1)", a, count=1) if a in alone else a for a in arguments]


def _node(argument: str) -> str:
    """The group that has the key of an override: method for method.lam=1 and estimator@method.estimator=mlp."""
    key = argument.partition("=")[0]
    return (key.partition("@")[2] or key).partition(".")[0]


def is_sweep(argument: str) -> bool | None:
    """Whether an override has several values; None for what is no override, or none that Hydra understands."""
    override = parsed(argument)
    return None if override is None else override.is_sweep_override()


def packages(arguments: Sequence[str]) -> list[str]:
    """The packages that a command line allows, plugins=[mypkg].  Raises ``InputError``."""
    found: list[str] = []
    for override in overrides(arguments):
        if override.key_or_group == "plugins" and override.type != OverrideType.DEL:
            value = override.value()
            names: Any = value if isinstance(value, list) else [value]
            sound = all(isinstance(name, str) and _PACKAGE.fullmatch(name) for name in names)
            require(sound, "plugins", override.input_line, "a list of packages, as plugins=[mypkg]")
            found += names
    return found


def values(override: Override) -> list[str]:
    """The choices of an override of a group, one or several."""
    value = override.value()
    if isinstance(value, Glob):
        return list(value.filter([path.stem for path in sorted((CONF / str(override.key_or_group)).glob("*.yaml"))]))
    if override.is_choice_sweep():
        return list(override.sweep_string_iterator())
    return [] if value is None or override.is_sweep_override() else [str(value)]


def overrides(arguments: Sequence[str]) -> list[Override]:
    """The overrides among the words that Hydra understands."""
    return [override for override in map(parsed, arguments) if override is not None]


def parsed(argument: str) -> Override | None:
    """An override; None for what is none, or none that Hydra understands."""
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        return None
