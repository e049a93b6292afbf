"""Prediction intervals by split-conformal calibration, from residuals of training rows that a fit did not see.

Of n absolute residuals the ceil((n + 1) * level)-th smallest is taken: a prediction give or take that much covers a
new row from the same source with at least the probability `level`, whatever the model and the distribution (Vovk,
Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman,
Distribution-Free Predictive Inference for Regression, JASA 113, 2018, algorithm 2). The promise is for the fit that
the residuals come from. The stored model learned from these rows too, so it errs less, if anything, and the interval
is a little wide.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gristmill_ml.crossval import Rows, cut, fit_fold
from gristmill_ml.progress import Progress, write_json
from gristmill_ml.spec import Reader, read_training

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

METHOD = "split_conformal"
# A fit on these is enough to know how far a model errs, and bounds what it costs beside the training.
ROWS_MAX = 20_000
# One of so many parts of the rows is held back.
FOLDS = 5


def half_width(residuals: np.ndarray, level: float) -> float | None:
    """Returns the conformal quantile of absolute residuals, or None where they are too few to promise the level."""
    # A row that the fit cannot predict is missed by any width.
    ordered = np.sort(np.where(np.isfinite(residuals), np.abs(residuals), np.inf))
    # Rounded before: 9.000000000000002 is nine.
    rank = math.ceil(round((len(ordered) + 1) * level, 9))
    if not 1 <= rank <= len(ordered) or not np.isfinite(ordered[rank - 1]):
        return None
    return float(ordered[rank - 1])


def make_interval(residuals: np.ndarray, level: float) -> dict[str, Any] | str:
    """Returns `output.interval` of signature.json, or the reason why there is none."""
    width = half_width(residuals, level)
    if width is None:
        least = math.ceil(round(level / (1 - level), 9))
        return f"{len(residuals)} residuals are too few for an interval of {level:g}; {least} are the least"
    return {"method": METHOD, "level": level, "halfWidth": width, "rows": len(residuals)}


def calibrate(pipeline: Pipeline, rows: Rows, level: float) -> dict[str, Any] | str:
    """Fits on four fifths of the rows and measures on the last, which is held back as the split says."""
    rows = rows.sample(ROWS_MAX)
    found = cut(rows, FOLDS)
    if found is None:
        return "the training rows are too few to hold some back"
    # Of folds in time the last one: it tells how far the model errs on what comes next.
    inside, outside = found[0][-1]
    fitted = fit_fold(pipeline, rows, inside)
    if fitted is None:
        return "the training rows are too few to hold some back"
    return make_interval(rows.y[outside] - np.asarray(fitted.predict(rows.frame.iloc[outside])).ravel(), level)


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """`calibrate`: the interval alone, for the server to add to a model that is trained beside it."""
    from gristmill_ml.train import load

    options = read_training(spec, directory)
    progress.time_budget = options.limits.time_seconds
    prepared = load(options, progress)
    level = options.interval_level
    if prepared.task != "regression":
        found: dict[str, Any] | str = "only numbers have intervals"
    elif prepared.template.is_auto:
        found = "the search of an auto template has its own residuals"
    elif level is None:
        found = "not asked for"
    else:
        progress.stage("calibrating", 0.2)
        found = calibrate(prepared.pipeline(), prepared.rows(), level)
    result = {"interval": None, "reason": found} if isinstance(found, str) else {"interval": found}
    write_json(out / "interval.json", {"version": 1, **result})
    return {"type": "done", **result}
