from __future__ import annotations

import json
import shutil
import socket
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import yaml
from test_score import predictions

from gristmill_ml.errors import MlError
from gristmill_ml.frames import text_of
from gristmill_ml.templates import catalogue, check_parameters, resolve
from helpers import QUICK, Ran, arguments, command, dataset, environment, predict, run, split, train


def compare(place: Path, labels: pd.DataFrame, files: list[Path], **spec: Any) -> Ran:
    place.mkdir(parents=True, exist_ok=True)
    labels.to_parquet(place / "labels.parquet", index=False)
    models = []
    for number, file in enumerate(files):
        shutil.copy(file, place / f"{number}.parquet")
        models.append({"id": f"m{number}", "predictions": f"{number}.parquet"})
    return run("compare", place, {"models": models, "resamples": 400, **spec})


def test_a_better_model_is_significantly_better(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    ids = np.arange(1000)
    truth = random.choice(["a", "b", "c"], 1000)
    files = []
    for number, right in enumerate((0.6, 0.62, 0.9)):
        guess = np.where(random.random(1000) < right, truth, random.choice(["a", "b", "c"], 1000))
        predictions(tmp_path / f"{number}.parquet", ids, guess)
        files.append(tmp_path / f"{number}.parquet")
    result = compare(tmp_path / "c", pd.DataFrame({"__row_id": ids, "y": truth}), files).json("comparison.json")
    pairs = {(pair["a"], pair["b"]): {m["metric"]: m for m in pair["metrics"]} for pair in result["pairs"]}
    assert len(pairs) == 3
    clear = pairs[("m0", "m2")]["accuracy"]
    assert clear["significant"] and clear["better"] == "m2" and clear["low"] <= clear["difference"] <= clear["high"]
    assert clear["pValue"] < 0.05
    accuracies = [model["metrics"]["accuracy"] for model in result["models"]]
    assert clear["difference"] == pytest.approx(accuracies[2] - accuracies[0])


def test_equal_models_do_not_differ(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    truth = 1e6 + random.normal(size=500)
    predictions(tmp_path / "a.parquet", np.arange(500), truth + random.normal(size=500), task="regression")
    files = [tmp_path / "a.parquet"] * 2
    result = compare(tmp_path / "c", pd.DataFrame({"__row_id": np.arange(500), "y": truth}), files).json(
        "comparison.json"
    )
    for metric in result["pairs"][0]["metrics"]:
        assert metric["difference"] == metric["low"] == metric["high"] == 0 and not metric["significant"]


def test_the_bootstrap_agrees_with_resampled_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=300)
    one, two = truth + random.normal(0, 1, 300), truth + random.normal(0, 0.8, 300)
    for name, values in (("a", one), ("b", two)):
        predictions(tmp_path / f"{name}.parquet", np.arange(300), values, task="regression")
    labels = pd.DataFrame({"__row_id": np.arange(300), "y": truth})
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pair = compare(tmp_path / "c", labels, files, resamples=2000).json("comparison.json")["pairs"][0]
    mae = next(metric for metric in pair["metrics"] if metric["metric"] == "mae")
    apart = np.abs(truth - two) - np.abs(truth - one)
    plain = [apart[random.integers(0, 300, 300)].mean() for _ in range(2000)]
    low, high = np.quantile(plain, [0.025, 0.975])
    assert (mae["low"], mae["high"]) == pytest.approx((low, high), abs=0.02)


@pytest.mark.parametrize("count", [1, 6])
def test_two_to_five_models_are_compared(count: int, tmp_path: Path) -> None:
    predictions(tmp_path / "a.parquet", [1, 2], ["x", "y"])
    with pytest.raises(MlError):
        compare(tmp_path / "c", pd.DataFrame({"__row_id": [1, 2], "y": ["x", "y"]}), [tmp_path / "a.parquet"] * count)


def test_the_package_is_an_mlflow_directory(forest: Ran, tmp_path: Path) -> None:
    for path in forest.out.iterdir():
        shutil.copy(path, tmp_path / path.name)
    ran = run("package", tmp_path, {"runId": "r1"})
    with zipfile.ZipFile(ran.out / "model.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    place = tmp_path / "unpacked"
    described = yaml.safe_load((place / "MLmodel").read_text())
    flavor = described["flavors"]["python_function"]
    assert (place / flavor["data"] / "model.joblib").is_file() and (
        place / flavor["code"] / "gristmill_ml" / "pyfunc.py"
    ).is_file()
    assert described["run_id"] == "r1"
    names = [entry["name"] for entry in json.loads(described["signature"]["inputs"])]
    assert names == forest.json("signature.json")["featureColumns"]
    assert any(line.startswith("scikit-learn==") for line in (place / "requirements.txt").read_text().splitlines())
    # As MLflow does it: only the packaged code is on the path.
    frame, target = dataset("penguins")
    frame.drop(columns=target).head(5).to_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys, pandas, importlib; sys.path.insert(0, 'code');"
        "model = importlib.import_module('gristmill_ml.pyfunc')._load_pyfunc('model');"
        f"print(list(model.predict(pandas.read_parquet({str(tmp_path / 'rows.parquet')!r}))))"
    )
    bare = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    ended = subprocess.run([arguments("", place)[0], "-c", code], cwd=place, capture_output=True, text=True, env=bare)
    assert "Adelie" in ended.stdout, ended.stderr
    again = run("package", tmp_path, {"runId": "r1"}, tmp_path / "again")
    assert again.done["artifacts"] == ran.done["artifacts"]


def test_mlflow_itself_loads_the_package(forest: Ran, tmp_path: Path) -> None:
    import mlflow.pyfunc

    for path in forest.out.iterdir():
        shutil.copy(path, tmp_path / path.name)
    with zipfile.ZipFile(run("package", tmp_path, {}).out / "model.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    frame, target = dataset("penguins")
    answers: Any = mlflow.pyfunc.load_model(str(tmp_path / "unpacked")).predict(
        frame.drop(columns=[target, "__row_id"])
    )
    assert len(answers) == len(frame)


def test_a_resident_model_answers_on_a_socket(forest: Ran, tmp_path: Path) -> None:
    for name in ("model.joblib", "signature.json"):
        shutil.copy(forest.out / name, tmp_path / name)
    (tmp_path / "spec.json").write_text('{"version": 1, "limits": {"cpus": 1}}')
    server = subprocess.Popen(arguments("serve", tmp_path), stdout=subprocess.PIPE, text=True, env=environment())
    assert server.stdout is not None
    try:
        ready = json.loads(server.stdout.readline())
        assert ready["type"] == "ready" and ready["labels"] == ["Adelie", "Chinstrap", "Gentoo"]
        sample = forest.json("signature.json")["sampleRequest"]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "out" / "model.sock"))
            stream = client.makefile("rwb")

            def ask(request: Any) -> dict[str, Any]:
                stream.write((request if isinstance(request, bytes) else json.dumps(request).encode()) + b"\n")
                stream.flush()
                return json.loads(stream.readline())

            answer = ask({"id": 1, "op": "predict", "rows": [sample, {**sample, "sex": None, "bill_length_mm": None}]})
            assert answer["id"] == 1 and len(answer["result"]) == 2
            assert sum(answer["result"][0]["probabilities"].values()) == pytest.approx(1)
            lacking = ask({"id": 2, "op": "predict", "rows": [{k: v for k, v in sample.items() if k != "island"}]})
            assert lacking["error"]["code"] == "missing_column" and lacking["error"]["field"] == "columns.island"
            assert (
                ask({"id": 3, "op": "predict", "rows": [{**sample, "year": "soon"}]})["error"]["code"] == "column_type"
            )
            assert ask({"id": 4, "op": "predict", "rows": [{**sample, "year": [1]}]})["error"]["code"] == "column_type"
            assert ask({"id": 5, "op": "predict", "rows": []})["error"]["code"] == "invalid_request"
            assert ask(b"nonsense")["error"]["code"] == "invalid_request"
            explained = ask({"id": 6, "op": "explain", "rows": [sample]})["result"]
            assert explained["available"] and len(explained["values"]) == 1
            assert ask({"id": 7, "op": "stop"})["result"] == {"stopping": True}
        assert server.wait(timeout=20) == 0
    finally:
        server.kill()
    assert not (tmp_path / "out" / "model.sock").exists()


