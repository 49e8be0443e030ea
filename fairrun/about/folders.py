"""The folder of configuration files of one's own."""

from pathlib import Path

from fairrun.config.keys import CONF

OWN = "conf"  # below the current folder


def own() -> Path | None:
    """The folder ``conf`` of the current folder, where there is one, and it is not fairrun's own."""
    folder = Path(OWN).absolute()
    return folder if folder.is_dir() and not (CONF.exists() and folder.samefile(CONF)) else None


def folders() -> list[Path]:
    """The folders in which choices are looked for, fairrun's own first."""
    found = own()
    return [CONF, *([found] if found else [])]
