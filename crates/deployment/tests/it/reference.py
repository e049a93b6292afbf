"""Trains models and tells what Python itself predicts: `reference.py OUT TEMPLATE...`, one directory for each template.

Beside the model, a directory gets expected.json: rows as JSON, what the pipeline answers for each, whether that answer
hangs on less than single precision (a row next to the split of a tree, or between two clusters), and whether Python's
own arithmetic is too coarse for it.
"""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import threadpoolctl

from gristmill_ml import serve, train
from gristmill_ml.frames import PROBABILITY, json_value, read_table, typed_json
from gristmill_ml.predict import Model
from gristmill_ml.progress import Progress
from gristmill_ml.spec import read_spec
from gristmill_ml.templates import catalogue

ROWS = 500
QUICK = {
    "auto": {"time_budget_seconds": 8},
    "hist": {"max_iter": 50},
    "random_forest": {"n_estimators": 50},
    "gradient_boosting": {"n_estimators": 50},
}
# Further models of a template, by the name behind the template's.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "gaussian_mixture": {kind: {"params": {"covariance_type": kind}} for kind in ("tied", "diag", "spherical")},
    "knn_classifier": {"manhattan": {"params": {"metric": "manhattan", "n_neighbors": 7}}},
    "logistic_regression": {
        "two": {"target": "two"},
        "numbers": {"target": "numbers"},
        "fractions": {"target": "fractions"},
    },
    "random_forest_classifier": {"two": {"target": "two"}, "texts": {"features": ["plan.name"], "target": "two"}},
    "lightgbm_classifier": {"two": {"target": "two"}, "numbers": {"target": "numbers"}},
    "xgboost_classifier": {"two": {"target": "two"}},
    "gradient_boosting_classifier": {"two": {"target": "two"}},
    "hist_gradient_boosting_classifier": {"two": {"target": "two"}},
    "ridge_regression": {
        "plain": {"features": ["age"]},
        "dates": {"features": ["joined", "last seen", "seen as text"]},
    },
}


