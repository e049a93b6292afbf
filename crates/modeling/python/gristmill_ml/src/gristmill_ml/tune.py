"""`tune`: an Optuna study over a template's space, kept in a journal file so that it can be resumed."""

from __future__ import annotations

import hashlib
import shutil
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gristmill_ml.errors import EXIT_BAD_INPUT, Cancelled, MlError
from gristmill_ml.folds import Fold, answers, encode_folds
from gristmill_ml.metrics import classification_metrics, regression_metrics
from gristmill_ml.progress import Progress, write_json
from gristmill_ml.provenance import Stopwatch, code_hash, versions
from gristmill_ml.spec import Reader, bad, read_training
from gristmill_ml.templates import Template, build_estimator
from gristmill_ml.train import Prepared, load

TRIALS_MAX = 1000
TIMEOUT_MAX = 86_400
IMPORTANCE_AT = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000)
# Between the soft deadline, looked at after each fold, and the hard one, a long fit may end by itself.
HARD_EXTRA_SECONDS = 30
STUDY = "tuning"
JOURNAL = "tuning.journal"
RESULT = "result.json"

# Metric -> (name in metrics.py, sign that makes larger better, task). `neg_*` are scikit-learn's names.
METRICS: dict[str, tuple[str, int, str]] = {
    "accuracy": ("accuracy", 1, "classification"),
    "balanced_accuracy": ("balanced_accuracy", 1, "classification"),
    "f1": ("f1", 1, "classification"),
    "f1_macro": ("f1_macro", 1, "classification"),
    "f1_weighted": ("f1", 1, "classification"),
    "precision": ("precision", 1, "classification"),
    "precision_macro": ("precision_macro", 1, "classification"),
    "recall": ("recall", 1, "classification"),
    "recall_macro": ("recall_macro", 1, "classification"),
    "roc_auc": ("roc_auc", 1, "classification"),
    "log_loss": ("log_loss", -1, "classification"),
    "neg_log_loss": ("log_loss", -1, "classification"),
    "r2": ("r2", 1, "regression"),
    "rmse": ("rmse", -1, "regression"),
    "mae": ("mae", -1, "regression"),
    "mse": ("mse", -1, "regression"),
    "neg_root_mean_squared_error": ("rmse", -1, "regression"),
    "neg_mean_absolute_error": ("mae", -1, "regression"),
    "neg_mean_squared_error": ("mse", -1, "regression"),
}