@pytest.mark.parametrize(
    ("template_id", "name", "metric"), [("auto", "penguins", "accuracy"), ("auto_regressor", "diabetes", "r2")]
)
def test_auto_blends_converts_and_is_not_worse_than_a_linear_model(
    template_id: str, name: str, metric: str, tmp_path: Path
) -> None:
    frame, target = dataset(name)
    inside, outside = split(frame)
    kind = "classification" if name == "penguins" else "regression"
    params = {"time_budget_seconds": 8}
    model = train(
        tmp_path / "t", inside, template_id, target, problemType=kind, params=params, **{**QUICK, "onnx": True}
    )
    report = model.json("report.json")
    search = report["search"]
    assert search["blend"] and sum(part["weight"] for part in search["blend"]) == pytest.approx(1)
    assert search["blendLoss"] <= search["best"]["loss"] + 1e-9
    assert model.json("parity.json")["withinTolerance"], model.json("parity.json")
    assert any(event["type"] == "candidate" for event in model.events)
    linear = train(
        tmp_path / "l",
        inside,
        "logistic_regression" if kind == "classification" else "linear_regression",
        target,
        **QUICK,
    )
    values = [joblib.load(ran.out / "model.joblib").score(outside, outside[target]) for ran in (model, linear)]
    assert values[0] >= values[1] - 0.05
    assert len(predict(tmp_path / "p", model, outside.drop(columns=target)).done["labels"]) == (
        3 if kind == "classification" else 0
    )


