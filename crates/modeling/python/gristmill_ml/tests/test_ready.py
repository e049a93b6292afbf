from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gristmill_ml import onnx_export, ready
from gristmill_ml.__main__ import COMMANDS
from gristmill_ml.errors import MlError
from gristmill_ml.onnx_patches import patched
from helpers import QUICK, arguments, dataset, environment, run, split, train

PATIENCE = 120.0


def waiting(name: str, directory: Path) -> subprocess.Popen[str]:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "out").mkdir()
    return subprocess.Popen(
        [*arguments(name, directory), "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def test_a_command_that_waits_does_what_one_that_does_not_does(tmp_path: Path) -> None:
    frame, target = dataset("iris")
    inside, _ = split(frame)
    once = train(tmp_path / "once", inside, "logistic_regression", target, **QUICK)
    process = waiting("train", tmp_path / "ready")
    try:
        # Files first; the command begins with the spec.
        inside.to_parquet(tmp_path / "ready" / "train.parquet", index=False)
        spec = {"version": 1, "limits": {"cpus": 1, "timeSeconds": 60}, "templateId": "logistic_regression"}
        (tmp_path / "spec").write_text(json.dumps({**spec, "target": target, **QUICK}))
        assert process.poll() is None and not (tmp_path / "ready" / "out" / "model.joblib").exists()
        (tmp_path / "spec").rename(tmp_path / "ready" / "spec.json")
        out, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert json.loads(out.splitlines()[-1])["type"] == "done"
    both = [json.loads((place / "signature.json").read_text()) for place in (once.out, tmp_path / "ready" / "out")]
    assert both[0] == both[1]


def test_one_that_waits_can_be_cancelled(tmp_path: Path) -> None:
    process = waiting("score", tmp_path / "w")
    (tmp_path / "w" / "cancel").touch()
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3 and json.loads(out.splitlines()[-1])["code"] == "cancelled"


def test_the_time_counts_from_the_spec_on(tmp_path: Path) -> None:
    from gristmill_ml.progress import Progress

    progress = Progress()
    progress.started = time.monotonic() - 1000
    (tmp_path / "spec.json").touch()
    ready.wait(tmp_path, progress)
    assert progress.elapsed() < 500


def test_a_rehearsal_meets_all_that_a_training_imports(tmp_path: Path) -> None:
    frame, target = dataset("iris")
    frame.to_parquet(tmp_path / "train.parquet", index=False)
    spec = {"version": 1, "limits": {"cpus": 1}, "templateId": "random_forest_classifier", "target": target}
    (tmp_path / "spec.json").write_text(
        json.dumps({**spec, "params": {"n_estimators": 10}, "cv": None, "learningCurve": None})
    )
    # In a process of its own: this one has imported everything.
    code = f"""
import io, sys
from pathlib import Path
from gristmill_ml import ready, train
from gristmill_ml.progress import Progress
from gristmill_ml.spec import read_spec
ready.prepare("train", "gristmill_ml.train", "run", Path("nowhere"))
before = set(sys.modules)
place = Path({str(tmp_path)!r})
train.run(read_spec(place), place, place / "out", Progress(io.StringIO()))
print(sorted(set(sys.modules) - before))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert ended.stdout.strip().endswith("[]"), (ended.stdout, ended.stderr)


def test_nothing_is_rehearsed_when_the_work_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spec.json").touch()
    monkeypatch.setattr(ready, "_rehearse", lambda *_: pytest.fail("rehearsed"))
    ready.prepare("train", *COMMANDS["train"], tmp_path)


def test_a_rehearsal_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise MlError("internal", "broken")

    monkeypatch.setattr(ready, "_rehearse", broken)
    ready.prepare("train", *COMMANDS["train"], tmp_path)


def _graph(pipeline: Any, slow: bool, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The conversion as it is, or with skl2onnx's own way through trees and options."""
    if slow:
        from contextlib import nullcontext

        monkeypatch.setattr("gristmill_ml.onnx_patches._quick", nullcontext)
    graph = onnx_export.convert(pipeline, "classification")
    monkeypatch.undo()
    return graph


@pytest.mark.parametrize("name", ["penguins", "breast_cancer"])
@pytest.mark.parametrize("template_id", ["random_forest_classifier", "gradient_boosting_classifier"])
def test_trees_are_converted_as_skl2onnx_does_it(
    template_id: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import joblib
    import onnx

    frame, target = dataset(name)
    frame = frame[frame[target].notna()]
    model = train(tmp_path, frame, template_id, target, params={"n_estimators": 50}, **QUICK)
    pipeline = joblib.load(model.out / "model.joblib")
    quick, slow = (onnx.load_from_string(_graph(pipeline, way, monkeypatch)) for way in (False, True))
    pairs = list(zip(quick.graph.node, slow.graph.node, strict=True))
    assert any("TreeEnsemble" in node.op_type for node, _ in pairs)
    for one, other in pairs:
        assert one.op_type == other.op_type
        if "TreeEnsemble" not in one.op_type:
            continue
        for left, right in zip(one.attribute, other.attribute, strict=True):
            left_value, right_value = (onnx.helper.get_attribute_value(attribute) for attribute in (left, right))
            assert left.name == right.name
            if left.type == onnx.AttributeProto.FLOATS:
                assert list(left_value) == pytest.approx(list(right_value), rel=1e-6), left.name
            else:
                assert left_value == right_value, left.name


def test_patches_are_gone_after_a_conversion(tmp_path: Path) -> None:
    import joblib
    import skl2onnx.common.utils_sklearn as options
    from skl2onnx.operator_converters import random_forest

    frame, target = dataset("iris")
    model = train(tmp_path, frame, "logistic_regression", target, **QUICK)
    pipeline = joblib.load(model.out / "model.joblib")
    before = (options.enumerate_model_names, random_forest.add_tree_to_attribute_pairs)
    with pytest.raises(ZeroDivisionError), patched(pipeline, pipeline.named_steps["model"].estimator_):
        assert options.enumerate_model_names is not before[0]
        raise ZeroDivisionError
    assert before == (options.enumerate_model_names, random_forest.add_tree_to_attribute_pairs)
    assert type(pipeline.named_steps["encode"].named_transformers_["numeric"].named_steps["impute"]).__name__ == (
        "MedianImputer"
    )


def test_the_distribution_of_predictions_is_not_that_of_the_first_rows(tmp_path: Path) -> None:
    # W2.17 again: the first rows of a sorted file are all alike.
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"x": np.arange(6000.0) / 6000, "z": np.tile([0.0, 1.0], 3000)})
    frame["y"] = np.where(frame["x"] < 0.5, "low", "high")
    model = train(tmp_path, frame, "logistic_regression", "y", **QUICK)
    shares = model.json("baseline.json")["prediction_distribution"]
    assert 0.4 < shares["low"] / sum(shares.values()) < 0.6


def test_calibration_is_a_command_that_can_wait(tmp_path: Path) -> None:
    ready.prepare("calibrate", *COMMANDS["calibrate"], tmp_path)
    frame, target = dataset("diabetes")
    frame.to_parquet(tmp_path / "train.parquet", index=False)
    done = run("calibrate", tmp_path, {"templateId": "linear_regression", "target": target})
    assert done.json("interval.json")["interval"]["rows"] == 88
