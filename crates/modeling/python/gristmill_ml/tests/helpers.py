"""What the tests share: datasets, and commands that run in this process on directories of their own."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill_ml.__main__ import COMMANDS
from gristmill_ml.progress import Progress
from gristmill_ml.spec import read_spec

ROOT = Path(__file__).resolve().parents[5]
SOURCE = Path(__file__).resolve().parents[1] / "src"
QUICK: dict[str, Any] = {"cv": None, "learningCurve": None, "onnx": False}


@cache
def dataset(name: str) -> tuple[pd.DataFrame, str]:
    """Returns a dataset with row ids, and its target."""
    if name == "penguins":
        frame = pd.read_csv(ROOT / "data" / "penguins" / "penguins.csv")
        target = "species"
    elif name == "mixed":
        frame, target = _mixed(5000), "churned"
    else:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        frame, target = bunch.frame.copy(), "target"
    frame.insert(0, "__row_id", np.arange(len(frame)))
    return frame, target


def _mixed(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(7)
    age = random.normal(40, 12, rows)
    spend = random.lognormal(3, 1, rows)
    plan = random.choice(["basic", "plus", "pro", "rare one"], rows, p=[0.5, 0.3, 0.1995, 0.0005])
    joined = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1500, rows), unit="D")
    member = random.choice([True, False, None], rows, p=[0.5, 0.4, 0.1])
    logit = 0.05 * (age - 40) + (plan == "pro") * 1.5 - (member == True) * 1.2 + random.normal(0, 0.5, rows)  # noqa: E712
    frame = pd.DataFrame(
        {
            "customer_id": random.permutation(rows) + 100_000,
            "email": [f"user{number}@example.org" for number in random.permutation(rows)],
            "age": np.where(random.random(rows) < 0.05, np.nan, age),
            "spend €": spend,
            "plan.name": pd.Series(plan, dtype=object).where(random.random(rows) > 0.03, None),
            "joined": joined,
            "last seen": [
                str(day + pd.Timedelta(hours=int(h)))
                for day, h in zip(joined, random.integers(0, 24, rows), strict=True)
            ],
            "member": member,
            "ratio": np.where(random.random(rows) < 0.01, np.inf, random.random(rows)),
            "constant": 3,
            "empty": np.full(rows, np.nan),
            "churned": logit > 0,
        }
    )
    return frame


def split(frame: pd.DataFrame, share: float = 0.25, seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns training rows and test rows."""
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = int(len(frame) * share)
    return frame.iloc[order[cut:]].reset_index(drop=True), frame.iloc[order[:cut]].reset_index(drop=True)


@dataclass
class Ran:
    """What a command left behind."""

    out: Path
    done: dict[str, Any]
    events: list[dict[str, Any]]

    def json(self, name: str) -> Any:
        """Reads a JSON file of the results, strictly."""
        return json.loads((self.out / name).read_text(), parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def run(command: str, directory: Path, spec: dict[str, Any], out: Path | None = None) -> Ran:
    """Runs a command in this process; MlError goes through."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "spec.json").write_text(json.dumps({"version": 1, "limits": {"cpus": 1}, **spec}))
    out = out or directory / "out"
    out.mkdir(parents=True, exist_ok=True)
    lines = io.StringIO()
    module, function = COMMANDS[command]
    progress = Progress(lines, directory / "cancel")
    done = getattr(import_module(module), function)(read_spec(directory), directory, out, progress)
    return Ran(out, done, [json.loads(line) for line in lines.getvalue().splitlines()])


def train(place: Path, frame: pd.DataFrame, template: str, target: str | None, **spec: Any) -> Ran:
    """Trains on these rows."""
    place.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(place / "train.parquet", index=False)
    return run("train", place, {"templateId": template, "target": target, **spec})


def predict(place: Path, model: Ran, frame: pd.DataFrame, **spec: Any) -> Ran:
    """Predicts with a trained model for features without labels."""
    place.mkdir(parents=True, exist_ok=True)
    for name in ("model.joblib", "signature.json"):
        shutil.copy(model.out / name, place / name)
    frame.to_parquet(place / "features.parquet", index=False)
    return run("predict", place, spec)


def score(place: Path, predictions: Path, labels: pd.DataFrame, **spec: Any) -> Ran:
    """Scores predictions against labels."""
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(predictions, place / "predictions.parquet")
    labels.to_parquet(place / "labels.parquet", index=False)
    return run("score", place, spec)


def whole(place: Path, name: str, template: str, target: Any = None, **spec: Any) -> tuple[Ran, Ran, Ran]:
    """Trains, predicts and scores on a split of a dataset."""
    frame, own = dataset(name)
    target = target or own
    frame = frame[frame[target].notna()]
    inside, outside = split(frame)
    model = train(place / "t", inside, template, target, **spec)
    features = outside.drop(columns=target)
    predicted = predict(place / "p", model, features)
    features.to_parquet(place / "features.parquet", index=False)
    scored_at = place / "s"
    scored_at.mkdir()
    features.to_parquet(scored_at / "features.parquet", index=False)
    shutil.copy(model.out / "report.json", scored_at / "report.json")
    scored = score(
        scored_at, predicted.out / "predictions.parquet", outside[["__row_id", target]], report="report.json"
    )
    return model, predicted, scored


def command(name: str, directory: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command as the server does, in a process of its own."""
    return subprocess.run(
        arguments(name, directory), capture_output=True, text=True, timeout=120, env=environment(), **options
    )


def arguments(name: str, directory: Path) -> list[str]:
    """Returns the command line."""
    return [sys.executable, "-m", "gristmill_ml", name, "--in", str(directory), "--out", str(directory / "out")]


def environment() -> dict[str, str]:
    """Returns an environment that finds the package."""
    return {**os.environ, "PYTHONPATH": str(SOURCE)}