def test_voting_ensembles_convert() -> None:
    from gristmill_ml import auto
    from gristmill_ml.columns import make_plan
    from gristmill_ml.frames import Table
    from gristmill_ml.onnx_export import compare as parity
    from gristmill_ml.onnx_export import convert
    from gristmill_ml.pipeline import build_pipeline

    frame, target = dataset("penguins")
    frame = frame.drop(columns="__row_id")
    types = {
        name: "string" if frame[name].dtype.kind == "O" or str(frame[name].dtype) == "str" else "float"
        for name in frame
    }
    plan = make_plan(Table(frame, types, {}), [name for name in frame if name != target], {})
    for task, y in (
        ("classification", frame[target].astype(str).to_numpy()),
        ("regression", frame["year"].to_numpy(dtype=float)),
    ):

        class State:
            seed, cpus = 1, 1

        state: Any = State()
        state.task = task
        chosen = [auto.Candidate(f, p, 0, {}, np.array([]), 10, 0) for f, p in auto.PORTFOLIO.items()]
        blend = auto._combined(state, chosen, [0.2] * 5)
        pipeline = build_pipeline(plan, blend, task, scales=False).fit(frame, y)
        report = parity(pipeline, task, convert(pipeline, task), frame)
        assert report["withinTolerance"], report


@pytest.mark.parametrize(("asked", "kind", "found"), [
    ("ridge", None, "ridge_regression"),
    ("Seed-llm-Random-Forest-Classifier ", None, "random_forest_classifier"),
    ("random_forest", "regression", "random_forest_regressor"),
    ("xgboost-classifier", None, "xgboost_classifier"),
])  # fmt: skip
def test_template_ids_in_any_spelling(asked: str, kind: str | None, found: str) -> None:
    assert resolve(asked, kind).id == found


def test_the_catalogue_holds_what_the_contract_lists() -> None:
    eight = ["random_forest_classifier", "logistic_regression", "random_forest_regressor", "linear_regression",
             "ridge_regression", "knn_classifier", "gradient_boosting_classifier", "kmeans"]  # fmt: skip
    assert list(catalogue())[:8] == eight
    for template in catalogue().values():
        assert check_parameters(template, template.defaults | {}) == template.defaults
        for parameter in template.parameters:
            assert template.defaults[parameter["key"]] == parameter["default"]


def test_one_spelling_for_each_value() -> None:
    values = [
        True,
        np.bool_(False),
        3,
        3.0,
        np.float32(1.5),
        "x",
        pd.Timestamp("2024-01-31"),
        pd.Timestamp("2024-01-31 10:00"),
    ]
    assert [text_of(value) for value in values] == [
        "true",
        "false",
        "3",
        "3",
        "1.5",
        "x",
        "2024-01-31",
        "2024-01-31T10:00:00",
    ]


def test_stdout_holds_json_lines_only(tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    frame.to_parquet(tmp_path / "train.parquet", index=False)
    spec = {
        "version": 1,
        "templateId": "lightgbm_classifier",
        "target": target,
        "cv": {"folds": 2},
        "learningCurve": None,
        "onnx": False,
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    ended = command("train", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert [json.loads(line)["type"] for line in ended.stdout.splitlines()][-1] == "done"


def test_the_file_cancel_stops_a_training(tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    frame.to_parquet(tmp_path / "train.parquet", index=False)
    (tmp_path / "spec.json").write_text(json.dumps({"version": 1, "templateId": "knn_classifier", "target": target}))
    (tmp_path / "cancel").touch()
    ended = command("train", tmp_path)
    assert ended.returncode == 3
    assert json.loads(ended.stdout.splitlines()[-1])["code"] == "cancelled"


def test_a_time_budget_ends_a_fit_that_does_not_return(tmp_path: Path) -> None:
    frame, target = dataset("mixed")
    frame.to_parquet(tmp_path / "train.parquet", index=False)
    spec = {"version": 1, "templateId": "gradient_boosting_classifier", "target": target,
            "params": {"n_estimators": 500, "max_depth": 8}, "limits": {"timeSeconds": 1.5, "cpus": 1}}  # fmt: skip
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    ended = command("train", tmp_path)
    assert ended.returncode == 4
    line = json.loads(ended.stdout.splitlines()[-1])
    assert (line["code"], line["field"]) == ("time_budget_exceeded", "limits.timeSeconds")


def test_a_model_from_elsewhere_predicts_or_says_what_it_lacks(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    frame, target = dataset("iris")
    features = frame.drop(columns=[target, "__row_id"])
    joblib.dump(LogisticRegression(max_iter=500).fit(features, frame[target]), tmp_path / "model.joblib")
    features.to_parquet(tmp_path / "features.parquet", index=False)
    ran = run("predict", tmp_path, {"taskType": "classification", "explain": {}})
    assert ran.done["labels"] == ["0", "1", "2"] and ran.json("shap.json")["available"] is False
    features.drop(columns="petal width (cm)").to_parquet(tmp_path / "features.parquet", index=False)
    with pytest.raises(MlError, match="petal width"):
        run("predict", tmp_path, {})
