"""`adopt`: takes up a model that a notebook made, and predicts the held out rows with it.

This runs where no test label is: it sees training rows, the test rows without their labels, and the model, which may
run any code. A model that does not load is refused. One that loads but cannot predict from the dataset's columns as
they are is kept without scores: then the last event says `scorable: false` and why.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pandas as pd

from gristmill_ml.baseline import make_baseline
from gristmill_ml.columns import CATEGORIES_MAX, DATE_PARTS, TIME_PARTS, ColumnPlan, Plan
from gristmill_ml.errors import MlError
from gristmill_ml.foreign import DATES, KINDS, ForeignModel
from gristmill_ml.frames import Table, read_table, text_of
from gristmill_ml.predict import ARTIFACT_BYTES_MIN, Model, lacking, row_ids, save_predictions
from gristmill_ml.prepare import RawPreparer
from gristmill_ml.progress import Progress, write_json
from gristmill_ml.provenance import Stopwatch, versions
from gristmill_ml.signature import make_signature
from gristmill_ml.spec import ROW_ID, Reader, read_limits
from gristmill_ml.target import Target, plain_labels

TASKS = ("classification", "regression")
# The first rows show whether a model takes the columns at all.
TRIED_ROWS = 50
# Predictions of these many training rows show what predictions look like.
DISTRIBUTION_ROWS = 2_000
LABELS_SHOWN = 5


class UnscorableError(Exception):
    """The model is one, but cannot predict from the dataset's columns as they are."""


