"""Models that a notebook made: taken up, scored where there is no label, and told why where they cannot be."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from gristmill_ml.errors import MlError
from gristmill_ml.foreign import ForeignModel, as_read
from gristmill_ml.predict import load_model
from gristmill_ml.pyfunc import _load_pyfunc
from gristmill_ml.serve import Server
from gristmill_ml.spec import Reader
from helpers import ROOT, Ran, dataset, run, score, split

PENGUINS = ROOT / "data" / "penguins" / "penguins.csv"


def as_a_notebook_reads(target: str) -> tuple[pd.DataFrame, pd.Series]:
    """Returns all rows, as a notebook has them."""
    frame = pd.read_csv(PENGUINS).dropna(subset=[target])
    return frame.drop(columns=target), frame[target]


def pipeline(features: pd.DataFrame, model: Any) -> Pipeline:
    """Returns what a good notebook saves: a pipeline that takes the raw columns."""
    numbers = list(features.select_dtypes("number").columns)
    texts = [name for name in features.columns if name not in numbers]
    encode = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    steps = [("n", make_pipeline(SimpleImputer(), StandardScaler()), numbers), ("t", encode, texts)]
    return Pipeline([("prepare", ColumnTransformer(steps)), ("model", model)])


def adopt(place: Path, model: Any, name: str, target: str, task: str, **spec: Any) -> Ran:
    """Adopts a model over a split of a dataset."""
    frame, _ = dataset(name)
    inside, outside = split(frame[frame[target].notna()])
    place.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, place / "model.joblib")
    inside.drop(columns="__row_id").to_parquet(place / "train.parquet", index=False)
    outside.drop(columns=target).to_parquet(place / "features.parquet", index=False)
    outside[["__row_id", target]].to_parquet(place / "labels.parquet", index=False)
    return run("adopt", place, {"taskType": task, "target": target, "templateId": "llm-any", **spec})


def reason(adopted: Ran) -> str:
    assert adopted.done["scorable"] is False, adopted.done
    assert not (adopted.out / "predictions.parquet").exists()
    return adopted.done["reason"]


@pytest.fixture(scope="module")
def species(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    features, labels = as_a_notebook_reads("species")
    model = pipeline(features, LogisticRegression(max_iter=500)).fit(features, labels)
    place: Path = tmp_path_factory.mktemp("species")
    return adopt(place, model, "penguins", "species", "classification")


def test_a_pipeline_over_raw_columns_is_scored(species: Ran, tmp_path: Path) -> None:
    assert species.done["scorable"] is True
    place = species.out.parent
    labels = pd.read_parquet(place / "labels.parquet")
    scored = score(tmp_path, species.out / "predictions.parquet", labels, taskType="classification", metricsOnly=True)
    assert scored.done["metrics"]["accuracy"] > 0.95
    signature, report = species.json("signature.json"), species.json("report.json")
    assert signature["featureColumns"] == list(as_a_notebook_reads("species")[0].columns)
    assert [entry["text"] for entry in signature["labels"]] == ["Adelie", "Chinstrap", "Gentoo"]
    assert signature["output"]["probabilities"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert {entry["column"] for entry in signature["prepare"]["categorical"]} == {"island", "sex"}
    assert (report["algorithm"], report["library"]) == ("LogisticRegression", "sklearn")
    assert "held out" in report["warnings"][0]
    assert set(species.json("baseline.json")["prediction_distribution"]) == {"Adelie", "Chinstrap", "Gentoo"}


def test_it_is_loaded_with_its_columns_everywhere(species: Ran, tmp_path: Path) -> None:
    shutil.copy(species.out.parent / "model.joblib", tmp_path / "model.joblib")
    shutil.copy(species.out / "signature.json", tmp_path / "signature.json")
    model = load_model(Reader({}), tmp_path)
    assert isinstance(model.pipeline, ForeignModel) and model.labels == ["Adelie", "Chinstrap", "Gentoo"]
    row = json.loads((tmp_path / "signature.json").read_text())["sampleRequest"]
    rows = [row, {**row, "sex": None, "body_mass_g": None}, {**dict(reversed(row.items())), "more": 1}]
    answer = Server(model, None).answer(json.dumps({"id": 1, "op": "predict", "rows": rows}).encode())
    predictions = [entry["prediction"] for entry in answer["result"]]
    assert predictions[0] == predictions[2] and set(answer["result"][0]["probabilities"]) == set(model.labels)
    lacking = Server(model, None).answer(json.dumps({"id": 2, "op": "predict", "rows": [{"sex": "male"}]}).encode())
    assert lacking["error"]["code"] == "missing_column"
    explained = Server(model, None).answer(json.dumps({"id": 3, "op": "explain", "rows": [row]}).encode())
    assert explained["result"]["available"] is False
    packaged = _load_pyfunc(str(tmp_path))
    assert packaged.predict(pd.DataFrame(rows)).tolist() == predictions


def test_permuted_inputs_are_predicted_too(species: Ran, tmp_path: Path) -> None:
    for name in ("model.joblib", "features.parquet"):
        shutil.copy(species.out.parent / name, tmp_path / name)
    shutil.copy(species.out / "signature.json", tmp_path / "signature.json")
    features = pd.read_parquet(tmp_path / "features.parquet")
    shuffled = pd.DataFrame({"__row_id": features["__row_id"], "island": features["island"].to_numpy()[::-1]})
    shuffled.to_parquet(tmp_path / "p.parquet", index=False)
    predicted = run("predict", tmp_path, {"inputs": [{"name": "p", "file": "p.parquet"}], "explain": {}})
    assert (predicted.done["inputs"], predicted.done["explained"]) == (1, False)
    again = pd.read_parquet(predicted.out / "predictions.parquet")
    pd.testing.assert_frame_equal(again, pd.read_parquet(species.out / "predictions.parquet"))


def test_numbers_are_predicted(tmp_path: Path) -> None:
    features, labels = as_a_notebook_reads("body_mass_g")
    model = pipeline(features, LinearRegression()).fit(features, labels)
    adopted = adopt(tmp_path / "a", model, "penguins", "body_mass_g", "regression")
    labels = pd.read_parquet(tmp_path / "a" / "labels.parquet")
    scored = score(tmp_path / "s", adopted.out / "predictions.parquet", labels, taskType="regression", metricsOnly=True)
    assert scored.done["metrics"]["r2"] > 0.8
    signature = adopted.json("signature.json")
    assert signature["labels"] is None and signature["output"] == {"prediction": "float"}


def test_an_estimator_without_names_takes_the_columns_that_the_training_said(tmp_path: Path) -> None:
    frame, target = dataset("iris")
    columns = [name for name in frame.columns if name not in ("__row_id", target)][:2]
    model = RandomForestClassifier(20, random_state=0).fit(frame[columns].to_numpy(), frame[target])
    adopted = adopt(tmp_path / "a", model, "iris", target, "classification", columns=columns)
    assert adopted.done["scorable"] and adopted.json("signature.json")["featureColumns"] == columns
    assert "3" not in reason(adopt(tmp_path / "b", model, "iris", target, "classification", columns=columns[:1]))


def test_every_type_of_column_is_brought_into_the_form_of_a_file(tmp_path: Path) -> None:
    frame, _ = dataset("mixed")
    frame.to_csv(tmp_path / "mixed.csv", index=False)
    read = pd.read_csv(tmp_path / "mixed.csv")
    names = ["age", "plan.name", "joined", "last seen", "member", "constant", "empty"]
    kinds = ["float", "string", "date", "string", "boolean", "int", "null"]
    for name, kind in zip(names, kinds, strict=True):
        column = as_read(frame[name], kind, "text")
        pd.testing.assert_series_equal(column, read[name], check_names=False)
    assert str(as_read(frame["joined"], "date", "datetime").dtype).startswith("datetime64")
    for wrong, kind in (("x", "int"), ("x", "float"), ("maybe", "boolean")):
        with pytest.raises(MlError):
            as_read(pd.Series([wrong], name="c"), kind, "text")
    # One row of JSON is brought into the same form.
    row = pd.Series([None], dtype=object, name="plan.name")
    assert as_read(row, "string", "text").dtype == read["plan.name"].dtype


def test_what_cannot_predict_from_raw_columns_says_why(tmp_path: Path) -> None:
    features, labels = as_a_notebook_reads("species")
    encoded = pd.get_dummies(features).fillna(0)
    cases: list[tuple[Any, str]] = [
        (LogisticRegression(max_iter=500).fit(encoded, labels), "columns that the dataset does not have"),
        (RandomForestClassifier(5).fit(encoded.to_numpy(), labels), "takes"),
        (
            pipeline(features, LogisticRegression(max_iter=500)).fit(features, labels.astype("category").cat.codes),
            "it answers '0'",
        ),
        (pipeline(features, LogisticRegression()), "cannot predict"),
        (Broken(), "boom"),
        (OneForAll(), "one answer a row"),
    ]
    with_target = features.assign(species=labels)
    own = pipeline(with_target, LogisticRegression(max_iter=500)).fit(with_target, labels)
    cases.append((own, "from 'species' itself"))
    for number, (model, expected) in enumerate(cases):
        adopted = adopt(tmp_path / str(number), model, "penguins", "species", "classification")
        assert expected in reason(adopted), (model, adopted.done)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MlError, match="holds a dict"):
        adopt(tmp_path / "a", {"not": "a model", "padding": "x" * 100}, "penguins", "species", "classification")
    with pytest.raises(MlError, match="too small"):
        adopt(tmp_path / "b", None, "penguins", "species", "classification")
    place = tmp_path / "a"
    (place / "model.joblib").write_bytes(b"x" * 100)
    with pytest.raises(MlError, match="does not load"):
        run("adopt", place, {"taskType": "classification", "target": "species", "templateId": "llm-any"})
    with pytest.raises(MlError, match="taskType"):
        run("adopt", place, {"taskType": "clustering", "target": "species", "templateId": "llm-any"})
    with pytest.raises(MlError, match="no column 'gone'"):
        run("adopt", place, {"taskType": "classification", "target": "gone", "templateId": "llm-any"})


def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: Path) -> Any:
        raise ModuleNotFoundError("No module named 'catboost'", name="catboost")

    monkeypatch.setattr(joblib, "load", load)
    adopted = adopt(tmp_path, LogisticRegression(), "penguins", "species", "classification")
    assert "the library catboost" in reason(adopted)


def test_what_a_project_installed_is_used_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = tmp_path / "layer"
    (layer / "tinyest").mkdir(parents=True)
    (layer / "tinyest" / "__init__.py").write_text("from tinyest.inner import Nearest\n")
    source = Path(__file__).parent / "nearest.py"
    (layer / "tinyest" / "inner.py").write_text(source.read_text(encoding="utf-8"))
    monkeypatch.syspath_prepend(layer)
    nearest = import_module("tinyest").Nearest
    numbers = as_a_notebook_reads("species")[0].select_dtypes("number").drop(columns="year")
    model = make_pipeline(SimpleImputer(), StandardScaler(), nearest())
    model.fit(numbers, as_a_notebook_reads("species")[1])

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "tinyest"]:
            monkeypatch.delitem(sys.modules, name)

    place = tmp_path / "with"
    adopted = adopt(place, model, "penguins", "species", "classification", packages=str(layer))
    assert (adopted.done["scorable"], adopted.done["packages"]) == (True, ["tinyest"])
    requirements = package(tmp_path / "zip", adopted, ["tinyest==1.0", "numpy==0.1"])
    assert "tinyest==1.0" in requirements and "numpy==0.1" not in requirements
    forget()
    features, labels = as_a_notebook_reads("species")
    ours = pipeline(features, LogisticRegression(max_iter=500)).fit(features, labels)
    plain = adopt(tmp_path / "plain", ours, "penguins", "species", "classification", packages=str(layer))
    assert (plain.done["scorable"], plain.done["packages"]) == (True, [])

    # Where they are not there, what lacks is named.
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(layer)])
    with pytest.raises(MlError, match="the library tinyest") as refused:
        load_model(Reader({}), place)
    assert refused.value.code == "library_missing"
    again = run("adopt", place, {"taskType": "classification", "target": "species", "templateId": "llm-any"})
    assert (again.done["scorable"], again.done["packages"]) == (False, [])
    assert "the library tinyest" in again.done["reason"] and "install it" in again.done["reason"]


def package(place: Path, adopted: Ran, packages: list[str]) -> list[str]:
    """Returns the requirements of an adopted model's MLflow directory."""
    place.mkdir()
    shutil.copy(adopted.out.parent / "model.joblib", place / "model.joblib")
    for name in ("signature.json", "report.json"):
        shutil.copy(adopted.out / name, place / name)
    with zipfile.ZipFile(run("package", place, {"packages": packages}).out / "model.zip") as archive:
        return archive.read("requirements.txt").decode().splitlines()


