"""Builds the scikit-learn pipeline: prepare, encode, model. And reads the names that its columns have inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from gristmill_ml.columns import Plan
from gristmill_ml.prepare import LabelledClassifier, MedianImputer, RawPreparer, numeric_names


def build_pipeline(plan: Plan, estimator: Any, task: str, scales: bool) -> Pipeline:
    """Returns the unfitted pipeline that takes raw dataset columns."""
    model = LabelledClassifier(estimator) if task == "classification" else estimator
    return Pipeline([("prepare", RawPreparer(plan)), ("encode", build_encoder(plan, scales)), ("model", model)])


def build_encoder(plan: Plan, scales: bool) -> ColumnTransformer:
    """Returns the second step. Columns are named by position, so that it converts to a graph with two inputs."""
    numeric = sum(len(numeric_names(column)) for column in plan.used())
    categorical = sum(column.kind == "categorical" for column in plan.used())
    steps: list[tuple[str, Any, list[int]]] = []
    if numeric:
        numbers: list[tuple[str, Any]] = [("impute", MedianImputer(strategy="median", keep_empty_features=True))]
        if scales:
            numbers.append(("scale", StandardScaler()))
        steps.append(("numeric", Pipeline(numbers), list(range(numeric))))
    if categorical:
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
        steps.append(("categorical", one_hot, list(range(numeric, numeric + categorical))))
    return ColumnTransformer(steps)


def inner_estimator(pipeline: Pipeline) -> Any:
    """Returns the fitted estimator itself, without the wrapper around a classifier."""
    model = pipeline.named_steps["model"]
    return model.estimator_ if isinstance(model, LabelledClassifier) else model


def encoded_names(pipeline: Pipeline) -> list[str]:
    """Returns the names of the columns that the estimator sees, such as `age`, `joined__year`, `island=Biscoe`."""
    return [name for name, _ in encoded_columns(pipeline)]


def encoded_columns(pipeline: Pipeline) -> list[tuple[str, str]]:
    """Returns, for each column that the estimator sees, its name and the dataset column it comes from."""
    prepare: RawPreparer = pipeline.named_steps["prepare"]
    pairs = [
        (name, column.name)
        for column in prepare.columns_
        if column.kind != "categorical"
        for name in numeric_names(column)
    ]
    if prepare.categorical_names_:
        one_hot: OneHotEncoder = pipeline.named_steps["encode"].named_transformers_["categorical"]
        for name, categories in zip(prepare.categorical_names_, one_hot.categories_, strict=True):
            pairs.extend((f"{name}={category}", name) for category in categories)
    return pairs


def encode(pipeline: Pipeline, frame: pd.DataFrame) -> np.ndarray:
    """Returns what the estimator sees of these rows."""
    return np.asarray(pipeline[:-1].transform(frame))


def model_importances(pipeline: Pipeline) -> dict[str, Any] | None:
    """Returns the estimator's own importances by dataset column and by encoded column, largest first."""
    estimator = inner_estimator(pipeline)
    raw = getattr(estimator, "feature_importances_", None)
    if raw is None and hasattr(estimator, "coef_"):
        raw = np.abs(np.atleast_2d(estimator.coef_)).mean(axis=0)
    pairs = encoded_columns(pipeline)
    if raw is None or len(raw) != len(pairs):
        return None
    values = np.asarray(raw, dtype=np.float64)
    total = values.sum()
    values = values / total if total > 0 else values
    by_column: dict[str, float] = {}
    for (_, column), value in zip(pairs, values, strict=True):
        by_column[column] = by_column.get(column, 0.0) + float(value)
    encoded = {name: float(value) for (name, _), value in zip(pairs, values, strict=True)}
    return {**_ranked(by_column), "encoded": _ranked(encoded, 200)}


def _ranked(values: dict[str, float], most: int | None = None) -> dict[str, Any]:
    order = sorted(values, key=lambda name: (-values[name], name))[:most]
    return {"features": order, "importances": [values[name] for name in order]}
