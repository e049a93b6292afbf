"""Being ready before it is known what for: imports first, then a wait for spec.json.

A sandbox that waits sees an empty input directory; the server fills it and writes spec.json last. What is done here
depends on nothing of anybody.
"""

from __future__ import annotations

import importlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from gristmill_ml.progress import Progress
from gristmill_ml.spec import VERSION, read_spec

POLL_SECONDS = 0.01
# What a command imports only when it comes to it, and does not meet in its rehearsal.
LATER: dict[str, tuple[str, ...]] = {
    "train": ("lightgbm", "xgboost", "sklearn.ensemble", "sklearn.neighbors"),
    "calibrate": ("lightgbm", "xgboost", "sklearn.ensemble", "sklearn.neighbors"),
    "predict": ("lightgbm", "xgboost", "sklearn.ensemble", "sklearn.linear_model", "gristmill_ml.prepare"),
    "adopt": ("lightgbm", "xgboost", "sklearn.ensemble", "sklearn.linear_model", "sklearn.compose"),
}
# Libraries import much when they are first used. These commands therefore work once, on a table that is made up.
REHEARSALS: dict[str, dict[str, Any]] = {
    "train": {"templateId": "logistic_regression", "target": "label"},
    "calibrate": {"templateId": "ridge_regression", "target": "number"},
}
ROWS = 40


def prepare(command: str, module: str, function: str, directory: Path) -> None:
    """Imports what the command needs, and what it may need as long as there is time. What goes wrong here is met again
    by those whom it concerns, who say so."""
    runner = getattr(importlib.import_module(module), function)
    for name in LATER.get(command, ()):
        if _is_called(directory):
            return
        try:
            importlib.import_module(name)
        except Exception:  # noqa: S112 - a project's packages may break libraries that the model does not use
            continue
    if command in REHEARSALS and not _is_called(directory):
        try:
            _rehearse(runner, REHEARSALS[command])
        except Exception:  # The real work is not to end with its rehearsal.
            return


def _is_called(directory: Path) -> bool:
    return (directory / "spec.json").is_file()


def _rehearse(runner: Any, spec: dict[str, Any]) -> None:
    import pandas as pd

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        numbers = [float(row % 7) for row in range(ROWS)]
        columns = {
            "number": numbers,
            "other": [row * 7 % 11 / 3 for row in range(ROWS)],
            "text": ["a" if row % 3 else "b" for row in range(ROWS)],
            "day": [f"2024-01-{row % 28 + 1:02}" for row in range(ROWS)],
            "label": ["low" if number < 3 else "high" for number in numbers],
        }
        pd.DataFrame(columns).to_parquet(directory / "train.parquet", index=False)
        options = {"version": VERSION, "cv": None, "learningCurve": None, "limits": {"cpus": 1}}
        (directory / "spec.json").write_text(json.dumps({**options, **spec}), encoding="utf-8")
        runner(read_spec(directory), directory, directory, Progress())


def wait(directory: Path, progress: Progress) -> None:
    """Returns when spec.json is there, and starts the clock anew; raises when it is cancelled before."""
    while not _is_called(directory):
        progress.check()
        time.sleep(POLL_SECONDS)
    progress.started = time.monotonic()
