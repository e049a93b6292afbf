"""Frames to and from files. pandas is imported only when a frame is read or written."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

Kind = Literal["csv", "tsv", "json", "jsonl", "xlsx", "parquet"]
#: Types of columns, in the server's words.
Type = Literal["string", "integer", "float", "boolean", "date"]

#: Whole numbers from here on are not exact in workbooks.
_EXACT = 2**53
_INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)

_KINDS: dict[str, Kind] = {
    "csv": "csv",
    "tsv": "tsv",
    "tab": "tsv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "xlsx": "xlsx",
    "parquet": "parquet",
}


def kind(filename: str, file_type: str | None) -> Kind:
    """Tells how a file is written: as said, else as its name says, else CSV."""
    for text in (file_type, Path(filename).suffix):
        known = _KINDS.get((text or "").lower().lstrip("."))
        if known:
            return known
    return "csv"


def read(path: Path, kind: Kind, types: dict[str, Type] | None = None) -> pd.DataFrame:
    """Reads a file into a frame; with the types that it was written with, those are not guessed."""
    import pandas as pd

    if types:
        return _read_typed(path, kind, types)
    if kind == "json":
        try:
            return pd.read_json(path)
        except ValueError:
            # Many files named .json have one object a line.
            return pd.read_json(path, lines=True)
    if kind == "jsonl":
        return pd.read_json(path, lines=True)
    if kind == "xlsx":
        return pd.read_excel(path, engine="openpyxl")
    if kind == "parquet":
        return _unrounded(pd.read_parquet(path), path)
    separator = "\t" if kind == "tsv" else ","
    try:
        return pd.read_csv(path, sep=separator, encoding="utf-8", on_bad_lines="skip")
    except UnicodeDecodeError:
        return pd.read_csv(path, sep=separator, encoding="latin-1", on_bad_lines="skip")


def _read_typed(path: Path, kind: Kind, types: dict[str, Type]) -> pd.DataFrame:
    """Reads what `write` has written of a frame from `storable`."""
    import pandas as pd

    texts: dict[Hashable, Any] = {name: "str" for name, known in types.items() if known == "string"}
    dates = [name for name, known in types.items() if known == "date"]
    if kind in ("json", "jsonl"):
        # pandas takes the text 12 for a number, and texts in columns of some names for dates.
        with path.open(encoding="utf-8") as file:
            records = [json.loads(line) for line in file] if kind == "jsonl" else json.load(file)
        frame = pd.DataFrame(records)
        return frame.assign(**{name: pd.to_datetime(frame[name]) for name in dates})
    # Nothing else than an empty field was written for a missing value.
    if kind == "xlsx":
        return pd.read_excel(path, engine="openpyxl", dtype=texts, keep_default_na=False, na_values=[""])
    return pd.read_csv(
        path,
        sep="\t" if kind == "tsv" else ",",
        encoding="utf-8",
        dtype=texts,
        parse_dates=dates,
        keep_default_na=False,
        na_values=[""],
    )


def write(frame: pd.DataFrame, path: Path, kind: Kind) -> None:
    """Writes a frame; its index is not data."""
    if kind in ("json", "jsonl"):
        frame.to_json(
            path,
            orient="records",
            lines=kind == "jsonl",
            force_ascii=False,
            date_format="iso",
            date_unit="us",
            double_precision=15,
        )
    elif kind == "xlsx":
        _exact_in_workbooks(frame).to_excel(path, index=False, engine="openpyxl")
    elif kind == "parquet":
        frame.to_parquet(path, index=False)
    else:
        # Python puts quotes around a text with a line feed or carriage return only when that ends lines, too.
        separator = "\t" if kind == "tsv" else ","
        frame.to_csv(path, sep=separator, index=False, lineterminator="\r\n", errors="replace")


def _exact_in_workbooks(frame: pd.DataFrame) -> pd.DataFrame:
    """Gives a frame whose long whole numbers are texts: workbooks have no other numbers than floats."""
    long = [at for at, dtype in enumerate(frame.dtypes) if dtype.kind in "iu" and _is_long(frame.iloc[:, at])]
    if long:
        frame = frame.copy(deep=False)
        for at in long:
            frame.isetitem(at, frame.iloc[:, at].map(str, na_action="ignore"))
    return frame


def _is_long(values: pd.Series) -> bool:
    return bool(values.max() >= _EXACT or values.min() <= -_EXACT)


def storable(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Type]]:
    """Gives the frame as it can be stored, and the types that its columns then have.

    A file of text alone does not tell the text 12 from the number. Columns that have no value, or no name of their own,
    have no type; what no column of one type holds becomes text.
    """
    stored = frame.copy(deep=False)
    types: dict[str, Type] = {}
    names = Counter(str(name).strip() for name in frame.columns)
    for at, name in enumerate(frame.columns):
        kind, values = _plain(frame.iloc[:, at])
        if values is not None:
            stored.isetitem(at, values)
        is_telling = str(name) == str(name).strip() and names[str(name)] == 1
        if kind and is_telling and str(name).isprintable() and str(name):
            types[str(name)] = kind
    return stored, types


def _plain(values: pd.Series) -> tuple[Type | None, pd.Series | None]:
    """Gives a column's type, none when it has no value, and what its values become, none when they stay."""
    import pandas as pd

    if values.isna().all():
        return None, None
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        values = values.astype(object)
        kind, changed = _objects(values)
        return kind, values if changed is None else changed
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean", None
    if pd.api.types.is_integer_dtype(dtype):
        return ("string", _texts(values)) if values.max() > _INT64_MAX else ("integer", None)
    if pd.api.types.is_float_dtype(dtype):
        return _finite(values)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date", _instants(values)
    if pd.api.types.is_timedelta64_dtype(dtype):
        return "float", values.dt.total_seconds()
    if isinstance(dtype, pd.StringDtype):
        return "string", None
    return _objects(values)


