"""Hashes of the source code that a run's results come from: they are part of its identity."""

import ast
import functools
import hashlib
import importlib.util
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fairrun.config.keys import dotted, is_below, role
from fairrun.config.plugins import LIBRARIES

PACKAGE = Path(__file__).parent.parent
WEIGHTS = "model.weights"  # the part of ``sources`` that is no code: runs that start from other numbers are other runs
OWN = "fairrun"  # the part of ``sources`` that every run has
# Files and folders of the package that make the results of every run.  A method, network or data set is its own part.
MAKE_RESULTS = (
    *(
        "config/build.py",
        "config/check.py",
        "config/metrics.py",
        "config/recipe.py",
        "config/source.py",
        "config/values.py",
        "data",
        "estimators/saved.py",
        "method",
    ),
    *("models/ensemble.py", "models/functional.py", "models/network.py", "models/row_gradients.py"),
    *("results/selection.py", "runs/built.py", "runs/job.py", "runs/model.py", "runs/worker.py", "training"),
)
INSTALLED = {"site-packages", "dist-packages"}  # folders of packages that pip installs
BY_VERSION = ("torch", "torchvision")  # packages whose files are too many to read
SUFFIXES = (".py", ".cpp")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def sources(config: Mapping[str, Any]) -> dict[str, str]:
    """The hash of each part of the code that a resolved configuration runs.

    Parts are ``"fairrun"``, which every run has, and each module that a value of the configuration names, as
    ``_target_`` or as the path of a function.  The hash of a module covers the modules of the same author that it
    imports.  The modules must be imported already, as they are once a configuration is checked.  The file that
    ``model.weights`` names, if any, is a part too.
    """
    parts = {OWN: own_hash()}
    for key, value in dotted(dict(config)).items():
        for text in _texts(value):
            if _PATH.fullmatch(text) and role(key).identity:
                module = text.rpartition(".")[0]
                of_library = any(is_below(module, library) for library in LIBRARIES)  # the record has its version
                if module in sys.modules and not of_library and not _makes_results(module):
                    parts[module] = module_hash(module)
    if (weights := weights_hash(config)) is not None:
        parts[WEIGHTS] = weights
    return parts


def weights_hash(config: Mapping[str, Any]) -> str | None:
    """The hash of the file that ``model.weights``, or that of a trunk, names; None if it names none."""
    model = config.get("model", {})
    path = model.get("trunk", model).get("weights")
    return _file_hash(path) if isinstance(path, str) else None


def _file_hash(path: str) -> str:
    """The hash of a file's content; of a file that is not there, that of nothing."""
    found = hashlib.sha256()
    if Path(path).is_file():
        with Path(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256")
    return found.hexdigest()[:16]


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, also in the nodes of a list."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


@functools.cache
def own_hash() -> str:
    """The hash of the package's files that make the results of every run."""
    files = [file for name in MAKE_RESULTS for file in _files(PACKAGE / name)]
    return _digest({str(file.relative_to(PACKAGE)): file.read_bytes() for file in files})


@functools.cache
def module_hash(module: str) -> str:
    """The hash of a module and of all that it imports, directly or not, of the same author.

    Those are the modules below the same top-level package, and those that are not installed.  A module without a file
    (of a notebook, say) has another hash in every process: nothing tells whether it changed.  Of torch it is
    the hash of the version.
    """
    top = module.partition(".")[0]
    if top in BY_VERSION:
        return _digest({top: version(top).encode()})
    contents: dict[str, bytes] = {}
    left = [module]
    while left:
        name = left.pop()
        spec = _spec(name) if name == module or _is_own(name, module) else None
        if spec is not None and name not in contents:
            contents[name] = _content(spec)
            left += _imported(contents[name], name, spec)
    return _digest(contents or {module: secrets.token_bytes()})


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)


def _makes_results(module: str) -> bool:
    """Whether a module of the package is covered by ``own_hash``."""
    package, *names = module.split(".")
    path = "/".join(names)
    return package == OWN and any(f"{path}.py" == part or f"{path}/".startswith(f"{part}/") for part in MAKE_RESULTS)


def _is_own(module: str, of: str) -> bool:
    """Whether a module is by the author of another one."""
    top = module.partition(".")[0]
    if top == OWN:
        return of.partition(".")[0] == OWN and not _makes_results(module)
    return top == of.partition(".")[0] or not _is_installed(top)


@functools.cache
def _is_installed(top: str) -> bool:
    if top in sys.stdlib_module_names:
        return True
    spec = _spec(top)
    places = [spec.origin or "", *(spec.submodule_search_locations or ())] if spec else []
    return spec is None or any(INSTALLED & set(Path(place).parts) for place in places)


def _spec(module: str) -> ModuleSpec | None:
    try:
        found: ModuleSpec | None = getattr(sys.modules.get(module), "__spec__", None)
        return found or importlib.util.find_spec(module)
    except Exception:  # its parent is no package, or raises when it is imported
        return None


def _content(spec: ModuleSpec) -> bytes:
    try:
        return Path(spec.origin or "").read_bytes()
    except OSError:
        return b"" if spec.submodule_search_locations else secrets.token_bytes()  # a package without __init__.py


def _imported(content: bytes, module: str, spec: ModuleSpec) -> Iterator[str]:
    """The modules that a module's source imports, at its top and in its functions."""
    if Path(spec.origin or "").suffix != ".py":
        return
    package = module if spec.submodule_search_locations else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)  # where it is a module


def _digest(contents: Mapping[str, bytes]) -> str:
    found = hashlib.sha256()
    for name, content in sorted(contents.items()):
        found.update(f"{name} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()[:16]
