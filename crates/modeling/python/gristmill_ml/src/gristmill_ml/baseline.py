"""Sketches of the training rows, kept for drift: what the columns and the predictions looked like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gristmill_ml.columns import FLOAT32_MAX, ColumnPlan, Plan, to_dates
from gristmill_ml.frames import text_of, texts_of
from gristmill_ml.prepare import EPOCH

BINS = 20
CATEGORIES_MAX = 50
QUANTILES = 101


def numeric_sketch(values: np.ndarray) -> dict[str, Any] | None:
    """Returns moments, quartiles, 20 bins of equal width, and 101 quantiles; None where there is no value."""
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return None
    low, high = float(known[0]), float(known[-1])
    counts, edges = np.histogram(known, bins=BINS, range=(low, high) if high > low else (low - 0.5, low + 0.5))
    quantiles = sorted_quantiles(known, np.linspace(0, 1, QUANTILES))
    return {
        "mean": float(known.mean()),
        "std": float(known.std()),
        "min": low,
        "max": high,
        "q25": float(quantiles[25]),
        "q50": float(quantiles[50]),
        "q75": float(quantiles[75]),
        "histogram": {"bins": edges.tolist(), "counts": counts.tolist()},
        "quantiles": quantiles.tolist(),
        "count": len(known),
        "missing": int(len(values) - len(known)),
    }


def sorted_quantiles(ordered: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns what `np.quantile` does for sorted values, without its cost for each of thousands of columns."""
    return np.interp(shares * (len(ordered) - 1), np.arange(len(ordered)), ordered)


def column_numbers(series: pd.Series, column: ColumnPlan) -> np.ndarray:
    """Returns a numeric, boolean or date column as numbers; a date is days since 1970-01-01."""
    if column.kind == "date":
        days = (to_dates(series) - EPOCH) / pd.Timedelta(days=1)
        return days.to_numpy(dtype=np.float64, na_value=np.nan)
    if series.dtype == object or isinstance(series.dtype, pd.StringDtype):
        return pd.to_numeric(series.astype(object), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.abs(values) <= FLOAT32_MAX, values, np.nan)


def category_counts(texts: np.ndarray) -> tuple[dict[str, int], int]:
    """Returns the 50 most frequent texts, and how many rows have another one."""
    counts = pd.Series(texts).value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
    kept = {str(text): int(rows) for text, rows in ranked[:CATEGORIES_MAX]}
    return kept, int(counts.sum()) - sum(kept.values())


def make_baseline(frame: pd.DataFrame, plan: Plan, predictions: np.ndarray, task: str, source: str) -> dict[str, Any]:
    """Returns baseline.json. `source` says which rows the predictions are of: `out_of_fold` or `training`."""
    numeric: dict[str, Any] = {}
    categorical: dict[str, Any] = {}
    details: dict[str, Any] = {}
    for column in plan.used():
        series = frame[column.name]
        if column.kind in ("categorical", "boolean"):
            missing = int(series.isna().sum())
            categorical[column.name], others = category_counts(texts_of(series.dropna(), None))
            details[column.name] = {"missing": missing, "other": others, "count": len(series) - missing}
        else:
            sketch = numeric_sketch(column_numbers(series, column))
            if sketch is not None:
                if column.kind == "date":
                    sketch["unit"] = "days since 1970-01-01"
                numeric[column.name] = sketch
    return {
        "version": 1,
        "rows": len(frame),
        "numeric": numeric,
        "categorical": categorical,
        "categorical_details": details,
        "prediction_distribution": prediction_distribution(predictions, task),
        "prediction_source": source,
    }


def prediction_distribution(predictions: np.ndarray, task: str) -> dict[str, Any]:
    """Returns counts by label, or a histogram with its quantiles."""
    if task != "regression":
        labels, counts = np.unique(predictions, return_counts=True)
        return {text_of(label): int(count) for label, count in zip(labels, counts, strict=True)}
    sketch = numeric_sketch(np.asarray(predictions, dtype=np.float64))
    if sketch is None:
        return {"bins": [], "counts": []}
    histogram = sketch.pop("histogram")
    return {"bins": histogram["bins"], "counts": histogram["counts"], **sketch}
