"""Folds that were prepared and encoded once, for searches that fit many estimators on the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from gristmill_ml.crossval import Rows, cut
from gristmill_ml.errors import MlError
from gristmill_ml.progress import Progress


@dataclass
class Fold:
    """One division of the rows, as the estimator sees it. `y_train` and `y_test` are the target's own values."""

    train: np.ndarray
    y_train: np.ndarray
    test: np.ndarray
    y_test: np.ndarray
    places: np.ndarray


def encode_folds(pipeline: Pipeline, rows: Rows, folds: int, progress: Progress) -> list[Fold]:
    """Returns the folds; what `prepare` and `encode` learn comes from each fold's own training part."""
    found = cut(rows, folds)
    if found is None:
        raise MlError("too_few_rows", "the training rows are too few to cross-validate", "data")
    result = []
    for train, test in found[0]:
        progress.check()
        if rows.task == "classification" and len(np.unique(rows.y[train])) < 2:
            continue
        head = clone(pipeline[:-1])
        inside = np.asarray(head.fit_transform(rows.frame.iloc[train]))
        outside = np.asarray(head.transform(rows.frame.iloc[test]))
        result.append(Fold(inside, rows.y[train], outside, rows.y[test], test))
    if not result:
        raise MlError("too_few_rows", "no fold has two classes to learn", "data")
    return result


def answers(model: Any, matrix: np.ndarray, labels: np.ndarray, task: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns predictions, and probabilities for all labels where there are any."""
    from gristmill_ml.crossval import align

    predicted = np.asarray(model.predict(matrix)).ravel()
    if task != "classification":
        return predicted, None
    return predicted, align(np.asarray(model.predict_proba(matrix)), model.classes_, labels)
