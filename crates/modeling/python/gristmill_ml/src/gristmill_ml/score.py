"""`score`: labels and predictions in, evaluation.json and error_analysis.json out. It never loads a model."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from gristmill_ml import error_analysis
from gristmill_ml.columns import make_plan
from gristmill_ml.errors import MlError
from gristmill_ml.evaluation import classification_blocks, regression_blocks
from gristmill_ml.frames import Table, read_table
from gristmill_ml.labels import Judged, Truth, ids_of, join, read_truth, task_of
from gristmill_ml.metrics import PRIMARY, classification_metrics, clustering_metrics, regression_metrics
from gristmill_ml.progress import Progress, finite, write_json
from gristmill_ml.provenance import Stopwatch
from gristmill_ml.spec import ROW_ID, Reader, read_limits

JSON_BYTES_MAX = 256 * 1024 * 1024
# What training measured on its own rows is shown beside what was measured here.
TRAINING_BLOCKS = ("learning_curve", "cross_validation")


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Scores one model and returns the `done` event with the metrics to store."""
    watch = Stopwatch()
    progress.time_budget = read_limits(spec).time_seconds
    seed = spec.integer("seed", 42, 0, 2**32 - 1)
    row_id = spec.text("rowId", ROW_ID)
    progress.stage("reading", 0.0)
    predictions = read_table(spec.file("predictions", directory, "predictions.parquet"), "predictions")
    task = task_of(spec, predictions)
    features = None
    if spec.has("features") or (directory / "features.parquet").is_file():
        features = read_table(spec.file("features", directory, "features.parquet"), "features")
    training = _json(spec, directory, "report")
    evaluation: dict[str, Any] = {
        "version": 1,
        "taskType": task,
        "effectiveTaskType": task,
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "warnings": [],
    }
    progress.stage("scoring", 0.2)
    if task == "clustering":
        analysis = {"available": False, "reason": "clusters have no labels that could be wrong"}
        _clustering(evaluation, predictions, features, row_id, seed)
    else:
        truth = read_truth(spec, directory, task)
        if truth.left_out:
            evaluation["warnings"].append(f"{truth.left_out} rows without a usable label were left out")
        judged = join(predictions, truth, row_id, task, "predictions")
        if spec.boolean("metricsOnly", False):
            return {"type": "done", "metrics": finite(_metrics(judged, task)), "timing": watch.report()}
        _supervised(evaluation, judged, task, seed)
        if task == "regression" and {"lower", "upper"} <= set(predictions.types):
            evaluation["interval_coverage"] = _coverage(predictions, judged, row_id)
        progress.stage("importance", 0.5)
        _importance(evaluation, spec, directory, truth, judged, task, row_id, progress)
        progress.stage("error_analysis", 0.8)
        analysis = error_analysis.analyse(judged, features, row_id, _json(spec, directory, "shap"), seed)
    _from_training(evaluation, training, task)
    evaluation["computeMs"] = int(watch.report()["wallSeconds"] * 1000)
    write_json(out / "evaluation.json", evaluation)
    write_json(out / "error_analysis.json", analysis)
    return {"type": "done", "metrics": finite(evaluation["metrics"]), "timing": watch.report()}


def _supervised(evaluation: dict[str, Any], judged: Judged, task: str, seed: int) -> None:
    if task == "classification":
        evaluation["metrics"] = _metrics(judged, task)
        evaluation |= classification_blocks(judged)
        labels, counts = np.unique(judged.y_true.astype(str), return_counts=True)
        distribution = {str(label): int(count) for label, count in zip(labels, counts, strict=True)}
        evaluation["class_distribution"] = {"train": {}, "test": distribution}
        unknown = sorted(set(judged.y_true) - set(judged.labels))
        if unknown and len(judged.labels):
            evaluation["warnings"].append(f"training did not see the labels {', '.join(map(repr, unknown[:5]))}")
        evaluation["evaluationSample"] = {
            "applied": False,
            "maxRows": len(judged.y_true),
            "totalRows": len(judged.y_true),
        }
    else:
        evaluation["metrics"] = _metrics(judged, task)
        evaluation |= regression_blocks(judged, seed)


def _metrics(judged: Judged, task: str) -> dict[str, float]:
    if task == "regression":
        return regression_metrics(judged.y_true, judged.y_pred)
    labels, predicted = judged.labels.astype(str), judged.y_pred.astype(str)
    return classification_metrics(judged.y_true.astype(str), predicted, judged.probabilities, labels)


