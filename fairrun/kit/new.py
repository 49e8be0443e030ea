"""The files of a new method, metric or section of the report: its code, its configuration file and its test."""

import importlib.util
import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fairrun.about import files
from fairrun.about.folders import folders
from fairrun.config.check import InputError, require
from fairrun.config.keys import CONF
from fairrun.config.metrics import METRICS
from fairrun.config.ways import shell

TEMPLATES = Path(__file__).parent / "template"
INIT = "__init__.py"
IMPORTS = (  # of the test
    "from fairrun.contract import Exempt, check",
    "from fairrun.contract.trials import train",
    "from fairrun.kit.subject import rules_of_class, subject_of",
    "from fairrun.methods.erm import ERM",
    "from fairrun.training.optim import Adam",
)


class New(NamedTuple):
    """What is to be written, and what the user does next."""

    files: dict[Path, str]
    next: tuple[str, ...]


def method(name: str, folder: str | None) -> New:
    """A method of a package in ``folder``; by default of one of its own here, or of fairrun in a checkout of it.

    Raises ``InputError``.
    """
    _check_name(name)
    cls = "".join(part.capitalize() for part in name.split("_"))
    taken = re.search(rf"\b{cls}\b", (TEMPLATES / "method.py.txt").read_text(encoding="utf-8"))
    require(not taken, "the name", name, "another one: the file imports its class's name")
    own = folder is None and CONF.parent.samefile(Path.cwd())
    return _unwritten(_in_checkout(name, cls) if own else _in_package(name, cls, Path(folder or name)))


def metric(name: str, folder: str | None) -> New:
    """A metric of a package in ``folder``; by default of one of its own here.  Raises ``InputError``."""
    there = files.choices("metric", folders())
    require(name not in {*METRICS, *there}, "the name", name, "another one than those of fairrun list metrics")
    return _function("metric", name, Path(folder or name), "fairrun train metric={name} plugins=[{package}]")


def section(name: str, folder: str | None) -> New:
    """A section of the report, of a package in ``folder``; by default of one of its own here.

    Raises ``InputError``.
    """
    return _function("section", name, Path(folder or name), "fairrun report FOLDER --sections {target}")


def _function(kind: str, name: str, folder: Path, use: str) -> New:
    """A function ``name`` in a module of its name, the configuration file of a metric, and a test."""
    _check_word(name)
    template = (TEMPLATES / f"{kind}.py.txt").read_text(encoding="utf-8")
    taken = re.search(rf"^(from|import) .*\b{name}\b", template, re.MULTILINE)
    require(not taken, "the name", name, "another one: the file imports it")
    package, root = _package(folder)
    test, module = folder / f"test_{name}.py", f"{package}.{name}"
    words = {
        "name": name,
        "package": package,
        "module": module,
        "target": f"{module}.{name}",
        "run": shell("pytest", test),
    }
    paths = {f"{kind}.py": folder / f"{name}.py", f"test_{kind}.py": test}
    paths |= {"metric.yaml": folder / "conf" / "metric" / f"{name}.yaml"} if kind == "metric" else {}
    texts = {} if (folder / INIT).exists() else {folder / INIT: f'"""{package}, for fairrun."""\n'}
    run = shell("pytest", test.absolute().relative_to(root))
    return _unwritten(New(texts | _texts(words, paths), (*_enter(root), use.format_map(words), run)))


def _unwritten(new: New) -> New:
    for path in new.files:
        require(not path.exists(), "the file", str(path), "one that does not exist yet")
    return new


def write(new: New) -> None:
    """Write the files.  Raises ``InputError``."""
    for path, text in new.files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from None


def _check_word(name: str) -> None:
    sound = re.fullmatch(r"[a-z][a-z0-9_]*", name) and not keyword.iskeyword(name)
    require(sound, "the name", name, "small letters, digits and _, as fair_mixup")


def _check_name(name: str) -> None:
    _check_word(name)
    taken = files.choices("method", folders()).get(name)
    require(taken is None, "the name", name, f"another one than those of fairrun list methods: {taken} has it")


def _in_checkout(name: str, cls: str) -> New:
    module, test = f"fairrun.methods.{name}", Path(f"tests/methods/test_{name}.py")
    words = _words(cls, module, f"{module}.{cls}", test)
    words["imports"] = "\n".join(sorted([*IMPORTS, words["own"]]))
    golden = f".venv/bin/pytest --golden tests/contract -k 'golden and {name}'"
    return New(
        _texts(words, _of_method(Path(f"fairrun/methods/{name}.py"), Path(f"conf/method/{name}.yaml"), test)),
        (f"fairrun train method={name}", words["check"], words["run"], f"{golden}   # once: its losses"),
    )


def _in_package(name: str, cls: str, folder: Path) -> New:
    """Everything in one package, so that it can be installed as it is."""
    package, root = _package(folder)
    there = (folder / INIT).exists()
    module, test = f"{package}.{name}", folder / f"test_{name}.py"
    words = _words(cls, module, f"{module}.{cls}" if there else f"{package}.{cls}", test)
    words["imports"] = "\n".join([*IMPORTS, "", words["own"]])
    init = f'"""{cls}, a method for fairrun."""\n\n{words["own"]}\n\n__all__ = ["{cls}"]\n'
    texts = {} if there else {folder / INIT: init}
    texts |= _texts(words, _of_method(folder / f"{name}.py", folder / "conf" / "method" / f"{name}.yaml", test))
    run = shell("pytest", test.absolute().relative_to(root))
    return New(texts, (*_enter(root), f"fairrun train method={name} plugins=[{package}]", words["check"], run))


def _package(folder: Path) -> tuple[str, Path]:
    """The dotted name of the package in a folder, which may be new, and the folder that it is imported from."""
    parts, root = [folder.absolute().name], folder.absolute().parent
    while (root / INIT).exists():
        parts, root = [root.name, *parts], root.parent
    sound = all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)
    require(sound, "--in", str(folder), "a folder with the name of a package")
    if not (folder / INIT).exists():
        _check_new(parts[0], folder)
    return ".".join(parts), root


def _enter(root: Path) -> tuple[str, ...]:
    return () if root == Path.cwd() else (shell("cd", root),)


def _check_new(package: str, folder: Path) -> None:
    """Raise ``InputError`` where a new package would hide another one, or a folder is in use."""
    other = importlib.util.find_spec(package)
    hidden = other is not None and other.origin is not None and Path(other.origin).parent != folder.absolute()
    require(not hidden, "the package", package, "named otherwise than a module that is installed: --in FOLDER names it")
    used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    require(not used, "the folder", str(folder), f"new, empty, or a package (with {INIT})")


def _words(cls: str, module: str, target: str, test: Path) -> dict[str, str]:
    """What the templates say in braces."""
    own = f"from {module} import {cls}"
    return {"cls": cls, "target": target, "own": own, "run": shell("pytest", test), "check": f"fairrun check {target}"}


def _of_method(code: Path, config: Path, test: Path) -> dict[str, Path]:
    return {"method.py": code, "method.yaml": config, "test.py": test}


def _texts(words: Mapping[str, str], paths: Mapping[str, Path]) -> dict[Path, str]:
    """The texts of the templates at their ``paths``."""
    return {
        path: (TEMPLATES / f"{name}.txt").read_text(encoding="utf-8").format_map(words) for name, path in paths.items()
    }
