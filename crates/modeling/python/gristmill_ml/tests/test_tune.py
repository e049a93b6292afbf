from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from gristmill_ml import tune
from gristmill_ml.errors import MlError
from helpers import Ran, arguments, dataset, environment, run


def study(place: Path, templateId: str = "knn_classifier", name: str = "penguins", **spec: Any) -> Ran:
    place.mkdir(parents=True, exist_ok=True)
    frame, target = dataset(name)
    frame.to_parquet(place / "train.parquet", index=False)
    asked = {"templateId": templateId, "target": target, "metric": "accuracy", "nTrials": 6, "cv": {"folds": 3}, **spec}
    return run("tune", place, asked)


@pytest.mark.parametrize("metric", ["f1", "precision", "recall", "roc_auc", "log_loss"])
def test_text_labels_and_many_classes_are_scored(metric: str, tmp_path: Path) -> None:
    # W2.9: f1, precision and recall failed for three classes or text labels.
    done = study(tmp_path, metric=metric, nTrials=3).done
    assert done["status"] == "completed" and 0 < done["best_value"] < 1.5


@pytest.mark.parametrize(("metric", "sign"), [("r2", 1), ("rmse", 1), ("neg_mean_squared_error", -1)])
def test_regression_metrics_keep_their_own_sign(metric: str, sign: int, tmp_path: Path) -> None:
    ran = study(tmp_path, "ridge_regression", "diabetes", metric=metric, nTrials=5)
    assert ran.done["best_value"] * sign > 0
    values = [v for v in ran.done["optimization_history"]["values"] if v is not None]
    assert ran.done["best_value"] == (min(values) if metric == "rmse" else max(values))


def test_events_have_the_shapes_of_the_contract(tmp_path: Path) -> None:
    ran = study(tmp_path, nTrials=11, pruning=False)
    trials = [event for event in ran.events if event["type"] == "trial_result"]
    assert [event["trial_number"] for event in trials] == list(range(11))
    keys = {"type", "trial_number", "state", "value", "params", "best_value", "best_params", "n_complete", "n_total"}
    assert all(keys <= set(event) for event in trials)
    assert [event["best_value"] for event in trials] == sorted(event["best_value"] for event in trials)
    assert sum(event["type"] == "convergence_update" for event in ran.events) == 11
    importance = [event for event in ran.events if event["type"] == "importance_update"]
    assert len(importance) == 1 and importance[0]["n_trials_used"] == 10
    # The source model's own parameters are the first trial, so that tuning is never worse on these folds.
    assert trials[0]["params"] == {"n_neighbors": 5, "weights": "uniform", "metric": "minkowski"}
    history = ran.done["optimization_history"]
    assert len(history["trial_numbers"]) == len(history["values"]) == len(history["best_values"]) == 11


def test_a_failed_trial_does_not_end_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = tune._score, []

    def sometimes(*args: Any) -> float:
        calls.append(1)
        if len(calls) in (1, 5):
            raise RuntimeError("no luck")
        return real(*args)

    monkeypatch.setattr(tune, "_score", sometimes)
    ran = study(tmp_path, nTrials=4, pruning=False)
    states = [event["state"] for event in ran.events if event["type"] == "trial_result"]
    assert states.count("FAIL") == 2 and states.count("COMPLETE") == 2
    failed = next(event for event in ran.events if event.get("state") == "FAIL")
    assert failed["value"] is None and "no luck" in failed["error"]


def test_all_trials_failing_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "_score", lambda *_: float("nan"))
    with pytest.raises(MlError, match="not a number") as caught:
        study(tmp_path, nTrials=2)
    assert caught.value.code == "all_trials_failed"
    assert json.loads((tmp_path / "out" / "result.json").read_text())["bestParams"] is None


def test_a_study_is_resumed_from_its_journal(tmp_path: Path) -> None:
    first = study(tmp_path / "a", nTrials=4)
    journal = (first.out / "tuning.journal").read_bytes()
    place = tmp_path / "b"
    place.mkdir()
    (place / "before.journal").write_bytes(journal)
    second = study(place, nTrials=7, journal="before.journal")
    assert sum(event["type"] == "trial_result" for event in second.events) == 3
    result = second.json("result.json")
    assert [trial["number"] for trial in result["trials"]] == list(range(7))
    assert result["trials"][:4] == first.json("result.json")["trials"]
    with pytest.raises(MlError) as caught:
        study(place, nTrials=7, journal="before.journal", metric="f1")
    assert caught.value.code == "resume_mismatch"


def test_the_same_seed_tries_the_same_points(tmp_path: Path) -> None:
    points = [
        [t["params"] for t in study(tmp_path / str(n), nTrials=5).json("result.json")["trials"]] for n in range(2)
    ]
    assert points[0] == points[1]


def test_a_cancelled_study_keeps_its_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tune._tell_about

    def then_cancel(tuning: tune.Tuning, *rest: Any) -> None:
        real(tuning, *rest)
        if len(tuning.records) == 3:
            (tmp_path / "cancel").touch()

    monkeypatch.setattr(tune, "_tell_about", then_cancel)
    ran = study(tmp_path, nTrials=50)
    assert ran.done["status"] == "cancelled" and ran.done["best_params"]
    assert ran.json("result.json")["nComplete"] == 3


def test_sigterm_stops_within_two_seconds_even_inside_a_fit(tmp_path: Path) -> None:
    frame, target = dataset("mixed")
    frame.to_parquet(tmp_path / "train.parquet", index=False)
    spec = {"version": 1, "templateId": "gradient_boosting_classifier", "target": target, "metric": "accuracy", "nTrials": 200,
            "params": {"n_estimators": 500, "max_depth": 8}, "limits": {"cpus": 1}}  # fmt: skip
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    started = subprocess.Popen(arguments("tune", tmp_path), stdout=subprocess.PIPE, text=True, env=environment())
    assert started.stdout is not None
    started.stdout.readline()
    journal, deadline = tmp_path / "out" / "tuning.journal", time.monotonic() + 60
    while not (journal.exists() and "min_samples_split" in journal.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    asked = time.monotonic()
    started.send_signal(signal.SIGTERM)
    rest, _ = started.communicate(timeout=30)
    # Two seconds by the clock of a quiet machine; other builds run beside this test.
    assert time.monotonic() - asked < 6
    assert started.returncode == 0
    assert json.loads(rest.splitlines()[-1])["status"] == "cancelled"
    assert json.loads((tmp_path / "out" / "result.json").read_text())["status"] == "cancelled"


REFUSED = [
    ({"templateId": "linear_regression", "metric": "r2"}, "not_tunable"),
    ({"metric": "r2"}, "invalid_metric"),
    ({"metric": "vibes"}, "invalid_metric"),
    ({"nTrials": 0}, "invalid_spec"),
    ({"timeoutSeconds": 1e9}, "invalid_spec"),
    ({"sampler": "grid"}, "invalid_spec"),
]


@pytest.mark.parametrize(("spec", "code"), REFUSED)
def test_studies_that_make_no_sense(spec: dict[str, Any], code: str, tmp_path: Path) -> None:
    with pytest.raises(MlError) as caught:
        study(tmp_path, **{"name": "diabetes" if spec.get("templateId") else "penguins", **spec})
    assert caught.value.code == code


def test_clusters_are_not_tuned(tmp_path: Path) -> None:
    with pytest.raises(MlError) as caught:
        study(tmp_path, "kmeans")
    assert caught.value.code == "not_tunable"
