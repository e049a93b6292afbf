"""`train`: training rows in, a model and everything that is known about it out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from gristmill_ml import crossval, interval
from gristmill_ml.baseline import make_baseline
from gristmill_ml.card import card_markdown, make_card
from gristmill_ml.columns import Plan, make_plan
from gristmill_ml.crossval import OutOfFold, Rows
from gristmill_ml.errors import EXIT_OUT_OF_BUDGET, MlError
from gristmill_ml.frames import Table, read_table
from gristmill_ml.metrics import clustering_metrics
from gristmill_ml.pipeline import build_pipeline, encode, inner_estimator, model_importances
from gristmill_ml.prepare import numeric_names
from gristmill_ml.progress import Progress, write_json
from gristmill_ml.provenance import Stopwatch, artifact_list, code_hash, versions
from gristmill_ml.signature import make_signature
from gristmill_ml.spec import Reader, TrainSpec, read_training
from gristmill_ml.target import Target, copies_of, read_target
from gristmill_ml.templates import Template, build_estimator, check_parameters, resolve

FEATURES_MAX = 20_000
ARTIFACTS = (
    "model.joblib",
    "model.onnx",
    "parity.json",
    "signature.json",
    "baseline.json",
    "report.json",
    "card.json",
    "card.md",
)
# Those that nobody touches after training; the server may add an interval to signature.json.
LISTED = ("model.joblib", "model.onnx", "parity.json", "baseline.json")
# Predictions of these many training rows show what predictions look like.
DISTRIBUTION_ROWS = 2_000
# Encoding copies: the frame, the prepared frame, the encoded matrix, and what the estimator makes of it.
MEMORY_COPIES = 6


@dataclass
class Prepared:
    """Training rows that passed every check."""

    spec: TrainSpec
    template: Template
    params: dict[str, Any]
    table: Table
    target: Target | None
    plan: Plan
    guide: pd.Series | None
    warnings: list[str]
    rows_read: int
    leaks: list[str]
    """Features that hold the target itself."""

    @property
    def task(self) -> str:
        """Returns classification, regression or clustering."""
        return self.template.task

    @property
    def y(self) -> np.ndarray | None:
        """Returns the target values."""
        return None if self.target is None else self.target.values

    @property
    def estimator_seed(self) -> int | None:
        """Returns the spec's seed, unless the parameters bring their own."""
        return None if self.spec.params.get("random_state") is not None else self.spec.seed

    def reported_params(self) -> dict[str, Any]:
        """Returns the parameters as they were used, with the seed that counted."""
        seed = self.estimator_seed
        return self.params | ({"random_state": seed} if "random_state" in self.params and seed is not None else {})

    def rows(self) -> Rows:
        """Returns the rows for cross-validation."""
        y = self.y if self.y is not None else np.zeros(len(self.table))
        return Rows(self.table.frame, y, self.task, self.spec.split, self.guide, self.spec.seed)

    def pipeline(self, params: dict[str, Any] | None = None) -> Pipeline:
        """Returns the unfitted pipeline with the spec's parameters or others."""
        classes = 0 if self.target is None else len(self.target.labels)
        values = self.params if params is None else params
        estimator = build_estimator(self.template, values, self.estimator_seed, self.spec.limits.cpus, classes)
        return build_pipeline(self.plan, estimator, self.task, self.template.scales)


def load(spec: TrainSpec, progress: Progress) -> Prepared:
    """Reads and checks everything, before anything costly is done."""
    template = resolve(spec.template_id, spec.problem_type)
    params = check_parameters(template, spec.params)
    if template.task != "clustering" and spec.target is None:
        raise MlError("target_required", f"{template.id} needs a target column", "target")
    progress.stage("reading", 0.0)
    table = read_table(spec.data, "data")
    rows_read = len(table)
    _check_row_ids(table, spec.row_id)
    target = None
    notes: list[str] = []
    if template.task != "clustering" and spec.target is not None:
        target = read_target(table, spec.target, template.task)
    features = _features(table, spec, target)
    leaks: list[str] = []
    if target is not None:
        leaks = copies_of(table, target, features)
        notes += [
            f"feature {name!r} is identical to the target {target.name!r}: the scores are those of copying it; "
            "leave it out unless it is known before the target is"
            for name in leaks
        ]
        if target.missing:
            notes.append(f"{target.missing} rows without a value of {target.name!r} were left out")
            table.frame = table.frame[target.kept].reset_index(drop=True)
    elif rows_read < 4:
        raise MlError("too_few_rows", f"there are {rows_read} training rows; 4 is the least", "data")
    plan = make_plan(table, features, spec.columns)
    for column in plan.columns:
        if column.infinite:
            notes.append(f"column {column.name!r} has {column.infinite} infinite values, treated as missing")
    _check_memory(table, plan, spec.limits.memory_mb)
    guide = _guide(table, spec)
    return Prepared(spec, template, params, table, target, plan, guide, notes, rows_read, leaks)