@dataclass
class Given:
    """What the command was given."""

    task: str
    target: str
    features: list[str] | None
    training: Table
    held_out: Table
    row_id: str
    seed: int


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Writes signature.json, baseline.json, report.json and predictions.parquet, and returns the `done` event."""
    watch = Stopwatch()
    progress.time_budget = read_limits(spec).time_seconds
    progress.stage("reading", 0.0)
    given = _read(spec, directory)
    packages = spec.text("packages", None)
    watch.lap("read")
    try:
        pipeline = _load(spec, directory)
        progress.stage("predicting", 0.3)
        foreign = _fitting(pipeline, given)
        target = _target(given, foreign)
        model = Model(foreign, given.task, given.target)
        _check_answers(model, given, target)
        held_out = _asked(model, given.held_out.frame)
        shown = _asked(model, given.training.frame.iloc[_some_rows(given)])["prediction"]
    except UnscorableError as error:
        done = {"type": "done", "scorable": False, "reason": str(error)[:500]}
        return {**done, "packages": _from_packages(packages), "timing": watch.report()}
    watch.lap("predict")
    progress.stage("describing", 0.8)
    save_predictions(out / "predictions.parquet", row_ids(given.held_out, given.row_id), held_out, model, given.row_id)
    plan = _plan(given.training, foreign)
    template = spec.text("templateId")
    prepare = RawPreparer(plan).fit(given.training.frame)
    signature = make_signature(given.training, plan, prepare, given.task, template, target)
    entries = [{"name": name, "type": kind} for name, kind in foreign.features]
    signature["foreign"] = {"features": entries, "dates": foreign.dates}
    write_json(out / "signature.json", signature)
    baseline = make_baseline(given.training.frame, plan, shown, given.task, "training")
    write_json(out / "baseline.json", baseline)
    write_json(out / "report.json", _report(spec, given, plan, pipeline, target, watch))
    done = {"type": "done", "scorable": True, "rows": len(given.held_out)}
    return {**done, "packages": _from_packages(packages), "timing": watch.report()}


def _read(spec: Reader, directory: Path) -> Given:
    target = spec.text("target")
    training = read_table(spec.file("data", directory, "train.parquet"), "data")
    held_out = read_table(spec.file("features", directory, "features.parquet"), "features")
    if target not in training.types:
        raise MlError("target_missing", f"the dataset has no column {target!r}", "target")
    if target in held_out.types:
        raise MlError("labels_present", f"features hold the target {target!r}", "features")
    if not len(training) or not len(held_out):
        raise MlError("too_few_rows", "there are no rows to predict", "data")
    return Given(
        task=spec.text("taskType", choices=TASKS),
        target=target,
        features=spec.texts("columns"),
        training=training,
        held_out=held_out,
        row_id=spec.text("rowId", ROW_ID),
        seed=spec.integer("seed", 42, 0, 2**32 - 1),
    )


def _load(spec: Reader, directory: Path) -> Any:
    path = spec.file("model", directory, "model.joblib")
    if path.stat().st_size < ARTIFACT_BYTES_MIN:
        raise MlError("artifact_broken", f"{path.name} is too small to be a model", "model")
    try:
        pipeline = joblib.load(path)
    except ModuleNotFoundError as error:
        raise UnscorableError(lacking(error).message) from error
    except Exception as error:
        message = f"{path.name} does not load: {type(error).__name__}: {_line(error)}"
        raise MlError("artifact_broken", message, "model") from error
    if not callable(getattr(pipeline, "predict", None)):
        raise MlError("artifact_broken", f"{path.name} holds a {type(pipeline).__name__}, not a model", "model")
    return pipeline


def _from_packages(directory: str | None) -> list[str]:
    """Returns the top names of the modules that were loaded from the packages of a project."""
    if directory is None:
        return []
    found = set()
    for name, module in list(sys.modules.items()):
        file = module.__dict__.get("__file__") if isinstance(module, ModuleType) else None
        if isinstance(file, str) and Path(file).is_relative_to(directory):
            found.add(name.split(".")[0])
    return sorted(found)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _fitting(pipeline: Any, given: Given) -> ForeignModel:
    """Returns the model with the columns that it takes, in the form in which it takes them."""
    names = _names(pipeline, given)
    features = [(name, given.training.types[name]) for name in names]
    odd = [name for name, kind in features if kind not in KINDS]
    if odd:
        raise UnscorableError(f"column {odd[0]!r} has a type that no model can be given")
    has_dates = any(kind in ("date", "datetime") for _, kind in features)
    reason = ""
    for dates in DATES if has_dates else DATES[:1]:
        model = ForeignModel(pipeline, features, dates)
        try:
            _length_checked(model.predict(given.training.frame.head(TRIED_ROWS)), min(TRIED_ROWS, len(given.training)))
        except UnscorableError:
            raise
        except ModuleNotFoundError as error:
            raise UnscorableError(lacking(error).message) from error
        except Exception as error:
            reason = f"{type(error).__name__}: {_line(error)}"
        else:
            return model
    raise UnscorableError(f"it cannot predict from the dataset's columns as they are ({reason})")


def _names(pipeline: Any, given: Given) -> list[str]:
    """Returns the columns that the model takes, from itself where it knows them, else from what the training said."""
    known = getattr(pipeline, "feature_names_in_", None)
    count = getattr(pipeline, "n_features_in_", None)
    there = [name for name in given.held_out.types if name != given.row_id]
    if known is not None:
        names = [str(name) for name in known]
        if given.target in names:
            raise UnscorableError(f"it predicts {given.target!r} from {given.target!r} itself")
        absent = [name for name in names if name not in there]
        if absent:
            listed = ", ".join(repr(name) for name in absent[:LABELS_SHOWN])
            raise UnscorableError(
                f"it takes columns that the dataset does not have ({listed}); save a pipeline that makes them itself"
            )
        return names
    names = there if given.features is None else [name for name in given.features if name in there]
    if isinstance(count, (int, np.integer)) and count != len(names):
        if count == len(there):
            return there
        raise UnscorableError(
            f"it takes {count} columns, and the dataset has {len(names)} for it; save a pipeline over the raw ones"
        )
    return names


def _length_checked(answers: Any, rows: int) -> None:
    if np.ndim(answers) == 0 or len(np.asarray(answers).ravel()) != rows:
        raise UnscorableError("it does not give one answer a row")


def _target(given: Given, model: ForeignModel) -> Target:
    """Returns what is known of the labels, in the order in which the model has them."""
    series = given.training.frame[given.target]
    kept = series.notna().to_numpy()
    kind = given.training.types[given.target]
    known = series[kept]
    if not len(known):
        raise MlError("target_all_missing", f"column {given.target!r} has no value in the training rows", "target")
    if given.task == "regression":
        if kind not in ("int", "float", "boolean"):
            raise MlError("target_not_numeric", f"column {given.target!r} holds {kind} values", "target")
        return Target(given.target, known.astype(float).to_numpy(), kept, np.array([]), "float")
    values, label_type = plain_labels(known, kind)
    labels = np.unique(values)
    texts = {text_of(label): label for label in labels}
    order = [text_of(label) for label in np.asarray(getattr(model, "classes_", [])).ravel()]
    if order and set(texts) == set(order):
        labels = np.array([texts[text] for text in order])
    if len(labels) < 2:
        raise MlError("target_constant", f"column {given.target!r} has one value in the training rows", "target")
    return Target(given.target, values, kept, labels, label_type)


def _asked(model: Model, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    try:
        answers = model.predict(frame)
    except MlError as error:
        raise UnscorableError(error.message) from error
    except Exception as error:
        raise UnscorableError(f"it cannot predict all rows: {type(error).__name__}: {_line(error)}") from error
    for values in answers.values():
        _length_checked(values, len(frame))
    return answers


def _check_answers(model: Model, given: Given, target: Target) -> None:
    """Answers must be the target's own values: codes in their place would be scored as all wrong."""
    answers = _asked(model, given.training.frame.iloc[_some_rows(given)])["prediction"]
    if given.task == "regression":
        if not np.isfinite(answers.astype(np.float64)).all():
            raise UnscorableError("it predicts something that is not a finite number")
        return
    labels = {text_of(label) for label in target.labels}
    given_answers = sorted({str(answer) for answer in answers})
    if not labels.intersection(given_answers):
        seen = ", ".join(repr(answer) for answer in given_answers[:LABELS_SHOWN])
        wanted = ", ".join(repr(label) for label in sorted(labels)[:LABELS_SHOWN])
        raise UnscorableError(
            f"it answers {seen} where {given.target!r} has {wanted}; save a model that answers with the target's values"
        )


