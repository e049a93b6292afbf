"""The same estimators on the same Parquet file, called directly: what training costs without sandboxes around it.

`make PATH ROWS` writes the table. `time PATH TEMPLATE...` prints `template<TAB>median seconds<TAB>score` of five runs,
each from reading the file to scoring the test rows, after all imports.
"""

import statistics
import sys
import time

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

RUNS = 5
ESTIMATORS = {
    "logistic_regression": lambda: LogisticRegression(C=1.0, max_iter=200),
    "random_forest_classifier": lambda: RandomForestClassifier(
        n_estimators=200, max_depth=10, random_state=42, n_jobs=1
    ),
    "hist_gradient_boosting_classifier": lambda: HistGradientBoostingClassifier(random_state=42),
    "lightgbm_classifier": lambda: LGBMClassifier(n_estimators=100, random_state=42, n_jobs=1, verbosity=-1),
    "xgboost_classifier": lambda: XGBClassifier(n_estimators=100, random_state=42, n_jobs=1, tree_method="hist"),
    "ridge_regression": lambda: Ridge(alpha=1.0),
    "lightgbm_regressor": lambda: LGBMRegressor(n_estimators=100, random_state=42, n_jobs=1, verbosity=-1),
    "random_forest_regressor": lambda: RandomForestRegressor(
        n_estimators=200, max_depth=10, random_state=42, n_jobs=1
    ),
}


def make(path: str, rows: int) -> None:
    random = np.random.default_rng(42)
    values = random.random((rows, 8))
    row = np.arange(rows)
    kind = random.integers(0, 20, rows)
    score = values[:, 0] * 2 + values[:, 1] - values[:, 2] + kind % 3 * 0.4 + random.random(rows) * 0.5
    columns = {name: values[:, place] for place, name in enumerate("abcdefgh")}
    columns["d"] = np.where(row % 17 == 0, np.nan, columns["d"])
    frame = pd.DataFrame(
        {
            **columns,
            "region": [f"region {number}" for number in row % 7],
            "kind": [f"kind {number}" for number in kind],
            "label": np.where(score > 1.65, "yes", "no"),
            "score": score,
        }
    )
    frame.to_parquet(path, index=False)


def once(path: str, name: str) -> tuple[float, float]:
    began = time.perf_counter()
    frame = pd.read_parquet(path)
    classifies = "classifier" in name or name == "logistic_regression"
    y = frame["label" if classifies else "score"]
    frame = frame.drop(columns=["label", "score"])
    numbers = frame.select_dtypes("number").columns
    prepare = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            (
                "texts",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", min_frequency=10, max_categories=50, sparse_output=False
                ),
                frame.columns.difference(numbers),
            ),
        ]
    )
    stratify = y if classifies else None
    x_train, x_test, y_train, y_test = train_test_split(frame, y, test_size=0.2, random_state=42, stratify=stratify)
    if name.startswith("xgboost"):
        y_train, y_test = y_train == "yes", y_test == "yes"
    model = make_pipeline(prepare, ESTIMATORS[name]()).fit(x_train, y_train)
    score = (accuracy_score if classifies else r2_score)(y_test, model.predict(x_test))
    return time.perf_counter() - began, score


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    for name in sys.argv[3:]:
        runs = [once(sys.argv[2], name) for _ in range(RUNS)]
        print(f"{name}\t{statistics.median(seconds for seconds, _ in runs):.4f}\t{runs[0][1]:.4f}", flush=True)
