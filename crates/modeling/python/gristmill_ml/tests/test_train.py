from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, r2_score, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gristmill_ml import onnx_export
from gristmill_ml.templates import build_estimator, catalogue, check_parameters, resolve
from helpers import QUICK, Ran, dataset, predict, split, train, whole

CLASSIFIERS = [t.id for t in catalogue().values() if t.task == "classification" and not t.is_auto]
REGRESSORS = [t.id for t in catalogue().values() if t.task == "regression" and not t.is_auto]
CLUSTERERS = [t.id for t in catalogue().values() if t.task == "clustering"]
# No slow default decides whether this suite is fast; the direct estimator gets the same values.
SMALL: dict[str, dict[str, Any]] = {
    "random_forest_classifier": {"n_estimators": 60},
    "random_forest_regressor": {"n_estimators": 60},
    "gradient_boosting_classifier": {"n_estimators": 50},
    "gradient_boosting_regressor": {"n_estimators": 50},
    "hist_gradient_boosting_classifier": {"max_iter": 40},
    "hist_gradient_boosting_regressor": {"max_iter": 40},
    "lightgbm_classifier": {"n_estimators": 40},
    "xgboost_classifier": {"n_estimators": 40},
    "lightgbm_regressor": {"n_estimators": 40},
    "xgboost_regressor": {"n_estimators": 40},
}


def direct(template_id: str, inside: pd.DataFrame, outside: pd.DataFrame, target: str) -> np.ndarray:
    """The same estimator without this package: numbers only, scaled where the template scales."""
    template = resolve(template_id, None)
    params = check_parameters(template, SMALL.get(template_id, {}))
    classes = inside[target].nunique() if template.task == "classification" else 0
    estimator = build_estimator(template, params, 42, 1, classes)
    model = make_pipeline(StandardScaler(), estimator) if template.scales else estimator
    features = [name for name in inside.columns if name not in ("__row_id", target)]
    model.fit(inside[features].to_numpy(), inside[target].to_numpy())
    return model.predict(outside[features].to_numpy())


@pytest.mark.parametrize("template_id", CLASSIFIERS)
@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris"])
def test_classifiers_are_as_accurate_as_the_estimator_alone(template_id: str, name: str, tmp_path: Path) -> None:
    params = SMALL.get(template_id, {})
    _, _, scored = whole(tmp_path, name, template_id, params=params, **QUICK)
    frame, target = dataset(name)
    inside, outside = split(frame)
    alone = accuracy_score(outside[target], direct(template_id, inside, outside, target))
    assert scored.done["metrics"]["accuracy"] >= alone - 0.02


@pytest.mark.parametrize("template_id", ["logistic_regression", "random_forest_classifier", "knn_classifier"])
def test_ten_classes_of_digits(template_id: str, tmp_path: Path) -> None:
    model, _, scored = whole(
        tmp_path, "digits", template_id, params=SMALL.get(template_id, {}), **{**QUICK, "onnx": True}
    )
    frame, target = dataset("digits")
    inside, outside = split(frame)
    alone = accuracy_score(outside[target], direct(template_id, inside, outside, target))
    assert abs(scored.done["metrics"]["accuracy"] - alone) <= 0.02
    assert model.json("signature.json")["targetType"] == "int"
    assert model.json("parity.json")["withinTolerance"]


@pytest.mark.parametrize("template_id", REGRESSORS)
def test_regressors_are_as_accurate_as_the_estimator_alone(template_id: str, tmp_path: Path) -> None:
    model, _, scored = whole(
        tmp_path, "diabetes", template_id, params=SMALL.get(template_id, {}), **{**QUICK, "onnx": True}
    )
    frame, target = dataset("diabetes")
    inside, outside = split(frame)
    alone = r2_score(outside[target], direct(template_id, inside, outside, target))
    assert scored.done["metrics"]["r2"] >= alone - 0.02
    parity = model.json("parity.json")
    assert parity["withinTolerance"], parity


