"""SHAP values: exact for trees and linear models, sampled within bounds for all others.

For every row and class, the values and the base add up to what the model answers in the space that `output` names.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.pipeline import Pipeline

from gristmill_ml.errors import MlError
from gristmill_ml.frames import Table, read_table
from gristmill_ml.pipeline import encode, encoded_columns, inner_estimator
from gristmill_ml.predict import Model
from gristmill_ml.progress import Progress
from gristmill_ml.spec import Reader

ROWS = 200
ROWS_MAX = 5000
BACKGROUND = 50
BACKGROUND_MAX = 500
# Model rows that a sampled explanation may ask for in all.
SAMPLED_ROWS_MAX = 1_000_000
# How far values and base may miss the model's answer before they are not shown.
ADDITIVITY_TOLERANCE = 1e-3
VALUES_MAX = 4_000_000


@dataclass
class Explanation:
    """Values as rows by columns by outputs, a base for each output, and the answers that they add up to."""

    values: np.ndarray
    base: np.ndarray
    answers: np.ndarray
    output: str
    explainer: str


def run(
    model: Model, features: Table, ids: pa.Array, options: Reader, directory: Path, progress: Progress
) -> dict[str, Any]:
    """Returns shap.json. What cannot be explained says why: `{available: false, reason}`."""
    rows = options.integer("rows", ROWS, 1, ROWS_MAX)
    background_rows = options.integer("background", BACKGROUND, 1, BACKGROUND_MAX)
    seed = options.integer("seed", 42, 0, 2**32 - 1)
    background = features
    if options.has("backgroundFile"):
        background = read_table(options.file("backgroundFile", directory), "explain.backgroundFile")
    if model.task == "clustering":
        return {"available": False, "reason": "clusters are not explained"}
    if not isinstance(model.pipeline, Pipeline) or "prepare" not in model.pipeline.named_steps:
        return {"available": False, "reason": "the model is not one that Gristmill trained"}
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(features))[:rows])
    behind = np.sort(random.permutation(len(background))[:background_rows])
    try:
        return explain(
            model,
            features.frame.iloc[chosen],
            background.frame.iloc[behind],
            [str(ids[int(place)].as_py()) for place in chosen],
            seed,
            progress,
        )
    except MlError:
        raise
    except Exception as error:
        reason = f"the explainer failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return {"available": False, "reason": reason}


def explain(
    model: Model, frame: pd.DataFrame, background: pd.DataFrame, ids: list[str], seed: int, progress: Progress | None
) -> dict[str, Any]:
    """Returns shap.json for these rows."""
    data = encode(model.pipeline, frame)
    behind = encode(model.pipeline, background)
    notes: list[str] = []
    found = _exact(model, data, behind, notes)
    if found is None:
        if progress is not None:
            progress.stage("explaining", 0.75, explainer="permutation")
        rows = _affordable(data.shape[1], len(behind), len(data))
        if rows == 0:
            return {"available": False, "reason": f"{data.shape[1]} encoded columns are too many to sample"}
        if rows < len(data):
            notes.append(f"{rows} of {len(data)} rows are explained, so that sampling stays within bounds")
        data, ids = data[:rows], ids[:rows]
        found = _sampled(model, data, behind, seed)
    return _result(model, found, data, ids, notes)


def _affordable(columns: int, background: int, rows: int) -> int:
    return min(rows, SAMPLED_ROWS_MAX // max(1, (2 * columns + 1) * background))


def _exact(model: Model, data: np.ndarray, behind: np.ndarray, notes: list[str]) -> Explanation | None:
    """Returns exact values for trees and linear models, or None for other models and where they do not add up."""
    estimator = inner_estimator(model.pipeline)
    if hasattr(estimator, "coef_"):
        return _linear(estimator, data, behind)
    name = type(estimator).__name__
    if not name.startswith(("RandomForest", "ExtraTrees", "GradientBoosting", "HistGradient", "LGBM", "XGB")):
        return None
    import shap

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
            values = explainer.shap_values(data, check_additivity=False)
    except Exception as error:
        notes.append(f"the tree explainer does not take {name} ({type(error).__name__}); values are sampled")
        return None
    output, answers = _answers(estimator, data, model.task)
    cube = _cube(values, len(data), data.shape[1])
    base = np.atleast_1d(np.asarray(explainer.expected_value, dtype=np.float64)).ravel()
    if cube.shape[2] == 1 and answers.shape[1] == 2 and output == "probability":
        answers = answers[:, 1:]
    if cube.shape[2] != answers.shape[1] or len(base) != cube.shape[2]:
        notes.append(f"the tree explainer gave {cube.shape[2]} outputs for {answers.shape[1]}; values are sampled")
        return None
    found = Explanation(cube, base, answers, output, "tree")
    if _gap(found) > ADDITIVITY_TOLERANCE:
        notes.append(f"the tree explainer's values miss the answers by {_gap(found):.2g}; values are sampled")
        return None
    return found


def _linear(estimator: Any, data: np.ndarray, behind: np.ndarray) -> Explanation:
    """Returns coefficient times the distance from the background's mean, which is what SHAP is for a linear model."""
    weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64))
    constant = np.atleast_1d(np.asarray(estimator.intercept_, dtype=np.float64))
    middle = behind.astype(np.float64).mean(axis=0)
    values = (data.astype(np.float64) - middle)[:, :, None] * weights.T[None, :, :]
    answers = data.astype(np.float64) @ weights.T + constant
    output = "log_odds" if hasattr(estimator, "decision_function") else "value"
    return Explanation(values, middle @ weights.T + constant, answers, output, "linear")


