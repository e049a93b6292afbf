from __future__ import annotations

import os
from pathlib import Path

import pytest

# One thread each, before any library makes its pool: other builds run beside these tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The pools are sized when these are imported.
from helpers import QUICK, Ran, dataset, split, train


@pytest.fixture(scope="session")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A random forest on penguins, with all that training writes."""
    frame, target = dataset("penguins")
    inside, _ = split(frame)
    place: Path = tmp_path_factory.mktemp("forest")
    small = {"params": {"n_estimators": 30}, "cv": {"folds": 3}, "learningCurve": {"sizes": [0.3, 1.0], "folds": 2}}
    return train(place, inside, "random_forest_classifier", target, **small)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """LightGBM on the generated table of every type."""
    frame, target = dataset("mixed")
    inside, _ = split(frame)
    place: Path = tmp_path_factory.mktemp("mixed")
    return train(place, inside, "lightgbm_classifier", target, **{**QUICK, "onnx": True})
