"""The helpers that generated and hand-written cells call."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from . import formats
from .places import Places, plain_name

if TYPE_CHECKING:
    import pandas as pd

#: Directory entries looked at when a file is searched by name.
_SEARCHED_MAX = 20_000
_EXPORT_NAME = re.compile(r"[\w -]+")
_TABLE = re.compile(r"v([0-9]+)\.parquet")
_SUFFIX = "_processed"
_ROWS_SHOWN = 100
_COLUMNS_SHOWN = 50


class Helpers:
    """The helpers of one kernel, bound to its namespace."""

    def __init__(self, namespace: MutableMapping[str, Any], places: Places) -> None:
        """Binds the helpers to where variables are set and files are kept."""
        self._namespace = namespace
        self._places = places
        self._pristine: dict[tuple[str, str], tuple[tuple[str, int, int], pd.DataFrame]] = {}
        self._widened: dict[tuple[str, str], list[str]] = {}

    def resolve_dataset_path(self, filename: str, dataset_id: str | None = None) -> str:
        """Gives the path of a writable copy of a dataset's file, and makes the copy where there is none yet.

        With an id, that dataset's file; without, the workspace's file of that name, else the project's dataset of
        that name, else any file of that name in the workspace. Where nothing is found: the path it would have.
        """
        name = plain_name(filename)
        wanted = self._places.writable(dataset_id) / name
        if wanted.is_file():
            return str(wanted)
        if dataset_id:
            original = self._places.datasets / plain_name(dataset_id) / "original"
            if original.is_file():
                return str(_copy(original, wanted))
        by_name = self._places.workspace / name
        if by_name.is_file():
            return str(by_name)
        link = self._places.links / name
        if link.is_file():
            return str(_copy(link, wanted))
        found = self._search(name)
        return str(found or wanted)

    def load_preprocessing_dataset(
        self,
        filename: str,
        dataset_id: str | None = None,
        file_type: str | None = None,
        df_name: str = "df",
        *,
        from_original: bool = False,
    ) -> pd.DataFrame:
        """Loads a dataset into the variable ``df_name``: its processed form where there is one, else the original.

        A second load gives the same rows again, whatever was done to the variable since. With ``from_original``, the
        dataset as the project has it, with its types there; a processed form of an earlier run is removed, so that
        running the same code again does the same again.
        """
        if not df_name.isidentifier():
            raise ValueError(f"{df_name!r} cannot name a variable")
        processed = _processed(self._places.writable(dataset_id) / plain_name(filename))
        kind = formats.kind(filename, file_type)
        table = self._table(dataset_id) if from_original else None
        if from_original:
            processed.unlink(missing_ok=True)
            _types_beside(processed).unlink(missing_ok=True)
        if table is not None:
            path, kind = table, "parquet"
        else:
            original = self.resolve_dataset_path(filename, dataset_id)
            path = processed if processed.is_file() else Path(original)
        if not path.is_file():
            raise FileNotFoundError(f"the dataset {filename!r} is not in this project")
        status = path.stat()
        state = (str(path), status.st_mtime_ns, status.st_size)
        key = (plain_name(filename), dataset_id or "")
        cached = self._pristine.get(key)
        if cached is None or cached[0] != state:
            cached = (state, formats.read(path, kind, _read_types(path) if path == processed else None))
            self._pristine[key] = cached
            self._widened[key] = formats.widened(cached[1], path) if table is not None else []
        frame = formats.copy(cached[1])
        self._namespace[df_name] = frame
        self._namespace["dataset_path"] = str(path)
        self._namespace["active_dataset_id"] = dataset_id
        return frame

    def save_preprocessing_dataset(
        self, filename: str, dataset_id: str | None = None, file_type: str | None = None, df_name: str = "df"
    ) -> str:
        """Saves the variable ``df_name`` as the dataset's processed form, which the next load prefers.

        Which types its columns have stands in a file beside it, for the server and for the next load.
        """
        frame = formats.as_frame(self._namespace.get(df_name), f"the variable {df_name!r}")
        path = _processed(self._places.writable(dataset_id) / plain_name(filename))
        path.parent.mkdir(parents=True, exist_ok=True)
        key = (plain_name(filename), dataset_id or "")
        frame = formats.narrowed(frame, self._widened.get(key, []))
        kind = formats.kind(filename, file_type)
        types: dict[str, formats.Type] = {}
        if kind != "parquet":
            frame, types = formats.storable(frame)
        with _replaced(path) as staged:
            formats.write(frame, staged, kind)
            digest = _digest(staged)
        with _replaced(_types_beside(path)) as staged:
            staged.write_text(json.dumps({"sha256": digest, "types": types}), encoding="utf-8")
        self._pristine.pop(key, None)
        self._namespace["dataset_path"] = str(path)
        self._namespace["active_dataset_id"] = dataset_id
        return str(path)

    def save_to_project(self, df: object, name: str) -> str:
        """Saves a frame as a new dataset of the project; the server takes it over when the cell has ended."""
        name = name.strip() if isinstance(name, str) else ""
        if not _EXPORT_NAME.fullmatch(name):
            raise ValueError("a dataset's name has letters, digits, spaces, dashes and underscores only")
        if len(name.encode()) > 200:
            raise ValueError("a dataset's name has at most 200 bytes")
        frame = formats.as_frame(df, "what is saved")
        exports = self._places.exports
        exports.mkdir(parents=True, exist_ok=True)
        path = exports / f"{name}.csv"
        with _replaced(path) as staged:
            formats.write(frame, staged, "csv")
        manifest = exports / ".manifest.json"
        entries: list[dict[str, Any]] = []
        with suppress(OSError, ValueError):
            known = json.loads(manifest.read_text(encoding="utf-8"))
            entries = known if isinstance(known, list) else []
        entries.append(
            {
                "name": name,
                "rows": len(frame),
                "cols": len(frame.columns),
                "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                "exportId": str(uuid.uuid4()),
            }
        )
        with _replaced(manifest) as staged:
            staged.write_text(json.dumps(entries), encoding="utf-8")
        return str(path)

    def _display_df(self, df: object) -> None:
        """Shows the head of a frame as a table."""
        from IPython.display import HTML, display

        frame = formats.as_frame(df, "what is shown")
        display(HTML(frame.to_html(max_rows=_ROWS_SHOWN, max_cols=_COLUMNS_SHOWN, show_dimensions=True)))

    def _table(self, dataset_id: str | None) -> Path | None:
        """The newest version of a dataset as the server stores it: typed columns."""
        if not dataset_id:
            return None
        versions: list[tuple[int, Path]] = []
        with suppress(OSError):
            for path in (self._places.datasets / plain_name(dataset_id)).iterdir():
                if found := _TABLE.fullmatch(path.name):
                    versions.append((int(found.group(1)), path))
        return max(versions)[1] if versions else None

    def _search(self, name: str) -> Path | None:
        looked_at = 0
        for directory, directories, files in os.walk(self._places.workspace):
            directories[:] = sorted(d for d in directories if not d.startswith("."))
            looked_at += len(directories) + len(files)
            if name in files and (found := Path(directory) / name).is_file():
                return found
            if looked_at > _SEARCHED_MAX:
                break
        return None


def _processed(path: Path) -> Path:
    stem = path.stem if path.stem.endswith(_SUFFIX) else path.stem + _SUFFIX
    return path.with_name(stem + path.suffix)


def _types_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.types.json")


def _read_types(path: Path) -> dict[str, formats.Type]:
    """The types that a file was written with: none when it was written by something else since."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(_types_beside(path).read_text(encoding="utf-8"))
        if told["sha256"] == _digest(path):
            return cast("dict[str, formats.Type]", told["types"])
    return {}


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _replaced(target) as staged:
        shutil.copyfile(source, staged)
    return target


@contextmanager
def _replaced(path: Path) -> Generator[Path, None, None]:
    """Gives a path to write to, which becomes ``path`` only when all was written."""
    handle, staged = tempfile.mkstemp(dir=path.parent, prefix=".gristmill-", suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(staged)
        Path(staged).chmod(0o644)
        Path(staged).replace(path)
    finally:
        Path(staged).unlink(missing_ok=True)
