"""Reads spec.json into dataclasses, naming the field of whatever is wrong. Unknown keys are ignored."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gristmill_ml.errors import MlError

VERSION = 1
ROW_ID = "__row_id"
SPEC_BYTES_MAX = 32 * 1024 * 1024
_MISSING = object()


def bad(field_path: str, message: str, code: str = "invalid_spec") -> MlError:
    """Returns the error for one field of the spec."""
    return MlError(code, f"{field_path}: {message}", field_path)


class Reader:
    """A JSON object of the spec, read key by key with its type checked."""

    def __init__(self, data: dict[str, Any], path: str = "") -> None:
        """Keeps the path for messages."""
        self.data = data
        self.path = path

    def at(self, key: str) -> str:
        """Returns the path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Tells whether the key is there and not null."""
        return self.data.get(key) is not None

    def text(self, key: str, default: Any = _MISSING, choices: tuple[str, ...] | None = None) -> Any:
        """Returns a non-empty string."""
        value = self._get(key, default)
        if value is default and not self.has(key):
            return default
        if not isinstance(value, str) or not value:
            raise bad(self.at(key), "must be a non-empty string")
        if choices is not None and value not in choices:
            raise bad(self.at(key), f"must be one of {', '.join(choices)}")
        return value

    def integer(self, key: str, default: Any, low: int, high: int) -> Any:
        """Returns a whole number within bounds."""
        value = self._get(key, default)
        if not self.has(key):
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise bad(self.at(key), f"must be a whole number from {low} to {high}")
        return value

    def number(self, key: str, default: Any, low: float, high: float) -> Any:
        """Returns a number within bounds."""
        value = self._get(key, default)
        if not self.has(key):
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise bad(self.at(key), "must be a number")
        if not low <= value <= high:
            raise bad(self.at(key), f"must be from {low:g} to {high:g}")
        return float(value)

    def boolean(self, key: str, default: bool) -> bool:
        """Returns true or false."""
        value = self._get(key, default)
        if not self.has(key):
            return default
        if not isinstance(value, bool):
            raise bad(self.at(key), "must be true or false")
        return value

    def object(self, key: str, default: dict[str, Any] | None = None) -> Reader:
        """Returns a nested object; an absent one is empty."""
        value = self.data.get(key)
        if value is None:
            value = default or {}
        if not isinstance(value, dict):
            raise bad(self.at(key), "must be an object")
        return Reader(value, self.at(key))

    def texts(self, key: str, default: Any = None, most: int = 100_000) -> Any:
        """Returns a list of different non-empty strings."""
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise bad(self.at(key), "must be a list of non-empty strings")
        if len(set(value)) != len(value):
            raise bad(self.at(key), "names something twice")
        if len(value) > most:
            raise bad(self.at(key), f"must have at most {most} entries")
        return list(value)

    def objects(self, key: str, most: int = 10_000) -> list[Reader]:
        """Returns a list of objects; an absent one is empty."""
        value = self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise bad(self.at(key), "must be a list of objects")
        if len(value) > most:
            raise bad(self.at(key), f"must have at most {most} entries")
        return [Reader(item, f"{self.at(key)}[{number}]") for number, item in enumerate(value)]

    def file(self, key: str, base: Path, default: Any = _MISSING) -> Path:
        """Returns the path of an existing file inside the input directory."""
        name = self.text(key, default)
        path = inside(base, name, self.at(key))
        if not path.is_file():
            raise bad(self.at(key), f"the file {name} is not in the input directory", "file_missing")
        return path

    def _get(self, key: str, default: Any) -> Any:
        value = self.data.get(key)
        if value is None:
            if default is _MISSING:
                raise bad(self.at(key), "is required")
            return default
        return value


def inside(base: Path, name: str, field_path: str) -> Path:
    """Returns `base / name`, refusing a name that leads out of `base`."""
    path = base / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise bad(field_path, "must be a relative path inside the directory")
    return path


def read_spec(directory: Path) -> Reader:
    """Reads DIR/spec.json and checks its version."""
    path = directory / "spec.json"
    if not path.is_file():
        raise MlError("spec_missing", "the input directory has no spec.json", "spec.json")
    if path.stat().st_size > SPEC_BYTES_MAX:
        raise MlError("invalid_spec", "spec.json is larger than 32 MiB", "spec.json")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise MlError("invalid_spec", f"spec.json is not valid JSON: {error}", "spec.json") from error
    if not isinstance(data, dict):
        raise MlError("invalid_spec", "spec.json must hold an object", "spec.json")
    spec = Reader(data)
    version = data.get("version")
    if version != VERSION or isinstance(version, bool):
        raise bad("version", f"must be {VERSION}")
    return spec


@dataclass(frozen=True)
class Limits:
    """What a command may use. `time_seconds` is wall time for all of it, None for no limit."""

    time_seconds: float | None = None
    memory_mb: int = 2048
    cpus: int = 1


@dataclass(frozen=True)
class Split:
    """How the server divided the dataset; cross-validation divides the training rows the same way."""

    kind: str = "random"
    column: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CrossValidation:
    """Folds over at most `rows_max` training rows."""

    folds: int = 5
    rows_max: int = 20_000


@dataclass(frozen=True)
class LearningCurve:
    """Sizes are fractions of the rows that a fold trains on."""

    folds: int = 3
    rows_max: int = 10_000
    sizes: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class TrainSpec:
    """What `train` is asked; README.md documents each field."""

    template_id: str
    problem_type: str | None
    target: str | None
    features: list[str] | None
    params: dict[str, Any]
    columns: dict[str, str]
    seed: int
    cross_validation: CrossValidation | None
    learning_curve: LearningCurve | None
    onnx: bool
    interval_level: float | None
    limits: Limits
    split: Split
    row_id: str
    name: str | None
    dataset: dict[str, Any]
    data: Path


PROBLEM_TYPES = ("classification", "regression", "clustering")
COLUMN_ROLES = ("numeric", "categorical", "date", "drop")
SPLIT_KINDS = ("random", "stratified", "group", "time")


def read_limits(spec: Reader) -> Limits:
    """Reads `limits`, taking the processors that the sandbox may use where `cpus` is absent."""
    import os

    limits = spec.object("limits")
    return Limits(
        time_seconds=limits.number("timeSeconds", None, 0.5, 7 * 86_400),
        memory_mb=limits.integer("memoryMb", 2048, 128, 4_194_304),
        cpus=limits.integer("cpus", len(os.sched_getaffinity(0)), 1, 1024),
    )


def read_split(spec: Reader) -> Split:
    """Reads `split`, which the server declared once for the model."""
    split = spec.object("split")
    kind = split.text("kind", "random", SPLIT_KINDS)
    column = split.text("column", None)
    if kind in ("group", "time") and column is None:
        raise bad("split.column", f"is required for a {kind} split")
    return Split(kind, column, dict(split.data))


def read_training(spec: Reader, directory: Path) -> TrainSpec:
    """Reads the spec of `train`, and of whatever trains as `train` does."""
    columns = spec.object("columns").data
    for name, role in columns.items():
        if role not in COLUMN_ROLES:
            raise bad(f"columns.{name}", f"must be one of {', '.join(COLUMN_ROLES)}")
    return TrainSpec(
        template_id=spec.text("templateId"),
        problem_type=spec.text("problemType", None, PROBLEM_TYPES),
        target=spec.text("target", None),
        features=spec.texts("features"),
        params=dict(spec.object("params").data),
        columns=dict(columns),
        seed=spec.integer("seed", 42, 0, 2**32 - 1),
        cross_validation=_cross_validation(spec),
        learning_curve=_learning_curve(spec),
        onnx=spec.boolean("onnx", True),
        interval_level=_interval_level(spec),
        limits=read_limits(spec),
        split=read_split(spec),
        row_id=spec.text("rowId", ROW_ID),
        name=spec.text("name", None),
        dataset=dict(spec.object("dataset").data),
        data=spec.file("data", directory, "train.parquet"),
    )


def _interval_level(spec: Reader) -> float | None:
    if spec.data.get("interval", {}) in (None, False):
        return None
    return spec.object("interval").number("level", 0.9, 0.5, 0.999)


def _cross_validation(spec: Reader) -> CrossValidation | None:
    if spec.data.get("cv", {}) in (None, False):
        return None
    options = spec.object("cv")
    return CrossValidation(options.integer("folds", 5, 2, 20), options.integer("maxRows", 20_000, 10, 10_000_000))


def _learning_curve(spec: Reader) -> LearningCurve | None:
    if spec.data.get("learningCurve", {}) in (None, False):
        return None
    options = spec.object("learningCurve")
    sizes = options.data.get("sizes", [0.2, 0.4, 0.6, 0.8, 1.0])
    valid = isinstance(sizes, list) and 1 <= len(sizes) <= 20
    if not valid or not all(isinstance(s, (int, float)) and not isinstance(s, bool) and 0 < s <= 1 for s in sizes):
        raise bad("learningCurve.sizes", "must be a list of 1 to 20 fractions above 0 and up to 1")
    return LearningCurve(
        options.integer("folds", 3, 2, 10),
        options.integer("maxRows", 10_000, 10, 10_000_000),
        tuple(sorted({float(s) for s in sizes})),
    )
