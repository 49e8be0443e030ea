"""The folders of configuration files."""

from pathlib import Path

from fairrun.config import plugins
from fairrun.config.keys import CONF

OWN = "conf"  # below the current folder


def own(place: Path = Path()) -> Path | None:
    """The folder ``conf`` of ``place``, the current folder, where there is one, and it is not fairrun's own."""
    folder = (place / OWN).absolute()
    return folder if folder.is_dir() and not (CONF.exists() and folder.samefile(CONF)) else None


def more() -> list[Path]:
    """Where else choices are looked for: in ``conf`` of the current folder, of packages that are named, of plug-ins."""
    found = own()
    return [*([found] if found else []), *(folder for folder in plugins.folders() if folder != found)]


def folders() -> list[Path]:
    """The folders in which choices are looked for, fairrun's own first."""
    return [CONF, *more()]