@dataclass
class Tuning:
    """What is asked, and what has happened so far."""

    template: Template
    metric: str
    trials_wanted: int
    records: list[dict[str, Any]] = field(default_factory=list)
    importances: dict[str, float] = field(default_factory=dict)

    def shown(self, score: float | None) -> float | None:
        """Returns a score under the metric's own sign: rmse as a positive number, neg_* as a negative one."""
        if score is None:
            return None
        return -score if METRICS[self.metric][1] < 0 and not self.metric.startswith("neg_") else score

    def best(self, among: list[dict[str, Any]] | None = None) -> dict[str, Any] | None:
        """Returns the best complete trial, the earliest of equals."""
        complete = [record for record in (self.records if among is None else among) if record["state"] == "COMPLETE"]
        return max(complete, key=lambda record: record["score"], default=None)

    def complete(self) -> int:
        """Returns how many trials have a value."""
        return sum(record["state"] == "COMPLETE" for record in self.records)

    def since_improvement(self) -> int:
        """Returns how many trials came after the best one."""
        best = self.best()
        return len(self.records) if best is None else len(self.records) - 1 - self.records.index(best)

    def convergence(self) -> dict[str, Any]:
        """Returns the event that follows each trial."""
        since = self.since_improvement()
        limit = max(10, self.trials_wanted / 5)
        status = "exploring" if since == 0 else "converging" if since >= limit else "narrowing"
        return {
            "type": "convergence_update",
            "status": status,
            "trials_since_improvement": since,
            "improvement_rate": self._rate(),
        }

    def _rate(self, window: int = 10) -> float:
        """Returns the improvement a trial over the last ten, relative to the best value."""
        now, then = self.best(), self.best(self.records[:-window])
        if now is None or then is None:
            return 0.0
        scale = max(abs(now["score"]), 1e-12)
        return float((now["score"] - then["score"]) / scale / window)

    def history(self) -> dict[str, Any]:
        """Returns the values in order, with the best so far beside each."""
        numbers, values, bests = [], [], []
        best: float | None = None
        for record in self.records:
            if record["state"] != "COMPLETE":
                continue
            best = record["score"] if best is None else max(best, record["score"])
            numbers.append(record["number"])
            values.append(self.shown(record["score"]))
            bests.append(self.shown(best))
        return {"trial_numbers": numbers, "values": values, "best_values": bests}

    def result(self, status: str) -> dict[str, Any]:
        """Returns result.json."""
        best = self.best()
        order = sorted(self.importances, key=lambda name: -self.importances[name])
        return {
            "version": 1,
            "status": status,
            "templateId": self.template.id,
            "metric": self.metric,
            "nTrials": self.trials_wanted,
            "nComplete": self.complete(),
            "bestTrialNumber": None if best is None else best["number"],
            "bestValue": None if best is None else self.shown(best["score"]),
            "bestParams": None if best is None else best["params"],
            "trials": [
                {
                    **{key: value for key, value in record.items() if key != "score"},
                    "value": self.shown(record["score"]),
                }
                for record in self.records
            ],
            "optimization_history": self.history(),
            "param_importances": {"params": order, "importances": [self.importances[name] for name in order]},
        }


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Runs or resumes the study and returns the `done` event. Being cancelled is a way to end well."""
    watch = Stopwatch()
    wanted = spec.integer("nTrials", 20, 1, TRIALS_MAX)
    timeout = spec.number("timeoutSeconds", 600.0, 1, TIMEOUT_MAX)
    sampler = spec.text("sampler", "tpe", ("tpe", "random"))
    pruning = spec.boolean("pruning", True)
    metric = spec.text("metric")
    if metric not in METRICS:
        raise bad("metric", f"must be one of {', '.join(METRICS)}", "invalid_metric")
    options = read_training(spec, directory)
    folds = options.cross_validation.folds if options.cross_validation else 5
    prepared = load(options, progress)
    if not prepared.template.tunable:
        raise MlError("not_tunable", f"{prepared.template.id} has nothing to tune", "templateId")
    if METRICS[metric][2] != prepared.task:
        raise bad("metric", f"{metric} is for {METRICS[metric][2]}, this is {prepared.task}", "invalid_metric")
    tuning = Tuning(prepared.template, metric, wanted)
    study = _open_study(spec, directory, out, sampler, pruning, prepared, metric, folds, progress)
    _take_over(study, tuning)
    progress.time_budget = progress.elapsed() + timeout + HARD_EXTRA_SECONDS
    progress.last_words = lambda: _last_words(tuning, out, progress)
    deadline = time.monotonic() + timeout
    cached: list[Fold] = []
    try:
        cached = encode_folds(prepared.pipeline(), prepared.rows().sample(_rows_max(options)), folds, progress)
        status = _loop(study, tuning, prepared, cached, deadline, progress)
    except Cancelled:
        status = "cancelled"
    progress.last_words = None
    tuning.importances = _importances(study)
    result = tuning.result(status)
    result |= {"seed": options.seed, "folds": len(cached), "codeHash": code_hash(), "timing": watch.report()}
    result["versions"] = versions(prepared.template.library)
    write_json(out / RESULT, result)
    if result["bestParams"] is None and status != "cancelled":
        reason = next((record["error"] for record in reversed(tuning.records) if record.get("error")), "none finished")
        raise MlError("all_trials_failed", f"no trial has a value: {reason}", exit_code=EXIT_BAD_INPUT)
    return _done(result)


def _done(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "done",
        "status": result["status"],
        "best_value": result["bestValue"],
        "best_params": result["bestParams"],
        "best_trial_number": result["bestTrialNumber"],
        "optimization_history": result["optimization_history"],
    }


def _last_words(tuning: Tuning, out: Path, progress: Progress) -> int:
    """Saves the best so far while a fit does not return."""
    status = "cancelled" if progress.cancelled else "timeout"
    result = tuning.result(status)
    write_json(out / RESULT, result)
    progress.emit(_done(result))
    return 0


def _rows_max(options: Any) -> int:
    return options.cross_validation.rows_max if options.cross_validation else 20_000


def _open_study(
    spec: Reader,
    directory: Path,
    out: Path,
    sampler: str,
    pruning: bool,
    prepared: Prepared,
    metric: str,
    folds: int,
    progress: Progress,
) -> Any:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = out / JOURNAL
    if spec.has("journal"):
        shutil.copyfile(spec.file("journal", directory), path)
    for stale in (path.with_name(path.name + ".lock"),):
        stale.unlink(missing_ok=True)
    try:
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
        study = optuna.create_study(storage=storage, study_name=STUDY, direction="maximize", load_if_exists=True)
    except Exception as error:
        raise MlError("unreadable_file", f"the tuning journal cannot be used: {error}"[:300], "journal") from error
    mark = _fingerprint(prepared, metric, folds)
    known = study.user_attrs.get("fingerprint")
    if known is None:
        study.set_user_attr("fingerprint", mark)
        study.enqueue_trial(
            {parameter["key"]: prepared.params[parameter["key"]] for parameter in prepared.template.parameters}
        )
    elif known != mark:
        message = "the journal is of another template, metric, seed or dataset; start a study of its own"
        raise MlError("resume_mismatch", message, "journal")
    seed = prepared.spec.seed + len(study.trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.sampler = (
            optuna.samplers.TPESampler(seed=seed, constant_liar=False)
            if sampler == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
    study.pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1) if pruning else optuna.pruners.NopPruner()
    )
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        # The process that ran it is gone.
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _fingerprint(prepared: Prepared, metric: str, folds: int) -> str:
    digest = hashlib.sha256()
    digest.update(repr((prepared.template.id, metric, folds, prepared.spec.seed, len(prepared.table))).encode())
    digest.update(repr([(column.name, column.kind) for column in prepared.plan.columns]).encode())
    digest.update(np.ascontiguousarray(prepared.y.astype(str)).tobytes() if prepared.y is not None else b"")
    return digest.hexdigest()


def _take_over(study: Any, tuning: Tuning) -> None:
    """Books the trials of an earlier run. Trials that its end cut off do not count."""
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished() or trial.user_attrs.get("counted") is None:
            continue
        tuning.records.append(
            {
                "number": trial.number,
                "state": trial.state.name,
                "score": trial.value if trial.state.name == "COMPLETE" else None,
                "params": trial.params,
                "intermediate": list(trial.intermediate_values.values()),
                "durationMs": trial.user_attrs["counted"],
                "error": trial.user_attrs.get("error"),
            }
        )


def _loop(
    study: Any, tuning: Tuning, prepared: Prepared, folds: list[Fold], deadline: float, progress: Progress
) -> str:
    while len(tuning.records) < tuning.trials_wanted:
        if progress.cancelled:
            return "cancelled"
        if time.monotonic() >= deadline:
            return "timeout"
        record = _trial(study, tuning, prepared, folds, deadline, progress)
        if record is None:
            return "cancelled" if progress.cancelled else "timeout"
        tuning.records.append(record)
        _tell_about(tuning, record, study, progress)
    return "completed"


def _trial(
    study: Any, tuning: Tuning, prepared: Prepared, folds: list[Fold], deadline: float, progress: Progress
) -> dict[str, Any] | None:
    """Runs one trial; None when it was cut off by cancellation or time."""
    from optuna.trial import TrialState

    started = time.monotonic()
    trial = study.ask()
    state, scores, error = TrialState.COMPLETE, [], None
    params = suggest(trial, tuning.template)
    try:
        model = _model(prepared, params)
        for step, fold in enumerate(folds):
            if progress.cancelled or (time.monotonic() >= deadline and tuning.records):
                study.tell(trial, state=TrialState.FAIL)
                return None
            scores.append(_score(model, fold, prepared, tuning.metric))
            trial.report(float(np.mean(scores)), step)
            if step + 1 < len(folds) and trial.should_prune():
                state = TrialState.PRUNED
                break
        if not np.isfinite(scores).all():
            raise ValueError(f"the score {tuning.metric} is not a number for these parameters")
    except Exception as problem:
        # One bad corner of the space does not end the study.
        state, error = TrialState.FAIL, f"{type(problem).__name__}: {' '.join(str(problem).split())[:300]}"
        trial.set_user_attr("error", error)
    spent = int((time.monotonic() - started) * 1000)
    trial.set_user_attr("counted", spent)
    score = float(np.mean(scores)) if state == TrialState.COMPLETE else None
    study.tell(trial, score, state=state)
    return {
        "number": trial.number,
        "state": state.name,
        "score": score,
        "params": params,
        "intermediate": [float(np.mean(scores[: step + 1])) for step in range(len(scores))],
        "durationMs": spent,
        "error": error,
    }


def suggest(trial: Any, template: Template) -> dict[str, Any]:
    """Returns a point of the template's space."""
    values: dict[str, Any] = {}
    for parameter in template.parameters:
        key = parameter["key"]
        if parameter["type"] == "select":
            values[key] = trial.suggest_categorical(key, [option["value"] for option in parameter["options"]])
        elif parameter["type"] == "boolean":
            values[key] = trial.suggest_categorical(key, [True, False])
        elif parameter["integer"]:
            values[key] = trial.suggest_int(key, parameter["min"], parameter["max"])
        else:
            log = bool(parameter.get("log", False))
            values[key] = trial.suggest_float(key, parameter["min"], parameter["max"], log=log)
    return values


