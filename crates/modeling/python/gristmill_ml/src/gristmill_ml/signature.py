"""Describes what a model takes and gives: signature.json, which the server needs to predict without Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gristmill_ml.baseline import column_numbers, sorted_quantiles
from gristmill_ml.columns import ColumnPlan, Plan
from gristmill_ml.frames import Table, texts_of, typed_json
from gristmill_ml.prepare import MISSING, OTHER, RawPreparer, numeric_names
from gristmill_ml.target import Target, label_list

EXAMPLES = 3
EXAMPLES_AMONG = 200
CATEGORIES_SHOWN = 200


def make_signature(
    table: Table, plan: Plan, prepare: RawPreparer, task: str, template_id: str, target: Target | None
) -> dict[str, Any]:
    """Returns signature.json."""
    used = plan.used()
    first = table.frame.iloc[0]
    return {
        "version": 1,
        "taskType": task,
        "templateId": template_id,
        "target": None if target is None else target.name,
        "targetType": None if target is None else target.label_type,
        "labels": label_list(target) if target is not None and task == "classification" else None,
        "featureColumns": [column.name for column in used],
        "featureTypes": {column.name: _plain_type(column) for column in used},
        "sampleRequest": {column.name: typed_json(first[column.name], column.type) for column in used},
        "columns": [_column(table.frame[column.name], column) for column in plan.columns],
        "prepare": prepare_rules(prepare),
        "output": _output(task, target),
    }


def prepare_rules(prepare: RawPreparer) -> dict[str, Any]:
    """Returns how a raw row becomes the two inputs of the ONNX graph."""
    numeric = []
    for column in prepare.columns_:
        if column.kind == "categorical":
            continue
        parts = column.parts if column.kind == "date" else (None,)
        for name, part in zip(numeric_names(column), parts, strict=True):
            entry = {"name": name, "column": column.name, "kind": column.kind}
            numeric.append(entry if part is None else {**entry, "part": part})
    return {
        "missing": MISSING,
        "other": OTHER,
        "numeric": numeric,
        "categorical": [
            {"column": name, "categories": prepare.categories_[name]} for name in prepare.categorical_names_
        ],
    }


def _plain_type(column: ColumnPlan) -> str:
    if column.kind == "numeric":
        return "int" if column.type == "int" else "float"
    return "str"


def _column(series: pd.Series, column: ColumnPlan) -> dict[str, Any]:
    known = series.dropna()
    entry: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "kind": column.kind,
        "required": column.kind != "drop",
        "nullable": True,
        "missing": column.missing,
        "reason": column.reason,
        "examples": [
            typed_json(value, column.type) for value in known.head(EXAMPLES_AMONG).drop_duplicates().head(EXAMPLES)
        ],
    }
    if column.kind in ("numeric", "date") and len(known):
        numbers = column_numbers(series, column)
        numbers = np.sort(numbers[np.isfinite(numbers)])
        if len(numbers):
            low, q25, q50, q75, high = sorted_quantiles(numbers, np.array([0, 0.25, 0.5, 0.75, 1])).tolist()
            entry["range"] = {"min": low, "q25": q25, "q50": q50, "q75": q75, "max": high}
    if column.kind in ("categorical", "boolean"):
        counts = pd.Series(texts_of(known, None)).value_counts()
        entry["categories"] = [str(text) for text in counts.index[:CATEGORIES_SHOWN]]
        entry["categoriesComplete"] = len(counts) <= CATEGORIES_SHOWN
    return entry


def _output(task: str, target: Target | None) -> dict[str, Any]:
    if task == "classification" and target is not None:
        texts = [entry["text"] for entry in label_list(target)]
        return {"prediction": target.label_type, "probabilities": texts}
    return {"prediction": "float" if task == "regression" else "int"}
