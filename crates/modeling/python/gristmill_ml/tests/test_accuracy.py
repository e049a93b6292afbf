"""Each template beside the same estimator in a plain scikit-learn pipeline, on the same rows, with the same seed.

What is here and not in test_train.py: missing values, texts, dates and booleans on both sides, ten classes, many rows.
The two slowest templates (scikit-learn's own gradient boosting, and neighbours) are left out of the large table.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler
from test_train import CLASSIFIERS, REGRESSORS, SMALL

from gristmill_ml.templates import build_estimator, catalogue, check_parameters, resolve
from helpers import QUICK, dataset, predict, score, split, train

TOLERANCE = 0.02
FAST = [name for name in CLASSIFIERS + REGRESSORS if not name.startswith(("knn", "gradient_boosting"))]


@cache
def table(name: str) -> tuple[pd.DataFrame, str]:
    """A dataset by name; `large` and `amounts` are 50,000 rows of mixed types, with a class and a number to predict."""
    if name not in ("large", "amounts"):
        frame, target = dataset(name)
        return frame[frame[target].notna()].reset_index(drop=True), target
    random = np.random.default_rng(11)
    rows = 50_000
    age, spend = random.normal(40, 12, rows), random.lognormal(3, 1, rows)
    plan = random.choice(["basic", "plus", "pro"], rows, p=[0.5, 0.3, 0.2])
    member = random.random(rows) < 0.4
    joined = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1500, rows), unit="D")
    days = (joined - pd.Timestamp("2020-01-01")).days.to_numpy()
    value = 0.05 * (age - 40) + (plan == "pro") * 1.5 - member * 1.2 + 0.4 * np.log(spend) + days / 1000
    value = value + random.normal(0, 0.5, rows)
    frame = pd.DataFrame(
        {
            "__row_id": np.arange(rows),
            "age": np.where(random.random(rows) < 0.05, np.nan, age),
            "spend": spend,
            "plan": pd.Series(plan, dtype=object).where(random.random(rows) > 0.03, None),
            "member": member,
            "joined": joined,
            "noise": random.normal(size=rows),
        }
    )
    if name == "large":
        return frame.assign(churned=np.where(value > 1.7, "yes", "no")), "churned"
    return frame.assign(amount=value), "amount"


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """What somebody would do by hand before a pipeline: a date as days, truth as a number."""
    result = frame.copy()
    for name in result.columns:
        if pd.api.types.is_datetime64_any_dtype(result[name]):
            result[name] = (result[name] - pd.Timestamp("2020-01-01")).dt.days
        elif pd.api.types.is_bool_dtype(result[name]):
            result[name] = result[name].astype(int)
    return result


def directly(template_id: str, inside: pd.DataFrame, outside: pd.DataFrame, target: str) -> float:
    """The score of the estimator in a pipeline of scikit-learn's own parts."""
    template = resolve(template_id, None)
    params = check_parameters(template, SMALL.get(template_id, {}))
    classes = inside[target].nunique() if template.task == "classification" else 0
    estimator = build_estimator(template, params, 42, 1, classes)
    x_inside, x_outside = (plain(part.drop(columns=["__row_id", target])) for part in (inside, outside))
    numbers = list(x_inside.select_dtypes("number").columns)
    texts = [name for name in x_inside.columns if name not in numbers]
    steps: list[Any] = [SimpleImputer(strategy="median"), *([StandardScaler()] if template.scales else [])]
    one_hot = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    x_inside[texts], x_outside[texts] = (
        part[texts].astype(object).where(part[texts].notna(), None) for part in (x_inside, x_outside)
    )
    imputed = [("numbers", make_pipeline(*steps), numbers), ("texts", one_hot, texts)]
    model = make_pipeline(ColumnTransformer(imputed), estimator)
    if template.task == "regression":
        model.fit(x_inside, inside[target])
        return float(r2_score(outside[target], model.predict(x_outside)))
    codes = LabelEncoder().fit(inside[target])
    model.fit(x_inside, codes.transform(inside[target]))
    return float(accuracy_score(codes.transform(outside[target]), model.predict(x_outside)))


def here(template_id: str, place: Path, inside: pd.DataFrame, outside: pd.DataFrame, target: str) -> float:
    """The score of the template: trained, predicted and scored apart, as the server does it."""
    model = train(place / "t", inside, template_id, target, params=SMALL.get(template_id, {}), interval=None, **QUICK)
    predicted = predict(place / "p", model, outside.drop(columns=target))
    labels = outside[["__row_id", target]]
    metrics = score(place / "s", predicted.out / "predictions.parquet", labels, metricsOnly=True).done["metrics"]
    return metrics["r2" if resolve(template_id, None).task == "regression" else "accuracy"]


def check(template_id: str, name: str, place: Path) -> None:
    frame, target = table(name)
    inside, outside = split(frame, 0.4 if len(frame) < 1000 else 0.25)
    alone, own = directly(template_id, inside, outside, target), here(template_id, place, inside, outside, target)
    assert own == pytest.approx(alone, abs=TOLERANCE)


@pytest.mark.parametrize("template_id", CLASSIFIERS)
@pytest.mark.parametrize("name", ["penguins", "digits", "breast_cancer", "wine", "iris"])
def test_classes(template_id: str, name: str, tmp_path: Path) -> None:
    check(template_id, name, tmp_path)


@pytest.mark.parametrize("template_id", REGRESSORS)
def test_numbers(template_id: str, tmp_path: Path) -> None:
    check(template_id, "diabetes", tmp_path)


@pytest.mark.parametrize("template_id", FAST)
def test_fifty_thousand_mixed_rows(template_id: str, tmp_path: Path) -> None:
    check(template_id, "large" if template_id in CLASSIFIERS else "amounts", tmp_path)


def test_no_template_is_left_out() -> None:
    tested = {*CLASSIFIERS, *REGRESSORS}
    assert {t.id for t in catalogue().values() if t.task != "clustering" and not t.is_auto} == tested