def _check_row_ids(table: Table, row_id: str) -> None:
    if row_id in table.types and table.frame[row_id].duplicated().any():
        raise MlError("duplicate_row_id", f"column {row_id!r} has a value twice", "rowId")


def _features(table: Table, spec: TrainSpec, target: Target | None) -> list[str]:
    aside = {spec.row_id, spec.target if target is not None else None}
    if spec.split.kind == "group":
        aside.add(spec.split.column)
    if spec.features is None:
        features = [name for name in table.frame.columns if name not in aside]
    else:
        features = spec.features
        absent = [name for name in features if name not in table.types]
        if absent:
            listed = ", ".join(repr(name) for name in absent[:10])
            raise MlError("feature_missing", f"the dataset has no column {listed}", f"columns.{absent[0]}")
        if target is not None and target.name in features:
            raise MlError("feature_equals_target", f"the target {target.name!r} is also named as a feature", "features")
        features = [name for name in features if name != spec.row_id]
    if not features:
        raise MlError("no_usable_features", "there is no feature column", "features")
    if len(features) > FEATURES_MAX:
        raise MlError(
            "too_many_features", f"{len(features)} feature columns; at most {FEATURES_MAX} are taken", "features"
        )
    for name in spec.columns:
        if name not in table.types:
            raise MlError("feature_missing", f"the dataset has no column {name!r}", f"columns.{name}")
    return features


def _guide(table: Table, spec: TrainSpec) -> pd.Series | None:
    name = spec.split.column
    if spec.split.kind not in ("group", "time") or name is None:
        return None
    if name not in table.types:
        raise MlError("split_column_missing", f"the training rows have no column {name!r}", "split.column")
    return table.frame[name]


