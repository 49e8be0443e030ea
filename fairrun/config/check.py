"""Checks of values from the configuration: one message that names the key, the value and what is allowed."""

import dataclasses
import difflib
import functools
import importlib
import math
import pkgutil
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin, get_type_hints

from fairrun.config.plugins import ALWAYS, EXTRAS, is_allowed, places, told
from fairrun.config.ways import override

ELSEWHERE = {"learning_rate": "lr", "lambda": "lam"}  # what other programs call the last part of a key -> our name


class InputError(ValueError):
    """Something that the user gave cannot be used; the message says what and what is allowed."""


def require(condition: object, key: str, value: object, allowed: str) -> None:
    """Raise ``InputError`` "key must be allowed, got value" unless ``condition``."""
    if not condition:
        raise InputError(f"{key} must be {allowed}, got {value!r}")


def one_of(key: str, value: object, choices: Collection[object]) -> None:
    """Raise ``InputError``, which names the nearest choice, unless ``value`` is one of ``choices``."""
    if not OneOf(choices).accepts(value):
        raise InputError(f"{key} must be {OneOf(choices).allowed}, got {value!r}{nearest(value, choices)}")


def null_or_one_of(key: str, value: object, choices: Collection[object]) -> None:
    """As ``one_of``, but for None, which is allowed too."""
    if value is not None and not OneOf(choices).accepts(value):
        raise InputError(f"{key} must be null or {OneOf(choices).allowed}, got {value!r}{nearest(value, choices)}")


def nearest(value: object, choices: Collection[object]) -> str:
    """For messages: "; did you mean roc_auc?", the choice that is spelt most like ``value``; "" if none is alike."""
    found = closest(str(value), map(str, choices))
    return f"; did you mean {found}?" if found else ""


