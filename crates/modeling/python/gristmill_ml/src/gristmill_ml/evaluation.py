"""The blocks of evaluation.json, each from labels and predictions alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics as sk

from gristmill_ml.labels import Judged, all_labels

CURVE_POINTS_MAX = 200
CURVE_CLASSES_MAX = 30
SCATTER_ROWS_MAX = 5000
CALIBRATION_BINS = 10
HISTOGRAM_BINS = 30


def classification_blocks(judged: Judged) -> dict[str, Any]:
    """Returns confusion, report, curves, calibration and thresholds."""
    labels = all_labels(judged)
    blocks: dict[str, Any] = {
        "confusion_matrix": confusion(judged, labels),
        "classification_report": report(judged, labels),
    }
    if judged.probabilities is None:
        return blocks
    binary = len(judged.labels) == 2
    roc, precision_recall, calibration = {}, {}, {}
    support = {str(label): int(np.count_nonzero(judged.y_true == label)) for label in judged.labels}
    shown = sorted(support, key=lambda label: -support[label])[:CURVE_CLASSES_MAX]
    for place, label in enumerate(judged.labels):
        if (binary and place == 0) or str(label) not in shown:
            continue
        positive = judged.y_true == label
        if not 0 < positive.sum() < len(positive):
            continue
        score = judged.probabilities[:, place]
        roc[str(label)] = roc_curve(positive, score)
        precision_recall[str(label)] = precision_recall_curve(positive, score)
        calibration[str(label)] = calibration_curve(positive, score)
    blocks["roc_curves"] = roc
    blocks["precision_recall_curves"] = precision_recall
    if binary and calibration:
        positive_label = str(judged.labels[1])
        blocks["positive_class"] = positive_label
        blocks["calibration_curve"] = calibration[positive_label]
        blocks["thresholds"] = thresholds(judged.y_true == positive_label, judged.probabilities[:, 1])
    elif calibration:
        blocks["calibration_curves"] = calibration
    return blocks


def confusion(judged: Judged, labels: list[str]) -> dict[str, Any]:
    """Returns counts with a row for each true label, and the same as shares of the row."""
    place = {label: number for number, label in enumerate(labels)}
    size = len(labels)
    true = np.array([place[label] for label in judged.y_true])
    predicted = np.array([place[label] for label in judged.y_pred])
    matrix = np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)
    rows = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, rows, out=np.zeros_like(matrix, dtype=np.float64), where=rows > 0)
    return {"matrix": matrix.tolist(), "matrix_normalized": shares.tolist(), "labels": labels}


def report(judged: Judged, labels: list[str]) -> dict[str, Any]:
    """Returns precision, recall and f1 by class and averaged; `f1` is `f1-score` under the name that clients read."""
    result: dict[str, Any] = {}
    numbers = sk.precision_recall_fscore_support(judged.y_true, judged.y_pred, labels=labels, zero_division=0)
    for number, label in enumerate(labels):
        result[label] = _line(*(column[number] for column in numbers))
    present = [label for label in labels if label in set(judged.y_true) | set(judged.y_pred)]
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            judged.y_true, judged.y_pred, labels=present, average=average, zero_division=0
        )
        result[f"{average} avg"] = _line(precision, recall, f1, len(judged.y_true))
    result["accuracy"] = float(np.mean(judged.y_true == judged.y_pred))
    return result


def _line(precision: float, recall: float, f1: float, support: int) -> dict[str, Any]:
    return {
        "precision": float(precision),
        "recall": float(recall),
        "f1-score": float(f1),
        "f1": float(f1),
        "support": int(support),
    }


def roc_curve(positive: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    """Returns at most 200 points; the area is that of the whole curve."""
    false_rate, true_rate, _ = sk.roc_curve(positive, score)
    chosen = _thin(len(false_rate))
    return {
        "fpr": false_rate[chosen].tolist(),
        "tpr": true_rate[chosen].tolist(),
        "auc": float(sk.auc(false_rate, true_rate)),
    }


def precision_recall_curve(positive: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    """Returns at most 200 points; the average precision is that of the whole curve."""
    precision, recall, _ = sk.precision_recall_curve(positive, score)
    chosen = _thin(len(precision))
    return {
        "precision": precision[chosen].tolist(),
        "recall": recall[chosen].tolist(),
        "ap": float(sk.average_precision_score(positive, score)),
    }


def calibration_curve(positive: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    """Returns the share of positives among rows of ten ranges of probability; empty ranges are left out."""
    bins = np.clip((score * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    filled = counts > 0
    hits = np.bincount(bins, weights=positive, minlength=CALIBRATION_BINS)
    sums = np.bincount(bins, weights=score, minlength=CALIBRATION_BINS)
    truth, given = hits[filled] / counts[filled], sums[filled] / counts[filled]
    return {
        "prob_true": truth.tolist(),
        "prob_pred": given.tolist(),
        "counts": counts[filled].tolist(),
        "n_bins": CALIBRATION_BINS,
        "expected_calibration_error": float(np.average(np.abs(truth - given), weights=counts[filled])),
    }


def thresholds(positive: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    """Returns what each decision threshold would give, and which gives the best f1."""
    points = []
    for threshold in np.round(np.arange(0.05, 1.0, 0.05), 2):
        chosen = score >= threshold
        hit = int(np.count_nonzero(chosen & positive))
        flagged, wanted = int(chosen.sum()), int(positive.sum())
        precision = hit / flagged if flagged else 0.0
        recall = hit / wanted if wanted else 0.0
        both = precision + recall
        points.append(
            {
                "threshold": float(threshold),
                "precision": precision,
                "recall": recall,
                "f1": 2 * precision * recall / both if both else 0.0,
                "accuracy": float(np.mean(chosen == positive)),
                "predicted_positive": flagged,
            }
        )
    best = max(points, key=lambda point: point["f1"])
    return {"points": points, "best_f1": {"threshold": best["threshold"], "f1": best["f1"]}}


def regression_blocks(judged: Judged, seed: int) -> dict[str, Any]:
    """Returns residuals (of at most 5000 random rows) and their histogram (of all)."""
    residuals = judged.y_true - judged.y_pred
    rows = len(residuals)
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:SCATTER_ROWS_MAX])
    counts, edges = np.histogram(residuals, bins=HISTOGRAM_BINS)
    return {
        "residuals": {
            "y_true": judged.y_true[chosen].tolist(),
            "y_pred": judged.y_pred[chosen].tolist(),
            "residuals": residuals[chosen].tolist(),
        },
        "residual_histogram": {"bin_edges": edges.tolist(), "counts": counts.tolist()},
        "evaluationSample": {"applied": rows > SCATTER_ROWS_MAX, "maxRows": SCATTER_ROWS_MAX, "totalRows": rows},
    }


def _thin(points: int) -> np.ndarray:
    if points <= CURVE_POINTS_MAX:
        return np.arange(points)
    return np.unique(np.linspace(0, points - 1, CURVE_POINTS_MAX).round().astype(int))