def _check_memory(table: Table, plan: Plan, memory_mb: int) -> None:
    width = 0
    for column in plan.used():
        texts = min(column.distinct + 1, plan.categories_max + 2)
        width += texts if column.kind == "categorical" else len(numeric_names(column))
    needed = len(table) * width * 4 * MEMORY_COPIES / 1e6
    if needed > memory_mb:
        message = (
            f"{len(table)} rows by {width} encoded columns need about {needed:.0f} MB of {memory_mb} MB; "
            "take fewer rows or columns, or give more memory"
        )
        raise MlError("too_large_for_memory", message, "limits.memoryMb", EXIT_OUT_OF_BUDGET)


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Trains, writes every artifact to `out`, and returns the `done` event."""
    watch = Stopwatch()
    options = read_training(spec, directory)
    progress.time_budget = options.limits.time_seconds
    prepared = load(options, progress)
    for note in prepared.warnings:
        progress.warning(note)
    watch.lap("read")
    search: dict[str, Any] | None = None
    residuals: np.ndarray | None = None
    if prepared.template.is_auto:
        from gristmill_ml import auto

        estimator, search, residuals = auto.search(prepared, progress)
        pipeline = build_pipeline(prepared.plan, estimator, prepared.task, scales=False)
        watch.lap("search")
    else:
        pipeline = prepared.pipeline()
    progress.stage("fitting", 0.1)
    fit(pipeline, prepared)
    fit_seconds = watch.lap("fit")
    progress.stage("saving", 0.3)
    save_model(pipeline, out / "model.joblib")
    watch.lap("save")
    signature = make_signature(
        prepared.table,
        prepared.plan,
        pipeline.named_steps["prepare"],
        prepared.task,
        prepared.template.id,
        prepared.target,
    )
    write_json(out / "signature.json", signature)
    watch.lap("describe")
    # From here on the model can be predicted with.
    progress.emit({"type": "fitted", "seconds": round(fit_seconds, 4), "artifact": "model.joblib"})
    parity = _export(pipeline, prepared, out, progress)
    watch.lap("onnx")
    blocks, out_of_fold = diagnose(pipeline, prepared, progress)
    watch.lap("diagnose")
    found = _interval(pipeline, prepared, residuals, out_of_fold, progress)
    if found is not None:
        signature["output"]["interval"] = found
        write_json(out / "signature.json", signature)
    watch.lap("interval")
    predictions, source = _distribution(pipeline, prepared, out_of_fold)
    baseline = make_baseline(prepared.table.frame, prepared.plan, predictions, prepared.task, source)
    write_json(out / "baseline.json", baseline)
    watch.lap("baseline")
    report = _report(prepared, pipeline, parity, blocks, search)
    report["interval"] = found
    report["timing"] = watch.report()
    report["artifacts"] = artifact_list(out, LISTED)
    write_json(out / "report.json", report)
    card = make_card(report, signature, parity)
    write_json(out / "card.json", card)
    (out / "card.md").write_text(card_markdown(card), encoding="utf-8")
    return {
        "type": "done",
        "artifacts": artifact_list(out, ARTIFACTS),
        "timing": report["timing"],
        "validation": {
            name: values["mean"] for name, values in (blocks.get("cross_validation") or {}).get("metrics", {}).items()
        },
        "onnx": bool(parity.get("converted")),
    }


def diagnose_run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """`diagnose`: cross-validation and the learning curve alone, for a model that was trained without them."""
    watch = Stopwatch()
    options = read_training(spec, directory)
    progress.time_budget = options.limits.time_seconds
    prepared = load(options, progress)
    if prepared.template.is_auto:
        raise MlError("unsupported", "the search of an auto template has its own validation", "templateId")
    blocks, _ = diagnose(prepared.pipeline(), prepared, progress)
    watch.lap("diagnose")
    if prepared.target is not None and prepared.task == "classification":
        blocks["class_distribution"] = prepared.target.counts()
    write_json(out / "report.json", {"version": 1, "warnings": prepared.warnings, "timing": watch.report(), **blocks})
    return {"type": "done", "artifacts": artifact_list(out, ("report.json",))}


def fit(pipeline: Pipeline, prepared: Prepared) -> None:
    """Fits, and turns what an estimator complains about into something a person can act on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            pipeline.fit(prepared.table.frame, prepared.y)
        except MlError:
            raise
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            message = f"{prepared.template.id} could not be fitted: {' '.join(str(error).split())[:300]}"
            raise MlError("fit_failed", message, "templateId") from error
    for message in sorted({str(item.message).split("\n")[0] for item in caught if "onverge" in str(item.message)}):
        prepared.warnings.append(message)


