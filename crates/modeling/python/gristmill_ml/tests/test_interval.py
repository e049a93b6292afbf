from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill_ml.interval import half_width, make_interval
from helpers import QUICK, dataset, predict, run, score, split, train, whole

# What a run is compared with is random too: 4000 test rows and 1200 residuals put three standard deviations at 0.03.
TOLERANCE = 0.03


def noisy(rows: int, seed: int = 5) -> pd.DataFrame:
    """Numbers with noise that is not normal, and not centred."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    noise = random.exponential(2.0, rows)
    kind = random.choice(["a", "b", "c"], rows)
    target = 3 * x[:, 0] - 2 * np.maximum(x[:, 1], 0) + (kind == "b") + noise
    return pd.DataFrame(
        {"__row_id": np.arange(rows), **{f"x{n}": x[:, n] for n in range(4)}, "kind": kind, "y": target}
    )


@pytest.mark.parametrize(
    ("count", "level", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (99, 0.9, 90), (100, 0.9, 91), (3, 0.5, 2)]
)
def test_the_quantile_has_the_correction_for_few_rows(count: int, level: float, rank: int) -> None:
    residuals = np.random.default_rng(1).permutation(np.arange(1.0, count + 1)) * np.where(np.arange(count) % 2, 1, -1)
    assert half_width(residuals, level) == rank


def test_too_few_residuals_promise_nothing() -> None:
    assert half_width(np.ones(8), 0.9) is None
    reason = make_interval(np.ones(8), 0.9)
    assert isinstance(reason, str) and "9 are the least" in reason
    assert half_width(np.array([np.inf, np.nan] + [1.0] * 8), 0.9) is None, "rows without a prediction are missed"


@pytest.mark.parametrize("template_id", ["linear_regression", "hist_gradient_boosting_regressor", "lightgbm_regressor"])
@pytest.mark.parametrize("level", [0.9, 0.6])
def test_the_interval_covers_about_as_many_new_rows_as_it_says(template_id: str, level: float, tmp_path: Path) -> None:
    inside, outside = split(noisy(10_000), 0.4)
    model = train(tmp_path / "t", inside, template_id, "y", interval={"level": level}, **QUICK)
    interval = model.json("signature.json")["output"]["interval"]
    assert interval["method"] == "split_conformal" and interval["level"] == level and interval["rows"] == 1200
    assert model.json("report.json")["interval"] == interval
    predicted = predict(tmp_path / "p", model, outside.drop(columns="y"))
    scored = score(tmp_path / "s", predicted.out / "predictions.parquet", outside[["__row_id", "y"]])
    coverage = scored.json("evaluation.json")["interval_coverage"]
    assert coverage["rows"] == 4000 and coverage["covered"] == round(coverage["coverage"] * 4000)
    assert coverage["coverage"] == pytest.approx(level, abs=TOLERANCE)


def test_an_interval_is_as_wide_as_the_model_is_wrong_on_rows_it_did_not_see(tmp_path: Path) -> None:
    # A forest is right on its own rows: their residuals would give an interval that covers far too few.
    frame = noisy(4000).assign(**{"x0": 0.0})
    inside, outside = split(frame, 0.5)
    params = {"n_estimators": 30, "max_depth": 30}
    model = train(tmp_path / "t", inside, "random_forest_regressor", "y", params=params, **QUICK)
    predicted = predict(tmp_path / "p", model, outside.drop(columns="y"))
    scored = score(tmp_path / "s", predicted.out / "predictions.parquet", outside[["__row_id", "y"]])
    assert scored.json("evaluation.json")["interval_coverage"]["coverage"] == pytest.approx(0.9, abs=0.05)
    again = predict(tmp_path / "own", model, inside.drop(columns="y"))
    own = score(tmp_path / "o", again.out / "predictions.parquet", inside[["__row_id", "y"]])
    assert own.json("evaluation.json")["interval_coverage"]["coverage"] > 0.97


def test_out_of_fold_residuals_are_used_where_there_are_some(tmp_path: Path) -> None:
    model = train(tmp_path, noisy(500), "ridge_regression", "y", cv={"folds": 4}, learningCurve=None, onnx=False)
    assert model.json("signature.json")["output"]["interval"]["rows"] == 500


def test_rows_are_held_back_as_the_split_says(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    when = np.arange(1000)
    # The last part of the time is noisier: an interval from random rows would be too narrow for what comes next.
    noise = random.normal(size=1000) * np.where(when < 800, 1, 10)
    frame = pd.DataFrame({"when": when, "x": random.normal(size=1000), "y": noise}).sample(frac=1, random_state=0)
    in_time = {"kind": "time", "column": "when"}
    timed = train(tmp_path / "t", frame, "linear_regression", "y", features=["x"], split=in_time, **QUICK)
    shuffled = train(tmp_path / "r", frame, "linear_regression", "y", features=["x"], **QUICK)
    widths = [ran.json("signature.json")["output"]["interval"]["halfWidth"] for ran in (timed, shuffled)]
    assert widths[0] > 1.5 * widths[1]


def test_the_search_of_auto_brings_its_own_residuals(tmp_path: Path) -> None:
    params = {"time_budget_seconds": 10}
    model = train(tmp_path, noisy(600), "auto_regressor", "y", params=params, **QUICK)
    interval = model.json("signature.json")["output"]["interval"]
    assert interval["rows"] == 600 and 2 < interval["halfWidth"] < 8


def test_what_has_no_interval_says_nothing_or_why(tmp_path: Path) -> None:
    labels, _, _ = whole(tmp_path / "c", "iris", "logistic_regression", **QUICK)
    assert "interval" not in labels.json("signature.json")["output"]
    off, predicted, scored = whole(tmp_path / "o", "diabetes", "ridge_regression", interval=None, **QUICK)
    assert "interval" not in off.json("signature.json")["output"]
    assert "lower" not in pd.read_parquet(predicted.out / "predictions.parquet").columns
    assert "interval_coverage" not in scored.json("evaluation.json")
    few = train(tmp_path / "f", noisy(20), "ridge_regression", "y", **QUICK)
    assert "interval" not in few.json("signature.json")["output"]
    assert any("too few for an interval" in warning for warning in few.json("report.json")["warnings"])


def test_calibrate_finds_what_train_finds(tmp_path: Path) -> None:
    frame, target = dataset("diabetes")
    inside, _ = split(frame)
    trained = train(tmp_path / "t", inside, "ridge_regression", target, **QUICK)
    inside.to_parquet(tmp_path / "train.parquet", index=False)
    spec = {"templateId": "ridge_regression", "target": target}
    calibrated = run("calibrate", tmp_path, spec).json("interval.json")
    assert calibrated["interval"] == trained.json("signature.json")["output"]["interval"]
    other = run("calibrate", tmp_path, {**spec, "interval": None}, tmp_path / "none").json("interval.json")
    assert other["interval"] is None and other["reason"]
