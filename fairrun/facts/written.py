"""The configuration file of a data set of one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from fairrun.about import files
from fairrun.about.folders import OWN
from fairrun.command.compose import source_of
from fairrun.command.words import written
from fairrun.config.check import InputError, require
from fairrun.config.ways import shell

GROUP = "dataset"
WRITTEN = "written by fairrun data"  # in the first line of each file
COLUMN = 40  # of the comments


def path_of(asked: str, data: str) -> Path:
    """Where the file goes: below the folder conf of the current folder, or the file NAME.yaml of a folder dataset.

    ``asked``: a name, a path, or "" for the name of the ``data``.  Raises ``InputError``.
    """
    name = asked or Path(data).name.partition(".")[0]
    path = Path(name) if name.endswith((".yaml", ".yml")) else Path(OWN, GROUP, f"{name}.yaml")
    sound = path.suffix == ".yaml" and path.absolute().parent.name == GROUP
    require(sound, "--yaml", asked, f"a name, or a file NAME.yaml in a folder {GROUP}")
    ours = path.stem in files.choices(GROUP) and not _is_written(path)
    require(
        not ours,
        "--yaml",
        asked or path.stem,
        "another name than those of fairrun's data sets (fairrun list datasets)",
    )
    return path


def refuse_existing(path: Path, force: bool) -> None:
    """Raise ``InputError`` where the file is there, unless ``write`` made it and ``force`` is to write it anew."""
    ours = _is_written(path)
    way = "--force writes this one anew" if ours else "this one was not written by fairrun: delete it to write it anew"
    allowed = f"a file that does not exist yet, as --yaml NAME for another one; {way}"
    require(not path.exists() or (force and ours), "--yaml", str(path), allowed)


def _is_written(path: Path) -> bool:
    """Whether ``write`` made the file, also where the folder conf is fairrun's own, as in a clone."""
    try:
        return WRITTEN in path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeError):  # not there, or no text
        return False


def write(path: Path, base: str, values: Mapping[str, Any], head: str) -> None:
    """Write the file: the choice ``base`` with other ``values``.  Raises ``InputError``."""
    comments = {key: found.comment for key, found in files.composed(GROUP, base).items()}
    lines = [f"# {head}; {WRITTEN}", "defaults:", f"  - {base}", "  - _self_"]
    for key, value in values.items():
        text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
        line = f"{key}: {text.removesuffix('...' + chr(10)).strip()}"
        lines.append(f"{line:{COLUMN}} # {comments[key]}" if comments.get(key) else line)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--yaml must be a file that can be written, got {str(path)!r}: {error.strerror}") from None


def command(path: Path) -> str:
    """How the file is used."""
    own = path.absolute().parent.parent
    found = [] if own == Path(OWN).absolute() else [f"hydra.searchpath=[{source_of(own)}]"]
    return shell("fairrun", "train", *found, f"{GROUP}={written(path.stem)}")
