"""Writes the ONNX form of the steps after `prepare`, and proves on real rows that it answers as the pipeline does."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from gristmill_ml.onnx_patches import patched
from gristmill_ml.pipeline import inner_estimator
from gristmill_ml.prepare import RawPreparer

TOLERANCE = 1e-5
PARITY_ROWS = 1000
# Each answer of a model that compares with all training rows takes a thousand times as long.
PARITY_ROWS_SLOW = 200
# A graph beyond this loads and converts too slowly to be worth it.
TREE_NODES_MAX = 3_000_000
OPSETS = {"": 18, "ai.onnx.ml": 3}


def export(pipeline: Pipeline, task: str, frame: pd.DataFrame, path: Path, seed: int) -> dict[str, Any]:
    """Writes `path` and returns parity.json. On failure there is no file and parity.json has the reason."""
    path.unlink(missing_ok=True)
    try:
        graph = convert(pipeline, task)
    except Exception as error:  # Converters raise whatever they like; the model is served by the pipeline then.
        return {"converted": False, "reason": _short(f"{type(error).__name__}: {error}")}
    most = PARITY_ROWS_SLOW if hasattr(inner_estimator(pipeline), "_fit_X") else PARITY_ROWS
    chosen = np.sort(np.random.default_rng(seed).permutation(len(frame))[:most])
    rows = frame.iloc[chosen]
    try:
        report = compare(pipeline, task, graph, rows)
    except Exception as error:
        return {
            "converted": False,
            "reason": _short(f"the converted model does not run: {type(error).__name__}: {error}"),
        }
    report["bytes"] = len(graph)
    if not report["withinTolerance"]:
        report["converted"] = False
        report["reason"] = (
            f"the converted model differs by {report['maxDifference']:.3g} on real rows, more than {TOLERANCE:g}"
        )
        return report
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(graph)
    partial.replace(path)
    return report


def convert(pipeline: Pipeline, task: str) -> bytes:
    """Returns the ONNX graph: inputs `numeric` and `categorical` (each where the model has such columns)."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    prepare: RawPreparer = pipeline.named_steps["prepare"]
    estimator = inner_estimator(pipeline)
    _refuse_giants(estimator)
    _register()
    tail = Pipeline([("encode", pipeline.named_steps["encode"]), ("model", estimator)])
    inputs: list[tuple[str, Any]] = []
    if prepare.numeric_names_:
        inputs.append(("numeric", FloatTensorType([None, len(prepare.numeric_names_)])))
    if prepare.categorical_names_:
        inputs.append(("categorical", StringTensorType([None, len(prepare.categorical_names_)])))
    options = {id(tail): {"zipmap": False}} if task == "classification" else None
    with warnings.catch_warnings(), patched(pipeline, estimator):
        warnings.simplefilter("ignore")
        model = convert_sklearn(tail, initial_types=inputs, options=options, target_opset=OPSETS)
    return model.SerializeToString()


def session(graph: bytes | str) -> Any:
    """Returns an inference session on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def compare(pipeline: Pipeline, task: str, graph: bytes, rows: pd.DataFrame) -> dict[str, Any]:
    """Returns how far the two forms are apart on these rows. A difference counts relative to predictions above 1."""
    running = session(graph)
    feed = pipeline.named_steps["prepare"].blocks(rows)
    names = {given.name for given in running.get_inputs()}
    outputs = dict(
        zip(
            [output.name for output in running.get_outputs()],
            running.run(None, {name: value for name, value in feed.items() if name in names}),
            strict=True,
        )
    )
    report: dict[str, Any] = {"converted": True, "rows": len(rows), "tolerance": TOLERANCE}
    if task == "classification":
        expected = np.asarray(pipeline.predict_proba(rows), dtype=np.float64)
        answered = np.asarray(outputs["probabilities"], dtype=np.float64)
        codes = np.asarray(outputs["label"]).ravel()
        sure = np.sort(expected, axis=1)
        clear = sure[:, -1] - sure[:, -2] > 2 * TOLERANCE
        labels = pipeline.named_steps["model"].classes_[codes]
        report["labelsDiffering"] = int(np.count_nonzero((labels != pipeline.predict(rows)) & clear))
    elif task == "regression":
        expected = np.asarray(pipeline.predict(rows), dtype=np.float64).ravel()
        answered = np.asarray(next(iter(outputs.values())), dtype=np.float64).ravel()
        report["labelsDiffering"] = 0
    else:
        expected = np.asarray(pipeline.predict(rows)).ravel()
        answered = np.asarray(outputs["label"]).ravel()
        report["labelsDiffering"] = int(np.count_nonzero(expected != answered))
        expected = answered = np.zeros(1)
    apart = np.abs(expected - answered)
    report["maxDifference"] = float(apart.max(initial=0.0))
    report["maxRelativeDifference"] = float((apart / np.maximum(1.0, np.abs(expected))).max(initial=0.0))
    within = report["maxRelativeDifference"] <= TOLERANCE and report["labelsDiffering"] == 0
    report["withinTolerance"] = bool(within and np.isfinite(answered).all())
    report["inputs"] = [
        {"name": given.name, "type": given.type, "shape": given.shape} for given in running.get_inputs()
    ]
    report["outputs"] = [{"name": out.name, "type": out.type, "shape": out.shape} for out in running.get_outputs()]
    return report


def _refuse_giants(estimator: Any) -> None:
    nodes = _tree_nodes(estimator)
    if nodes > TREE_NODES_MAX:
        raise ValueError(f"the forest has {nodes} nodes, more than {TREE_NODES_MAX}; use fewer or shallower trees")


def _tree_nodes(estimator: Any) -> int:
    """Returns the nodes of scikit-learn's trees in a forest, a boosting, or an ensemble of those."""
    if hasattr(estimator, "tree_"):
        return int(estimator.tree_.node_count)
    if isinstance(estimator, Pipeline):
        return _tree_nodes(estimator.steps[-1][1])
    members = getattr(estimator, "estimators_", ())
    return sum(_tree_nodes(one) for one in (members.ravel() if isinstance(members, np.ndarray) else members))


_registered: list[bool] = []


def _register() -> None:
    """Tells skl2onnx how LightGBM and XGBoost convert, wherever they stand in a pipeline."""
    if _registered:
        return
    import lightgbm
    import xgboost
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes as classes,
    )
    from skl2onnx.common.shape_calculator import (
        calculate_linear_regressor_output_shapes as numbers,
    )

    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    update_registered_converter(lightgbm.LGBMClassifier, "GmLgbmC", classes, convert_lightgbm, options=options)
    update_registered_converter(lightgbm.LGBMRegressor, "GmLgbmR", numbers, convert_lightgbm, options={"split": None})
    update_registered_converter(xgboost.XGBClassifier, "GmXgbC", classes, convert_xgboost, options=options)
    update_registered_converter(xgboost.XGBRegressor, "GmXgbR", numbers, convert_xgboost)
    _registered.append(True)


def _short(text: str) -> str:
    first = " ".join(text.split())
    return first if len(first) <= 300 else first[:297] + "..."
