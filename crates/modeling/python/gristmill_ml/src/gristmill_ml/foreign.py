"""Models that were made elsewhere, in a notebook: what it takes to predict with one from a dataset's raw columns.

A notebook reads the dataset's original file with pandas. A row here comes from the server's columns or from JSON; it is
brought into the form that pandas would have given it. What is known of the model is in signature.json under `foreign`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gristmill_ml.columns import to_dates
from gristmill_ml.errors import MlError
from gristmill_ml.frames import text_of
from gristmill_ml.prepare import require_columns

# How dates reach the model: as texts, as a CSV file has them, or as timestamps.
DATES = ("text", "datetime")
KINDS = ("int", "float", "boolean", "string", "date", "datetime", "null")
# What pandas makes of texts, which differs between its versions.
_TEXT = pd.Series(["text"]).dtype
_TRUE = {"true", "1", "1.0"}
_FALSE = {"false", "0", "0.0"}


class ForeignModel:
    """A model with the columns that it takes, in their order and with their types."""

    def __init__(self, pipeline: Any, features: list[tuple[str, str]], dates: str) -> None:
        """Takes the loaded model, `(name, type)` of each column, and how dates reach it."""
        self.pipeline = pipeline
        self.features = features
        self.dates = dates

    @property
    def classes_(self) -> Any:
        """Returns the model's classes; fails where it has none, as an estimator does."""
        return self.pipeline.classes_

    @property
    def predict_proba(self) -> Any:
        """Returns the function that gives probabilities; fails where the model has none, as an estimator does."""
        ask = self.pipeline.predict_proba
        return lambda frame: ask(self.frame(frame))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Returns what the model predicts."""
        return np.asarray(self.pipeline.predict(self.frame(frame)))

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Returns the columns of the model, in its order, as pandas reads them from a file."""
        require_columns(frame, [name for name, _ in self.features])
        columns = {name: as_read(frame[name], kind, self.dates) for name, kind in self.features}
        return pd.DataFrame(columns, index=frame.index)


def as_foreign(pipeline: Any, signature: dict[str, Any]) -> Any:
    """Returns the model; one that was made elsewhere, as the signature says, in a form that takes raw rows."""
    foreign = signature.get("foreign")
    if not isinstance(foreign, dict):
        return pipeline
    try:
        features = [(str(entry["name"]), str(entry["type"])) for entry in foreign["features"]]
        dates = foreign["dates"]
    except (KeyError, TypeError) as error:
        raise MlError("artifact_broken", "signature.json does not say what the model takes", "model") from error
    if dates not in DATES or any(kind not in KINDS for _, kind in features):
        raise MlError("artifact_broken", "signature.json says of the model what is not known here", "model")
    return ForeignModel(pipeline, features, dates)


def as_read(series: pd.Series, kind: str, dates: str) -> pd.Series:
    """Returns a column as pandas reads it from a file: NaN for what is missing, whatever the type."""
    if kind in ("int", "float", "null"):
        numbers = _numbers(series)
        whole = kind == "int" and not numbers.isna().any()
        return numbers.astype(np.int64) if whole else numbers.astype(np.float64)
    gone = series.isna().to_numpy()
    if kind in ("date", "datetime"):
        moments = to_dates(series)
        if dates == "datetime":
            return moments
        texts = [np.nan if pd.isna(moment) else _date_text(moment, kind) for moment in moments]
        return pd.Series(texts, index=series.index, dtype=_TEXT)
    pairs = zip(series.to_numpy(dtype=object), gone, strict=True)
    if kind == "boolean":
        flags = [np.nan if lost else _boolean(value) for value, lost in pairs]
        return pd.Series(flags, index=series.index, dtype=object if gone.any() else bool)
    texts = [np.nan if lost else text_of(value) for value, lost in pairs]
    return pd.Series(texts, index=series.index, dtype=_TEXT)


def _numbers(series: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        return series
    try:
        return pd.to_numeric(series.astype(object))
    except (ValueError, TypeError) as error:
        message = f"column {series.name!r} must hold numbers"
        raise MlError("column_type", message, f"columns.{series.name}") from error


def _boolean(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise MlError("column_type", "a column of true and false holds something else")


def _date_text(moment: pd.Timestamp, kind: str) -> str:
    if kind == "date" or moment == moment.normalize():
        return moment.date().isoformat()
    return moment.isoformat(sep=" ")
