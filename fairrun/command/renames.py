"""Old names of keys (``fairrun.config.keys.RENAMED``) replaced by new ones, before Hydra refuses them."""

import functools
import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence

from fairrun.config.check import InputError
from fairrun.config.keys import FREE, GONE, RENAMED, Renamed, is_below

log = logging.getLogger(__name__)
# [+~] [NODE.]key[=value]: NODE is one of those that hold ranges of other keys, or the group of optimizer@key
_ARGUMENT = re.compile(
    r"(?P<sign>[+~]*)(?P<node>hydra\.sweeper\.(?:params|scientific|nuisance|fixed)\.|[\w/]+@)?"
    r"(?P<key>[\w.]+)(?P<value>=.*)?",
    re.DOTALL,
)


def renamed(key: str, methods: Callable[[], Collection[str]]) -> str:
    """The name of a dotted key today, with one warning if it has another.

    ``methods`` gives the methods that are chosen.  A key with a new name for some of them only, or with different new
    names, is renamed job by job.  Raises ``InputError`` where it is a key no more, of none of them.
    """
    entry = _entry(key, methods)
    if entry is None:
        return key
    new = entry.new + key.removeprefix(entry.old)
    warn(key, new)
    return new


def never_was(key: str) -> InputError:
    """The error for a key below an old top-level one that is no old key."""
    return InputError(f"{key} is no key: a method's own are method.KEY, a model's model.KEY")


def _entry(key: str, methods: Callable[[], Collection[str]], *, one_of_several: bool = False) -> Renamed | None:
    fitting = [entry for entry in RENAMED if is_below(key, entry.old)]
    for entry in fitting:
        if not entry.methods or set(methods()) <= set(entry.methods):
            return entry
    if any(set(methods()) & set(entry.methods) for entry in fitting) or key.split(".")[0] not in GONE:
        return None
    if not fitting:
        raise never_was(key)
    if one_of_several:
        return fitting[0]  # a key that this method lacks, as others of the sweep do not
    known = ", ".join(fitting[0].methods)
    raise InputError(
        f"{key} is now {fitting[0].new}, of method={known}: not of method={', '.join(sorted(set(methods())))}"
    )


def current(
    arguments: Sequence[str], methods: Callable[[], Collection[str]], *, one_of_several: bool = False
) -> list[str]:
    """The command line with today's names of keys.  Raises ``InputError``, also for a key under both of its names.

    ``one_of_several``: it is that of a job of a sweep, whose method may lack a key that others have.  A key whose new
    name is given too is then one of the others, and keeps its name.
    """
    others = {*map(_key, arguments)} if one_of_several else set()
    now = [_current(argument, methods, one_of_several, others) for argument in arguments]
    keys = [*map(_key, now)]
    for old, new, key in zip(arguments, now, keys, strict=True):
        if old != new and key != "method" and keys.count(key) > 1:  # a method may be chosen again by its ``scope``
            raise InputError(f"{_key(old)} is now {key}, which is given too: give one of them")
    return now


def _key(argument: str) -> str:
    return argument.partition("=")[0].lstrip("+~")


def _current(
    argument: str, methods: Callable[[], Collection[str]], one_of_several: bool, others: Collection[str]
) -> str:
    if argument.startswith("hydra.sweeper.params={"):
        return re.sub(r"(?<=[{,\s'\"])[\w.]+(?=\s*['\"]?:)", lambda found: renamed(found[0], methods), argument)
    match = _ARGUMENT.fullmatch(argument)
    if match is None:
        return argument
    entry = _entry(match["key"], methods, one_of_several=one_of_several)
    if entry is None:
        return argument
    key, value = entry.new + match["key"].removeprefix(entry.old), match["value"] or ""
    if key in others and key != "method":
        return argument
    for old, new in entry.values:
        value = re.sub(rf"\b{old}\b", new, value)
    is_choice = key == "method"
    warn(match["key"] + (match["value"] or "") * is_choice, key + value * is_choice)
    sign = match["sign"]
    ranges = (match["node"] or "").startswith("hydra.sweeper")
    if not ranges and not any(is_below(key, free) for free in FREE):
        sign = sign.replace("+", "")  # the key is there now, and Hydra adds none that is
    return f"{sign}{match['node'] or ''}{key}{value}"


def entries(method: str) -> Iterator[Renamed]:
    """The entries of ``RENAMED`` that hold for a method."""
    return (entry for entry in RENAMED if not entry.methods or method in entry.methods)


def overridden(arguments: Collection[str], key: str, node: str) -> bool:
    """Whether a command line sets ``key``, or a key below it, or one between it and ``node``.

    An argument that chooses a group (method=irw) sets no key.
    """
    keys = [match["key"] for match in map(_ARGUMENT.fullmatch, arguments) if match is not None]
    return any(is_below(k, key) or ("." in k and is_below(key, k) and is_below(k, node)) for k in keys)


@functools.cache
def warn(old: str, new: str) -> None:
    """Log, once per process, that a key has a new name."""
    log.warning("%s is now %s; the old name works in this version only", old, new)