def test_dates_are_given_as_the_model_takes_them(tmp_path: Path) -> None:
    frame, target = dataset("mixed")
    kept = frame[["age", "joined"]]
    as_text = kept.assign(joined=kept["joined"].dt.strftime("%Y-%m-%d"))
    for number, (rows, expected) in enumerate([(as_text, "text"), (kept, "datetime")]):
        model = DatesModel(expected).fit(rows, frame[target])
        adopted = adopt(tmp_path / str(number), model, "mixed", target, "classification", columns=["age", "joined"])
        assert adopted.json("signature.json")["foreign"]["dates"] == expected
        assert adopted.json("signature.json")["targetType"] == "boolean"


def test_labels_are_not_given_with_the_model(tmp_path: Path) -> None:
    features, labels = as_a_notebook_reads("species")
    model = pipeline(features, LogisticRegression(max_iter=500)).fit(features, labels)
    adopt(tmp_path, model, "penguins", "species", "classification")
    frame, _ = dataset("penguins")
    frame.to_parquet(tmp_path / "features.parquet", index=False)
    with pytest.raises(MlError, match="hold the target"):
        run("adopt", tmp_path, {"taskType": "classification", "target": "species", "templateId": "llm-any"})


class DatesModel:
    """Takes dates in one form only."""

    def __init__(self, dates: str) -> None:
        self.dates = dates
        self.padding = "x" * 100

    def fit(self, rows: pd.DataFrame, labels: pd.Series) -> DatesModel:
        self.classes_ = np.unique(labels)
        self.predict(rows)
        return self

    def predict(self, rows: pd.DataFrame) -> Any:
        years = rows["joined"].str[:4].astype(int) if self.dates == "text" else rows["joined"].dt.year
        return (years > 2021).to_numpy()


class Broken:
    """Fails as foreign code may."""

    def __init__(self) -> None:
        self.padding = np.zeros(100)

    def predict(self, _: Any) -> Any:
        raise RuntimeError("boom")


class OneForAll:
    """Answers once for all rows."""

    def __init__(self) -> None:
        self.padding = np.zeros(100)

    def predict(self, _: Any) -> Any:
        return np.array(["Adelie"])
