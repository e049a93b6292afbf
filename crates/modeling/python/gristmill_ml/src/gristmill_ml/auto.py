"""`auto`: tries a portfolio and then an Optuna search within a time budget, and blends the best few.

Estimators are the libraries' own. There is a best model from the first candidate on: whatever stops the search, the
best so far is what is trained.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from gristmill_ml.errors import MlError
from gristmill_ml.folds import Fold, answers, encode_folds
from gristmill_ml.metrics import PRIMARY, classification_metrics, regression_metrics
from gristmill_ml.pipeline import build_pipeline
from gristmill_ml.prepare import LabelledClassifier
from gristmill_ml.progress import Progress

if TYPE_CHECKING:
    from gristmill_ml.train import Prepared

ROWS_MAX = 20_000
FOLDS = 4
CANDIDATES_MAX = 200
BOOST_ROUNDS_MAX = 1000
EARLY_STOPPING = 30
BLEND_STEPS = 30
# Part of the budget for the search; the rest is for fitting what was chosen on all rows.
SEARCH_SHARE = 0.7
# A candidate whose first fold is this much worse than the best one's is not worth the others.
HOPELESS = 1.5

PORTFOLIO: dict[str, dict[str, Any]] = {
    "linear": {"C": 1.0},
    "lightgbm": {"learning_rate": 0.1, "num_leaves": 31, "min_child_samples": 20, "reg_lambda": 0.1},
    "forest": {"max_features": 0.5, "min_samples_leaf": 1, "n_estimators": 200},
    "xgboost": {"learning_rate": 0.1, "max_depth": 6, "subsample": 0.8, "colsample_bytree": 0.8, "reg_lambda": 1.0},
    "extra_trees": {"max_features": 0.7, "min_samples_leaf": 1, "n_estimators": 200},
}
BOOSTED = ("lightgbm", "xgboost")


@dataclass
class Candidate:
    """A family with its parameters, and what the folds said. `loss` is log loss or the squared error."""

    family: str
    params: dict[str, Any]
    loss: float
    metrics: dict[str, float]
    out_of_fold: np.ndarray
    rounds: int | None
    seconds: float


@dataclass
class Search:
    """The state of one search."""

    prepared: Prepared
    folds: list[Fold]
    y: np.ndarray
    labels: np.ndarray
    seed: int
    cpus: int
    candidates: list[Candidate] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    first_losses: list[float] = field(default_factory=list)

    @property
    def task(self) -> str:
        """Returns classification or regression."""
        return self.prepared.task

    def best(self) -> Candidate | None:
        """Returns the candidate with the least loss."""
        return min(self.candidates, key=lambda one: one.loss, default=None)


def search(prepared: Prepared, progress: Progress) -> tuple[Any, dict[str, Any], np.ndarray | None]:
    """Returns the unfitted estimator to train, `search` of report.json, and of numbers the out-of-fold residuals."""
    started = time.monotonic()
    budget = float(prepared.params["time_budget_seconds"])
    left = progress.remaining()
    if left is not None:
        budget = min(budget, left * 0.6)
    until = started + budget * SEARCH_SHARE
    state = _prepare(prepared, progress)
    reason = _explore(state, until, progress)
    best = state.best()
    if best is None:
        raise MlError("search_failed", f"no candidate could be fitted: {reason}", "templateId")
    chosen, weights, loss = _blend(state, int(prepared.params["max_models"]))
    estimator = _combined(state, chosen, weights)
    scoring = PRIMARY[state.task]
    report = {
        "candidates": state.log,
        "stopped": reason,
        "seconds": round(time.monotonic() - started, 3),
        "budgetSeconds": budget,
        "rows": len(state.y),
        "best": {"family": best.family, "params": best.params, scoring: best.metrics.get(scoring), "loss": best.loss},
        "blend": [
            {"family": one.family, "params": one.params, "rounds": one.rounds, "weight": weight}
            for one, weight in zip(chosen, weights, strict=True)
        ],
        "blendLoss": loss,
    }
    residuals = None
    if state.task == "regression":
        blended = sum(weight * one.out_of_fold for one, weight in zip(chosen, weights, strict=True))
        residuals = state.y - blended
    return estimator, report, residuals


def _prepare(prepared: Prepared, progress: Progress) -> Search:
    rows = prepared.rows().sample(ROWS_MAX)
    pipeline = build_pipeline(prepared.plan, None, prepared.task, scales=False)
    folds = encode_folds(pipeline, rows, FOLDS, progress)
    covered = np.concatenate([fold.places for fold in folds])
    labels = np.unique(prepared.target.values) if prepared.target is not None else np.array([])
    return Search(prepared, folds, rows.y[covered], labels, prepared.spec.seed, prepared.spec.limits.cpus)


def _explore(state: Search, until: float, progress: Progress) -> str:
    """Tries candidates until time is up; returns why it stopped."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=state.seed))
    for family, params in PORTFOLIO.items():
        study.enqueue_trial({"family": family, **{f"{family}_{key}": value for key, value in params.items()}})
    problem = "no candidate finished in time"
    for number in range(CANDIDATES_MAX):
        progress.check()
        typical = float(np.median([one.seconds for one in state.candidates])) if state.candidates else 0.0
        if state.candidates and time.monotonic() + typical > until:
            return "time"
        trial = study.ask()
        family, params = _suggest(trial, state.task)
        try:
            found = _try(state, family, params, until, progress)
        except MlError:
            raise
        except Exception as error:
            problem = f"{family}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            state.log.append({"family": family, "params": params, "state": "failed", "reason": problem})
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        if found is None:
            state.log.append({"family": family, "params": params, "state": "dropped"})
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        state.candidates.append(found)
        study.tell(trial, found.loss)
        _say(state, found, number, progress)
    return "candidates" if state.candidates else problem


