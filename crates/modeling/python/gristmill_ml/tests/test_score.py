from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from gristmill_ml.errors import MlError
from gristmill_ml.frames import write_table
from helpers import QUICK, Ran, dataset, environment, predict, run, score, split, train, whole


def predictions(
    path: Path, ids: Any, predicted: Any, chances: dict[str, Any] | None = None, task: str = "classification"
) -> None:
    columns = {"__row_id": np.asarray(ids), "prediction": np.asarray(predicted)}
    columns |= {f"probability:{label}": np.asarray(values) for label, values in (chances or {}).items()}
    write_table(path, columns, {"taskType": task, "labels": list(chances or {})})


def walk(node: dict[str, Any]) -> None:
    """Children add up to their parent."""
    assert node["error_rate"] == round(node["error_count"] / node["sample_count"], 4)
    if "left" in node:
        for key in ("sample_count", "error_count"):
            assert node["left"][key] + node["right"][key] == node[key]
        assert node["feature"] and node["condition"]
        walk(node["left"])
        walk(node["right"])


def test_blocks_agree_with_scikit_learn_and_with_each_other(tmp_path: Path) -> None:
    _, predicted, scored = whole(
        tmp_path, "mixed", "logistic_regression", cv={"folds": 2}, learningCurve=None, onnx=False
    )
    frame, target = dataset("mixed")
    truth = frame.set_index("__row_id")[target]
    table = pd.read_parquet(predicted.out / "predictions.parquet").set_index("__row_id")
    y, p = truth[table.index].map({True: "true", False: "false"}), table["prediction"]
    evaluation, analysis = scored.json("evaluation.json"), scored.json("error_analysis.json")
    assert evaluation["metrics"]["f1"] == pytest.approx(sk.f1_score(y, p, average="weighted"))
    assert evaluation["metrics"]["f1_macro"] == pytest.approx(sk.f1_score(y, p, average="macro"))
    assert evaluation["metrics"]["roc_auc"] == pytest.approx(sk.roc_auc_score(y == "true", table["probability:true"]))
    assert evaluation["metrics"]["log_loss"] == pytest.approx(sk.log_loss(y == "true", table["probability:true"]))
    matrix = np.array(evaluation["confusion_matrix"]["matrix"])
    assert (matrix == sk.confusion_matrix(y, p, labels=["false", "true"])).all()
    assert set(evaluation["roc_curves"]) == set(evaluation["precision_recall_curves"]) == {"true"}
    assert len(evaluation["roc_curves"]["true"]["fpr"]) <= 200
    assert evaluation["calibration_curve"]["n_bins"] == 10
    line = evaluation["classification_report"]["true"]
    assert (
        line["f1"] == line["f1-score"]
        and evaluation["classification_report"]["accuracy"] == evaluation["metrics"]["accuracy"]
    )
    assert evaluation["cross_validation"]["scoring"] == "accuracy"
    assert (
        sum(evaluation["class_distribution"]["train"].values()) + sum(evaluation["class_distribution"]["test"].values())
        == 5000
    )
    # W2.5: the reference's tree counted nearly no errors.
    errors = int(matrix.sum() - np.trace(matrix))
    assert errors > 50
    root = analysis["error_tree"]
    assert (
        (root["sample_count"], root["error_count"])
        == (int(matrix.sum()), errors)
        == (analysis["rows"], analysis["errors"])
    )
    walk(root)
    wrong = analysis["misclassifications"]
    assert len(wrong) == 50 and all(entry["y_true"] != entry["y_pred"] for entry in wrong)
    assert [entry["confidence"] for entry in wrong] == sorted((entry["confidence"] for entry in wrong), reverse=True)


def test_many_classes_have_a_curve_each(tmp_path: Path) -> None:
    _, _, scored = whole(tmp_path, "digits", "logistic_regression", **QUICK)
    evaluation = scored.json("evaluation.json")
    assert set(evaluation["roc_curves"]) == {str(number) for number in range(10)}
    assert "calibration_curve" not in evaluation
    assert evaluation["confusion_matrix"]["labels"] == [str(number) for number in range(10)]
    rows = np.array(evaluation["confusion_matrix"]["matrix_normalized"]).sum(axis=1)
    assert rows == pytest.approx(np.ones(10))


def test_regression_blocks(tmp_path: Path) -> None:
    _, _, scored = whole(tmp_path, "penguins", "ridge_regression", target="body_mass_g", **QUICK)
    evaluation, analysis = scored.json("evaluation.json"), scored.json("error_analysis.json")
    assert len(evaluation["residual_histogram"]["bin_edges"]) == 31
    assert sum(evaluation["residual_histogram"]["counts"]) == len(evaluation["residuals"]["y_true"])
    assert {"rmse", "mae", "r2"} <= set(evaluation["metrics"])
    assert analysis["error_rule"]["type"] == "absolute_residual_above"
    walk(analysis["error_tree"])


def test_clusters_are_scored_from_features(tmp_path: Path) -> None:
    frame, target = dataset("iris")
    features = frame.drop(columns=target)
    model = train(tmp_path / "t", features, "kmeans", None, **QUICK)
    predicted = predict(tmp_path / "p", model, features)
    place = tmp_path / "s"
    place.mkdir()
    features.to_parquet(place / "features.parquet", index=False)
    (predicted.out / "predictions.parquet").rename(place / "predictions.parquet")
    scored = run("score", place, {})
    block = scored.json("evaluation.json")["clustering_metrics"]
    assert block["n_clusters"] == 3 and 0 < block["silhouette"] < 1 and block["davies_bouldin"] > 0
    assert len(block["projection"]["points"]) == len(block["projection"]["labels"]) == 150
    assert scored.json("error_analysis.json")["available"] is False


