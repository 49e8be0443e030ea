"""What a word may mean that is neither a subcommand nor KEY=VALUE."""

import re
from collections.abc import Sequence
from pathlib import Path

from fairrun.about import files
from fairrun.config.keys import CONF
from fairrun.config.ways import shell

_TABLE = re.compile(r".+\.(csv|tsv|txt|parquet)(\.(gz|zip|xz|bz2))?", re.IGNORECASE)
GIVEN = "dataset.label=COLUMN dataset.sensitive=[COLUMN]"


def hint(word: str, folders: Sequence[Path] = (CONF,)) -> str:
    """For messages: "; did you mean method=penalty or sweep=penalty?"; "" where it means nothing."""
    if table := of_table(word):
        return table
    groups = sorted(path.name for path in CONF.iterdir() if path.is_dir())
    homes = [group for group in groups if word in files.choices(group, folders)]
    return f"; did you mean {' or '.join(f'{group}={word}' for group in homes)}?" if homes else ""


def of_table(word: str) -> str:
    """For messages: how the file of a table is given; "" where a word is no such file."""
    if not _TABLE.fullmatch(word):
        return ""
    given, proposes = shell("dataset=csv", f"dataset.path={word}"), shell("fairrun", "data", word)
    return f"; a table of your own is {given} {GIVEN} ({proposes} proposes them)"
