"""Cross-validation and learning curves, on training rows only, divided as the server divided the dataset."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.pipeline import Pipeline

from gristmill_ml.metrics import PRIMARY, classification_metrics, regression_metrics
from gristmill_ml.progress import Progress
from gristmill_ml.spec import CrossValidation, LearningCurve, Split

Folds = list[tuple[np.ndarray, np.ndarray]]


@dataclass
class Rows:
    """The training rows as a fold is cut from them."""

    frame: pd.DataFrame
    y: np.ndarray
    task: str
    split: Split
    guide: pd.Series | None
    """The column of a group or time split."""
    seed: int

    def sample(self, rows_max: int) -> Rows:
        """Returns a random part of the rows, or all of them."""
        if len(self.y) <= rows_max:
            return self
        chosen = np.sort(np.random.default_rng(self.seed).permutation(len(self.y))[:rows_max])
        guide = None if self.guide is None else self.guide.iloc[chosen].reset_index(drop=True)
        frame = self.frame.iloc[chosen].reset_index(drop=True)
        return Rows(frame, self.y[chosen], self.task, self.split, guide, self.seed)


@dataclass
class OutOfFold:
    """What each row was predicted to be by the fold that did not train on it."""

    predictions: np.ndarray
    probabilities: np.ndarray | None
    covered: np.ndarray
    y: np.ndarray
    scores: list[dict[str, float]] = field(default_factory=list)


def cut(rows: Rows, folds: int) -> tuple[Folds, str] | None:
    """Returns the folds and their kind, or None where the rows do not allow two."""
    count = len(rows.y)
    if rows.split.kind == "time" and rows.guide is not None:
        order = np.argsort(rows.guide.to_numpy(), kind="stable")
        folds = min(folds, count - 1)
        if folds < 2:
            return None
        return [(order[a], order[b]) for a, b in TimeSeriesSplit(folds).split(order)], "time"
    if rows.split.kind == "group" and rows.guide is not None:
        groups = pd.factorize(rows.guide, use_na_sentinel=False)[0]
        folds = min(folds, len(np.unique(groups)))
        return None if folds < 2 else (list(GroupKFold(folds).split(rows.y, groups=groups)), "group")
    if rows.task == "classification":
        smallest = int(np.unique(rows.y, return_counts=True)[1].min())
        folds = min(folds, smallest)
        if folds >= 2:
            cutter = StratifiedKFold(folds, shuffle=True, random_state=rows.seed)
            return list(cutter.split(rows.y, pd.factorize(rows.y, sort=True)[0])), "stratified"
        return None
    folds = min(folds, count // 2)
    return None if folds < 2 else (list(KFold(folds, shuffle=True, random_state=rows.seed).split(rows.y)), "shuffled")


def fit_fold(pipeline: Pipeline, rows: Rows, part: np.ndarray) -> Pipeline | None:
    """Returns a fitted copy, or None where the part has one class only."""
    if rows.task == "classification" and len(np.unique(rows.y[part])) < 2:
        return None
    return clone(pipeline).fit(rows.frame.iloc[part], rows.y[part])


def align(probabilities: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns probability columns for all labels, zero for those that the fold did not see."""
    if len(classes) == len(labels):
        return probabilities
    result = np.zeros((len(probabilities), len(labels)))
    result[:, np.searchsorted(labels, classes)] = probabilities
    return result


def score_rows(
    rows: Rows, y: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None
) -> dict[str, float]:
    """Returns the metrics of the task."""
    if rows.task == "classification":
        return classification_metrics(y, predictions, probabilities, np.unique(rows.y))
    return regression_metrics(y, predictions)


def cross_validate(
    pipeline: Pipeline, rows: Rows, options: CrossValidation, progress: Progress, reserve: float = 0.0
) -> tuple[dict[str, Any], OutOfFold] | str:
    """Returns the block of the contract with all metrics, and the predictions; or the reason why there are none."""
    rows = rows.sample(options.rows_max)
    found = cut(rows, options.folds)
    if found is None:
        return "the training rows are too few to cross-validate"
    folds, kind = found
    labels = np.unique(rows.y)
    out = OutOfFold(
        np.empty(len(rows.y), dtype=rows.y.dtype if rows.task == "classification" else np.float64),
        np.zeros((len(rows.y), len(labels))) if rows.task == "classification" else None,
        np.zeros(len(rows.y), dtype=bool),
        rows.y,
    )
    for number, (train, test) in enumerate(folds):
        started = time.monotonic()
        progress.stage("cross_validation", 0.5 + 0.25 * number / len(folds), fold=number, folds=len(folds))
        fitted = fit_fold(pipeline, rows, train)
        if fitted is None:
            continue
        out.predictions[test] = fitted.predict(rows.frame.iloc[test])
        if out.probabilities is not None:
            chances = fitted.predict_proba(rows.frame.iloc[test])
            out.probabilities[test] = align(chances, fitted.named_steps["model"].classes_, labels)
        out.covered[test] = True
        own = out.probabilities[test] if out.probabilities is not None else None
        out.scores.append(score_rows(rows, rows.y[test], out.predictions[test], own))
        left = progress.remaining()
        if left is not None and left < (time.monotonic() - started) * 1.2 + reserve and number + 1 < len(folds):
            progress.warning(f"cross-validation stopped after {number + 1} of {len(folds)} folds: time is running out")
            break
    if not out.scores:
        return "no fold had two classes to learn"
    return _summary(rows, out, kind), out