def _coverage(predictions: Table, judged: Judged, row_id: str) -> dict[str, Any]:
    """Returns the share of the rows whose true number lies within the interval that the model gave."""
    order = ids_of(predictions, row_id, "predictions").get_indexer(judged.ids)
    bounds = predictions.frame[["lower", "upper"]].iloc[order].to_numpy(dtype=np.float64)
    inside = (judged.y_true >= bounds[:, 0]) & (judged.y_true <= bounds[:, 1])
    return {"rows": len(inside), "covered": int(inside.sum()), "coverage": float(inside.mean())}


def _importance(
    evaluation: dict[str, Any],
    spec: Reader,
    directory: Path,
    truth: Truth,
    judged: Judged,
    task: str,
    row_id: str,
    progress: Progress,
) -> None:
    """Permutation importance: how much the score falls when the server shuffles one column before predicting."""
    entries = spec.objects("permuted", 100_000)
    if not entries:
        return
    base = _primary(judged, task)
    falls: dict[str, list[float]] = {}
    for entry in entries:
        progress.check()
        path = entry.file("file", directory)
        shuffled = join(read_table(path, entry.at("file")), truth, row_id, task, entry.at("file"))
        falls.setdefault(entry.text("feature"), []).append(base - _primary(shuffled, task))
    means = {name: float(np.mean(values)) for name, values in falls.items()}
    order = sorted(means, key=lambda name: (-means[name], name))
    evaluation.setdefault("feature_importance", {})["permutation"] = {
        "features": order,
        "importances_mean": [means[name] for name in order],
        "importances_std": [float(np.std(falls[name])) for name in order],
        "scoring": PRIMARY[task],
        "repeats": max(len(values) for values in falls.values()),
    }


def _primary(judged: Judged, task: str) -> float:
    if task == "classification":
        return float(np.mean(judged.y_true == judged.y_pred))
    spread = float(np.var(judged.y_true))
    error = float(np.mean((judged.y_true - judged.y_pred) ** 2))
    return 1.0 - error / spread if spread > 0 else -error


def _clustering(evaluation: dict[str, Any], predictions: Table, features: Table | None, row_id: str, seed: int) -> None:
    if features is None:
        raise MlError("file_missing", "clusters are scored with the features, and there are none", "features")
    from gristmill_ml.pipeline import build_encoder
    from gristmill_ml.prepare import RawPreparer

    order = ids_of(predictions, row_id, "predictions").get_indexer(ids_of(features, row_id, "features"))
    if (order < 0).any():
        raise MlError("row_mismatch", f"{int((order < 0).sum())} rows have no cluster", "predictions")
    plan = make_plan(features, [name for name in features.frame.columns if name != row_id], {})
    prepared = RawPreparer(plan).fit_transform(features.frame)
    encoded = np.asarray(build_encoder(plan, scales=True).fit_transform(prepared))
    labels = predictions.frame["prediction"].to_numpy()[order]
    block = clustering_metrics(encoded, labels, seed)
    evaluation["clustering_metrics"] = block
    evaluation["metrics"] = {
        name: block[name] for name in ("silhouette", "davies_bouldin", "calinski_harabasz") if block[name] is not None
    }
    evaluation["evaluationSample"] = {"applied": len(labels) > 2000, "maxRows": 2000, "totalRows": len(labels)}


def _json(spec: Reader, directory: Path, key: str) -> dict[str, Any] | None:
    """Returns an optional JSON input. It comes from a sandbox that ran a model, so it is data and nothing more."""
    if not spec.has(key):
        return None
    path = spec.file(key, directory)
    if path.stat().st_size > JSON_BYTES_MAX:
        raise MlError("unreadable_file", f"{path.name} is larger than 256 MiB", key)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise MlError("unreadable_file", f"{path.name} is not valid JSON", key) from error
    return value if isinstance(value, dict) else None


def _from_training(evaluation: dict[str, Any], training: dict[str, Any] | None, task: str) -> None:
    if training is None:
        return
    for name in TRAINING_BLOCKS:
        if isinstance(training.get(name), dict):
            evaluation[name] = training[name]
    importance = training.get("feature_importance")
    if isinstance(importance, dict) and isinstance(importance.get("model_based"), dict):
        evaluation.setdefault("feature_importance", {})["model_based"] = importance["model_based"]
    if task == "classification" and isinstance(training.get("class_distribution"), dict):
        evaluation["class_distribution"]["train"] = training["class_distribution"]
    warnings = training.get("warnings")
    if isinstance(warnings, list):
        evaluation["warnings"] += [str(text)[:500] for text in warnings[:100]]
