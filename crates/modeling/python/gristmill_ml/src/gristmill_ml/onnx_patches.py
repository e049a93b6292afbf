"""Where skl2onnx does not take what we have, or takes seconds for what numpy does in milliseconds.

Each patch holds only while a model is converted. What comes out is compared with the pipeline on real rows, as ever.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from gristmill_ml.prepare import MedianImputer


@contextmanager
def patched(pipeline: Pipeline, estimator: Any) -> Generator[None]:
    """Holds all patches that this model needs."""
    with ExitStack() as stack:
        for patch in (_plain_imputer(pipeline), _plain_weights(estimator), _plain_attributes(), _quick()):
            stack.enter_context(patch)
        yield


@contextmanager
def _plain_imputer(pipeline: Pipeline) -> Generator[None]:
    """Converters are found by the exact class, and a fitted `MedianImputer` is a `SimpleImputer` in all that counts."""
    numbers = pipeline.named_steps["encode"].named_transformers_.get("numeric")
    imputer: Any = None if numbers is None else numbers.named_steps["impute"]
    if imputer is not None:
        imputer.__class__ = SimpleImputer
    try:
        yield
    finally:
        if imputer is not None:
            imputer.__class__ = MedianImputer


@contextmanager
def _plain_weights(estimator: Any) -> Generator[None]:
    """The converter of a voting ensemble wants its weights as an array, scikit-learn takes a list."""
    weights = getattr(estimator, "weights", None)
    if isinstance(weights, list):
        estimator.weights = np.asarray(weights)
    try:
        yield
    finally:
        if isinstance(weights, list):
            estimator.weights = weights


@contextmanager
def _plain_attributes() -> Generator[None]:
    """The converter of histogram gradient boosting hands numpy values to onnx, which takes Python's own only."""
    import skl2onnx.common._container

    container: Any = skl2onnx.common._container
    original = container.make_node

    def make_node(*args: Any, **attributes: Any) -> Any:
        return original(*args, **{key: _python(value) for key, value in attributes.items()})

    container.make_node = make_node
    try:
        yield
    finally:
        container.make_node = original


def _python(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return _python(value.tolist())
    if isinstance(value, list):
        # Long lists of trees are all of one kind, and mostly plain already.
        if {type(item) for item in value} <= {int, float, str}:
            return value
        return [_python(item) if isinstance(item, (np.generic, bool)) else item for item in value]
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    return value.item() if isinstance(value, np.generic) else value


@contextmanager
def _quick() -> Generator[None]:
    """Trees node by node, and all attributes of all trees for an option of the last step, take most of a conversion."""
    import skl2onnx.common.utils_sklearn
    from skl2onnx.operator_converters import decision_tree, gradient_boosting, random_forest

    options: Any = skl2onnx.common.utils_sklearn
    converters: list[Any] = [decision_tree, gradient_boosting, random_forest]
    listing, adding = options.enumerate_model_names, [module.add_tree_to_attribute_pairs for module in converters]
    options.enumerate_model_names = _only_itself
    for module in converters:
        module.add_tree_to_attribute_pairs = _add_tree
    try:
        yield
    finally:
        options.enumerate_model_names = listing
        for module, original in zip(converters, adding, strict=True):
            module.add_tree_to_attribute_pairs = original


def _only_itself(model: Any, prefix: str = "", short: bool = True) -> list[tuple[str, Any]]:
    """Options are given for the pipeline itself, so that nothing inside has to be looked at."""
    return [(prefix, model)]


def _add_tree(
    pairs: dict[str, list[Any]],
    is_classifier: bool,
    tree: Any,
    tree_id: int,
    tree_weight: float,
    first_output: int,
    leaves_count: bool,
    adjusts_thresholds: bool = False,
    dtype: Any = None,
) -> None:
    """Adds the nodes of one of scikit-learn's trees, as `skl2onnx.common.tree_ensemble` does, a column at a time."""
    count = tree.node_count
    places = np.arange(count)
    branches = (tree.children_left > places) | (tree.children_right > places)
    thresholds = np.where(branches, tree.threshold, 0.0)
    if adjusts_thresholds and dtype != np.float64:
        # A float32 is at most the exact threshold when it is at most the largest float32 that is.
        rounded = thresholds.astype(np.float32)
        thresholds = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    nodes = {
        "treeids": [tree_id] * count,
        "nodeids": range(count),
        "featureids": np.where(branches, tree.feature, 0).tolist(),
        "modes": np.where(branches, "BRANCH_LEQ", "LEAF").tolist(),
        "values": thresholds.astype(np.float64).tolist(),
        "truenodeids": np.where(branches, tree.children_left, 0).tolist(),
        "falsenodeids": np.where(branches, tree.children_right, 0).tolist(),
        "missing_value_tracks_true": [0] * count,
        "hitrates": [1.0] * count,
    }
    for name, values in nodes.items():
        pairs[f"nodes_{name}"].extend(values)
    leaves = places[~branches]
    weights = tree.value[leaves].reshape(len(leaves), -1) * tree_weight
    if leaves_count:
        sums = tree.value[leaves].reshape(len(leaves), -1).sum(axis=1, keepdims=True)
        weights = weights / np.where(sums == 0, 1.0, sums)
    if is_classifier and weights.shape[1] == 2:
        weights = weights[:, 1:]
    outputs = weights.shape[1]
    kind = "class" if is_classifier else "target"
    pairs[f"{kind}_treeids"].extend([tree_id] * weights.size)
    pairs[f"{kind}_nodeids"].extend(np.repeat(leaves, outputs).tolist())
    pairs[f"{kind}_ids"].extend((np.tile(np.arange(outputs), len(leaves)) + first_output).tolist())
    pairs[f"{kind}_weights"].extend(weights.ravel().tolist())
