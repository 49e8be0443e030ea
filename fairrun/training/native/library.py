"""Compiles ``kernels.cpp`` for this machine, once, and loads it."""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from fairrun.data.sources import cache_folder

log = logging.getLogger(__name__)
SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ("-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC", "-w")
COMPILERS = ("c++", "g++", "clang++")


@functools.cache
def library() -> ctypes.CDLL | None:
    """Load the kernels.  Where that fails, log one line that says why and return None."""
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        log.warning("no native engine, training in torch: no C++ compiler (%s) on the path", ", ".join(COMPILERS))
        return None
    try:
        return ctypes.CDLL(str(_compiled(compiler)))
    except (OSError, subprocess.SubprocessError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        log.warning("no native engine, training in torch: %s: %s", compiler, lines[0])
        return None


def _compiled(compiler: str) -> Path:
    """The library's file in the cache, built if it is missing.

    Its name changes with all that it depends on.  Processes that build it at the same time each build their own, and
    the last one stays.
    """
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    key = "\n".join((SOURCE.read_text(encoding="utf-8"), compiler, version, *FLAGS, _cpu()))
    target = cache_folder() / "native" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            built = Path(folder, target.name)
            subprocess.run([compiler, *FLAGS, "-o", built, SOURCE], capture_output=True, text=True, check=True)
            built.replace(target)
    return target


def _cpu() -> str:
    """The processor's features, because machines with other features may share a cache folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return platform.machine() + next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