def save_model(pipeline: Pipeline, path: Path) -> None:
    """Writes the joblib form, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    joblib.dump(pipeline, partial)
    partial.replace(path)


def _export(pipeline: Pipeline, prepared: Prepared, out: Path, progress: Progress) -> dict[str, Any]:
    parity: dict[str, Any] = {"converted": False, "reason": "not asked for"}
    if prepared.spec.onnx:
        from gristmill_ml import onnx_export

        progress.stage("onnx", 0.4)
        path = out / "model.onnx"
        parity = onnx_export.export(pipeline, prepared.task, prepared.table.frame, path, prepared.spec.seed)
    parity = {"version": 1, **parity}
    write_json(out / "parity.json", parity)
    return parity


def diagnose(pipeline: Pipeline, prepared: Prepared, progress: Progress) -> tuple[dict[str, Any], OutOfFold | None]:
    """Returns the blocks that need training rows. Each is best effort: a failure is a warning, and the model stays."""
    blocks: dict[str, Any] = {}
    out_of_fold: OutOfFold | None = None
    if prepared.task == "clustering":
        return blocks, None
    rows, spec = prepared.rows(), prepared.spec
    reserve = 0.15 * (progress.time_budget or 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folds, sizes = spec.cross_validation, spec.learning_curve
        if folds is not None:
            result = _best_effort(
                "cross-validation",
                lambda: crossval.cross_validate(pipeline, rows, folds, progress, reserve),
                prepared,
                progress,
                reserve,
            )
            if result is not None:
                blocks["cross_validation"], out_of_fold = result
        if sizes is not None:
            curve = _best_effort(
                "the learning curve",
                lambda: crossval.learning_curve(pipeline, rows, sizes, progress, reserve),
                prepared,
                progress,
                reserve,
            )
            if curve is not None:
                blocks["learning_curve"] = curve
    return blocks, out_of_fold


def _interval(
    pipeline: Pipeline,
    prepared: Prepared,
    residuals: np.ndarray | None,
    out_of_fold: OutOfFold | None,
    progress: Progress,
) -> dict[str, Any] | None:
    """Returns how far a number may be off, from rows that a fit did not see; one is made where there was none."""
    level = prepared.spec.interval_level
    if level is None or prepared.task != "regression":
        return None
    if residuals is None and out_of_fold is not None and out_of_fold.covered.any():
        residuals = (out_of_fold.y - out_of_fold.predictions)[out_of_fold.covered]
    if residuals is None:
        reserve = 0.15 * (progress.time_budget or 0.0)
        step = lambda: interval.calibrate(pipeline, prepared.rows(), level)  # noqa: E731
        return _best_effort("the prediction interval", step, prepared, progress, reserve)
    found = interval.make_interval(residuals, level)
    if not isinstance(found, str):
        return found
    prepared.warnings.append(f"the prediction interval was left out: {found}")
    return None


def _best_effort(what: str, step: Any, prepared: Prepared, progress: Progress, reserve: float) -> Any:
    left = progress.remaining()
    if left is not None and left < reserve:
        note = f"{what} was left out: the time budget is nearly used up"
    else:
        try:
            result = step()
        except MlError:
            raise
        except Exception as error:
            result = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if not isinstance(result, str):
            return result
        note = f"{what} was left out: {result}"
    prepared.warnings.append(note)
    progress.warning(note)
    return None


def _distribution(pipeline: Pipeline, prepared: Prepared, out_of_fold: OutOfFold | None) -> tuple[np.ndarray, str]:
    if out_of_fold is not None and out_of_fold.covered.any():
        return out_of_fold.predictions[out_of_fold.covered], "out_of_fold"
    # Any rows: the first ones of a sorted file are all alike.
    order = np.random.default_rng(prepared.spec.seed).permutation(len(prepared.table))[:DISTRIBUTION_ROWS]
    return np.asarray(pipeline.predict(prepared.table.frame.iloc[np.sort(order)])), "training"


def _report(
    prepared: Prepared,
    pipeline: Pipeline,
    parity: dict[str, Any],
    blocks: dict[str, Any],
    search: dict[str, Any] | None,
) -> dict[str, Any]:
    spec, template = prepared.spec, prepared.template
    estimator = inner_estimator(pipeline)
    report: dict[str, Any] = {
        "version": 1,
        "name": spec.name or template.id,
        "templateId": template.id,
        "taskType": prepared.task,
        "library": template.library,
        "algorithm": type(estimator).__name__,
        "parameters": prepared.reported_params(),
        "seed": spec.seed,
        "target": spec.target if prepared.target is not None else None,
        "rows": {
            "read": prepared.rows_read,
            "used": len(prepared.table),
            "withoutTarget": 0 if prepared.target is None else prepared.target.missing,
        },
        "columns": [column.report() for column in prepared.plan.columns],
        "preprocessing": {
            "scaled": template.scales,
            "numbers": "median of the training rows for missing values, float32",
            "texts": "one-hot; a missing text is a category of its own; rare and unseen texts share one",
            "categoriesMax": prepared.plan.categories_max,
            "categoryRowsMin": prepared.plan.category_rows_min,
        },
        "cross_validation": blocks.get("cross_validation"),
        "learning_curve": blocks.get("learning_curve"),
        "feature_importance": {"model_based": model_importances(pipeline)},
        "parity": parity,
        # The sketches for drift are in a file of their own.
        "reference": "baseline.json",
        "warnings": prepared.warnings,
        "leaks": prepared.leaks,
        "versions": versions(*(("lightgbm", "xgboost") if template.is_auto else (template.library,))),
        "codeHash": code_hash(),
        "split": spec.split.details,
        "dataset": spec.dataset,
    }
    if prepared.target is not None and prepared.task == "classification":
        report["class_distribution"] = prepared.target.counts()
    if prepared.task == "clustering":
        encoded = encode(pipeline, prepared.table.frame)
        labels = np.asarray(pipeline.predict(prepared.table.frame))
        report["clustering_metrics"] = clustering_metrics(encoded, labels, spec.seed)
    if search is not None:
        report["search"] = search
    return report
