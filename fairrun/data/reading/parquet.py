"""From a Parquet file to a frame of plain values."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from fairrun.config.check import InputError
from fairrun.data.reading.dates import DAY
from fairrun.data.reading.text import refuse_repeated


def read_parquet(content: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The columns of the file ``name``, an index that pandas stored among them; and what was done, in words.

    Text is text, numbers and decimals are numbers, dates are datetimes without a zone, durations are days; categories
    are their values; lists, structs and bytes stay as they are, and are refused where they would be used.
    """
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
        names = [str(column) for column in table.column_names]
        refuse_repeated(names, name)
        columns = {column: _plain(table.column(k)) for k, column in enumerate(names)}
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"dataset.path={name!r} cannot be read as Parquet: {error}") from None
    return pd.DataFrame(columns, columns=names), [f"{name}: Parquet"]


def _plain(values: pa.ChunkedArray) -> pd.Series:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _plain(values.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return pd.Series([np.nan if value is None else float(value) for value in values.to_pylist()])
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        stamps = pd.to_datetime(
            values.to_pandas(date_as_object=True, timestamp_as_object=True), utc=True, errors="coerce"
        )
        return stamps.dt.tz_localize(None)
    if pa.types.is_duration(kind):
        return values.to_pandas().dt.total_seconds() / DAY
    if pa.types.is_time(kind):
        return pd.Series([None if v is None else str(v) for v in values.to_pylist()], dtype=object)
    if pa.types.is_null(kind):
        return pd.Series(np.full(len(values), np.nan), dtype=object)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return pd.Series(values.to_pylist(), dtype=object)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pd.Series(decoded(values.to_pylist()), dtype=object)
    return values.to_pandas()


def decoded(values: list[bytes | None]) -> list[str | None] | list[bytes | None]:
    """Bytes that are all text as text: Spark may store it so."""
    try:
        texts = [None if value is None else value.decode() for value in values]
    except UnicodeError:
        return values
    return texts if all(text is None or text.isprintable() for text in texts) else values
