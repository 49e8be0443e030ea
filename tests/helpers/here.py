"""The command line in this process, which it leaves as it was."""

import contextlib
import functools
import io
import logging
import os
import signal
import sys
from types import SimpleNamespace
from unittest.mock import patch

import hydra._internal.hydra
import torch
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime

from fairrun import train
from fairrun.cli import main as cli
from fairrun.command.environment import _values as read
from fairrun.command.guard import Guarded
from fairrun.config.source import own_hash
from fairrun.report import cli as report
from fairrun.report.page import template
from fairrun.results.records import versions
from fairrun.runs.job import _loaded
from fairrun.training.native.library import library
from fairrun.training.stop import SIGNALS

KEPT = (own_hash, versions, library, template)  # caches of what takes long and is the same for every command


def run_here(folder, *overrides, module="fairrun.train", **environment):
    """As ``command.run``, in this process: for what starts no workers, and does not depend on how a process ends."""
    code, said = 0, ""
    with _as_in_a_new_process(folder, [module, *overrides], environment) as (stdout, stderr):
        try:
            {"fairrun": cli.main, "fairrun.train": train.main, "fairrun.report": report.main}[module]()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            said = stop.code if isinstance(stop.code, str) else ""
    return SimpleNamespace(returncode=code, stdout=stdout.getvalue(), stderr=stderr.getvalue() + said)


@contextlib.contextmanager
def _as_in_a_new_process(folder, command, environment):
    """Enter a folder with a command line and variables -> what goes to standard output and error.

    Nothing of an earlier command is there, and nothing of this one stays.
    """
    stdout, stderr, locks = io.StringIO(), io.StringIO(), []
    contexts = (
        contextlib.chdir(folder),
        patch.dict(os.environ, {"COLUMNS": "100"} | environment),
        patch.object(sys, "argv", command),
        patch.object(sys, "path", [str(folder), *sys.path]),
        patch.object(train, "_locks", locks),
        patch.object(Guarded, "arguments", ()),
        patch.object(hydra._internal.hydra, "ConfigLoaderImpl", ConfigLoaderImpl),
        patch.dict(read, clear=True),
        patch.dict(_loaded, clear=True),
        patch.dict(Singleton._instances),
        _modules(folder),
        _signals(),
        _logs(),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    )
    with contextlib.ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        stack.callback(_forget)
        _forget()
        for singleton in (GlobalHydra, HydraConfig, JobRuntime):  # not Hydra's plugins, which it takes long to find
            Singleton._instances.pop(singleton, None)
        yield stdout, stderr
        for lock in locks:
            lock.close()


@contextlib.contextmanager
def _modules(folder):
    """Forget the modules of a folder at the end: the next test may have another one of the same name."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(f"{folder}/"):
            del sys.modules[name]


@contextlib.contextmanager
def _signals():
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def _logs():
    """Loggers as a new process has them; then those of pytest again."""
    root, make = logging.getLogger(), logging.getLogRecordFactory()
    level, handlers = root.level, root.handlers
    root.handlers = []
    root.setLevel(logging.WARNING)
    with patch.object(logging, "_handlerList", []):  # all of which logging.config closes
        yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    logging.setLogRecordFactory(make)


def _forget():
    """Empty the package's caches: a file is read again, and a warning that comes once is given again."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("fairrun", "hydra_plugins"):
            for function in vars(module).values():
                if isinstance(function, functools._lru_cache_wrapper) and function not in KEPT:
                    function.cache_clear()
