"""The first step of every pipeline: raw dataset columns in, float32 numbers and marked texts out.

This step is the border of the ONNX form. It is simple on purpose: signature.json describes it column by column, so
that the server does the same natively and feeds `numeric` (float32) and `categorical` (strings) to the graph.
Classes here are inside every model.joblib; their names and attributes are a format.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.utils.validation import check_is_fitted

from gristmill_ml.columns import FLOAT32_MAX, ColumnPlan, Plan, to_dates
from gristmill_ml.errors import MlError
from gristmill_ml.frames import texts_of

# Missing and rare texts become these before the pipeline, because a string imputer does not convert to ONNX.
MISSING = "__missing__"
OTHER = "__other__"
EPOCH = pd.Timestamp("1970-01-01")
_TRUE = {"true", "t", "yes", "y", "1"}
_FALSE = {"false", "f", "no", "n", "0"}


class RawPreparer(TransformerMixin, BaseEstimator):
    """Turns a frame with the original columns into the columns of the two blocks, numeric first."""

    def __init__(self, plan: Plan | None = None) -> None:
        """Takes the decisions; `fit` learns only which categories are frequent."""
        self.plan = plan

    def __sklearn_clone__(self) -> RawPreparer:
        """Shares the plan between folds: nothing changes it after it was made."""
        return RawPreparer(self.plan)

    def fit(self, X: pd.DataFrame, y: Any = None) -> RawPreparer:
        """Learns the categories of each text column, from these rows only."""
        plan = self._plan()
        self.columns_ = plan.used()
        self.categories_: dict[str, list[str]] = {}
        self.has_other_: dict[str, bool] = {}
        for column in self._of("categorical"):
            counts = pd.Series(texts_of(X[column.name], MISSING)).value_counts(sort=False)
            ranked = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
            kept = [str(text) for text, rows in ranked if rows >= plan.category_rows_min][: plan.categories_max]
            if MISSING in counts.index and MISSING not in kept:
                kept.append(MISSING)
            self.categories_[column.name] = sorted(kept)
            self.has_other_[column.name] = len(kept) < len(counts)
        self.numeric_names_ = [name for column in self.columns_ for name in numeric_names(column)]
        self.categorical_names_ = [column.name for column in self._of("categorical")]
        self.n_features_in_ = len(self.columns_)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Returns the prepared frame. A column that is missing or of the wrong type is named."""
        check_is_fitted(self, "columns_")
        require_columns(X, [column.name for column in self.columns_])
        numeric = pd.DataFrame(self._numeric(X), columns=self.numeric_names_, index=X.index)
        if not self.categorical_names_:
            return numeric
        categorical = pd.DataFrame(self._categorical(X), columns=self.categorical_names_, index=X.index, dtype=object)
        return pd.concat([numeric, categorical], axis=1)

    def blocks(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Returns what the ONNX graph takes."""
        require_columns(X, [column.name for column in self.columns_])
        feed: dict[str, np.ndarray] = {}
        if self.numeric_names_:
            feed["numeric"] = self._numeric(X)
        if self.categorical_names_:
            feed["categorical"] = self._categorical(X)
        return feed

    def _numeric(self, X: pd.DataFrame) -> np.ndarray:
        sources = [column for column in self.columns_ if column.kind != "categorical"]
        names = [column.name for column in sources]
        plain = all(column.kind == "numeric" for column in sources)
        if plain and names and all(_is_number(kind) for kind in X.dtypes.loc[names]):
            block = X[names].to_numpy(dtype=np.float64, na_value=np.nan)
            return _float32(block)
        block = np.empty((len(X), len(self.numeric_names_)), dtype=np.float64)
        place = 0
        for column in sources:
            for values in _numbers(X[column.name], column):
                block[:, place] = values
                place += 1
        return _float32(block)

    def _categorical(self, X: pd.DataFrame) -> np.ndarray:
        block = np.empty((len(X), len(self.categorical_names_)), dtype=object)
        for place, name in enumerate(self.categorical_names_):
            known = set(self.categories_[name])
            block[:, place] = [text if text in known else OTHER for text in texts_of(X[name], MISSING)]
        return block

    def _of(self, kind: str) -> list[ColumnPlan]:
        return [column for column in self.columns_ if column.kind == kind]

    def _plan(self) -> Plan:
        if self.plan is None:
            raise ValueError("a RawPreparer needs a plan")
        return self.plan


class MedianImputer(SimpleImputer):
    """scikit-learn's imputer, whose medians come from `np.nanmedian`: masked arrays take ten times as long."""

    def fit(self, X: Any, y: Any = None) -> MedianImputer:
        """Learns the medians; a column without any value is filled with 0."""
        numbers = np.asarray(X)
        super().fit(X.iloc[:2] if hasattr(X, "iloc") else numbers[:2])
        missing = np.isnan(numbers).any(axis=0)
        medians = np.zeros(numbers.shape[1], dtype=np.float64)
        if len(numbers):
            medians[~missing] = np.median(numbers[:, ~missing], axis=0)
            for column in np.flatnonzero(missing):
                known = numbers[:, column][~np.isnan(numbers[:, column])]
                medians[column] = np.median(known) if len(known) else 0.0
        self.statistics_ = medians
        return self


class LabelledClassifier(ClassifierMixin, BaseEstimator):
    """Fits any classifier on codes 0, 1, ... and answers with the labels, whatever their type."""

    def __init__(self, estimator: Any = None) -> None:
        """Takes the unfitted classifier."""
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> LabelledClassifier:
        """Sorts the labels; the position of one is its code."""
        from sklearn.base import clone

        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        self.estimator_ = clone(self.estimator)
        self.estimator_.fit(X, codes)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Returns labels."""
        return self.classes_[np.asarray(self.estimator_.predict(X), dtype=np.int64).ravel()]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Returns a column for each label, in the order of `classes_`."""
        return self.estimator_.predict_proba(X)


def require_columns(X: pd.DataFrame, names: list[str]) -> None:
    """Raises with the names of the columns that are not there."""
    there = set(X.columns)
    absent = [name for name in names if name not in there]
    if absent:
        listed = ", ".join(repr(name) for name in absent[:10]) + (" ..." if len(absent) > 10 else "")
        plural = "columns" if len(absent) > 1 else "column"
        raise MlError("missing_column", f"the model needs the {plural} {listed}", f"columns.{absent[0]}")


def numeric_names(column: ColumnPlan) -> list[str]:
    """Returns the names that a column has in the numeric block."""
    if column.kind == "date":
        return [f"{column.name}__{part}" for part in column.parts]
    return [] if column.kind == "categorical" else [column.name]


def _numbers(series: pd.Series, column: ColumnPlan) -> list[np.ndarray]:
    if column.kind == "date":
        return _date_parts(series, column)
    if column.kind == "boolean":
        return [_booleans(series, column.name)]
    if _is_number(series.dtype):
        return [series.to_numpy(dtype=np.float64, na_value=np.nan)]
    try:
        return [pd.to_numeric(series.astype(object)).to_numpy(dtype=np.float64, na_value=np.nan)]
    except (ValueError, TypeError):
        if column.type == "string":
            return [pd.to_numeric(series.astype(object), errors="coerce").to_numpy(dtype=np.float64)]
        message = f"column {column.name!r} must hold numbers"
        raise MlError("column_type", message, f"columns.{column.name}") from None


def _booleans(series: pd.Series, name: str) -> np.ndarray:
    if pd.api.types.is_bool_dtype(series.dtype) and not series.isna().any():
        return series.to_numpy(dtype=np.float64)
    result = np.full(len(series), np.nan)
    for place, value in enumerate(series.to_numpy(dtype=object)):
        if value is None or value != value or value is pd.NA:
            continue
        text = str(value).strip().lower()
        text = text.removesuffix(".0")
        if text in _TRUE:
            result[place] = 1.0
        elif text in _FALSE:
            result[place] = 0.0
        else:
            raise MlError("column_type", f"column {name!r} must hold true or false", f"columns.{name}")
    return result


def _date_parts(series: pd.Series, column: ColumnPlan) -> list[np.ndarray]:
    dates = to_dates(series)
    fields = dates.dt
    values = {
        "year": lambda: fields.year,
        "month": lambda: fields.month,
        "day": lambda: fields.day,
        "weekday": lambda: fields.day_of_week,
        "day_of_year": lambda: fields.day_of_year,
        "days": lambda: (dates - EPOCH) / pd.Timedelta(days=1),
        "hour": lambda: fields.hour,
    }
    return [values[part]().to_numpy(dtype=np.float64, na_value=np.nan) for part in column.parts]


def _float32(block: np.ndarray) -> np.ndarray:
    """Fits and predictions use float32, so that the ONNX form decides as the pipeline does. Infinities are missing."""
    # The block may be a view of the caller's frame: it is not written to.
    return np.where(np.abs(block) <= FLOAT32_MAX, block, np.nan).astype(np.float32)


def _is_number(kind: Any) -> bool:
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