def test_permutation_importance_from_shuffled_features(tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    inside, outside = split(frame)
    model = train(tmp_path / "t", inside, "random_forest_classifier", target, params={"n_estimators": 20}, **QUICK)
    features = outside.drop(columns=target)
    place = tmp_path / "p"
    place.mkdir()
    random = np.random.default_rng(0)
    inputs = []
    for column in features.columns.drop("__row_id"):
        for repeat in range(2):
            file = f"{len(inputs)}.parquet"
            shuffled = pd.DataFrame({"__row_id": features["__row_id"], column: random.permutation(features[column])})
            # The rows of an input may come in any order.
            shuffled.sample(frac=1, random_state=repeat).to_parquet(place / file, index=False)
            inputs.append({"name": f"{len(inputs)}", "file": file, "feature": column})
    predicted = predict(place, model, features, inputs=inputs)
    scored_at = tmp_path / "s"
    (scored_at / "permuted").mkdir(parents=True)
    for entry in inputs:
        (predicted.out / "predictions" / f"{entry['name']}.parquet").rename(scored_at / "permuted" / entry["file"])
    permuted = [{"feature": entry["feature"], "file": f"permuted/{entry['file']}"} for entry in inputs]
    scored = score(scored_at, predicted.out / "predictions.parquet", outside[["__row_id", target]], permuted=permuted)
    block = scored.json("evaluation.json")["feature_importance"]["permutation"]
    assert set(block["features"]) == set(features.columns) - {"__row_id"}
    assert block["importances_mean"] == sorted(block["importances_mean"], reverse=True)
    assert (
        block["features"][0] in ("bill_length_mm", "flipper_length_mm", "island")
        and block["importances_mean"][0] > 0.02
    )
    assert block["repeats"] == 2


def test_rows_are_joined_by_their_ids(tmp_path: Path) -> None:
    predictions(tmp_path / "p.parquet", [3, 1, 2], ["a", "b", "b"])
    labels = pd.DataFrame({"__row_id": [1, 2, 3], "y": ["b", "a", "a"]})
    assert score(tmp_path / "s", tmp_path / "p.parquet", labels).done["metrics"]["accuracy"] == pytest.approx(2 / 3)
    with pytest.raises(MlError, match="1 of 4 labelled rows"):
        score(
            tmp_path / "t", tmp_path / "p.parquet", pd.DataFrame({"__row_id": [1, 2, 3, 4], "y": ["b", "a", "a", "a"]})
        )


def test_odd_predictions_are_refused_or_counted(tmp_path: Path) -> None:
    labels = pd.DataFrame({"__row_id": [1, 2, 3], "y": [1.0, np.nan, 3.0]})
    predictions(tmp_path / "n.parquet", [1, 2, 3], [1.0, 2.0, np.nan], task="regression")
    with pytest.raises(MlError) as caught:
        score(tmp_path / "a", tmp_path / "n.parquet", labels)
    assert caught.value.code == "prediction_not_finite"
    predictions(tmp_path / "d.parquet", [1, 1, 3], [1.0, 2.0, 3.0], task="regression")
    with pytest.raises(MlError) as caught:
        score(tmp_path / "b", tmp_path / "d.parquet", labels)
    assert caught.value.code == "duplicate_row_id"
    # A label that training did not see counts as an error, and is named.
    predictions(tmp_path / "u.parquet", [1, 2], ["a", "b"], {"a": [0.9, 0.2], "b": [0.1, 0.8]})
    scored = score(tmp_path / "c", tmp_path / "u.parquet", pd.DataFrame({"__row_id": [1, 2], "y": ["a", "zebra"]}))
    evaluation = scored.json("evaluation.json")
    assert evaluation["confusion_matrix"]["labels"] == ["a", "b", "zebra"]
    assert any("zebra" in warning for warning in evaluation["warnings"])


def test_scoring_never_loads_a_model(forest: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, target = dataset("penguins")
    _, outside = split(frame)
    predicted = predict(tmp_path / "p", forest, outside.drop(columns=target))
    monkeypatch.setattr(joblib, "load", lambda *_: pytest.fail("loaded"))
    score(tmp_path / "s", predicted.out / "predictions.parquet", outside[["__row_id", target]])
    code = "import sys, gristmill_ml.score, gristmill_ml.compare; print('gristmill_ml.predict' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert ran.stdout.strip() == "False", ran.stderr


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_metrics_alone_are_those_of_the_evaluation(task: str, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    ids = np.arange(200)
    if task == "classification":
        truth = random.choice(["a", "b"], 200)
        chances = random.random(200)
        columns = {"a": chances, "b": 1 - chances}
        predictions(tmp_path / "p.parquet", ids, np.where(chances > 0.5, "a", "b"), columns)
    else:
        truth = random.normal(size=200)
        predictions(tmp_path / "p.parquet", ids, truth + random.normal(size=200), task=task)
    labels = pd.DataFrame({"__row_id": ids, "y": truth})
    whole_one = score(tmp_path / "w", tmp_path / "p.parquet", labels)
    alone = score(tmp_path / "m", tmp_path / "p.parquet", labels, metricsOnly=True)
    assert alone.done["metrics"] == whole_one.json("evaluation.json")["metrics"] and len(alone.done["metrics"]) > 5
    assert not list(alone.out.iterdir())
