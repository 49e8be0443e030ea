"""What the command of a run makes today, where its files or the program have changed."""

from pathlib import Path

from fairrun.config.check import InputError
from fairrun.config.keys import dotted, identity
from fairrun.config.names import MOST_NAMED
from fairrun.config.values import value
from fairrun.results.again import overrides, started
from fairrun.results.records import identity_of, in_words, read, recorded_identity, versions


def otherwise(folder: Path) -> str:
    """What the command that trains the run in ``folder`` again does today instead, in words; empty if it trains it.

    Composes that command.  Empty also where nothing can be known: the run was started in a folder that is not here,
    files of its configuration come from a package, which would have to be imported, or a value comes from a variable
    of the environment that is not set here.  What data hold is not read.
    """
    start, given = started(folder), overrides(folder, saves=False)
    if start is None or not start.place.is_dir() or given is None or any("pkg://" in override for override in given):
        return ""
    from hydra_plugins.fairrun_compose import today  # here, so that a report of runs elsewhere starts without Hydra

    record = read(folder)
    try:
        composed = today(given, start)
    except InputError as error:
        return f"its command is refused now: {error}"
    if composed is None:
        return ""
    values, shown = composed
    known = {recorded_identity(record), identity_of(record["config"])}  # by its own version, and by this one
    if identity_of(values) in known:
        return ""
    then, now = (identity(dotted(config)) for config in (record["config"], shown))
    differ = [key for key in sorted(then.keys() | now.keys()) if then.get(key) != now.get(key)]
    made, ours = (in_words(found) for found in (record["versions"], versions()))
    if not differ and made != ours:
        return ""  # values of the environment are known by a digest alone, which another version may make otherwise
    named = [f"{key} is {_text(now, key)}, and was {_text(then, key)}" for key in differ[:MOST_NAMED]]
    more = [f"{len(differ) - len(named)} more"] if len(differ) > len(named) else []
    said = "; ".join([*named, *more]) or "values from the environment are others"
    return f"its command trains another run now: {said}{f' (made by {made}; this is {ours})' * (made != ours)}"


def _text(values: dict[str, object], key: str) -> str:
    return (value(values[key]) or "null") if key in values else "not there"
