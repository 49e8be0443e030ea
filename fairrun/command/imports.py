"""Imports torch and what needs it, sooner than Python does alone."""

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Sequence


def load(module: str) -> None:
    """Import a module that needs torch, quickly: without looking for garbage, also when this process ends.

    There is none among a million objects of modules.  If torch is imported already, this imports the module alone.
    """
    if "torch" in sys.modules or not gc.isenabled():
        importlib.import_module(module)
        return
    gc.disable()
    try:
        importlib.import_module(module)
    finally:
        gc.enable()
        gc.freeze()


def begin(arguments: Sequence[str]) -> None:
    """Read torch's largest library beside what this process does next, if that ends in training.

    That takes a third of a second, for which Python's imports need not wait: ``dlopen`` runs without their lock.
    Where it does nothing, as on a system without such a file, the import of torch reads the library.
    """
    other = {argument for argument in arguments if argument.startswith("-")} - {"-m", "--multirun"}
    place = importlib.util.find_spec("torch")
    if other or place is None or place.origin is None or "torch" in sys.modules:
        return
    path = os.path.join(os.path.dirname(place.origin), "lib", "libtorch_cpu.so")
    if os.path.exists(path):
        threading.Thread(target=ctypes.CDLL(None).dlopen, args=(path.encode(), os.RTLD_NOW)).start()