def _summary(rows: Rows, out: OutOfFold, kind: str) -> dict[str, Any]:
    scoring = PRIMARY[rows.task]
    scores = [fold.get(scoring, float("nan")) for fold in out.scores]
    names = sorted({name for fold in out.scores for name in fold})
    table = {name: np.array([fold.get(name, np.nan) for fold in out.scores]) for name in names}
    return {
        "scores": scores,
        "mean": float(np.nanmean(scores)),
        "std": float(np.nanstd(scores)),
        "scoring": scoring,
        "cv_type": kind,
        "folds": len(scores),
        "rows": len(rows.y),
        "metrics": {
            name: {"mean": float(np.nanmean(values)), "std": float(np.nanstd(values)), "scores": values.tolist()}
            for name, values in table.items()
        },
    }


def learning_curve(
    pipeline: Pipeline, rows: Rows, options: LearningCurve, progress: Progress, reserve: float = 0.0
) -> dict[str, Any] | str:
    """Returns the block of the contract, or the reason why there is none. Rows are shuffled before they are taken."""
    rows = rows.sample(options.rows_max)
    found = cut(rows, options.folds)
    if found is None:
        return "the training rows are too few for a learning curve"
    folds, kind = found
    scoring = PRIMARY[rows.task]
    random = np.random.default_rng(rows.seed)
    columns: dict[str, list[Any]] = {"sizes": [], "train": [], "test": []}
    for step, fraction in enumerate(options.sizes):
        train_scores, test_scores, sizes = [], [], []
        started = time.monotonic()
        progress.stage("learning_curve", 0.75 + 0.2 * step / len(options.sizes), size=fraction)
        for train, test in folds:
            progress.check()
            part = train[: max(2, round(len(train) * fraction))] if kind == "time" else None
            if part is None:
                part = _part(rows, train, fraction, random)
            fitted = fit_fold(pipeline, rows, part)
            if fitted is None:
                continue
            sizes.append(len(part))
            for scores, where in ((train_scores, part), (test_scores, test)):
                own = fitted.predict(rows.frame.iloc[where])
                scores.append(score_rows(rows, rows.y[where], own, None).get(scoring, float("nan")))
        if sizes:
            columns["sizes"].append(int(np.mean(sizes)))
            columns["train"].append(train_scores)
            columns["test"].append(test_scores)
        left = progress.remaining()
        if left is not None and left < (time.monotonic() - started) * 1.5 + reserve and step + 1 < len(options.sizes):
            progress.warning("the learning curve has fewer sizes: time is running out")
            break
    if not columns["sizes"]:
        return "no part of the rows had two classes to learn"
    return {
        "train_sizes": columns["sizes"],
        "train_scores_mean": [float(np.nanmean(scores)) for scores in columns["train"]],
        "train_scores_std": [float(np.nanstd(scores)) for scores in columns["train"]],
        "test_scores_mean": [float(np.nanmean(scores)) for scores in columns["test"]],
        "test_scores_std": [float(np.nanstd(scores)) for scores in columns["test"]],
        "lc_type": kind,
        "scoring": scoring,
    }


def _part(rows: Rows, train: np.ndarray, fraction: float, random: np.random.Generator) -> np.ndarray:
    """Returns a random part that keeps at least two rows of each class."""
    order = random.permutation(train)
    wanted = max(2, round(len(order) * fraction))
    if rows.task != "classification" or wanted >= len(order):
        return order[:wanted]
    rank = pd.Series(rows.y[order]).groupby(rows.y[order]).cumcount().to_numpy()
    first = order[np.argsort(rank >= 2, kind="stable")]
    return first[: max(wanted, int((rank < 2).sum()))]
