"""Compiles ``kernels.cpp`` for this machine, once, and loads it."""

import ctypes
import functools
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from fairrun.data.sources import cache_folder, sha256

log = logging.getLogger(__name__)
SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ("-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC", "-w")
ANSWER, BUILD = 30, 300  # seconds, for the compiler's version and for the library
COMPILERS = ("c++", "g++", "clang++")


@functools.cache
def library() -> ctypes.CDLL | None:
    """Load the kernels.  Where that fails, log one line that says why and return None."""
    compiler = shlex.split(os.environ.get("CXX", "")) or [c for c in COMPILERS if shutil.which(c)][:1]
    if not compiler:
        log.warning("no native engine, training in torch: no C++ compiler (%s) on the path", ", ".join(COMPILERS))
        return None
    try:
        return ctypes.CDLL(str(_compiled(compiler)))
    except subprocess.TimeoutExpired as error:
        reason = f"it did not answer within {error.timeout:g} s"
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        reason = said.decode(errors="replace").strip().splitlines()[0]
    log.warning("no native engine, training in torch: %s: %s", shlex.join(compiler), reason)
    return None


def _compiled(compiler: list[str]) -> Path:
    """The library's file in the cache, built if it is missing or not what was built there.

    Its name has a hash of all that it depends on, and the SHA-256 of its content.  Processes that build it at the same
    time each build their own.  Raises ``OSError`` where others may write into the folder, for whatever is there is run.
    """
    version = subprocess.run([*compiler, "--version"], capture_output=True, check=True, timeout=ANSWER).stdout
    parts = [SOURCE.read_bytes(), shlex.join(compiler).encode(), version, *(flag.encode() for flag in FLAGS)]
    key = sha256(b"\n".join([*parts, _cpu().encode()]))[:16]
    folder = cache_folder() / "native"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_shared(folder)
    known = [path for path in folder.glob(f"{key}-*.so") if sha256(path.read_bytes()) == path.stem.partition("-")[2]]
    if known:
        return known[0]
    for path in folder.glob(f"{key}-*.so"):
        log.warning("%s is damaged and built again", path)
        path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        built = Path(place, "built.so")
        subprocess.run([*compiler, *FLAGS, "-o", built, SOURCE], capture_output=True, check=True, timeout=BUILD)
        return built.replace(folder / f"{key}-{sha256(built.read_bytes())}.so")


def _refuse_shared(folder: Path) -> None:
    """Raise ``OSError`` unless the folder is this user's own and nobody else may write into it."""
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise OSError(f"{folder} must belong to this user, and belongs to user {status.st_uid}: set FAIRRUN_CACHE")
    if status.st_mode & 0o022:
        raise OSError(f"{folder} must not be writable by others: delete it, or chmod 700 if its files are yours")


def _cpu() -> str:
    """The processor's features, because machines with other features may share a cache folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return platform.machine() + next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
