"""Joins predictions with the labels that only the scoring side has. Nothing here loads a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill_ml.errors import MlError
from gristmill_ml.frames import PROBABILITY, Table, read_table, text_of
from gristmill_ml.spec import ROW_ID, Reader
from gristmill_ml.target import plain_labels


@dataclass
class Truth:
    """The true labels by row id: texts for classification, numbers for regression."""

    ids: pd.Index
    values: np.ndarray
    target: str
    left_out: int


@dataclass
class Judged:
    """Predictions and truth of the same rows, in the order of the truth."""

    ids: pd.Index
    y_true: np.ndarray
    y_pred: np.ndarray
    probabilities: np.ndarray | None
    labels: np.ndarray


def read_truth(spec: Reader, directory: Path, task: str) -> Truth:
    """Reads `labels`, a file with the row id and the target."""
    path = spec.file("labels", directory, "labels.parquet")
    row_id = spec.text("rowId", ROW_ID)
    table = read_table(path, "labels")
    others = [name for name in table.frame.columns if name != row_id]
    target = spec.text("target", others[0] if len(others) == 1 else None)
    if target is None or target not in table.types:
        raise MlError(
            "target_missing", f"{path.name} has no column {target!r}" if target else "target is required", "target"
        )
    ids = ids_of(table, row_id, "labels")
    known = table.frame[target].notna().to_numpy()
    if not known.any():
        raise MlError("target_all_missing", f"column {target!r} has no value in the rows to score", "target")
    series = table.frame.loc[known, target]
    if task == "regression":
        if table.types[target] not in ("int", "float", "boolean"):
            raise MlError("target_not_numeric", f"column {target!r} does not hold numbers", "target")
        values = series.astype(float).to_numpy()
        finite = np.isfinite(values)
        return Truth(ids[known][finite], values[finite], target, int((~known).sum() + (~finite).sum()))
    plain, _ = plain_labels(series, table.types[target])
    return Truth(ids[known], as_texts(plain), target, int((~known).sum()))


def ids_of(table: Table, row_id: str, field: str) -> pd.Index:
    """Returns the row ids of a file that must have them."""
    if row_id not in table.types:
        raise MlError("row_id_missing", f"the file of {field} has no column {row_id!r}", field)
    ids = pd.Index(table.frame[row_id])
    if ids.hasnans or ids.has_duplicates:
        raise MlError(
            "duplicate_row_id", f"column {row_id!r} of {field} must have a different value in every row", field
        )
    return ids


def as_texts(values: np.ndarray) -> np.ndarray:
    """Returns labels as an object array of texts."""
    distinct, codes = np.unique(values, return_inverse=True)
    return np.array([text_of(label) for label in distinct], dtype=object)[codes]


def join(predictions: Table, truth: Truth, row_id: str, task: str, field: str) -> Judged:
    """Returns the predictions for exactly the rows of the truth; a row without one is an error."""
    if "prediction" not in predictions.types:
        raise MlError("unreadable_file", f"the file of {field} has no column 'prediction'", field)
    ids = ids_of(predictions, row_id, field)
    order = ids.get_indexer(truth.ids)
    absent = int((order < 0).sum())
    if absent:
        raise MlError("row_mismatch", f"{absent} of {len(truth.ids)} labelled rows have no prediction", field)
    rows = predictions.frame.iloc[order]
    if task != "classification":
        values = pd.to_numeric(rows["prediction"], errors="coerce").to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise MlError("prediction_not_finite", "the model predicted something that is not a finite number", field)
        return Judged(truth.ids, truth.values, values, None, np.array([]))
    columns = [name for name in predictions.frame.columns if name.startswith(PROBABILITY)]
    labels = np.array([name.removeprefix(PROBABILITY) for name in columns], dtype=object)
    given = predictions.metadata.get("labels") or []
    if not len(labels):
        labels = np.array([str(label) for label in given], dtype=object)
    chances = rows[columns].to_numpy(dtype=np.float64) if columns else None
    if chances is not None and not np.isfinite(chances).all():
        raise MlError("prediction_not_finite", "the model gave a probability that is not a finite number", field)
    predicted = np.array([text_of(value) for value in rows["prediction"].to_numpy(dtype=object)], dtype=object)
    return Judged(truth.ids, truth.values, predicted, chances, labels)


def all_labels(judged: Judged) -> list[str]:
    """Returns the labels of the model in its order, then those that only these rows have."""
    known = [str(label) for label in judged.labels]
    extra = set(judged.y_true) | set(judged.y_pred)
    return known + sorted(str(label) for label in extra - set(known))


def task_of(spec: Reader, predictions: Table) -> str:
    """Returns the task, from the spec or from the predictions file."""
    from gristmill_ml.spec import PROBLEM_TYPES

    task: Any = spec.text("taskType", predictions.metadata.get("taskType"), PROBLEM_TYPES)
    if task is None:
        raise MlError("invalid_spec", "taskType: is required", "taskType")
    return task
