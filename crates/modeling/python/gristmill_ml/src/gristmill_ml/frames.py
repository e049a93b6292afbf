"""Parquet in and out, and the plain types that the rest of the package sees."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill_ml.errors import MlError

# Under this key a predictions file says what its columns mean.
METADATA_KEY = b"gristmill"
# A predictions file has one such column for each class, named after it.
PROBABILITY = "probability:"


@dataclass
class Table:
    """A data frame with the plain type of each column: int, float, boolean, string, date, datetime, null, unsupported.

    Missing values are NaN, NaT or None. Times of day and durations are seconds; time zones are converted to UTC.
    """

    frame: pd.DataFrame
    types: dict[str, str]
    metadata: dict[str, Any]

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.frame)


def read_table(path: Path, field: str, columns: list[str] | None = None) -> Table:
    """Reads a Parquet file. `field` names it in errors; `columns` that are absent are left out."""
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        doubled = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if doubled:
            raise MlError("duplicate_column", f"{path.name} has two columns named {doubled[0]!r}", field)
        wanted = None if columns is None else [name for name in names if name in set(columns)]
        arrow = file.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise MlError("unreadable_file", f"{path.name} is not a readable Parquet file: {error}", field) from error
    metadata = (arrow.schema.metadata or {}).get(METADATA_KEY)
    types: dict[str, str] = {}
    arrays: list[pa.ChunkedArray] = []
    for name, column in zip(arrow.column_names, arrow.columns, strict=True):
        kind, plain = _plain(column)
        types[name] = kind
        arrays.append(plain)
    plain_table = pa.table(arrays, names=arrow.column_names)
    frame = plain_table.to_pandas(date_as_object=False, ignore_metadata=True, use_threads=False)
    return Table(frame, types, json.loads(metadata) if metadata else {})


def _plain(column: pa.ChunkedArray) -> tuple[str, pa.ChunkedArray]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_integer(kind):
        return "int", column
    if pa.types.is_floating(kind):
        return "float", column.cast(pa.float64())
    if pa.types.is_decimal(kind):
        return "float", column.cast(pa.float64(), safe=False)
    if pa.types.is_boolean(kind):
        return "boolean", column
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string", column.cast(pa.large_string())
    if pa.types.is_date(kind):
        return "date", column.cast(pa.timestamp("ms")).cast(pa.timestamp("us"), safe=False)
    if pa.types.is_timestamp(kind):
        return "datetime", column.cast(pa.timestamp("us"), safe=False)
    if pa.types.is_time(kind):
        return "float", _seconds(column.cast(pa.time64("us"), safe=False).cast(pa.int64()))
    if pa.types.is_duration(kind):
        return "float", _seconds(column.cast(pa.duration("us"), safe=False).cast(pa.int64()))
    nothing = pa.chunked_array([pa.nulls(len(column), pa.float64())])
    return ("null" if pa.types.is_null(kind) else "unsupported"), nothing


def _seconds(microseconds: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([microseconds.cast(pa.float64()).to_numpy() / 1e6])


def write_table(path: Path, columns: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
    """Writes columns as Parquet (zstd), whole or not at all."""
    arrow = pa.table(
        {name: value if isinstance(value, pa.Array) else pa.array(value) for name, value in columns.items()}
    )
    if metadata is not None:
        arrow = arrow.replace_schema_metadata({METADATA_KEY: json.dumps(metadata, ensure_ascii=False).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    pq.write_table(arrow, partial, compression="zstd")
    partial.replace(path)


def text_of(value: Any) -> str:
    """Returns the one spelling of a value as a category or a class: `true`, `3` (also for 3.0), `1.5`, `2024-01-31`."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if float(value).is_integer() and abs(value) < 2**63 else repr(float(value))
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        stamp: Any = pd.Timestamp(value)
        return stamp.date().isoformat() if stamp == stamp.normalize() else stamp.isoformat()
    return str(value)


def texts_of(series: pd.Series, missing: str | None) -> np.ndarray:
    """Returns the values as text in an object array, with `missing` where there is none."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    gone = series.isna().to_numpy()
    if len(series) and pd.api.types.infer_dtype(series, skipna=True) == "string":
        result = series.to_numpy(dtype=object, copy=True)
    else:
        distinct = series.astype(object)
        lookup: dict[Any, str] = {}
        result = np.empty(len(series), dtype=object)
        for place, value in enumerate(distinct.to_numpy()):
            if gone[place]:
                continue
            key = (type(value), value) if value.__hash__ else None
            if key is None or key not in lookup:
                spelled = text_of(value)
                if key is not None:
                    lookup[key] = spelled
                result[place] = spelled
            else:
                result[place] = lookup[key]
    result[gone] = missing
    return result


def json_value(value: Any) -> Any:
    """Returns a value of a frame as JSON shows it: null for a missing one, text for a date."""
    if value is None or (not isinstance(value, (list, dict, np.ndarray)) and pd.isna(value)):
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    return text_of(value)


def typed_json(value: Any, kind: str) -> Any:
    """Returns a value of a column of type `kind` as JSON; a whole number that pandas widened is whole again."""
    plain = json_value(value)
    if kind == "int" and isinstance(plain, float) and plain.is_integer():
        return int(plain)
    if kind == "boolean" and isinstance(plain, (int, float)):
        return bool(plain)
    return plain
