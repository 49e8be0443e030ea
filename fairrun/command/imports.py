"""Imports torch and what needs it, in two thirds of the time that Python takes alone."""

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType
from typing import Any

from fairrun.config import plugins

# What torch has in Python for tensors without data (the device "meta") and for its compiler: a quarter of the time of
# ``import torch``.  The first of these modules imports the others, in the one order that works.
LATER = (
    "torch._meta_registrations",
    *("torch._decomp", "torch._decomp.decompositions", "torch._prims", "torch._prims.debug_prims"),
    *("torch._prims.rng_prims", "torch._refs", "torch._refs._conversions", "torch._refs.fft", "torch._refs.linalg"),
    *("torch._refs.nn", "torch._refs.nn.functional", "torch._refs.special", "torch.utils._content_store"),
)
KNOWN = ("2.13.",)  # beginnings of the versions of torch that are known to do without it at first


def load(module: str) -> None:
    """Import torch, then a module, quickly: without looking for garbage, also when this process ends, or ``LATER``.

    There is no garbage among a million objects of modules.  ``LATER`` is imported when anything in Python uses it.
    What uses it unseen, by the device "meta", must call ``whole`` before; so it is imported at once where code of
    packages of the user's own may run, and with a version of torch that is not ``KNOWN``.  If torch is imported
    already, this imports the module alone.
    """
    if "torch" in sys.modules or not gc.isenabled():
        importlib.import_module(module)
        return
    gc.disable()
    try:
        if plugins.named() or plugins.installed() or not version("torch").startswith(KNOWN):
            importlib.import_module("torch")
        else:
            _import_without_later()
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


def whole() -> None:
    """Import what ``load`` has left out of torch."""
    for name in LATER:
        if isinstance(sys.modules.get(name), _Later):
            del sys.modules[name]
    importlib.import_module(LATER[0])


def _import_without_later() -> None:
    sys.modules |= {name: _Later(name) for name in LATER}
    try:
        torch: Any = importlib.import_module("torch")
    except BaseException:
        for name in LATER:
            sys.modules.pop(name, None)
        raise
    for parent, _, child in (name.rpartition(".") for name in LATER):
        vars(sys.modules[parent]).setdefault(child, sys.modules[f"{parent}.{child}"])
    # What else their import does: without this metaclass there are no generators.
    torch._C._set_generator_metaclass(importlib.import_module("torch._opaque_base").OpaqueBaseMeta)


class _Later(ModuleType):
    """Stands for a module until anything is taken from it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # whoever looks at all modules asks for such
            raise AttributeError(name)
        if sys.modules[self.__name__] is self:
            whole()
        return getattr(sys.modules[self.__name__], name)
