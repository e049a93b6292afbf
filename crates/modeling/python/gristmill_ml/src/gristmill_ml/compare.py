"""`compare`: two to five models on the same rows, with a paired bootstrap interval of each difference."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from gristmill_ml.errors import MlError
from gristmill_ml.frames import read_table
from gristmill_ml.labels import Judged, join, read_truth, task_of
from gristmill_ml.metrics import HIGHER_IS_BETTER, classification_metrics, regression_metrics
from gristmill_ml.progress import Progress, write_json
from gristmill_ml.spec import ROW_ID, Reader, bad, read_limits

MODELS_MIN, MODELS_MAX = 2, 5
RESAMPLES = 1000
# Row weights of one step of the regression bootstrap.
CELLS_MAX = 4_000_000


@dataclass
class Contestant:
    """A model's name and its predictions for the common rows."""

    id: str
    judged: Judged


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Writes comparison.json and returns the `done` event."""
    progress.time_budget = read_limits(spec).time_seconds
    row_id = spec.text("rowId", ROW_ID)
    seed = spec.integer("seed", 42, 0, 2**32 - 1)
    resamples = spec.integer("resamples", RESAMPLES, 100, 10_000)
    confidence = spec.number("confidence", 0.95, 0.5, 0.999)
    entries = spec.objects("models")
    if not MODELS_MIN <= len(entries) <= MODELS_MAX:
        raise bad("models", f"must name {MODELS_MIN} to {MODELS_MAX} models")
    if len({entry.text("id") for entry in entries}) < len(entries):
        raise bad("models", "names a model twice")
    tables = [read_table(entry.file("predictions", directory), entry.at("predictions")) for entry in entries]
    tasks = {task_of(spec, table) for table in tables}
    if len(tasks) > 1 or "clustering" in tasks:
        raise MlError("not_comparable", "models of one task, with labels, can be compared", "models")
    task = tasks.pop()
    truth = read_truth(spec, directory, task)
    contestants = [
        Contestant(entry.text("id"), join(table, truth, row_id, task, entry.at("predictions")))
        for entry, table in zip(entries, tables, strict=True)
    ]
    progress.stage("resampling", 0.3, rows=len(truth.ids))
    draws = _classification_draws if task == "classification" else _regression_draws
    samples = draws(contestants, resamples, seed, progress)
    result = {
        "version": 1,
        "taskType": task,
        "rows": len(truth.ids),
        "resamples": resamples,
        "confidence": confidence,
        "models": [{"id": one.id, "metrics": _metrics(one.judged, task)} for one in contestants],
        "pairs": [
            _pair(contestants[a], contestants[b], samples[a], samples[b], task, confidence)
            for a, b in combinations(range(len(contestants)), 2)
        ],
    }
    write_json(out / "comparison.json", result)
    return {"type": "done", "rows": result["rows"]}


def _metrics(judged: Judged, task: str) -> dict[str, float]:
    if task == "regression":
        return regression_metrics(judged.y_true, judged.y_pred)
    return classification_metrics(
        judged.y_true.astype(str), judged.y_pred.astype(str), judged.probabilities, judged.labels.astype(str)
    )


def _pair(
    one: Contestant,
    two: Contestant,
    first: dict[str, np.ndarray],
    second: dict[str, np.ndarray],
    task: str,
    confidence: float,
) -> dict[str, Any]:
    """Returns, for each metric, `two - one` on the same rows with its interval."""
    values = (_metrics(one.judged, task), _metrics(two.judged, task))
    rest = (1 - confidence) / 2
    metrics = []
    for name in first:
        if name not in values[0] or name not in values[1]:
            continue
        apart = second[name] - first[name]
        apart = apart[np.isfinite(apart)]
        if not len(apart):
            continue
        low, high = np.quantile(apart, [rest, 1 - rest])
        # The share of resamples on the other side of zero, counted for both sides.
        p_value = min(1.0, 2 * (min(int((apart <= 0).sum()), int((apart >= 0).sum())) + 1) / (len(apart) + 1))
        significant = bool(low > 0 or high < 0)
        difference = values[1][name] - values[0][name]
        winner = None
        if significant:
            winner = two.id if (difference > 0) == HIGHER_IS_BETTER[name] else one.id
        metrics.append(
            {
                "metric": name,
                "difference": difference,
                "low": float(low),
                "high": float(high),
                "pValue": p_value,
                "significant": significant,
                "better": winner,
            }
        )
    return {"a": one.id, "b": two.id, "metrics": metrics}


def _classification_draws(
    contestants: list[Contestant], resamples: int, seed: int, progress: Progress
) -> list[dict[str, np.ndarray]]:
    """Resamples the combinations (truth, every model's answer) by their counts: resampling rows, only faster."""
    labels = sorted({str(v) for one in contestants for v in (*one.judged.y_true, *one.judged.y_pred)})
    place = {label: number for number, label in enumerate(labels)}
    columns = [np.array([place[str(v)] for v in contestants[0].judged.y_true])]
    columns += [np.array([place[str(v)] for v in one.judged.y_pred]) for one in contestants]
    cells, counts = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    rows = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(rows, counts / rows, size=resamples).astype(np.float64)
    progress.check()
    present = np.arange(len(labels))
    truth = (cells[:, 0][:, None] == present).astype(np.float64)
    result = []
    for number in range(len(contestants)):
        answered = (cells[:, number + 1][:, None] == present).astype(np.float64)
        right = drawn @ (truth * answered)
        wanted, given = drawn @ truth, drawn @ answered
        precision = np.divide(right, given, out=np.zeros_like(right), where=given > 0)
        recall = np.divide(right, wanted, out=np.zeros_like(right), where=wanted > 0)
        both = precision + recall
        f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
        there = (wanted + given) > 0
        classes = np.maximum(there.sum(axis=1), 1)
        weight = wanted / rows
        result.append(
            {
                "accuracy": right.sum(axis=1) / rows,
                "precision": (precision * weight).sum(axis=1),
                "recall": (recall * weight).sum(axis=1),
                "f1": (f1 * weight).sum(axis=1),
                "precision_macro": (precision * there).sum(axis=1) / classes,
                "recall_macro": (recall * there).sum(axis=1) / classes,
                "f1_macro": (f1 * there).sum(axis=1) / classes,
            }
        )
    return result


def _regression_draws(
    contestants: list[Contestant], resamples: int, seed: int, progress: Progress
) -> list[dict[str, np.ndarray]]:
    truth = contestants[0].judged.y_true
    rows = len(truth)
    errors = np.column_stack([truth - one.judged.y_pred for one in contestants])
    # The mean is taken out before squares are summed, or large targets would lose their digits.
    centred = truth - truth.mean()
    columns = np.column_stack([errors**2, np.abs(errors), centred, centred**2])
    random = np.random.default_rng(seed)
    sums = np.empty((resamples, columns.shape[1]))
    step = max(1, CELLS_MAX // rows)
    for start in range(0, resamples, step):
        progress.check()
        size = min(step, resamples - start)
        weights = np.stack([np.bincount(random.integers(0, rows, rows), minlength=rows) for _ in range(size)])
        sums[start : start + size] = weights @ columns
    count = len(contestants)
    means = sums / rows
    spread = means[:, -1] - means[:, -2] ** 2
    result = []
    for number in range(count):
        mse = means[:, number]
        ratio = np.divide(mse, spread, out=np.full_like(mse, np.nan), where=spread > 0)
        result.append({"rmse": np.sqrt(mse), "mse": mse, "mae": means[:, count + number], "r2": 1 - ratio})
    return result