def _model(prepared: Prepared, params: dict[str, Any]) -> Any:
    from gristmill_ml.prepare import LabelledClassifier

    classes = 0 if prepared.target is None else len(prepared.target.labels)
    cpus = prepared.spec.limits.cpus
    values = prepared.params | params
    estimator = build_estimator(prepared.template, values, prepared.estimator_seed, cpus, classes)
    return LabelledClassifier(estimator) if prepared.task == "classification" else estimator


def _score(model: Any, fold: Fold, prepared: Prepared, metric: str) -> float:
    from sklearn.base import clone

    labels = prepared.target.labels if prepared.target is not None else np.array([])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = clone(model).fit(fold.train, fold.y_train)
        predicted, chances = answers(fitted, fold.test, labels, prepared.task)
    if prepared.task == "classification":
        found = classification_metrics(fold.y_test, predicted, chances, labels)
    else:
        found = regression_metrics(fold.y_test, predicted)
    name, sign, _ = METRICS[metric]
    return sign * found.get(name, float("nan"))


def _tell_about(tuning: Tuning, record: dict[str, Any], study: Any, progress: Progress) -> None:
    best = tuning.best()
    event: dict[str, Any] = {
        "type": "trial_result",
        "trial_number": record["number"],
        "state": record["state"],
        "value": tuning.shown(record["score"]),
        "params": record["params"],
        "best_value": None if best is None else tuning.shown(best["score"]),
        "best_params": None if best is None else best["params"],
        "n_complete": tuning.complete(),
        "n_total": tuning.trials_wanted,
    }
    if record["error"]:
        event["error"] = record["error"]
    progress.emit(event)
    progress.emit(tuning.convergence())
    if record["state"] == "COMPLETE" and tuning.complete() in IMPORTANCE_AT:
        tuning.importances = _importances(study)
        if tuning.importances:
            progress.emit(
                {
                    "type": "importance_update",
                    "importances": tuning.importances,
                    "n_trials_used": tuning.complete(),
                }
            )


def _importances(study: Any) -> dict[str, float]:
    """Returns what fANOVA says; nothing where the trials are too few or too alike."""
    import optuna

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=42)
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        return {name: float(value) for name, value in found.items()}
    except (ValueError, RuntimeError, ZeroDivisionError):
        return {}
