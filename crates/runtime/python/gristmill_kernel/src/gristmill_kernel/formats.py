"""Frames to and from files. pandas is imported only when a frame is read or written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["csv", "tsv", "json", "jsonl", "xlsx", "parquet"]

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


def read(path: Path, kind: Kind) -> pd.DataFrame:
    """Reads a file into a frame."""
    import pandas as pd

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
        return pd.read_parquet(path)
    separator = "\t" if kind == "tsv" else ","
    try:
        return pd.read_csv(path, sep=separator, encoding="utf-8", on_bad_lines="skip")
    except UnicodeDecodeError:
        return pd.read_csv(path, sep=separator, encoding="latin-1", on_bad_lines="skip")


def write(frame: pd.DataFrame, path: Path, kind: Kind) -> None:
    """Writes a frame; its index is not data."""
    if kind in ("json", "jsonl"):
        frame.to_json(path, orient="records", lines=kind == "jsonl", force_ascii=False, date_format="iso")
    elif kind == "xlsx":
        frame.to_excel(path, index=False, engine="openpyxl")
    elif kind == "parquet":
        frame.to_parquet(path, index=False)
    else:
        # Python puts quotes around a text with a line feed or carriage return only when that ends lines, too.
        frame.to_csv(path, sep="\t" if kind == "tsv" else ",", index=False, lineterminator="\r\n")


def widened(frame: pd.DataFrame, table: Path) -> list[str]:
    """The columns of whole numbers that pandas made floats, because some values are missing."""
    import pyarrow.parquet
    import pyarrow.types

    whole = {field.name for field in pyarrow.parquet.read_schema(table) if pyarrow.types.is_integer(field.type)}
    return [str(name) for name, dtype in frame.dtypes.items() if name in whole and dtype.kind == "f"]


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
