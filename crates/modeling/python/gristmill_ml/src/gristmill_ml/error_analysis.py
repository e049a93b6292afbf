"""Where the model is wrong: a small tree over the features, and the rows it was most sure about.

Counts are counts of rows: those of the root agree with the confusion matrix, and children add up to their parent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from gristmill_ml.baseline import column_numbers
from gristmill_ml.columns import DATE_PARTS, ColumnPlan, to_dates
from gristmill_ml.frames import Table, json_value, texts_of
from gristmill_ml.labels import Judged

DEPTH = 4
SHOWN_MAX = 50
CATEGORIES_MAX = 10
RESIDUAL_SHARE = 0.8


def analyse(
    judged: Judged, features: Table | None, row_id: str, shap: dict[str, Any] | None, seed: int
) -> dict[str, Any]:
    """Returns error_analysis.json. Without features there is no tree, only the rows."""
    classification = judged.y_true.dtype == object
    result: dict[str, Any] = {"available": True}
    if classification:
        wrong = judged.y_true != judged.y_pred
        result["error_rule"] = {"type": "wrong_label"}
        result["misclassifications"] = _misclassified(judged, wrong, shap)
    else:
        sizes = np.abs(judged.y_true - judged.y_pred)
        limit = float(np.quantile(sizes, RESIDUAL_SHARE))
        wrong = sizes > limit
        result["error_rule"] = {"type": "absolute_residual_above", "threshold": limit, "quantile": RESIDUAL_SHARE}
        result["worst_predictions"] = _worst(judged, sizes)
    result["rows"] = len(wrong)
    result["errors"] = int(wrong.sum())
    if features is not None:
        order = pd.Index(features.frame[row_id]).get_indexer(judged.ids) if row_id in features.types else None
        if order is None or (order < 0).any():
            result["tree_reason"] = "the features do not have all rows"
        else:
            frame = features.frame.iloc[order].reset_index(drop=True)
            result["error_tree"] = error_tree(frame, features.types, wrong, {row_id}, seed)
    return result


def _misclassified(judged: Judged, wrong: np.ndarray, shap: dict[str, Any] | None) -> list[dict[str, Any]]:
    chances = judged.probabilities
    confidence = chances.max(axis=1) if chances is not None else np.full(len(wrong), 0.5)
    places = np.flatnonzero(wrong)
    places = places[np.argsort(-confidence[places], kind="stable")][:SHOWN_MAX]
    contributors = _contributors(shap)
    return [
        {
            "index": int(place),
            "row_id": json_value(judged.ids[place]),
            "y_true": str(judged.y_true[place]),
            "y_pred": str(judged.y_pred[place]),
            "confidence": round(float(confidence[place]), 6),
            "top_shap_contributors": contributors.get(str(json_value(judged.ids[place])), []),
        }
        for place in places
    ]


def _contributors(shap: dict[str, Any] | None, most: int = 5) -> dict[str, list[dict[str, Any]]]:
    """Returns the largest SHAP values by row id, from a shap.json that names its rows."""
    if not shap or not isinstance(shap.get("row_ids"), list) or not isinstance(shap.get("values"), list):
        return {}
    names = shap.get("feature_names") or []
    result: dict[str, list[dict[str, Any]]] = {}
    for row, values in zip(shap["row_ids"], shap["values"], strict=False):
        ranked = sorted(zip(names, values, strict=False), key=lambda pair: -abs(pair[1] or 0.0))[:most]
        result[str(row)] = [{"feature": name, "value": value} for name, value in ranked]
    return result


def _worst(judged: Judged, sizes: np.ndarray) -> list[dict[str, Any]]:
    places = np.argsort(-sizes, kind="stable")[:SHOWN_MAX]
    return [
        {
            "index": int(place),
            "row_id": json_value(judged.ids[place]),
            "y_true": float(judged.y_true[place]),
            "y_pred": float(judged.y_pred[place]),
            "residual": float(judged.y_true[place] - judged.y_pred[place]),
        }
        for place in places
    ]


def error_tree(
    frame: pd.DataFrame, types: dict[str, str], wrong: np.ndarray, aside: set[str], seed: int
) -> dict[str, Any] | None:
    """Returns the tree's root, or None where no column can divide the rows."""
    matrix, names = _matrix(frame, types, aside)
    if matrix.shape[1] == 0:
        return None
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=max(1, len(wrong) // 100), random_state=seed)
    tree.fit(matrix, wrong)
    inner = tree.tree_
    path = tree.decision_path(matrix)
    errors = np.asarray(path.T @ wrong.astype(np.int64)).ravel()
    counts = np.asarray(path.sum(axis=0)).ravel()

    def node(number: int) -> dict[str, Any]:
        count, bad = int(counts[number]), int(errors[number])
        entry: dict[str, Any] = {
            "node_id": number,
            "error_rate": round(bad / count, 4) if count else 0.0,
            "sample_count": count,
            "error_count": bad,
        }
        left, right = int(inner.children_left[number]), int(inner.children_right[number])
        if left >= 0:
            name, category = names[int(inner.feature[number])]
            threshold = float(inner.threshold[number])
            entry["feature"] = name if category is None else f"{name}={category}"
            entry["threshold"] = threshold
            entry["condition"] = f"{name} <= {threshold:.6g}" if category is None else f"{name} is not {category}"
            entry["left"], entry["right"] = node(left), node(right)
        return entry

    return node(0)


def _matrix(
    frame: pd.DataFrame, types: dict[str, str], aside: set[str]
) -> tuple[np.ndarray, list[tuple[str, str | None]]]:
    """Returns numbers (missing ones below all others) and the most frequent texts as columns."""
    columns: list[np.ndarray] = []
    names: list[tuple[str, str | None]] = []
    for name in frame.columns:
        kind = types[name]
        series = frame[name]
        if name in aside or kind in ("null", "unsupported"):
            continue
        if kind == "string":
            texts = texts_of(series, "(missing)")
            for text in pd.Series(texts).value_counts().index[:CATEGORIES_MAX]:
                columns.append((texts == text).astype(np.float64))
                names.append((name, str(text)))
            continue
        plan = ColumnPlan(name, kind, "date" if kind in ("date", "datetime") else "numeric", "", "", DATE_PARTS)
        numbers = column_numbers(to_dates(series) if plan.kind == "date" else series, plan)
        known = numbers[np.isfinite(numbers)]
        low = float(known.min()) if len(known) else 0.0
        columns.append(np.where(np.isfinite(numbers), numbers, low - 1 - abs(low)))
        names.append((name, None))
    matrix = np.column_stack(columns) if columns else np.empty((len(frame), 0))
    return np.clip(matrix, -1e37, 1e37), names
