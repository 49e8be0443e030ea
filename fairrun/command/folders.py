"""The folder of a run or a sweep: its name, by the command, and the lock while a process writes to it."""

import errno
import fcntl
import hashlib
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import fairrun
from fairrun.config.check import InputError
from fairrun.config.keys import digest, dotted, of_folder, role
from fairrun.config.metrics import default

log = logging.getLogger(__name__)


def sweep_name(overrides: Sequence[str], hydra_overrides: Sequence[str] = ()) -> str:
    """The folder of a sweep, by its command: the same command finds what it has done.

    What was chosen, for people, and a hash of all overrides that matter, the sweeper's but for its ``trials`` among
    them, and of the version.
    """
    given = [re.sub(r"=choice\(([^,]*)\)$", r"=\1", o) for o in overrides]  # see ``later``
    kept = [o for o in given if role(o.split("=")[0].lstrip("+~")).folder]
    chosen = dict(o.split("=", 1) for o in kept if "=" in o)
    words = [chosen[group] for group in ("benchmark", "experiment", "sweep", "method", "dataset") if group in chosen]
    sweeper = re.compile(r"[+~]*hydra[./]sweeper(?!\.trials)")
    kept += [o for o in hydra_overrides if sweeper.match(o)]
    code = hashlib.sha256("\n".join([*kept, fairrun.__version__]).encode()).hexdigest()[:8]
    return "_".join(filter(None, [_slug(words), code]))


def run_name(*, _root_: DictConfig) -> str:
    """The folder of a single run, by its configuration: the same run is found however its command is written.

    Its experiment, method and data set, for people, and a hash of all values that matter, and of the version.  A
    configuration that has no values, which is refused later, is named by its command.
    """
    hydra = _root_.hydra
    try:
        own = OmegaConf.masked_copy(_root_, [str(key) for key in _root_ if key != "hydra"])
        config: Any = OmegaConf.to_container(own, resolve=True)
    except OmegaConfBaseException:
        given: Any = OmegaConf.to_container(hydra.overrides)
        return sweep_name(given["task"], given["hydra"])
    words = [
        str(choice) for group in ("experiment", "method", "dataset") if (choice := hydra.runtime.choices.get(group))
    ]
    code = digest([of_folder(dotted(config)), fairrun.__version__])[:8]
    return f"{_slug(words)}_{code}"


def _slug(words: Sequence[str]) -> str:
    return re.sub(r"[^\w.-]+", "-", "_".join(words))[:60]


OmegaConf.register_new_resolver("run_name", run_name, replace=True)
# Cached, as Hydra's time is: jobs that other launchers compose anew are told the name that the whole sweep has.
OmegaConf.register_new_resolver("sweep_name", sweep_name, use_cache=True, replace=True)
OmegaConf.register_new_resolver("metric", default, replace=True)  # what is known of the metric: conf/train.yaml
OmegaConf.register_new_resolver("sum", lambda *numbers: sum(numbers), replace=True)  # for presets: ${sum:2,${a.key}}


def made(key: str, folder: str) -> None:
    """Make the folder, the value of ``key``.  Raises ``InputError`` if it cannot be written."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
        reason = "permission denied"
    except OSError as error:
        writable, reason = False, str(error.strerror)
    if not writable:
        raise InputError(f"{key} must be a folder that can be written, got {folder!r} ({reason})")


class InUse(InputError):
    """Another process has the lock of a folder."""


def locked(key: str, folder: str, name: str = ".lock") -> IO[bytes]:
    """Make the folder, which is this process's until the file is closed.

    ``name`` is that of the lock: processes that do other things with the folder take another one.  Raises ``InUse`` if
    another process has it, and ``InputError`` if the folder cannot be written.
    """
    made(key, folder)
    lock = Path(folder, name).open("ab")  # noqa: SIM115 - open as long as this process lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        taken = f"{key} must not be in use, got {folder!r}, which another process is writing to"
        raise InUse(taken) from None
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        log.warning("%s cannot be locked (%s): do not start this sweep twice", folder, error.strerror)
    return lock