def _some_rows(given: Given) -> np.ndarray:
    order = np.random.default_rng(given.seed).permutation(len(given.training))[:DISTRIBUTION_ROWS]
    return np.sort(order)


def _plan(table: Table, model: ForeignModel) -> Plan:
    """Returns the columns as if they had been prepared here: what rows are checked by, and drift is counted in."""
    columns = [_column(table.frame[name], name, kind) for name, kind in model.features]
    return Plan(columns, CATEGORIES_MAX, min(10, max(2, -(-len(table) // 100))))


def _column(series: pd.Series, name: str, kind: str) -> ColumnPlan:
    missing, distinct = int(series.isna().sum()), int(series.nunique())
    reason = "taken as it is by the notebook's model"
    if kind in ("date", "datetime"):
        parts = DATE_PARTS if kind == "date" else TIME_PARTS
        return ColumnPlan(name, kind, "date", "date", reason, parts, missing, distinct)
    if kind == "boolean":
        return ColumnPlan(name, kind, "boolean", "boolean", reason, (), missing, distinct)
    if kind == "string":
        return ColumnPlan(name, kind, "categorical", "categorical", reason, (), missing, distinct)
    return ColumnPlan(name, "float" if kind == "null" else kind, "numeric", "numeric", reason, (), missing, distinct)


def _report(spec: Reader, given: Given, plan: Plan, pipeline: Any, target: Target, watch: Stopwatch) -> dict[str, Any]:
    final = pipeline.steps[-1][1] if getattr(pipeline, "steps", None) else pipeline
    report: dict[str, Any] = {
        "version": 1,
        "name": spec.text("name", "model"),
        "templateId": spec.text("templateId"),
        "taskType": given.task,
        "library": type(final).__module__.split(".")[0][:100],
        "algorithm": type(final).__name__[:100],
        "parameters": dict(spec.object("params").data),
        "seed": given.seed,
        "target": given.target,
        "rows": {
            "read": len(given.training),
            "used": len(given.training) - target.missing,
            "withoutTarget": target.missing,
        },
        "columns": [column.report() for column in plan.columns],
        "cross_validation": None,
        "learning_curve": None,
        "feature_importance": {"model_based": None},
        "parity": {"converted": False, "reason": "it was made in a notebook"},
        "reference": "baseline.json",
        "warnings": [
            "the model was made in a notebook, which could see all rows of the dataset, the held out ones too"
        ],
        "leaks": [],
        "versions": versions(),
        "split": dict(spec.object("split").data),
        "dataset": dict(spec.object("dataset").data),
        "timing": watch.report(),
    }
    if given.task == "classification":
        report["class_distribution"] = target.counts()
    return report
