"""Loads a packaged model for MLflow: the `loader_module` of the `python_function` flavor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from gristmill_ml.foreign import as_foreign


class PackagedModel:
    """What MLflow calls; takes a frame with the dataset's columns."""

    def __init__(self, pipeline: Any) -> None:
        """Keeps the pipeline."""
        self.pipeline = pipeline

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Returns predictions, or probabilities by class with `params={"method": "predict_proba"}`."""
        frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
        if params and params.get("method") == "predict_proba":
            chances = self.pipeline.predict_proba(frame)
            return pd.DataFrame(chances, columns=[str(label) for label in self.pipeline.classes_], index=frame.index)
        return self.pipeline.predict(frame)


def _load_pyfunc(path: str) -> PackagedModel:
    place = Path(path)
    file = place / "model.joblib" if place.is_dir() else place
    signature = file.with_name("signature.json")
    known = json.loads(signature.read_text(encoding="utf-8")) if signature.is_file() else {}
    return PackagedModel(as_foreign(joblib.load(file), known))
