from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from test_train import SMALL

from gristmill_ml import explain
from gristmill_ml.pipeline import encode, inner_estimator
from gristmill_ml.predict import Model
from helpers import QUICK, dataset, predict, split, train

CASES = [
    ("random_forest_classifier", "penguins", "species", "tree"),
    ("random_forest_classifier", "breast_cancer", "target", "tree"),
    ("random_forest_regressor", "penguins", "body_mass_g", "tree"),
    ("logistic_regression", "penguins", "species", "linear"),
    ("logistic_regression", "breast_cancer", "target", "linear"),
    ("ridge_regression", "diabetes", "target", "linear"),
    ("gradient_boosting_classifier", "breast_cancer", "target", "tree"),
    ("gradient_boosting_classifier", "iris", "target", None),
    ("gradient_boosting_regressor", "diabetes", "target", "tree"),
    ("lightgbm_classifier", "iris", "target", "tree"),
    ("lightgbm_classifier", "breast_cancer", "target", "tree"),
    ("xgboost_classifier", "iris", "target", "tree"),
    ("xgboost_classifier", "breast_cancer", "target", "tree"),
    ("xgboost_regressor", "diabetes", "target", "tree"),
    ("hist_gradient_boosting_classifier", "iris", "target", "tree"),
    ("knn_classifier", "iris", "target", "permutation"),
]


def answers(pipeline: Any, frame: pd.DataFrame, output: str, task: str) -> np.ndarray:
    """What the model says of these rows in the space that the explanation names."""
    if task == "regression":
        return pipeline.predict(frame).reshape(-1, 1)
    if output == "probability":
        return pipeline.predict_proba(frame)
    estimator, data = inner_estimator(pipeline), encode(pipeline, frame)
    if hasattr(estimator, "decision_function"):
        raw = estimator.decision_function(data)
    elif type(estimator).__name__.startswith("LGBM"):
        raw = estimator.predict(data, raw_score=True)
    else:
        raw = estimator.predict(data, output_margin=True)
    return np.asarray(raw).reshape(len(frame), -1)


@pytest.mark.parametrize(("template_id", "name", "target", "kind"), CASES)
def test_values_and_base_add_up_to_the_answer(
    template_id: str, name: str, target: str, kind: str | None, tmp_path: Path
) -> None:
    frame, _ = dataset(name)
    frame = frame[frame[target].notna()]
    inside, outside = split(frame)
    model = train(tmp_path, inside, template_id, target, params=SMALL.get(template_id, {}), **QUICK)
    pipeline = joblib.load(model.out / "model.joblib")
    task = model.json("signature.json")["taskType"]
    rows = outside.drop(columns=target).head(12)
    found = explain.explain(Model(pipeline, task, target), rows, inside.head(20), [str(n) for n in range(12)], 1, None)
    assert found["available"], found
    assert kind is None or found["explainer"] == kind
    values = np.array(found["values"])
    assert values.ndim == 2 and values.shape == (12, len(found["feature_names"]))
    expected = answers(pipeline, rows, found["output"], task)
    if "by_class" in found:
        labels = [label["text"] for label in model.json("signature.json")["labels"]]
        assert list(found["by_class"]) == labels
        for number, label in enumerate(labels):
            one = found["by_class"][label]
            assert np.array(one["values"]).sum(axis=1) + one["base_value"] == pytest.approx(
                expected[:, number], abs=1e-4
            )
        assert found["by_class"][found["class"]]["values"] == found["values"]
    else:
        assert values.sum(axis=1) + found["base_values"] == pytest.approx(expected[:, -1], rel=1e-5, abs=1e-4)
    assert np.abs(values).mean(axis=0) == pytest.approx(np.array(found["mean_abs_values"]))


def test_explaining_is_part_of_predicting_and_names_its_rows(tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    inside, outside = split(frame)
    model = train(tmp_path / "t", inside, "logistic_regression", target, **QUICK)
    predicted = predict(tmp_path / "p", model, outside.drop(columns=target), explain={"rows": 10, "background": 30})
    found = predicted.json("shap.json")
    assert len(found["values"]) == len(found["row_ids"]) == 10
    assert set(found["row_ids"]) <= {str(number) for number in outside["__row_id"]}
    assert set(found["by_column"]["features"]) == set(inside.columns) - {target, "__row_id"}


def test_sampling_stays_within_bounds() -> None:
    assert explain._affordable(10, 50, 100) == 100
    assert explain._affordable(1000, 50, 100) == 9
    assert explain._affordable(100_000, 50, 100) == 0
