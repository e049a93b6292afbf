"""The same estimators on the same file, called directly: what training costs without a server around it.

Prints `template<TAB>seconds of the whole program's work after its imports`.
"""

import sys
import time

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from lightgbm import LGBMClassifier

ESTIMATORS = {
    "logistic_regression": lambda: LogisticRegression(C=1.0, max_iter=200),
    "random_forest_classifier": lambda: RandomForestClassifier(n_estimators=200, max_depth=10, random_state=42, n_jobs=1),
    "lightgbm_classifier": lambda: LGBMClassifier(n_estimators=100, random_state=42, n_jobs=1, verbosity=-1),
}

for name in sys.argv[2:]:
    began = time.perf_counter()
    frame = pd.read_csv(sys.argv[1])
    y = frame.pop("label")
    numbers = frame.select_dtypes("number").columns
    texts = frame.columns.difference(numbers)
    prepare = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, max_categories=50), texts),
        ]
    )
    x_train, x_test, y_train, y_test = train_test_split(frame, y, test_size=0.2, random_state=42, stratify=y)
    model = make_pipeline(prepare, ESTIMATORS[name]()).fit(x_train, y_train)
    accuracy = accuracy_score(y_test, model.predict(x_test))
    print(f"{name}\t{time.perf_counter() - began:.3f}\t{accuracy:.4f}", flush=True)
