"""The files of a new method: its code, its configuration file and its test."""

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
    found = _in_checkout(name, cls) if own else _in_package(name, cls, Path(folder or name))
    for path in found.files:
        require(not path.exists(), "the file", str(path), "one that does not exist yet")
    return found


def write(new: New) -> None:
    """Write the files.  Raises ``InputError``."""
    for path, text in new.files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from None


def _check_name(name: str) -> None:
    sound = re.fullmatch(r"[a-z][a-z0-9_]*", name) and not keyword.iskeyword(name)
    require(sound, "the name", name, "small letters, digits and _, as fair_mixup")
    taken = files.choices("method", folders()).get(name)
    require(taken is None, "the name", name, f"another one than those of fairrun list methods: {taken} has it")


def _in_checkout(name: str, cls: str) -> New:
    module, test = f"fairrun.methods.{name}", Path(f"tests/methods/test_{name}.py")
    words = _words(cls, module, f"{module}.{cls}", test)
    words["imports"] = "\n".join(sorted([*IMPORTS, words["own"]]))
    golden = f".venv/bin/pytest --golden tests/contract -k 'golden and {name}'"
    return New(
        _texts(words, Path(f"fairrun/methods/{name}.py"), Path(f"conf/method/{name}.yaml"), test),
        (f"fairrun train method={name}", words["check"], words["run"], f"{golden}   # once: its losses"),
    )


def _in_package(name: str, cls: str, folder: Path) -> New:
    """Everything in one package, so that it can be installed as it is."""
    parts, root = [folder.absolute().name], folder.absolute().parent
    while (root / INIT).exists():
        parts, root = [root.name, *parts], root.parent
    sound = all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)
    require(sound, "--in", str(folder), "a folder with the name of a package")
    there, package = (folder / INIT).exists(), ".".join(parts)
    if not there:
        _check_new(parts[0], folder)
    module, test = f"{package}.{name}", folder / f"test_{name}.py"
    words = _words(cls, module, f"{module}.{cls}" if there else f"{package}.{cls}", test)
    words["imports"] = "\n".join([*IMPORTS, "", words["own"]])
    init = f'"""{cls}, a method for fairrun."""\n\n{words["own"]}\n\n__all__ = ["{cls}"]\n'
    texts = {} if there else {folder / INIT: init}
    texts |= _texts(words, folder / f"{name}.py", folder / "conf" / "method" / f"{name}.yaml", test)
    enter = () if root == Path.cwd() else (f"cd {root}",)
    run = f"pytest {test.absolute().relative_to(root)}"
    return New(texts, (*enter, f"fairrun train method={name} plugins=[{package}]", words["check"], run))


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
    return {"cls": cls, "target": target, "own": own, "run": f"pytest {test}", "check": f"fairrun check {target}"}


def _texts(words: Mapping[str, str], code: Path, config: Path, test: Path) -> dict[Path, str]:
    paths = {"method.py": code, "method.yaml": config, "test.py": test}
    return {
        path: (TEMPLATES / f"{name}.txt").read_text(encoding="utf-8").format_map(words) for name, path in paths.items()
    }
