"""The same estimators on the same file, called directly: what training costs without a server around it.

`direct.py FILE TEMPLATES TEMPLATE...` prints `template<TAB>seconds<TAB>score` for each: the whole program's work after
its imports, and the accuracy or r2 on the rows that were held out (of clusters, 0).
"""

import importlib
import json
import sys
import time

import lightgbm  # noqa: F401 - imported before the clock runs, as everything here
import pandas as pd
import xgboost  # noqa: F401
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

TARGETS = {"classification": "label", "regression": "amount", "clustering": None}
DATES = ["day"]


def parts_of(dates):
    """Returns the numbers that the server's own preparation makes of dates, so that both train on the same columns."""
    parts = {}
    for name in dates.columns:
        date = pd.to_datetime(dates[name])
        parts |= {f"{name}_{part}": getattr(date.dt, part) for part in ("year", "month", "day", "day_of_week", "day_of_year")}
        parts[f"{name}_days"] = (date - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    return pd.DataFrame(parts, dtype="float64")


def estimator(template):
    """Returns the estimator that the template names, on one core and silent."""
    kind = getattr(importlib.import_module(template["importPath"]), template["modelClass"])
    arguments = dict(template["defaultParams"])
    name = template["id"]
    if name.startswith(("random_forest", "knn", "lightgbm", "xgboost")):
        arguments["n_jobs"] = 1
    if name.startswith("lightgbm"):
        arguments["verbosity"] = -1
    if name.endswith("kmeans"):
        arguments["n_init"] = 10
    if name == "gaussian_mixture":
        arguments |= {"n_init": 3, "reg_covar": 1e-5}
    return kind(**arguments)


with open(sys.argv[2]) as file:
    templates = {template["id"]: template for template in json.load(file)["templates"]}
for name in sys.argv[3:]:
    template = templates[name]
    target = TARGETS[template["taskType"]]
    importlib.import_module(template["importPath"])
    began = time.perf_counter()
    frame = pd.read_csv(sys.argv[1])
    y = frame[target] if target else None
    frame = frame.drop(columns=[column for column in TARGETS.values() if column])
    numbers = frame.select_dtypes("number").columns
    texts = frame.columns.difference(numbers).difference(DATES)
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    prepare = ColumnTransformer(
        [
            ("numbers", scaled, numbers),
            ("dates", make_pipeline(FunctionTransformer(parts_of), clone(scaled)), DATES),
            (
                "texts",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", min_frequency=10, max_categories=50, sparse_output=False
                ),
                texts,
            ),
        ]
    )
    model = make_pipeline(prepare, estimator(template))
    if target is None:
        model.fit(frame)
        score = 0.0
    else:
        if template["modelClass"].startswith("XGBC"):
            y = (y == "yes").astype(int)
        parts = train_test_split(
            frame, y, test_size=0.2, random_state=42, stratify=y if template["taskType"] == "classification" else None
        )
        model.fit(parts[0], parts[2])
        score = (accuracy_score if template["taskType"] == "classification" else r2_score)(
            parts[3], model.predict(parts[1])
        )
    print(f"{name}\t{time.perf_counter() - began:.3f}\t{score:.4f}", flush=True)
