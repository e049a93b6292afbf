"""Checks the target column and turns it into what estimators take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gristmill_ml.errors import MlError
from gristmill_ml.frames import Table, text_of, texts_of

ROWS_MIN = 4
CLASSES_MAX = 1000
HEAD_ROWS = 100
CONTINUOUS_DISTINCT = 50


@dataclass
class Target:
    """The target of the rows that have one. `labels` are the sorted classes, empty for regression."""

    name: str
    values: np.ndarray
    kept: np.ndarray
    labels: np.ndarray
    label_type: str

    @property
    def missing(self) -> int:
        """Returns how many rows were left out because they have no target."""
        return int((~self.kept).sum())

    def counts(self) -> dict[str, int]:
        """Returns the rows of each class."""
        found, rows = np.unique(self.values, return_counts=True)
        return {text_of(label): int(count) for label, count in zip(found, rows, strict=True)}


def read_target(table: Table, name: str, task: str) -> Target:
    """Returns the target, or says what is wrong with it."""
    if name not in table.types:
        raise MlError("target_missing", f"the dataset has no column {name!r}", "target")
    kind = table.types[name]
    if kind == "unsupported":
        raise MlError(
            "target_type", f"column {name!r} holds lists, structures or bytes and cannot be a target", "target"
        )
    series = table.frame[name]
    kept = series.notna().to_numpy()
    if not kept.any():
        raise MlError("target_all_missing", f"column {name!r} has no value in the training rows", "target")
    if int(kept.sum()) < ROWS_MIN:
        raise MlError(
            "too_few_rows", f"only {int(kept.sum())} training rows have a value of {name!r}; 4 is the least", "target"
        )
    known = series[kept]
    if known.nunique() == 1:
        value = text_of(known.iloc[0])
        raise MlError(
            "target_constant",
            f"column {name!r} is {value!r} in every training row; there is nothing to learn",
            "target",
        )
    if task == "regression":
        values = _numbers(known, name, kind)
        return Target(name, values, kept, np.array([]), "float")
    values, label_type = _labels(known, name, kind)
    return Target(name, values, kept, np.unique(values), label_type)


def _numbers(known: pd.Series, name: str, kind: str) -> np.ndarray:
    if kind not in ("int", "float", "boolean"):
        raise MlError("target_not_numeric", f"column {name!r} holds {kind} values; regression needs numbers", "target")
    values = known.astype(float).to_numpy()
    infinite = int(np.count_nonzero(~np.isfinite(values)))
    if infinite:
        raise MlError(
            "target_infinite", f"column {name!r} has {infinite} infinite values; remove or replace them", "target"
        )
    return values


def _labels(known: pd.Series, name: str, kind: str) -> tuple[np.ndarray, str]:
    values, label_type = plain_labels(known, kind)
    _, counts = np.unique(values, return_counts=True)
    classes, rows = len(counts), len(values)
    whole = kind != "float" or label_type == "int"
    if not whole and classes > CONTINUOUS_DISTINCT:
        message = f"column {name!r} has {classes} different numbers with fractions; use a regression template"
        raise MlError("target_continuous", message, "target")
    if classes > CLASSES_MAX or classes > rows / 2:
        most = min(CLASSES_MAX, rows // 2)
        message = f"column {name!r} has {classes} classes in {rows} rows; at most {most} can be learned"
        raise MlError("too_many_classes", message, "target")
    if counts.min() < 2:
        rare = [text_of(label) for label, count in zip(np.unique(values), counts, strict=True) if count < 2]
        listed = ", ".join(repr(label) for label in rare[:5]) + (" ..." if len(rare) > 5 else "")
        message = f"{listed} of column {name!r} has one training row; a class needs at least two (merge or remove it)"
        raise MlError("class_too_small", message, "target")
    return values, label_type


def plain_labels(known: pd.Series, kind: str) -> tuple[np.ndarray, str]:
    """Returns labels as int64, bool, float64 or str, and the name of that type. Whole floats are integers."""
    if kind == "boolean":
        return known.astype(bool).to_numpy(dtype=bool), "boolean"
    if kind in ("int", "float"):
        numbers = known.to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise MlError(
                "target_infinite", f"column {known.name!r} has infinite values; remove or replace them", "target"
            )
        if np.abs(numbers).max() < 2**53 and np.equal(np.mod(numbers, 1), 0).all():
            return numbers.astype(np.int64), "int"
        if kind == "int":
            return known.to_numpy(dtype=np.int64), "int"
        return numbers, "float"
    return texts_of(known, None).astype(str), "string"


def copies_of(table: Table, target: Target, features: list[str]) -> list[str]:
    """Returns the features that hold the target itself: a model would only copy them."""
    found: list[str] = []
    original = table.frame[target.name]
    kind = table.types[target.name]
    numeric = kind in ("int", "float", "boolean")
    texts: np.ndarray | None = None
    for name in features:
        other_kind = table.types[name]
        other = table.frame[name]
        if numeric and other_kind in ("int", "float", "boolean"):
            head = _equal_numbers(original.iloc[:HEAD_ROWS], other.iloc[:HEAD_ROWS])
            same = head and _equal_numbers(original, other)
        elif not numeric and other_kind == kind:
            texts = texts_of(original, "") if texts is None else texts
            start = texts_of(other.iloc[:HEAD_ROWS], "")
            same = bool((start == texts[:HEAD_ROWS]).all()) and bool((texts_of(other, "") == texts).all())
        else:
            same = False
        if same:
            found.append(name)
    return found


def _equal_numbers(one: pd.Series, two: pd.Series) -> bool:
    return bool(np.array_equal(_floats(one), _floats(two), equal_nan=True))


def _floats(series: pd.Series) -> np.ndarray:
    if series.dtype == object:
        series = series.map(lambda value: None if value is None else float(value))
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def label_list(target: Target) -> list[dict[str, Any]]:
    """Returns the label mapping of signature.json: code, the label as JSON has it, its text on the wire."""
    plain = [label.item() if hasattr(label, "item") else label for label in target.labels]
    return [{"code": code, "label": label, "text": text_of(label)} for code, label in enumerate(plain)]