def closest(text: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The choice that is spelt most like ``text``, in capitals or not; None if none is alike."""
    names = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(text.lower(), names, n=1, cutoff=cutoff)
    return names[found[0]] if found else None


def unknown(key: str, known: Collection[str]) -> str:
    """The message that refuses a dotted key, or a choice as method=erm.

    It has those of the ``known`` ones that end as the key does, the nearest one, or else those beside it.
    """
    what = f"{key} is no {'choice' if '=' in key else 'key'}"
    choice = key.partition("=")[2]
    if not choice and (alike := same_end(key, known)):
        return f"{what}: did you mean {' or '.join(alike)}?"
    names = {name.partition("=")[2]: name for name in known} if choice else {name: name for name in known}
    if near := closest(choice or key, names, cutoff=0.6 if choice else 0.75):
        return f"{what}: did you mean {names[near]}?"
    node = key.rpartition(".")[0]
    beside = ", ".join(name for name in dict.fromkeys(known) if name.rpartition(".")[0] == node)
    return f"{what}: there are {beside}" if beside else what


def same_end(key: str, known: Iterable[str]) -> list[str]:
    """The ``known`` dotted keys that end as ``key`` does, at most three: method.optimizer.lr for lr and learning_rate.

    Of a key with dots the nearest one.
    """
    node, _, last = key.rpartition(".")
    found = [name for name in dict.fromkeys(known) if name.rpartition(".")[2] in (last, ELSEWHERE.get(last))]
    nearest_one = closest(key, found, cutoff=0.0)
    return [nearest_one] if node and nearest_one else found[:3]


def imported(target: str, key: str) -> Any:
    """The class or function that the ``_target_`` of node ``key`` names.  Raises ``InputError``."""
    return located(target, f"{key}._target_")


def located(path: str, key: str, packages: Iterable[str] = ALWAYS) -> Any:
    """The class or function of a dotted path, the value of ``key``.

    It must be defined in one of ``packages`` or in one that the user names; others are not imported.  Raises
    ``InputError``.
    """
    module, _, name = str(path).rpartition(".")
    require(is_allowed(module, packages), key, path, places(packages))
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module of the user's own raises what it likes
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            extra = f"pip install 'fairrun[{EXTRAS[error.name]}]'"
            raise InputError(f"{key}={path} needs the package {error.name}: {extra}") from None
        said = f"{key} must be a class or function that can be imported, got {path!r}: {told(error)}"
        raise InputError(said + _near(module, name)) from None
    home = str(getattr(found, "__module__", None))  # fairrun.train.sys has none, fairrun.train.Path another
    if not is_allowed(home, packages):
        raise InputError(f"{key} must be defined {places(packages)}, got {path!r} of {home}")
    return found


def _near(module: str, name: str) -> str:
    """As ``nearest``: another name of the module, or another module of its package where there is no such module."""
    if module in sys.modules:
        return nearest(name, list(vars(sys.modules[module])))
    parent, _, last = module.rpartition(".")
    if parent not in sys.modules:
        return ""
    there = [found.name for found in pkgutil.iter_modules(vars(sys.modules[parent]).get("__path__"))]
    return nearest(last, [] if last in there else there)


def is_path(value: object) -> bool:
    """Whether ``value`` is the path of something that can be imported and called."""
    try:
        return callable(located(str(value), ""))
    except InputError:
        return False


def is_number(value: object) -> TypeGuard[float]:
    """True for a finite int or float that is not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_integer(value: object) -> bool:
    """True for an int that is not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True)
class In:
    """The interval of a numeric field: ``Annotated[PerRun, In("(0, 1]")]``; "[0, inf)" is every number from 0 on."""

    interval: str

    def accepts(self, value: object) -> bool:
        """Whether ``value`` is a number in the interval."""
        low, high = map(float, self._ends())
        if not is_number(value):
            return False
        above = value > low if self.interval[0] == "(" else value >= low
        return above and (value < high if self.interval[-1] == ")" else value <= high)

    @property
    def allowed(self) -> str:
        """For messages: "in (0, 1]", ">= 0", "> 0"."""
        low, high = self._ends()
        return f"in {self.interval}" if high != "inf" else f"{'>' if self.interval[0] == '(' else '>='} {low}"

    def _ends(self) -> list[str]:
        return [end.strip() for end in self.interval[1:-1].split(",")]


@dataclass(frozen=True)
class OneOf:
    """The choices of a field that are known at run time only: ``Annotated[str, OneOf(LOSSES)]``; else a ``Literal``."""

    choices: Collection[object]
    or_path: bool = False  # whether the path of a function of the user's own, "package.module.name", is allowed too

    def accepts(self, value: object) -> bool:
        """Whether ``value`` is one of them, or the path of a function that can be imported."""
        return value in list(self.choices) or (self.or_path and is_path(value))

    @property
    def allowed(self) -> str:
        """For messages."""
        path = f", or the path of a function {places()}" if self.or_path else ""
        named = ("null" if choice is None else str(choice) for choice in self.choices)
        return f"one of {', '.join(named)}{path}"


Rule = In | OneOf


def check_values(instance: Any) -> None:
    """Check every field of a dataclass against the ``Literal``, ``In`` or ``OneOf`` in its type.

    Of a list every entry is checked; None passes where the type allows it.  Raises ``InputError``.
    """
    for name, rules, optional in _rules(instance.__class__):
        value = getattr(instance, name)
        entries = value if isinstance(value, list) else [value]
        for rule in rules:
            allowed = f"{'null or ' if optional else ''}{rule.allowed}"
            allowed += ", every number of the list" if isinstance(value, list) else ""
            sound = (optional and value is None) or all(map(rule.accepts, entries))
            near = nearest(value, rule.choices) if isinstance(rule, OneOf) and isinstance(value, str) else ""
            if not sound:
                if isinstance(rule, OneOf) and rule.or_path and is_allowed(str(value).rpartition(".")[0]):
                    located(str(value), name)  # raises why it cannot be imported
                raise InputError(f"{name} must be {allowed}, got {value!r}{near}")


@functools.cache
def _rules(cls: type) -> list[tuple[str, list[Rule], bool]]:
    """Of every field that has any: its name, its rules, and whether it may be None."""
    found = []
    hints = get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        annotated = get_origin(hints[field.name]) is Annotated
        hint, *marks = get_args(hints[field.name]) if annotated else (hints[field.name],)
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        rules: list[Rule] = [mark for mark in marks if isinstance(mark, In | OneOf)]
        rules += [OneOf(get_args(part)) for part in parts if get_origin(part) is Literal]
        if rules:
            found.append((field.name, rules, NoneType in parts))
    return found


@functools.cache
def _scalars() -> dict[Any, tuple[Callable[[object], bool], str]]:
    from torch import Tensor  # here, so that a report starts without it: a second less

    return {
        Tensor: (is_number, "a number"),
        float: (is_number, "a number"),
        int: (is_integer, "an integer"),
        bool: (lambda value: isinstance(value, bool), "true or false"),
        str: (lambda value: isinstance(value, str), "a string"),
        NoneType: (lambda value: value is None, "null"),
        Any: (lambda value: True, "anything"),
    }


def check_fields(cls: type, values: Mapping[str, Any], key: str) -> None:
    """Check the config node ``key``, whose content is ``values``, against the fields of dataclass ``cls``.

    A field that holds one value per run (``PerRun``) takes a number; a field that holds an object takes a node with a
    ``_target_``.  Raises ``InputError`` for a value of another type and for a key that is no field.
    """
    hints = _field_types(cls)
    for name, value in values.items():
        if name != "_target_":
            if name not in hints:
                raise InputError(unknown(f"{key}.{name}", [f"{key}.{field}" for field in hints]))
            accepts, allowed = _type_check(hints[name], f"{key}.{name}")
            if not accepts(value):
                near = nearest(value, _choices(hints[name])) if isinstance(value, str) else ""
                near = near or _as_list(f"{key}.{name}", value, accepts)
                raise InputError(f"{key}.{name} must be {allowed}, got {value!r}{near}")


@functools.cache
def _field_types(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _as_list(key: str, value: Any, accepts: Callable[[Any], bool]) -> str:
    """For messages: "; did you mean 'dataset.sensitive=[sex]'?", where a list of the value would be accepted.

    Also in a mapping: {hours: [-999]} for {hours: -999}.
    """
    if isinstance(value, dict) and all(isinstance(item, str | int | float) for item in value.values()):
        listed: Any = {name: [item] for name, item in value.items()}
    else:
        listed = [value] if isinstance(value, str | int | float) else None
    said = override(key, listed) if listed is not None and accepts(listed) else None
    return f"; did you mean {said}?" if said else ""


def _choices(hint: Any) -> list[Any]:
    """The values that the literals of a type allow."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return [choice for part in parts if get_origin(part) is Literal for choice in get_args(part)]


def _type_check(hint: Any, key: str) -> tuple[Callable[[Any], bool], str]:
    """Whether a value from a config is of type ``hint``, and what is in words."""
    if hint in _scalars():
        return _scalars()[hint]
    if get_origin(hint) in (Union, UnionType):
        checks = [_type_check(part, key) for part in get_args(hint)]
        allowed = " or ".join(dict.fromkeys(allowed for _, allowed in checks))
        return lambda value: any(accepts(value) for accepts, _ in checks), allowed
    if get_origin(hint) is Literal:
        return OneOf(get_args(hint)).accepts, OneOf(get_args(hint)).allowed
    if get_origin(hint) is list:
        item, allowed = _type_check(get_args(hint)[0], key)
        allowed = "a list, each of it " + allowed
        return lambda value: isinstance(value, list) and all(map(item, value)), allowed
    if get_origin(hint) is Mapping:
        item, allowed = _type_check(get_args(hint)[1], key)
        return lambda value: isinstance(value, dict) and all(map(item, value.values())), f"a mapping to {allowed}"
    group = re.split("[._]", key)[-1]  # optimizer of method.fairness_optimizer
    allowed = f"a node with a _target_; a choice of a config group is given as in {group}@{key}=NAME"
    return lambda value: isinstance(value, dict) and "_target_" in value, allowed
