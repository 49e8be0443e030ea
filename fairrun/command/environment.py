"""Values that a configuration takes from the environment: the run has the value, what is recorded has its name.

Importing this module makes OmegaConf's resolver ``oc.env`` remember what it read.
"""

import functools
import logging
import os
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from fairrun.config.check import InputError

LEAST = 6  # characters: a shorter value is too common to be replaced in messages
_values: dict[str, str] = {}  # what was read, by the name of its variable
_reads = [0]  # how often


def _read(name: str, *default: Any) -> Any:
    if name in os.environ:
        _values[name] = os.environ[name]
        _reads[0] += 1
    return oc.env(name, *default)


OmegaConf.register_new_resolver("oc.env", _read, replace=True)


def filled(node: dict[str, Any]) -> dict[str, Any]:
    """The node with values of the environment in place of ``${oc.env:NAME}``.  Raises ``InputError``."""
    try:
        found: Any = OmegaConf.to_container(OmegaConf.create(node), resolve=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: {str(error).partition(chr(10))[0]}") from None
    return dict(found)


def resolved(config: DictConfig, plain: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration with all its values, and the same for records: text in place of what the environment says.

    That text is the interpolation itself, ``${oc.env:NAME}``.  Numbers are no secrets, and stay: reports compare them.
    ``plain`` is the configuration as a container, with its interpolations, if that is known.
    """
    before = _reads[0]
    raw: Any = OmegaConf.to_container(config) if plain is None else plain
    values = _filled(config, raw)
    return values, values if _reads[0] == before else _recorded(config)


def _filled(node: Any, raw: Any) -> Any:
    """The container ``raw`` of a node with values in place of interpolations; what has none is not copied."""
    items = raw.items() if isinstance(raw, dict) else enumerate(raw)
    new = {key: _value(node, key, item) for key, item in items if _interpolates(item)}
    if not new:
        return raw
    return raw | new if isinstance(raw, dict) else [new.get(k, item) for k, item in enumerate(raw)]


def _value(node: Any, key: Any, raw: Any) -> Any:
    value = node[key]
    if isinstance(raw, dict | list):
        return _filled(value, raw)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _interpolates(raw: Any) -> bool:
    if isinstance(raw, dict | list):
        return any(map(_interpolates, raw.values() if isinstance(raw, dict) else raw))
    return isinstance(raw, str) and "${" in raw


def _recorded(node: DictConfig | ListConfig) -> Any:
    raw: Any = OmegaConf.to_container(node)
    if not isinstance(raw, dict | list):
        return raw
    found = {key: _entry(node, key, raw[key]) for key in (raw if isinstance(raw, dict) else range(len(raw)))}
    return found if isinstance(raw, dict) else list(found.values())


def _entry(node: Any, key: Any, raw: Any) -> Any:
    if isinstance(raw, str) and "${" not in raw:
        return raw
    before = _reads[0]
    value = node[key]
    if OmegaConf.is_config(value):
        return raw if _reads[0] > before else _recorded(value)
    return raw if _reads[0] > before and isinstance(value, str) else value


def debugging() -> bool:
    """Whether the user wants to see where an error was raised: FAIRRUN_DEBUG=1."""
    return bool(os.environ.get("FAIRRUN_DEBUG"))


def redacted(text: str) -> str:
    """The text with names of variables in place of the values that this process has read."""
    for name, value in _values.items():
        if len(value) >= LEAST:
            text = text.replace(value, f"${{oc.env:{name}}}")
    return text


@functools.cache
def redact_logs() -> None:
    """Redact whatever this process logs from now on."""
    make = logging.getLogRecordFactory()

    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if _values:
            record.msg, record.args = redacted(record.getMessage()), ()
        return record

    logging.setLogRecordFactory(make_redacted)
