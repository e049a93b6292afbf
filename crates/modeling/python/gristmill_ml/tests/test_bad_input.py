from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill_ml.errors import MlError
from gristmill_ml.spec import read_spec
from helpers import QUICK, Ran, command, dataset, predict, run, split, train

CODE = "__import__('os').system('id')"
Change = Callable[[pd.DataFrame], pd.DataFrame]


def iris(change: Change | None = None) -> pd.DataFrame:
    frame = dataset("iris")[0].copy()
    return frame if change is None else change(frame)


def refused(
    tmp_path: Path,
    frame: pd.DataFrame,
    template: str = "logistic_regression",
    target: str | None = "target",
    **spec: Any,
) -> MlError:
    with pytest.raises(MlError) as caught:
        train(tmp_path, frame, template, target, **{**QUICK, **spec})
    assert not (tmp_path / "out" / "model.joblib").exists()
    assert len(caught.value.message) > 15
    return caught.value


TARGETS: dict[str, tuple[Change, str, str]] = {
    "absent": (lambda f: f.drop(columns="target"), "logistic_regression", "target_missing"),
    "constant": (lambda f: f.assign(target=1), "logistic_regression", "target_constant"),
    "constant number": (lambda f: f.assign(target=1.5), "ridge_regression", "target_constant"),
    "all missing": (lambda f: f.assign(target=np.nan), "logistic_regression", "target_all_missing"),
    "three values": (lambda f: f.assign(target=f["target"].where(f.index < 3)), "logistic_regression", "too_few_rows"),
    "one example of a class": (
        lambda f: f.assign(target=np.where(f.index == 9, "odd", "even")),
        "knn_classifier",
        "class_too_small",
    ),
    "a class a row": (
        lambda f: f.assign(target=[f"class {n}" for n in f.index]),
        "random_forest_classifier",
        "too_many_classes",
    ),
    "continuous": (lambda f: f.assign(target=np.arange(len(f)) // 2 / 7), "logistic_regression", "target_continuous"),
    "text for regression": (
        lambda f: f.assign(target="a" + f["target"].astype(str)),
        "linear_regression",
        "target_not_numeric",
    ),
    "infinite": (
        lambda f: f.assign(target=np.where(f.index == 3, np.inf, f["target"])),
        "linear_regression",
        "target_infinite",
    ),
    "infinite label": (
        lambda f: f.assign(target=np.where(f.index < 3, np.inf, f["target"])),
        "logistic_regression",
        "target_infinite",
    ),
    "list": (lambda f: f.assign(target=[[1]] * len(f)), "logistic_regression", "target_type"),
}


@pytest.mark.parametrize("case", TARGETS)
def test_targets_that_cannot_be_learned(case: str, tmp_path: Path) -> None:
    change, template, code = TARGETS[case]
    error = refused(tmp_path, iris(change), template)
    assert (error.code, error.field) == (code, "target")


def test_a_feature_that_is_the_target_is_noted_with_the_model(tmp_path: Path) -> None:
    for number, kind in enumerate((np.int64, np.float64, str)):
        frame = iris(lambda f, kind=kind: f.assign(target=f["target"].astype(kind), copy=f["target"].astype(kind)))
        model = train(tmp_path / str(number), frame, "random_forest_classifier", "target", **QUICK)
        report = model.json("report.json")
        assert report["leaks"] == ["copy"]
        assert any("'copy' is identical to the target" in warning for warning in report["warnings"])
        assert "identical to the target" in (model.out / "card.md").read_text()
    near = iris(lambda f: f.assign(copy=f["target"].where(f.index > 0, 9)))
    assert train(tmp_path / "near", near, "logistic_regression", "target", **QUICK).json("report.json")["leaks"] == []
    assert refused(tmp_path / "named", iris(), features=["petal width (cm)", "target"]).code == "feature_equals_target"


PARAMETERS: list[tuple[str, dict[str, Any], str, str]] = [
    ("random_forest_classifier", {"n_estimators": CODE}, "invalid_parameter", "params.n_estimators"),
    ("random_forest_classifier", {"n_estimators": "100"}, "invalid_parameter", "params.n_estimators"),
    ("random_forest_classifier", {"n_estimators": True}, "invalid_parameter", "params.n_estimators"),
    ("random_forest_classifier", {"n_estimators": 10.5}, "invalid_parameter", "params.n_estimators"),
    ("random_forest_classifier", {"n_estimators": [100]}, "invalid_parameter", "params.n_estimators"),
    ("random_forest_classifier", {"n_estimators": 0}, "parameter_out_of_bounds", "params.n_estimators"),
    ("random_forest_classifier", {"n_estimators": 10**400}, "parameter_out_of_bounds", "params.n_estimators"),
    ("random_forest_classifier", {"n_jobs": 64}, "unknown_parameter", "params.n_jobs"),
    ("random_forest_classifier", {CODE: 1}, "unknown_parameter", f"params.{CODE}"),
    ("random_forest_classifier", {"random_state": -1}, "parameter_out_of_bounds", "params.random_state"),
    ("logistic_regression", {"C": float("nan")}, "invalid_parameter", "params.C"),
    ("logistic_regression", {"C": 11}, "parameter_out_of_bounds", "params.C"),
    ("logistic_regression", {"random_state": 1}, "unknown_parameter", "params.random_state"),
    ("knn_classifier", {"metric": CODE}, "invalid_parameter", "params.metric"),
    ("knn_classifier", {"weights": 1}, "invalid_parameter", "params.weights"),
    ("linear_regression", {"alpha": 1}, "unknown_parameter", "params.alpha"),
]


@pytest.mark.parametrize(("template", "params", "code", "field"), PARAMETERS)
def test_parameters_are_checked(template: str, params: dict[str, Any], code: str, field: str, tmp_path: Path) -> None:
    error = refused(tmp_path, iris(), template, params=params)
    assert (error.code, error.field) == (code, field)


LINEAR = {"templateId": "logistic_regression", "target": "target"}
SPECS: list[tuple[dict[str, Any], str, str]] = [
    ({"templateId": "os.system"}, "unknown_template", "templateId"),
    ({"templateId": 3}, "invalid_spec", "templateId"),
    ({"templateId": "auto"}, "invalid_problem_type", "problemType"),
    ({"templateId": "logistic_regression", "problemType": "regression"}, "invalid_problem_type", "problemType"),
    ({"templateId": "logistic_regression", "problemType": "poetry"}, "invalid_spec", "problemType"),
    ({"templateId": "logistic_regression"}, "target_required", "target"),
    ({**LINEAR, "version": 2}, "invalid_spec", "version"),
    ({**LINEAR, "seed": -1}, "invalid_spec", "seed"),
    ({**LINEAR, "params": []}, "invalid_spec", "params"),
    ({**LINEAR, "cv": {"folds": 1}}, "invalid_spec", "cv.folds"),
    ({**LINEAR, "data": "../train.parquet"}, "invalid_spec", "data"),
    ({**LINEAR, "data": "none.parquet"}, "file_missing", "data"),
    ({**LINEAR, "data": "spec.json"}, "unreadable_file", "data"),
    ({**LINEAR, "features": ["x", "x"]}, "invalid_spec", "features"),
    ({**LINEAR, "features": ["gone"]}, "feature_missing", "columns.gone"),
    ({**LINEAR, "columns": {"x": "text"}}, "invalid_spec", "columns.x"),
    ({**LINEAR, "columns": {"x": "drop"}}, "feature_missing", "columns.x"),
    ({**LINEAR, "split": {"kind": "group"}}, "invalid_spec", "split.column"),
    ({**LINEAR, "split": {"kind": "time", "column": "x"}}, "split_column_missing", "split.column"),
    ({**LINEAR, "limits": {"timeSeconds": "x"}}, "invalid_spec", "limits.timeSeconds"),
    ({**LINEAR, "learningCurve": {"sizes": [0]}}, "invalid_spec", "learningCurve.sizes"),
]


@pytest.mark.parametrize(("spec", "code", "field"), SPECS)
def test_specs_are_checked(spec: dict[str, Any], code: str, field: str, tmp_path: Path) -> None:
    iris().to_parquet(tmp_path / "train.parquet", index=False)
    with pytest.raises(MlError) as caught:
        run("train", tmp_path, spec)
    assert (caught.value.code, caught.value.field) == (code, field)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', '{"version": 1, "a": ' + "[" * 100_000])
def test_broken_spec_files(text: str, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(MlError) as caught:
        read_spec(tmp_path)
    assert caught.value.field == "spec.json"


def test_features_that_leave_nothing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": np.arange(40), "one": 1, "none": np.nan, "list": [[1]] * 40, "target": [0, 1] * 20})
    error = refused(tmp_path, frame)
    assert error.code == "no_usable_features" and "id: looks like an identifier" in error.message


def test_doubled_row_ids_and_doubled_columns(tmp_path: Path) -> None:
    assert refused(tmp_path / "a", iris(lambda f: f.assign(__row_id=1))).code == "duplicate_row_id"
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = tmp_path / "b"
    place.mkdir()
    pq.write_table(pa.Table.from_arrays([pa.array([1, 2])] * 2, names=["x", "x"]), place / "train.parquet")
    with pytest.raises(MlError, match="two columns named 'x'"):
        run("train", place, {"templateId": "logistic_regression", "target": "x"})


def test_what_does_not_fit_into_memory_is_refused_before_it_is_tried(tmp_path: Path) -> None:
    big = pd.DataFrame(np.random.default_rng(0).normal(size=(3000, 2000)).astype(np.float32)).add_prefix("c")
    error = refused(tmp_path, big.assign(target=[0, 1] * 1500), limits={"memoryMb": 128, "cpus": 1})
    assert (error.code, error.field) == ("too_large_for_memory", "limits.memoryMb")


def test_infinities_in_features_are_missing_values(tmp_path: Path) -> None:
    frame = iris(
        lambda f: f.assign(
            **{
                "petal width (cm)": np.where(f.index % 7 == 0, -np.inf, f["petal width (cm)"]),
                "huge": 1e300 * (f.index + 1),
            }
        )
    )
    model = train(tmp_path, frame, "logistic_regression", "target", **QUICK)
    columns = {entry["name"]: entry for entry in model.json("report.json")["columns"]}
    assert columns["petal width (cm)"]["infinite"] == 22
    assert columns["huge"]["code"] == "all_missing"


def test_a_column_that_is_gone_at_prediction_is_named(forest: Ran, tmp_path: Path) -> None:
    frame, target = dataset("penguins")
    _, outside = split(frame)
    with pytest.raises(MlError, match="'bill_depth_mm'") as caught:
        predict(tmp_path / "a", forest, outside.drop(columns=[target, "bill_depth_mm"]))
    assert (caught.value.code, caught.value.field) == ("missing_column", "columns.bill_depth_mm")
    with pytest.raises(MlError) as caught:
        predict(tmp_path / "b", forest, outside.drop(columns=target).assign(bill_depth_mm="deep"))
    assert caught.value.code == "column_type"
    with pytest.raises(MlError) as caught:
        predict(tmp_path / "c", forest, outside)
    assert caught.value.code == "labels_present"


def test_broken_artifacts(tmp_path: Path) -> None:
    iris().drop(columns="target").to_parquet(tmp_path / "features.parquet")
    for content in (b"", b"x" * 100, b"\x80\x04N." + b" " * 100):
        (tmp_path / "model.joblib").write_bytes(content)
        with pytest.raises(MlError) as caught:
            run("predict", tmp_path, {})
        assert caught.value.code == "artifact_broken"


def test_a_failure_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    iris().to_parquet(tmp_path / "train.parquet", index=False)
    spec = {"version": 1, "templateId": "logistic_regression", "target": "target", "params": {"C": CODE}, "ignored": 1}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    ended = command("train", tmp_path)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    line = json.loads(ended.stdout.splitlines()[-1])
    assert line == {"type": "error", "code": "invalid_parameter", "message": line["message"], "field": "params.C"}
