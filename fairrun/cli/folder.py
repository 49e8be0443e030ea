"""The folder of runs that a subcommand is given."""

import sys
from pathlib import Path

from fairrun.config.check import InputError, nearest


def say_reading(folder: Path) -> None:
    """Say at once which folder is read; what reads it takes seconds to import.  Raises ``InputError`` if it is none."""
    if not folder.is_dir():
        beside = [path.name for path in folder.parent.iterdir() if path.is_dir()] if folder.parent.is_dir() else []
        near = nearest(folder.name, beside)
        raise InputError(f"the folder of the runs must be a folder that exists, got {str(folder)!r}{near}")
    sys.stderr.write(f"reading {folder}\n")
    sys.stderr.flush()
