"""A user's own table, as a CSV or Parquet file with a header."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fairrun.config.check import InputError
from fairrun.data.sources import read_frame


@dataclass(frozen=True)
class Csv:
    """The rows of the file at ``dataset.path``; a column ``split`` (train/test), if there is one, is the official
    split.
    """

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row of the file a row."""
        if path is None or not Path(path).expanduser().is_file():
            raise InputError(f"dataset.path must be a CSV or Parquet file that exists, got {path!r}")
        file = Path(path).expanduser()
        try:
            return pd.read_parquet(file) if file.suffix in {".parquet", ".pq"} else read_frame(file.read_bytes())
        except (ValueError, OSError) as error:
            raise InputError(f"dataset.path={path!r} cannot be read as a table: {error}") from None