def table(rows: int, seed: int) -> pd.DataFrame:
    """Returns features of every kind, under names of every kind, and targets of every type."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, rows)
    plan = rng.choice(["basic", "plus", "pro", "a rare one"], rows, p=[0.5, 0.3, 0.19, 0.01])
    joined = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, rows), unit="D")
    member = rng.choice([True, False, None], rows, p=[0.5, 0.4, 0.1])
    visits = rng.integers(0, 50, rows)
    signal = 0.05 * (age - 40) + (plan == "pro") * 1.5 - (member == True) * 1.2 + rng.normal(0, 0.5, rows)  # noqa: E712
    gaps = rng.random(rows)
    frame = pd.DataFrame(
        {
            "age": np.where(gaps < 0.05, np.nan, age),
            "spend €": rng.lognormal(3, 1, rows),
            "plan.name": pd.Series(plan, dtype=object).where(gaps > 0.03, None),
            'the "town"': [f"town {number}" for number in rng.zipf(1.4, rows) % 300],
            "joined": joined,
            "last seen": joined + pd.to_timedelta(rng.integers(0, 86_400, rows), unit="s"),
            "seen as text": [str(day.date()) if ok else "unknown" for day, ok in zip(joined, gaps > 0.02, strict=True)],
            "ist-Mitglied/größe": member,
            "visits": visits,
            "2nd code": rng.integers(0, 6, rows) * 11,
            "rate": rng.choice([0.5, 1.0, 2.25, np.nan], rows),
            "text number": [f"{value:.3f}" if ok else "n/a" for value, ok in zip(age / 7, gaps > 0.04, strict=True)],
            "día": joined.where(gaps > 0.5, pd.Timestamp("2021-03-04")),
            "flag": gaps > 0.4,
        }
    )
    frame["two"] = signal > 0
    frame["numbers"] = np.digitize(signal, [-0.5, 0.5]) * 4 + 3
    frame["fractions"] = np.where(signal > 0, 0.5, 1.5)
    frame["texts"] = np.array(["low one", "mid", "hî"])[np.digitize(signal, [-0.5, 0.5])]
    frame["number"] = signal * 10 + 3
    return frame


TARGETS = ["two", "numbers", "fractions", "texts", "number"]
ROLES = {
    "2nd code": "categorical",
    "rate": "categorical",
    "día": "categorical",
    "text number": "numeric",
    "flag": "categorical",
}


def fit(place: Path, frame: pd.DataFrame, template: str, spec: dict[str, Any]) -> None:
    """Trains into `place`."""
    place.mkdir(parents=True)
    frame.to_parquet(place / "train.parquet", index=False)
    quick = next((params for name, params in QUICK.items() if template.startswith(name)), {})
    spec = {"version": 1, "limits": {"cpus": 1}, "templateId": template, "cv": None, "learningCurve": None} | spec
    spec["params"] = quick | spec.get("params", {})
    (place / "spec.json").write_text(json.dumps(spec))
    train.run(read_spec(place), place, place, Progress(io.StringIO(), place / "cancel"))


def random_value(column: dict[str, Any], values: list[Any], rng: random.Random) -> Any:
    """Returns a value of a request: mostly one that there was, in one of the spellings that are taken."""
    choice = rng.random()
    if choice < 0.1:
        return None
    value = rng.choice(values)
    if value is None:
        return None
    kind = column["kind"]
    if kind == "numeric" and column["type"] != "string":
        if choice < 0.2:
            return rng.choice([0, -1.5, 1e30, -1e300, 3.5e38, 123456789012345678, 0.1])
        return rng.uniform(-100, 200) if choice < 0.4 else value
    if kind == "boolean":
        return rng.choice([value, str(value).lower(), str(value), int(value), float(value), "yes" if value else "no"])
    if kind == "categorical" and column["type"] == "string":
        return rng.choice(["never seen", "", "__missing__", "__other__", "Ü"]) if choice < 0.25 else value
    if kind == "categorical" and column["type"] == "int":
        return rng.choice([value, float(value), str(value), 77, "x"])
    if kind == "categorical" and column["type"] == "float":
        return rng.choice([value, 1e-7, 1e22, 0.1])
    if kind == "date" and column["type"] != "date":
        forms = [
            value,
            value.replace("T", " "),
            value.split("T")[0],
            "1999-12-31T23:59:59.999999",
            "2024-02-29T01:30+02:00",
        ]
        return rng.choice(forms)
    return value


def chances_of(model: Model, prepared: pd.DataFrame) -> np.ndarray:
    """Returns the answer of the steps after the first one, as numbers."""
    rest = model.pipeline[1:]
    if model.task == "classification":
        return np.asarray(rest.predict_proba(prepared), dtype=np.float64)
    return np.asarray(rest.predict(prepared), dtype=np.float64).reshape(len(prepared), -1)


def on_edge(model: Model, frame: pd.DataFrame) -> np.ndarray:
    """Tells which answers change when numbers change by no more than single precision."""
    prepare = model.pipeline.named_steps["prepare"]
    prepared = prepare.transform(frame)
    plain = chances_of(model, prepared)
    edge = np.zeros(len(frame), dtype=bool)
    for direction in (-np.inf, np.inf):
        moved = prepared.copy()
        for name in prepare.numeric_names_:
            moved[name] = np.nextafter(prepared[name].to_numpy(np.float32), np.float32(direction))
        edge |= (np.abs(chances_of(model, moved) - plain) > 1e-5 * np.maximum(1, np.abs(plain))).any(axis=1)
    return edge


def beyond_precision(model: Model, frame: pd.DataFrame) -> np.ndarray:
    """Tells for which rows a model of distances has no answer in single precision: those far away from all."""
    last = getattr(model.pipeline[-1], "estimator_", model.pipeline[-1])
    encoded = np.asarray(model.pipeline[:-1].transform(frame), dtype=np.float32)
    if hasattr(last, "kneighbors"):
        distances, _ = last.kneighbors(encoded, n_neighbors=last.n_neighbors + 1)
        return distances[:, -1] - distances[:, -2] <= 1e-6 * distances[:, -1]
    if model.task != "clustering":
        return np.zeros(len(frame), dtype=bool)
    if hasattr(last, "score_samples"):
        with np.errstate(all="ignore"):
            exact = encoded.astype(np.float64)
            likelihoods = np.sort(last._estimate_weighted_log_prob(exact), axis=1)
            gap, height = likelihoods[:, -1] - likelihoods[:, -2], np.abs(likelihoods[:, -1])
            # Which processor adds them up decides, where two are that close for their height.
            return (last.predict(encoded) != last.predict(exact)) | ~(gap > 1e-6 * height)
    centers = np.asarray(last.cluster_centers_, dtype=np.float64)
    distances = np.sort(((encoded.astype(np.float64)[:, None, :] - centers) ** 2).sum(axis=2), axis=1)
    return distances[:, 1] - distances[:, 0] <= 1e-6 * distances[:, 1]


def expected(model: Model, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns what the model answers for a frame, row by row."""
    answers = model.predict(frame)
    predictions = answers.pop("prediction").tolist()
    edge = on_edge(model, frame)
    imprecise = beyond_precision(model, frame)
    return [
        {
            "prediction": prediction,
            "probabilities": {name.removeprefix(PROBABILITY): float(one[place]) for name, one in answers.items()},
            "edge": bool(edge[place]),
            "imprecise": bool(imprecise[place]),
        }
        for place, prediction in enumerate(predictions)
    ]


def describe(place: Path, held: pd.DataFrame) -> None:
    """Writes expected.json."""
    signature = json.loads((place / "signature.json").read_text())
    model = Model(joblib.load(place / "model.joblib"), signature["taskType"], signature["target"])
    used = [column for column in signature["columns"] if column["kind"] != "drop"]
    held.to_parquet(place / "held.parquet", index=False)
    typed = read_table(place / "held.parquet", "held")
    rows = [
        {column["name"]: typed_json(row[column["name"]], column["type"]) for column in used}
        for row in typed.frame.to_dict("records")
    ]
    answers = expected(model, typed.frame)
    rng = random.Random(11)  # noqa: S311
    values = {column["name"]: [json_value(value) for value in typed.frame[column["name"]]] for column in used}
    made = [{c["name"]: random_value(c, values[c["name"]], rng) for c in used} for _ in range(300)]
    answers += expected(model, serve.rows_frame(made, model))
    (place / "expected.json").write_text(json.dumps({"rows": rows + made, "answers": answers}, allow_nan=False))


def main() -> None:
    """Makes every model that was asked for."""
    out, templates = Path(sys.argv[1]), sys.argv[2:]
    threadpoolctl.threadpool_limits(1)
    frame, held = table(ROWS, 7), table(150, 8)
    for template in templates:
        task = catalogue()[template].task
        target = {"classification": "texts", "regression": "number", "clustering": None}[task]
        for name, spec in [("", {}), *VARIANTS.get(template, {}).items()]:
            place = out / (f"{template}-{name}" if name else template)
            spec = {"target": target} | spec
            features = spec.get("features") or [name for name in frame.columns if name not in TARGETS]
            roles = {name: role for name, role in ROLES.items() if name in features}
            columns = features + ([spec["target"]] if spec["target"] else [])
            fit(place, frame[columns], template, spec | {"columns": roles})
            describe(place, held[features])


if __name__ == "__main__":
    main()
