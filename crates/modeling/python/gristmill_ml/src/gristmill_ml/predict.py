"""`predict`: a model and features without labels in, predictions and explanations out.

This runs where no label is. It loads the model, which may run any code, so nothing that it must not see is mounted.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa

from gristmill_ml.errors import MlError
from gristmill_ml.foreign import as_foreign
from gristmill_ml.frames import PROBABILITY, Table, read_table, text_of, write_table
from gristmill_ml.progress import Progress, write_json
from gristmill_ml.provenance import Stopwatch
from gristmill_ml.spec import ROW_ID, Reader, bad, inside, read_limits

ARTIFACT_BYTES_MIN = 64
INPUTS_MAX = 20_000
_NAME = re.compile(r"^[A-Za-z0-9_.\-]{1,100}$")


def lacking(error: ModuleNotFoundError) -> MlError:
    """Returns the error for a model that needs a library which is not there."""
    message = (
        f"the model needs the library {error.name}, which neither comes with Gristmill nor was in the project "
        "when the model was registered; install it there, train again and register the new model"
    )
    return MlError("library_missing", message, "model")


class Model:
    """A loaded model: the pipeline, and its task and labels."""

    def __init__(
        self, pipeline: Any, task: str, target: str | None = None, interval: dict[str, Any] | None = None
    ) -> None:
        """Keeps the parts; `interval` is that of signature.json."""
        self.pipeline = pipeline
        self.task = task
        self.target = target
        self.interval = interval if task == "regression" else None
        final = pipeline.steps[-1][1] if hasattr(pipeline, "steps") else pipeline
        self.classes = np.asarray(getattr(final, "classes_", [])) if task == "classification" else np.array([])
        self.labels = [text_of(label) for label in self.classes]

    def predict(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Returns `prediction`, and a probability column for each class where the model has them."""
        try:
            raw = np.asarray(self.pipeline.predict(frame)).ravel()
            if self.task == "regression":
                return {"prediction": raw.astype(np.float64)}
            if self.task == "clustering":
                return {"prediction": raw.astype(np.int64)}
            columns = {"prediction": np.array([text_of(label) for label in raw], dtype=object)}
            if hasattr(self.pipeline, "predict_proba"):
                chances = np.asarray(self.pipeline.predict_proba(frame), dtype=np.float64)
                columns |= {PROBABILITY + label: chances[:, place] for place, label in enumerate(self.labels)}
            return columns
        except MlError:
            raise
        except ModuleNotFoundError as error:
            raise lacking(error) from error
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            # A foreign model (from a notebook) says in its own words which column it lacks.
            message = f"the model cannot predict from these columns: {' '.join(str(error).split())[:300]}"
            raise MlError("cannot_predict", message, "features") from error

    def with_bounds(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Adds `lower` and `upper` to predicted numbers, where the model knows how far they may be off."""
        if self.interval is None:
            return columns
        width, centre = float(self.interval["halfWidth"]), columns["prediction"]
        return {**columns, "lower": centre - width, "upper": centre + width}


def load_model(spec: Reader, directory: Path) -> Model:
    """Loads `model` (default model.joblib); signature.json beside it, or the spec, says the task."""
    path = spec.file("model", directory, "model.joblib")
    if path.stat().st_size < ARTIFACT_BYTES_MIN:
        raise MlError("artifact_broken", f"{path.name} is too small to be a model", "model")
    signature_path = path.with_name("signature.json")
    signature: dict[str, Any] = {}
    if signature_path.is_file():
        signature = json.loads(signature_path.read_text(encoding="utf-8"))
    try:
        pipeline = joblib.load(path)
    except ModuleNotFoundError as error:
        raise lacking(error) from error
    except Exception as error:
        raise MlError(
            "artifact_broken", f"{path.name} does not load: {type(error).__name__}: {error}"[:400], "model"
        ) from error
    if not hasattr(pipeline, "predict"):
        raise MlError("artifact_broken", f"{path.name} holds a {type(pipeline).__name__}, not a model", "model")
    task = spec.text("taskType", signature.get("taskType")) or _guess_task(pipeline)
    pipeline = as_foreign(pipeline, signature)
    return Model(pipeline, task, signature.get("target"), (signature.get("output") or {}).get("interval"))


def _guess_task(pipeline: Any) -> str:
    from sklearn.base import is_clusterer, is_regressor

    if is_regressor(pipeline):
        return "regression"
    return "clustering" if is_clusterer(pipeline) else "classification"


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Predicts for `features` and every further input, explains where asked, and returns the `done` event."""
    watch = Stopwatch()
    progress.time_budget = read_limits(spec).time_seconds
    row_id = spec.text("rowId", ROW_ID)
    features = read_table(spec.file("features", directory, "features.parquet"), "features")
    inputs = [_input(entry, directory) for entry in spec.objects("inputs", INPUTS_MAX)]
    if len({name for name, _ in inputs}) < len(inputs):
        raise bad("inputs", "two inputs have the same name")
    model = load_model(spec, directory)
    watch.lap("load")
    progress.stage("predicting", 0.0)
    ids = row_ids(features, row_id)
    _refuse_target(features, model)
    predicted = model.with_bounds(model.predict(features.frame))
    save_predictions(out / "predictions.parquet", ids, predicted, model, row_id)
    watch.lap("predict")
    for number, (name, path) in enumerate(inputs):
        progress.stage("predicting", 0.1 + 0.6 * number / len(inputs))
        frame = overlay(features, read_table(path, f"inputs[{number}].file"), row_id, number)
        save_predictions(out / "predictions" / f"{name}.parquet", ids, model.predict(frame), model, row_id)
    watch.lap("inputs")
    done: dict[str, Any] = {"type": "done", "rows": len(features), "inputs": len(inputs), "labels": model.labels}
    if spec.has("explain"):
        from gristmill_ml import explain

        progress.stage("explaining", 0.7)
        result = explain.run(model, features, ids, spec.object("explain"), directory, progress)
        write_json(out / "shap.json", result)
        done["explained"] = result.get("available", True)
        watch.lap("explain")
    return {**done, "timing": watch.report()}


def _input(entry: Reader, directory: Path) -> tuple[str, Path]:
    name = entry.text("name")
    if not _NAME.match(name) or name in (".", ".."):
        raise bad(entry.at("name"), "may have letters, digits, dots, dashes and underscores only")
    path = inside(directory, entry.text("file"), entry.at("file"))
    if not path.is_file():
        raise MlError(
            "file_missing", f"there is no file {entry.data['file']!r} in the input directory", entry.at("file")
        )
    return name, path


def _refuse_target(features: Table, model: Model) -> None:
    if model.target is not None and model.target in features.types:
        raise MlError(
            "labels_present",
            f"features hold the target {model.target!r}; predictions are made without labels",
            "features",
        )


def row_ids(table: Table, row_id: str) -> pa.Array:
    """Returns the row ids, or running numbers where the file has none."""
    if row_id not in table.types:
        return pa.array(np.arange(len(table)))
    series = table.frame[row_id]
    if series.isna().any() or series.duplicated().any():
        raise MlError("duplicate_row_id", f"column {row_id!r} must have a different value in every row", "rowId")
    return pa.array(series)


def overlay(base: Table, changed: Table, row_id: str, number: int) -> pd.DataFrame:
    """Returns the base features with the columns of `changed` over them, row by row as their ids say."""
    if len(changed) != len(base):
        raise MlError(
            "row_mismatch",
            f"input {number} has {len(changed)} rows, the features have {len(base)}",
            f"inputs[{number}].file",
        )
    rows = changed.frame
    if row_id in changed.types and row_id in base.types:
        order = rows.set_index(row_id).index.get_indexer(base.frame[row_id])
        if (order < 0).any():
            raise MlError("row_mismatch", f"input {number} lacks rows of the features", f"inputs[{number}].file")
        rows = rows.iloc[order].reset_index(drop=True)
    frame = base.frame.copy(deep=False)
    for name in rows.columns:
        if name != row_id:
            frame[name] = rows[name]
    return frame


def save_predictions(path: Path, ids: pa.Array, columns: dict[str, np.ndarray], model: Model, row_id: str) -> None:
    """Writes a predictions file; its metadata has the task and the labels in the order of the columns."""
    data: dict[str, Any] = {row_id: ids}
    for name, values in columns.items():
        data[name] = pa.array(values, type=pa.string()) if values.dtype == object else pa.array(values)
    write_table(path, data, {"taskType": model.task, "labels": model.labels})