@pytest.mark.parametrize("template_id", CLASSIFIERS)
def test_classifiers_convert_to_onnx_and_agree(template_id: str, tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    inside, outside = split(frame)
    model = train(tmp_path, inside, template_id, target, params=SMALL.get(template_id, {}), **{**QUICK, "onnx": True})
    parity = model.json("parity.json")
    assert parity["withinTolerance"], parity
    assert parity["maxDifference"] <= 1e-5
    # Rows that training did not see, with missing values and a category that is new.
    outside = outside.assign(island=["Atlantis", None, *outside["island"][2:]])
    pipeline = joblib.load(model.out / "model.joblib")
    again = onnx_export.compare(pipeline, "classification", (model.out / "model.onnx").read_bytes(), outside)
    assert again["withinTolerance"], again


@pytest.mark.parametrize(
    "template_id", ["lightgbm_classifier", "xgboost_classifier", "hist_gradient_boosting_classifier"]
)
def test_binary_boosting_converts(template_id: str, tmp_path: Path) -> None:
    frame, target = dataset("breast_cancer")
    model = train(tmp_path, frame, template_id, target, params=SMALL[template_id], **{**QUICK, "onnx": True})
    assert model.json("parity.json")["withinTolerance"]


@pytest.mark.parametrize("template_id", CLUSTERERS)
def test_clusters_are_as_good_as_the_estimator_alone(template_id: str, tmp_path: Path) -> None:
    frame, target = dataset("iris")
    model = train(tmp_path, frame.drop(columns=target), template_id, None, **{**QUICK, "onnx": True})
    metrics = model.json("report.json")["clustering_metrics"]
    template = resolve(template_id, None)
    points = StandardScaler().fit_transform(frame.drop(columns=[target, "__row_id"]))
    labels = build_estimator(template, template.defaults, 42, 1, 0).fit_predict(points)
    assert metrics["silhouette"] == pytest.approx(silhouette_score(points, labels), abs=0.02)
    assert sum(metrics["cluster_sizes"].values()) == len(frame)
    assert model.json("parity.json")["withinTolerance"]
    assert "target" not in model.json("report.json")["columns"][0]["name"]


def test_the_thin_path_writes_all_that_it_promises(forest: Ran) -> None:
    report = forest.json("report.json")
    for entry in report["artifacts"]:
        data = (forest.out / entry["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    names = {entry["name"] for entry in forest.done["artifacts"]}
    assert {
        "model.joblib",
        "model.onnx",
        "signature.json",
        "baseline.json",
        "report.json",
        "card.json",
        "card.md",
    } <= names
    assert report["cross_validation"]["folds"] == 3
    assert len(report["learning_curve"]["train_sizes"]) == 2
    assert report["timing"]["wallSeconds"] > 0 and report["timing"]["peakMemoryBytes"] > 0
    assert report["versions"]["scikit-learn"] and len(report["codeHash"]) == 64
    assert "lightgbm" not in report["versions"]
    stages = [event["stage"] for event in forest.events if event["type"] == "progress"]
    assert stages[0] == "reading" and "cross_validation" in stages and "learning_curve" in stages
    progress = [event["progress"] for event in forest.events if event["type"] == "progress"]
    assert progress == sorted(progress)
    assert forest.done["type"] == "done"
    assert "species" in (forest.out / "card.md").read_text()


def test_the_first_row_with_a_missing_number_is_null_in_the_sample(tmp_path: Path) -> None:
    # W2.4: the reference wrote NaN into its JSON and lost the model.
    frame, target = dataset("penguins")
    order = frame["bill_length_mm"].isna().sort_values(ascending=False).index
    model = train(tmp_path, frame.loc[order].reset_index(drop=True), "logistic_regression", target, **QUICK)
    assert model.json("signature.json")["sampleRequest"]["bill_length_mm"] is None


def test_every_decision_on_a_column_is_recorded(mixed: Ran) -> None:
    columns = {entry["name"]: entry for entry in mixed.json("report.json")["columns"]}
    codes = {name: entry["code"] for name, entry in columns.items()}
    assert codes == {
        "customer_id": "identifier",
        "email": "identifier",
        "age": "numeric",
        "spend €": "numeric",
        "plan.name": "categorical_limited",
        "joined": "date_expanded",
        "last seen": "date_expanded",
        "member": "boolean",
        "ratio": "numeric",
        "constant": "constant",
        "empty": "all_missing",
    }
    assert all(entry["reason"] for entry in columns.values())
    assert columns["ratio"]["infinite"] > 0
    assert "hour" in columns["last seen"]["parts"] and "hour" not in columns["joined"]["parts"]
    assert any("infinite" in warning for warning in mixed.json("report.json")["warnings"])


def test_floats_are_never_identifiers(tmp_path: Path) -> None:
    frame, target = dataset("breast_cancer")
    frame = frame.rename(columns={"mean radius": "mean id"}).assign(**{"row id": np.arange(len(frame)) * 1.0})
    model = train(tmp_path, frame, "logistic_regression", target, **QUICK)
    kept = {entry["name"] for entry in model.json("report.json")["columns"] if entry["decision"] == "kept"}
    assert {"mean id", "row id"} <= kept


def test_a_year_is_not_a_running_number(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"year": np.arange(1960, 2020), "serial": np.arange(60), "x": np.random.default_rng(0).normal(size=60)}
    )
    frame["y"] = frame["year"] * 2.0
    codes = {
        c["name"]: c["code"]
        for c in train(tmp_path, frame, "ridge_regression", "y", **QUICK).json("report.json")["columns"]
    }
    assert codes == {"year": "numeric", "serial": "identifier", "x": "numeric"}


def test_the_caller_decides_on_columns(tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    roles = {"year": "categorical", "island": "drop"}
    report = train(tmp_path, frame, "logistic_regression", target, columns=roles, **QUICK).json("report.json")
    codes = {entry["name"]: entry["code"] for entry in report["columns"]}
    assert codes["year"] == "categorical" and codes["island"] == "requested"
    assert "year=2008" in report["feature_importance"]["model_based"]["encoded"]["features"]


LABELS = {
    "texts": (np.array(["no", "yes"]), "string", ["no", "yes"]),
    "booleans": (np.array([False, True]), "boolean", ["false", "true"]),
    "negative whole numbers": (np.array([-5, 7]), "int", ["-5", "7"]),
    "whole floats": (np.array([1.0, 2.0]), "int", ["1", "2"]),
    "fractions": (np.array([0.5, 1.5]), "float", ["0.5", "1.5"]),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("template_id", ["xgboost_classifier", "logistic_regression"])
def test_labels_of_any_type(kind: str, template_id: str, tmp_path: Path) -> None:
    pair, label_type, texts = LABELS[kind]
    frame, _ = dataset("breast_cancer")
    frame = frame.assign(target=pair[frame["target"]])
    inside, outside = split(frame)
    model = train(
        tmp_path / "t", inside, template_id, "target", params=SMALL.get(template_id, {}), **{**QUICK, "onnx": True}
    )
    signature = model.json("signature.json")
    assert signature["targetType"] == label_type
    assert [label["text"] for label in signature["labels"]] == texts
    assert model.json("parity.json")["withinTolerance"]
    predicted = predict(tmp_path / "p", model, outside.drop(columns="target"))
    table = pd.read_parquet(predicted.out / "predictions.parquet")
    assert list(table.columns) == ["__row_id", "prediction", *(f"probability:{text}" for text in texts)]
    assert set(table["prediction"]) == set(texts)
    # The pipeline itself answers with the labels' own type.
    pipeline = joblib.load(model.out / "model.joblib")
    assert pipeline.predict(outside).dtype.kind == np.asarray(pipeline.classes_).dtype.kind


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    inside, outside = split(frame)
    for template_id in ("random_forest_classifier", "lightgbm_classifier", "xgboost_classifier"):
        answers = []
        for number in range(2):
            place = tmp_path / template_id / str(number)
            model = train(place, inside, template_id, target, seed=5, params=SMALL[template_id], **QUICK)
            answers.append(joblib.load(model.out / "model.joblib").predict_proba(outside))
        assert np.array_equal(answers[0], answers[1])
    assert model.json("report.json")["parameters"]["random_state"] == 5


def test_nothing_of_the_host_or_the_labels_is_in_the_signature(forest: Ran) -> None:
    text = (forest.out / "signature.json").read_text()
    assert str(forest.out) not in text
    assert "__row_id" not in json.dumps(forest.json("signature.json")["columns"])


def test_the_signature_is_enough_to_predict_without_this_package(mixed: Ran) -> None:
    """Does what the server does natively: signature.json and model.onnx only."""
    frame, _ = dataset("mixed")
    _, outside = split(frame)
    outside = outside.head(200).assign(**{"plan.name": ["never seen", *outside["plan.name"][1:200]]})
    rules = mixed.json("signature.json")["prepare"]
    numeric = np.full((len(outside), len(rules["numeric"])), np.nan, dtype=np.float32)
    for place, rule in enumerate(rules["numeric"]):
        values = outside[rule["column"]]
        if rule["kind"] == "date":
            dates = pd.to_datetime(values)
            parts = {
                "year": dates.dt.year, "month": dates.dt.month, "day": dates.dt.day, "weekday": dates.dt.weekday,
                "day_of_year": dates.dt.dayofyear, "hour": dates.dt.hour,
                "days": (dates - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1),
            }  # fmt: skip
            numeric[:, place] = parts[rule["part"]]
        else:
            plain = values.map({True: 1.0, False: 0.0}) if rule["kind"] == "boolean" else values
            numeric[:, place] = pd.to_numeric(plain).replace([np.inf, -np.inf], np.nan)
    categorical = np.empty((len(outside), len(rules["categorical"])), dtype=object)
    for place, rule in enumerate(rules["categorical"]):
        marked = [rules["missing"] if pd.isna(v) else v for v in outside[rule["column"]]]
        categorical[:, place] = [v if v in rule["categories"] else rules["other"] for v in marked]
    session = onnx_export.session(str(mixed.out / "model.onnx"))
    _, chances = session.run(None, {"numeric": numeric, "categorical": categorical})
    expected = joblib.load(mixed.out / "model.joblib").predict_proba(outside)
    assert np.abs(chances - expected).max() <= 1e-5


def test_the_baseline_has_the_shape_that_drift_reads(mixed: Ran) -> None:
    baseline = mixed.json("baseline.json")
    spend = baseline["numeric"]["spend €"]
    assert len(spend["histogram"]["bins"]) == 21 and len(spend["histogram"]["counts"]) == 20
    assert sum(spend["histogram"]["counts"]) == spend["count"]
    assert set(baseline["categorical"]) == {"plan.name", "member"}
    assert set(baseline["prediction_distribution"]) == {"true", "false"}
    assert baseline["numeric"]["joined"]["unit"].startswith("days")
    assert "customer_id" not in baseline["numeric"]


def test_group_and_time_splits_guide_the_folds(tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    small = {"params": {"max_iter": 100}, "cv": {"folds": 3}, "learningCurve": None, "onnx": False}
    by_group = {"kind": "group", "column": "island"}
    grouped = train(tmp_path / "g", frame, "logistic_regression", target, split=by_group, **small).json("report.json")
    assert grouped["cross_validation"]["cv_type"] == "group"
    assert "island" not in {entry["name"] for entry in grouped["columns"]}
    by_time = {"kind": "time", "column": "year"}
    timed = train(
        tmp_path / "t", frame.sample(frac=1, random_state=0), "logistic_regression", target, split=by_time, **small
    )
    assert timed.json("report.json")["cross_validation"]["cv_type"] == "time"


def test_cross_validation_is_right_on_sorted_rows(tmp_path: Path) -> None:
    # W2.17: slices of the head of a sorted file see one class only.
    frame, target = dataset("iris")
    model = train(tmp_path, frame.sort_values(target), "logistic_regression", target, onnx=False)
    report = model.json("report.json")
    assert report["cross_validation"]["mean"] > 0.9
    assert report["learning_curve"]["test_scores_mean"][-1] > 0.9


def test_five_thousand_columns_train_within_a_minute(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(1000, 5000))
    frame = pd.DataFrame(values, columns=[f"c{number}" for number in range(5000)])
    frame["y"] = np.where(values[:, :5].sum(axis=1) > 0, "up", "down")
    model = train(tmp_path, frame, "logistic_regression", "y", **{**QUICK, "onnx": True})
    assert model.done["timing"]["wallSeconds"] < 60
    assert model.json("parity.json")["withinTolerance"]


def test_a_short_budget_keeps_the_model_and_leaves_out_the_rest(tmp_path: Path) -> None:
    frame, target = dataset("mixed")
    spec = {"limits": {"cpus": 1, "timeSeconds": 60}, "cv": {"folds": 2}, "learningCurve": None, "onnx": False}
    model = train(tmp_path, frame.head(500), "logistic_regression", target, **spec)
    assert (model.out / "model.joblib").is_file()


def test_medians_are_those_of_scikit_learn() -> None:
    from sklearn.impute import SimpleImputer

    from gristmill_ml.prepare import MedianImputer

    values = np.random.default_rng(0).normal(size=(101, 5)).astype(np.float32)
    values[::3, 1] = np.nan
    values[:, 2] = np.nan
    options = {"strategy": "median", "keep_empty_features": True}
    ours, theirs = MedianImputer(**options).fit(values), SimpleImputer(**options).fit(values)
    assert ours.statistics_ == pytest.approx(theirs.statistics_)
    assert np.array_equal(ours.transform(values), theirs.transform(values))