def _say(state: Search, found: Candidate, number: int, progress: Progress) -> None:
    scoring = PRIMARY[state.task]
    best = state.best()
    entry = {
        "family": found.family,
        "params": found.params,
        "rounds": found.rounds,
        "state": "complete",
        "loss": found.loss,
        scoring: found.metrics.get(scoring),
        "seconds": round(found.seconds, 3),
    }
    state.log.append(entry)
    shown = None if best is None else best.metrics.get(scoring)
    progress.emit({"type": "candidate", "number": number, "scoring": scoring, "best": shown, **entry})


def _suggest(trial: Any, task: str) -> tuple[str, dict[str, Any]]:
    """Returns a family and its parameters; each family has names of its own in the study."""
    family = trial.suggest_categorical("family", list(PORTFOLIO))
    number, whole = trial.suggest_float, trial.suggest_int
    if family == "linear":
        return family, {"C": number("linear_C", 0.001, 100, log=True)}
    if family in ("forest", "extra_trees"):
        return family, {
            "max_features": number(f"{family}_max_features", 0.1, 1.0),
            "min_samples_leaf": whole(f"{family}_min_samples_leaf", 1, 20, log=True),
            "n_estimators": whole(f"{family}_n_estimators", 100, 400, step=100),
        }
    if family == "lightgbm":
        return family, {
            "learning_rate": number("lightgbm_learning_rate", 0.02, 0.3, log=True),
            "num_leaves": whole("lightgbm_num_leaves", 4, 128, log=True),
            "min_child_samples": whole("lightgbm_min_child_samples", 2, 60, log=True),
            "reg_lambda": number("lightgbm_reg_lambda", 0.001, 20, log=True),
        }
    return family, {
        "learning_rate": number("xgboost_learning_rate", 0.02, 0.3, log=True),
        "max_depth": whole("xgboost_max_depth", 2, 9),
        "subsample": number("xgboost_subsample", 0.5, 1.0),
        "colsample_bytree": number("xgboost_colsample_bytree", 0.3, 1.0),
        "reg_lambda": number("xgboost_reg_lambda", 0.01, 20, log=True),
    }


def _try(state: Search, family: str, params: dict[str, Any], until: float, progress: Progress) -> Candidate | None:
    """Returns what the folds say, or None when the candidate is hopeless or time is up."""
    started = time.monotonic()
    parts, rounds = [], []
    for number, fold in enumerate(state.folds):
        progress.check()
        if state.candidates and time.monotonic() > until:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted, stopped = _fit_fold(state, family, params, fold)
        if stopped is not None:
            rounds.append(stopped)
        predicted, chances = answers(fitted, fold.test, state.labels, state.task)
        parts.append(predicted if chances is None else chances)
        if number == 0:
            loss = _loss(state, fold.y_test, parts[0])
            if state.first_losses and loss > min(state.first_losses) * HOPELESS + 1e-9:
                return None
            state.first_losses.append(loss)
    out_of_fold = np.concatenate(parts)
    loss = _loss(state, state.y, out_of_fold)
    if not np.isfinite(loss):
        raise ValueError("the loss is not a finite number")
    mean_rounds = max(5, round(float(np.mean(rounds)))) if rounds else None
    return Candidate(
        family, params, loss, _scores(state, out_of_fold), out_of_fold, mean_rounds, time.monotonic() - started
    )