def _finite(values: pd.Series) -> tuple[Type | None, pd.Series | None]:
    """Takes what is not finite for missing: no column of numbers holds it."""
    finite = values.abs() != float("inf")
    if finite.fillna(value=True).all():
        return "float", None
    values = values.where(finite)
    return (None if values.isna().all() else "float"), values


def _instants(values: pd.Series) -> pd.Series | None:
    """Gives instants in UTC, to the microsecond."""
    if values.dt.tz is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    return values.dt.floor("us")


def _objects(values: pd.Series) -> tuple[Type | None, pd.Series | None]:
    """Tells the type of a column of anything by what is in it."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "boolean":
        return "boolean", None
    if kind == "integer":
        known = [int(value) for value in values.dropna()]
        fits = min(known) >= _INT64_MIN and max(known) <= _INT64_MAX
        return ("integer", values.astype("Int64")) if fits else ("string", _texts(values))
    if kind in ("floating", "mixed-integer-float", "decimal"):
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
        known, changed = _finite(numbers)
        return known, numbers if changed is None else changed
    if kind in ("datetime64", "datetime", "date"):
        instants = pd.to_datetime(values, errors="coerce", utc=True)
        # What is out of pandas' reach stays as the text that it has.
        if instants.isna().sum() == values.isna().sum():
            return "date", _instants(instants)
    if kind == "string":
        return "string", None
    return "string", _texts(values)


def _texts(values: pd.Series) -> pd.Series:
    return values.astype(object).map(str, na_action="ignore")


def widened(frame: pd.DataFrame, table: Path) -> list[str]:
    """The columns of whole numbers that pandas made floats, because some values are missing."""
    import pyarrow.parquet
    import pyarrow.types

    whole = {field.name for field in pyarrow.parquet.read_schema(table) if pyarrow.types.is_integer(field.type)}
    return [str(name) for name, dtype in frame.dtypes.items() if name in whole and dtype.kind == "f"]


def _unrounded(frame: pd.DataFrame, table: Path) -> pd.DataFrame:
    """Gives those of these columns their numbers back that no float holds."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet

    rounded = [name for name in widened(frame, table) if frame[name].abs().max() >= _EXACT]
    if rounded:
        stored = pyarrow.parquet.read_table(table).select(rounded)
        numbers = stored.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        for name in rounded:
            frame[name] = numbers[name]
    return frame


def narrowed(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Gives these columns back their whole numbers, unless they have others by now."""
    names = [name for name in columns if list(frame.columns).count(name) == 1 and frame[name].dtype.kind == "f"]
    whole = [name for name in names if (values := frame[name].dropna()).empty or _are_whole(values)]
    return frame.astype(dict.fromkeys(whole, "Int64")) if whole else frame


def _are_whole(values: pd.Series) -> bool:
    """Tells whether floats are whole numbers that each stand for one number only."""
    return bool(values.mod(1).eq(0).all() and values.abs().max() < 2**53)


def copy(frame: pd.DataFrame) -> pd.DataFrame:
    """Gives a frame whose changes leave this one alone."""
    import pandas as pd

    # Since version 3 every copy is lazy: only what is changed is copied.
    return frame.copy(deep=int(pd.__version__.partition(".")[0]) < 3)


def as_frame(value: object, what: str) -> pd.DataFrame:
    """Takes a pandas frame, or what turns into one (polars, pyarrow).

    Raises:
        TypeError: when it is neither.
    """
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, pd.Series):
        return value.to_frame()
    convert = getattr(value, "to_pandas", None)
    converted = convert() if callable(convert) and not isinstance(value, type) else None
    if isinstance(converted, pd.DataFrame):
        return cast("pd.DataFrame", converted)
    raise TypeError(f"{what} is not a DataFrame but {type(value).__name__}")
