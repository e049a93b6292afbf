"""The metrics that are stored with a model, the same in cross-validation, tuning, evaluation and comparison."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn import metrics as sk

HIGHER_IS_BETTER = {
    "accuracy": True,
    "balanced_accuracy": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "precision_macro": True,
    "recall_macro": True,
    "f1_macro": True,
    "roc_auc": True,
    "average_precision": True,
    "mcc": True,
    "log_loss": False,
    "brier": False,
    "r2": True,
    "explained_variance": True,
    "rmse": False,
    "mae": False,
    "mse": False,
    "median_absolute_error": False,
    "max_error": False,
    "mape": False,
    "silhouette": True,
}
PRIMARY = {"classification": "accuracy", "regression": "r2", "clustering": "silhouette"}


def classification_metrics(
    y_true: np.ndarray, y_pred: np.ndarray, probabilities: np.ndarray | None, labels: np.ndarray
) -> dict[str, float]:
    """Returns the metrics of labels as texts or codes; `labels` gives the order of the probability columns."""
    known = np.unique(np.concatenate([y_true, y_pred]))
    options: dict[str, Any] = {"labels": known, "zero_division": 0}
    result = {"accuracy": float(np.mean(y_true == y_pred))}
    for name, average in (("", "weighted"), ("_macro", "macro")):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(y_true, y_pred, average=average, **options)
        result |= {f"precision{name}": float(precision), f"recall{name}": float(recall), f"f1{name}": float(f1)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result["balanced_accuracy"] = float(sk.balanced_accuracy_score(y_true, y_pred))
        result["mcc"] = float(sk.matthews_corrcoef(y_true, y_pred))
    if probabilities is not None:
        result |= probability_metrics(y_true, probabilities, labels)
    return result


def probability_metrics(y_true: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns log loss, Brier score and the area under the ROC curve (one class against the rest, weighted)."""
    hits = y_true[:, None] == labels[None, :]
    chances = np.clip(probabilities, 1e-15, 1.0)
    own = np.where(hits.any(axis=1), (chances * hits).sum(axis=1), 1e-15)
    result = {
        "log_loss": float(-np.log(np.clip(own, 1e-15, 1.0)).mean()),
        "brier": float(((probabilities - hits) ** 2).sum(axis=1).mean() / (2 if len(labels) > 2 else len(labels))),
    }
    columns = range(1, 2) if len(labels) == 2 else range(len(labels))
    areas, weights, precisions = [], [], []
    for column in columns:
        positive = hits[:, column]
        if 0 < positive.sum() < len(positive):
            areas.append(sk.roc_auc_score(positive, probabilities[:, column]))
            precisions.append(sk.average_precision_score(positive, probabilities[:, column]))
            weights.append(positive.sum())
    if areas:
        result["roc_auc"] = float(np.average(areas, weights=weights))
        result["average_precision"] = float(np.average(precisions, weights=weights))
    return result


def regression_metrics(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """Returns the metrics of numbers; r2 is absent where the truth is constant."""
    residuals = y_true - y_pred
    mse = float(np.mean(residuals**2))
    result = {
        "rmse": float(np.sqrt(mse)),
        "mae": float(np.mean(np.abs(residuals))),
        "mse": mse,
        "median_absolute_error": float(np.median(np.abs(residuals))),
        "max_error": float(np.max(np.abs(residuals))),
    }
    spread = float(np.var(y_true))
    if len(y_true) > 1 and spread > 0:
        result["r2"] = 1.0 - mse / spread
        result["explained_variance"] = 1.0 - float(np.var(residuals)) / spread
    nonzero = y_true != 0
    if nonzero.any():
        result["mape"] = float(np.mean(np.abs(residuals[nonzero] / y_true[nonzero])))
    return result


def clustering_metrics(encoded: np.ndarray, labels: np.ndarray, seed: int, rows_max: int = 2000) -> dict[str, Any]:
    """Returns the block of the contract, from at most `rows_max` rows; scores are null with fewer than two clusters."""
    found, sizes = np.unique(labels, return_counts=True)
    chosen = np.random.default_rng(seed).permutation(len(labels))[:rows_max]
    points, marks = encoded[chosen], labels[chosen]
    result: dict[str, Any] = {
        "n_clusters": len(found),
        "cluster_sizes": {str(label): int(size) for label, size in zip(found.tolist(), sizes, strict=True)},
        "silhouette": None,
        "davies_bouldin": None,
        "calinski_harabasz": None,
    }
    if 2 <= len(np.unique(marks)) < len(marks):
        result["silhouette"] = float(sk.silhouette_score(points, marks))
        result["davies_bouldin"] = float(sk.davies_bouldin_score(points, marks))
        result["calinski_harabasz"] = float(sk.calinski_harabasz_score(points, marks))
    if points.shape[1] >= 2 and len(points) >= 2:
        from sklearn.decomposition import PCA

        flat = PCA(n_components=2, random_state=seed).fit_transform(points)
        result["projection"] = {"points": np.round(flat, 5).tolist(), "labels": marks.tolist()}
    return result