def _fit_fold(state: Search, family: str, params: dict[str, Any], fold: Fold) -> tuple[Any, int | None]:
    if family not in BOOSTED:
        return _wrap(state, _estimator(state, family, params, None)).fit(fold.train, fold.y_train), None
    # Boosting stops by rows of the fold's own training part, so that its test part stays unseen.
    order = np.random.default_rng(state.seed).permutation(len(fold.y_train))
    held = order[: max(1, len(order) // 10)]
    rest = order[len(held) :]
    if len(held) < 20 or (
        state.task == "classification" and len(np.unique(fold.y_train[rest])) < len(np.unique(fold.y_train))
    ):
        return _wrap(state, _estimator(state, family, params, 100)).fit(fold.train, fold.y_train), 100
    probe = _estimator(state, family, params, BOOST_ROUNDS_MAX)
    if state.task == "classification":
        classes, codes = np.unique(fold.y_train, return_inverse=True)
        model = LabelledClassifier(probe)
        model.classes_, model.estimator_ = classes, probe
    else:
        model, codes = probe, fold.y_train
    watched = [(fold.train[held], codes[held])]
    if family == "lightgbm":
        import lightgbm

        callbacks = [lightgbm.early_stopping(EARLY_STOPPING, verbose=False)]
        probe.fit(fold.train[rest], codes[rest], eval_set=watched, callbacks=callbacks)
        return model, int(probe.best_iteration_ or BOOST_ROUNDS_MAX)
    probe.set_params(early_stopping_rounds=EARLY_STOPPING)
    probe.fit(fold.train[rest], codes[rest], eval_set=watched, verbose=False)
    return model, int(probe.best_iteration) + 1


def _wrap(state: Search, estimator: Any) -> Any:
    return LabelledClassifier(estimator) if state.task == "classification" else estimator


def _estimator(state: Search, family: str, params: dict[str, Any], rounds: int | None) -> Any:
    """Returns an unfitted estimator of a family."""
    from sklearn import ensemble, linear_model
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifies = state.task == "classification"
    common = {"random_state": state.seed, "n_jobs": state.cpus}
    if family == "linear":
        strength = params["C"]
        linear = (
            linear_model.LogisticRegression(C=strength, max_iter=500)
            if classifies
            else linear_model.Ridge(alpha=1.0 / strength)
        )
        return make_pipeline(StandardScaler(), linear)
    if family == "forest":
        kind = ensemble.RandomForestClassifier if classifies else ensemble.RandomForestRegressor
        return kind(**params, **common, max_depth=24)
    if family == "extra_trees":
        kind = ensemble.ExtraTreesClassifier if classifies else ensemble.ExtraTreesRegressor
        return kind(**params, **common, max_depth=24)
    if family == "lightgbm":
        import lightgbm

        kind = lightgbm.LGBMClassifier if classifies else lightgbm.LGBMRegressor
        quiet = {"verbosity": -1, "deterministic": True, "force_row_wise": True}
        return kind(**params, **common, **quiet, n_estimators=rounds or 100)
    import xgboost

    kind = xgboost.XGBClassifier if classifies else xgboost.XGBRegressor
    return kind(**params, **common, n_estimators=rounds or 100, verbosity=0, tree_method="hist")


def _loss(state: Search, y: np.ndarray, predicted: np.ndarray) -> float:
    if state.task == "regression":
        return float(np.mean((y - predicted) ** 2))
    chances = np.clip(predicted[np.arange(len(y)), np.searchsorted(state.labels, y)], 1e-6, 1.0)
    return float(-np.log(chances).mean())


def _scores(state: Search, predicted: np.ndarray) -> dict[str, float]:
    if state.task == "regression":
        return regression_metrics(state.y, predicted)
    return classification_metrics(state.y, state.labels[predicted.argmax(axis=1)], predicted, state.labels)


def _blend(state: Search, most: int) -> tuple[list[Candidate], list[float], float]:
    """Returns the candidates and weights of greedy selection with replacement over the out-of-fold answers."""
    ranked = sorted(state.candidates, key=lambda one: one.loss)[:20]
    picks = [0]
    total = ranked[0].out_of_fold.copy()
    best_picks, best_loss = [0], ranked[0].loss
    for _ in range(BLEND_STEPS):
        distinct = set(picks)
        allowed = range(len(ranked)) if len(distinct) < most else sorted(distinct)
        losses = {n: _loss(state, state.y, (total + ranked[n].out_of_fold) / (len(picks) + 1)) for n in allowed}
        step = min(losses, key=lambda n: (losses[n], n))
        picks.append(step)
        total += ranked[step].out_of_fold
        if losses[step] < best_loss - 1e-9:
            best_picks, best_loss = list(picks), losses[step]
    chosen = sorted(set(best_picks))
    weights = [best_picks.count(number) / len(best_picks) for number in chosen]
    return [ranked[number] for number in chosen], weights, best_loss


def _combined(state: Search, chosen: list[Candidate], weights: list[float]) -> Any:
    from sklearn.ensemble import VotingClassifier, VotingRegressor

    members = [
        (f"{one.family}_{number}", clone(_estimator(state, one.family, one.params, one.rounds)))
        for number, one in enumerate(chosen)
    ]
    if len(members) == 1:
        return members[0][1]
    if state.task == "classification":
        # The converter to ONNX wants `transform` not to flatten, which matters to nobody here.
        return VotingClassifier(members, voting="soft", weights=weights, flatten_transform=False)
    return VotingRegressor(members, weights=weights)