def _answers(estimator: Any, data: np.ndarray, task: str) -> tuple[str, np.ndarray]:
    """Returns what a tree model's SHAP values add up to."""
    if task == "regression":
        return "value", np.asarray(estimator.predict(data), dtype=np.float64).reshape(-1, 1)
    name = type(estimator).__name__
    if name.startswith(("RandomForest", "ExtraTrees")):
        return "probability", np.asarray(estimator.predict_proba(data), dtype=np.float64)
    if name.startswith("LGBM"):
        raw = estimator.predict(data, raw_score=True)
    elif name.startswith("XGB"):
        raw = estimator.predict(data, output_margin=True)
    else:
        raw = estimator.decision_function(data)
    return "log_odds", np.asarray(raw, dtype=np.float64).reshape(len(data), -1)


def _cube(values: Any, rows: int, columns: int) -> np.ndarray:
    """Returns rows by columns by outputs, from the list, the matrix or the cube that versions of shap give."""
    if isinstance(values, list):
        return np.stack([np.asarray(part, dtype=np.float64) for part in values], axis=2)
    return np.asarray(values, dtype=np.float64).reshape(rows, columns, -1)


def _sampled(model: Model, data: np.ndarray, behind: np.ndarray, seed: int) -> Explanation:
    """Returns permutation values, which add up exactly, in the space of probabilities or of values."""
    from shap.explainers import Permutation
    from shap.maskers import Independent

    final = model.pipeline.steps[-1][1]
    answer = final.predict_proba if model.task == "classification" else final.predict

    def ask(rows: np.ndarray) -> np.ndarray:
        return np.asarray(answer(rows.astype(np.float32)), dtype=np.float64).reshape(len(rows), -1)

    masker = Independent(behind.astype(np.float64), max_samples=len(behind))
    explainer = Permutation(ask, masker, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = explainer(data.astype(np.float64), max_evals=2 * data.shape[1] + 1, silent=True)
    cube = _cube(found.values, len(data), data.shape[1])
    base = np.asarray(found.base_values, dtype=np.float64).reshape(len(data), -1)[0]
    output = "probability" if model.task == "classification" else "value"
    return Explanation(cube, base, ask(data), output, "permutation")


def _gap(found: Explanation) -> float:
    sums = found.values.sum(axis=1) + found.base
    scale = np.maximum(1.0, np.abs(found.answers))
    return float((np.abs(sums - found.answers) / scale).max(initial=0.0))


def _result(model: Model, found: Explanation, data: np.ndarray, ids: list[str], notes: list[str]) -> dict[str, Any]:
    pairs = encoded_columns(model.pipeline)
    labels = model.labels
    outputs = found.values.shape[2]
    if model.task == "classification" and outputs == 2 and len(labels) == 2:
        # Both sides of a binary answer say the same; the positive class is the one that clients show.
        found = Explanation(found.values[:, :, 1:], found.base[1:], found.answers[:, 1:], found.output, found.explainer)
        outputs = 1
    place, label = 0, None
    if model.task == "classification":
        place = int(np.bincount(found.answers.argmax(axis=1), minlength=outputs).argmax()) if outputs > 1 else 0
        label = labels[place] if outputs > 1 else labels[-1]
    values = found.values[:, :, place]
    strength = np.abs(values).mean(axis=0)
    result: dict[str, Any] = {
        "available": True,
        "values": values.tolist(),
        "base_values": float(found.base[place]),
        "data": data.astype(np.float64).tolist(),
        "feature_names": [name for name, _ in pairs],
        "mean_abs_values": strength.tolist(),
        "feature_columns": [column for _, column in pairs],
        "by_column": _by_column(pairs, values),
        "row_ids": ids,
        "class": label,
        "output": found.output,
        "explainer": found.explainer,
        "additivity_gap": _gap(found),
        "warnings": notes,
    }
    if outputs > 1:
        result["mean_abs_by_class"] = {
            labels[number]: np.abs(found.values[:, :, number]).mean(axis=0).tolist() for number in range(outputs)
        }
        if found.values.size <= VALUES_MAX:
            result["by_class"] = {
                labels[number]: {
                    "values": found.values[:, :, number].tolist(),
                    "base_value": float(found.base[number]),
                }
                for number in range(outputs)
            }
    return result


def _by_column(pairs: list[tuple[str, str]], values: np.ndarray) -> dict[str, Any]:
    """Returns the mean absolute value of each dataset column: the sum over the columns that it became."""
    columns = list(dict.fromkeys(column for _, column in pairs))
    place = {column: number for number, column in enumerate(columns)}
    sums = np.zeros((len(values), len(columns)))
    for number, (_, column) in enumerate(pairs):
        sums[:, place[column]] += values[:, number]
    strength = np.abs(sums).mean(axis=0)
    order = np.argsort(-strength, kind="stable")
    return {
        "features": [columns[number] for number in order],
        "mean_abs_values": [float(strength[number]) for number in order],
    }
