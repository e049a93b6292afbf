"""Being ready before it is known what for: imports first, then a wait for spec.json.

A sandbox that waits sees an empty input directory; the server fills it and writes spec.json last. What is done here
depends on nothing of anybody.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from gristmill_ml.progress import Progress

POLL_SECONDS = 0.01
# What a command imports only when it comes to it, beside what its own module imports.
LATER: dict[str, tuple[str, ...]] = {
    "train": (
        "lightgbm",
        "xgboost",
        "sklearn.ensemble",
        "sklearn.linear_model",
        "sklearn.neighbors",
        "gristmill_ml.onnx_export",
        "onnxruntime",
    ),
    "calibrate": ("lightgbm", "xgboost", "sklearn.ensemble", "sklearn.linear_model", "sklearn.neighbors"),
    "predict": ("lightgbm", "xgboost", "sklearn.ensemble", "sklearn.linear_model", "gristmill_ml.prepare"),
}


def prepare(command: str, module: str) -> None:
    """Imports what the command needs. What is not installed is missed by those who need it, with their own words."""
    importlib.import_module(module)
    for name in LATER.get(command, ()):
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def wait(directory: Path, progress: Progress) -> None:
    """Returns when spec.json is there, and starts the clock anew; raises when it is cancelled before."""
    path = directory / "spec.json"
    while not path.is_file():
        progress.check()
        time.sleep(POLL_SECONDS)
    progress.started = time.monotonic()
